#!/usr/bin/env python3
"""Times the Hopper attention kernel alone, from codes and with Q quantized inside, in turns with PyTorch's cuDNN attention.

usage: wgmma-beside.py PTX_DIR OUT.json [--commit COMMIT]

PTX_DIR as scripts/wgmma-ptx.sh makes it, of COMMIT (default: the checkout's). B=4, H=32, FP16, N(0,1), causal alignment top left; each is timed three times, the three after each
other, after a rest of 0.3 s. The kernel's outputs are checked by scripts/wgmma-check.py. Needs PyTorch and CuPy.
"""
import argparse
import importlib

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import gpu_record
from gpu_median import rested

check = importlib.import_module("wgmma-check")

SHAPES = [(128, False, 1024), (128, False, 2048), (128, False, 4096), (128, False, 8192), (128, False, 32768), (128, True, 4096),
          (64, False, 4096), (64, False, 8192), (64, False, 32768)]
BATCH, HEADS, ROUNDS = 4, 32, 3


def row(folder, dim, causal, n):
    torch.manual_seed(n)
    q, k, v = (torch.randn(BATCH, HEADS, n, dim, device="cuda", dtype=torch.half) for _ in range(3))
    parts = [check.quantize(q[i:i + 1], k[i:i + 1], v[i:i + 1], 448.0) for i in range(BATCH)]
    ops = {name: torch.cat([p[name] for p in parts]).contiguous() for name in ("q", "k", "v", "qs", "ks", "vs")}
    del parts
    out = torch.empty_like(q)
    kernels = {name: check.Kernel(folder, "f32", dim, causal, False, 8, name == "inside") for name in ("codes", "inside")}

    def start(name):
        if name == "cudnn":
            with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
                F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        else:
            given = dict(ops, raw=q) if name == "inside" else ops
            kernels[name].launch(given, out, None, HEADS, n, n, 0, dim ** -0.5)

    work = 4 * BATCH * HEADS * dim * n * n / (2 if causal else 1)
    tops = {name: [] for name in ("codes", "inside", "cudnn")}
    for _ in range(ROUNDS):
        for name in tops:
            tops[name].append(round(work / rested(lambda: start(name)) * 1e-9, 1))
    mean = {name: sum(of) / ROUNDS for name, of in tops.items()}
    return dict(head_dim=dim, causal=causal, tokens=n, tops=tops, codes_ratio=round(mean["codes"] / mean["cudnn"], 3),
                inside_ratio=round(mean["inside"] / mean["cudnn"], 3))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="PTX_DIR")
    parser.add_argument("out", metavar="OUT.json")
    parser.add_argument("--commit")
    arguments = parser.parse_args()
    rows = []
    for shape in SHAPES:
        rows.append(row(arguments.folder, *shape))
        print(rows[-1], flush=True)
        torch.cuda.empty_cache()
    record = dict(what="int8-fp8-sm90, attention kernel alone, beside PyTorch's cuDNN; TOPS, each of three medians of 21", machine=gpu_record.machine(),
                  torch=torch.__version__, command="scripts/wgmma-beside.py PTX_DIR OUT.json", commit=gpu_record.commit(arguments.commit),
                  date=gpu_record.now(), rows=rows)
    gpu_record.write(arguments.out, record)


if __name__ == "__main__":
    main()
