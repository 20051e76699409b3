#!/usr/bin/env python3
"""The ladder of Java kernels on TornadoVM's backends: `sage4j bench ladder` in a process for each backend, variant and head_dim.

They compile side by side and are timed in turn, alone on the GPU, and so is PyTorch's attention (cuDNN's), if it is there. One record
for each backend: FOLDER/tornado-ladder-BACKEND-h100.json.

usage: tornado-ladder.py --out FOLDER [--start COMMAND] [--backends cuda,ptx] [--processes N] [--limit SECONDS] ...
"""
import argparse
import concurrent.futures
import fcntl
import json
import os
import shlex
import subprocess
import tempfile
import time

import gpu_record

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
VARIANTS = {
    "cuda": "mma-fp8,mma-fp16,flash,int8-fp8-sm90,int8-fp8,int8-fp16,naive,tiled",
    "ptx": "mma-fp16,flash,int8-fp8-sm90,int8-fp8,int8-fp16,naive,tiled",
}


def ladder(arguments, backend, variant, dim, folder):
    """One process; what it measured, and None or why it ended."""
    name = f"{backend}-{variant}-{dim}"
    target = os.path.join(folder, name + ".json")
    command = shlex.split(arguments.start.replace("BACKEND", backend)) + [
        "bench", "ladder", "--backend", "tornado:" + backend, "--variants", variant, "--head-dims", str(dim),
        "--tokens", arguments.tokens, "--runs", str(arguments.runs), "--record", target, "--turns", os.path.join(folder, "turns")]
    began = time.time()
    environment = dict(os.environ, TVM_BACKENDS=backend)
    with open(os.path.join(arguments.out, "ladder.log"), "a") as log:
        try:
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                  timeout=arguments.limit - (began - arguments.began))
            why, text = (f"exit status {done.returncode}" if done.returncode else None), done.stdout
        except subprocess.TimeoutExpired as e:
            why, text = "out of time", (e.stdout or b"").decode(errors="replace")
        log.write(f"== {name}: {time.time() - began:.0f} s, {why or 'done'}\n{text}\n")
    try:
        with open(target) as f:
            return json.load(f), why
    except OSError:
        return None, why or "no record"


def peers(arguments, turns):
    """PyTorch's attention by cuDNN, median of as many runs after a rest, in the same turns."""
    try:
        import torch
        from torch.nn.attention import SDPBackend, sdpa_kernel

        import gpu_median
    except ImportError:
        return []
    rows = []
    for dim in arguments.dims:
        for tokens in map(int, arguments.tokens.split(",")):
            batch = 4 if tokens < 16384 else 1
            q, k, v = (torch.randn(batch, 32, tokens, dim, device="cuda", dtype=torch.float16) for _ in range(3))
            with open(turns, "w") as f, sdpa_kernel([SDPBackend.CUDNN_ATTENTION]):
                fcntl.lockf(f, fcntl.LOCK_EX)
                attend = lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v)
                o = attend()
                ms = gpu_median.rested(attend, arguments.runs, 5)
            exact = torch.softmax(q[0, 0, :64].float() @ k[0, 0].float().T / dim ** 0.5, -1) @ v[0, 0].float()
            error = ((o[0, 0, :64].float() - exact).abs().sum() / exact.abs().sum()).item()
            rows.append({"peer": "PyTorch " + torch.__version__ + ", cuDNN", "shape": [batch, 32, tokens, dim], "ms": round(ms, 4),
                         "tflops": round(4 * batch * 32 * dim * tokens ** 2 / ms / 1e9, 1), "l1": error})
            del q, k, v, o, exact
            torch.cuda.empty_cache()
    return rows


def joined(parts, backend, arguments, beside):
    """One record from those of the processes, in the order in which they were asked for."""
    found = [(part, why) for part, why in parts if part]
    if not found:
        raise SystemExit(f"tornado-ladder: nothing was measured on {backend}: " + "; ".join(str(why) for _, why in parts))
    whole = found[0][0]
    whole["bench"]["command"] = ["scripts/tornado-ladder.py"] + arguments.told
    whole["bench"]["measurements"] = [m for part, _ in found for m in part["bench"]["measurements"]]
    whole["bench"]["machine"]["cores"] = os.cpu_count()  # a process may have been told fewer
    whole["failures"] = [f for part, _ in found for f in part["failures"]]
    if beside:
        whole["peers"] = beside
    return whole


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder of the records and the log")
    parser.add_argument("--start", default=os.path.join(ROOT, "sage4j"), help="how to start sage4j; BACKEND in it becomes the backend")
    parser.add_argument("--backends", default="cuda,ptx")
    parser.add_argument("--variants", help="instead of all rungs of a backend")
    parser.add_argument("--dims", default="64,128", type=lambda text: [int(d) for d in text.split(",")])
    parser.add_argument("--tokens", default="1024,4096,16384")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--processes", type=int, default=max(1, (os.cpu_count() or 2) - 2), help="side by side")
    parser.add_argument("--limit", type=float, default=540, help="seconds, after which what still runs is ended")
    arguments = parser.parse_args()
    arguments.began = time.time()
    arguments.told = [f"--backends {arguments.backends}", f"--tokens {arguments.tokens}", f"--runs {arguments.runs}"]
    os.makedirs(arguments.out, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(arguments.processes) as pool:
        jobs = {backend: [pool.submit(ladder, arguments, backend, variant, dim, folder)
                          for variant in (arguments.variants or VARIANTS[backend]).split(",") for dim in arguments.dims]
                for backend in arguments.backends.split(",")}
        beside = peers(arguments, os.path.join(folder, "turns"))
        for backend, of in jobs.items():
            parts = [job.result() for job in of]
            for number, (_, why) in enumerate(parts):
                if why:
                    print(f"{backend}, process {number}: {why}")
            gpu_record.write(os.path.join(arguments.out, f"tornado-ladder-{backend}-h100.json"), joined(parts, backend, arguments, beside))


if __name__ == "__main__":
    main()
