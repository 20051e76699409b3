#!/usr/bin/env python3
"""Times the native mma.sync attention kernels on a GPU machine, kernel alone, and upstream's sm89 kernel beside them if it was built.

usage: mma-time.py PTX_DIR OUT.json [--upstream CUBIN] [--beside PTX_DIR] [--lengths 1024,4096,16384] [--commit COMMIT]
       mma-time.py PTX_DIR --once      (starts each kernel once, on few and ragged tokens: for compute-sanitizer)

PTX_DIR holds VARIANT_d{64|96|128}[_causal].ptx; scripts/mma-ptx.sh makes them. A .cubin beside a .ptx is loaded in its place. Kernels
of a second folder (--beside) are timed in turns with those of the first. CUBIN holds instances of SageAttention's
qk_int_sv_f8_attn_kernel<128, 64, 32, 64, D, kInt8, kPerThread, kPerThread, float, true, half, kCudaCore, MASK, false, true, false, true>
(two-level FP16 sums, fused V scale) built for this GPU. Both read the same codes and scales, B = 4, H = 32, random and of the sizes that
real ones have; V's tiles are the same keys in the same order, laid out as each kernel wants them. The outputs are compared with each
other, and with FP32 attention of the dequantized codes on one head. Times are medians of event-timed launches, 4*B*H*N*N*D operations.
Needs PyTorch and CuPy.
"""
import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys

import cupy
import numpy as np
import torch

KEY_AT = [0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15]
UPSTREAM = (
    "_Z24qk_int_sv_f8_attn_kernelILj128ELj64ELj32ELj64ELj{dim}EL8DataType1EL16QuantGranularity3ELS1_3EfLb1E6__halfL11ComputeUnit1E"
    "L8MaskMode{mask}ELb0ELb1ELb0ELb1EEvPaS5_S5_PT9_PfS8_S8_S8_S8_jjjjjjjjjjjjjjjf"
)
VARIANTS = ("int8-fp8-f16acc", "int8-fp8", "int8-fp16", "int8-fp16-f16f32", "int4-fp8-f16acc", "int4-fp8")
LOG2E = 1.4426950408889634


def timed(launches, runs):
    """Median ms of each launch, all of them in turns."""
    times = [[] for _ in launches]
    for run in range(runs + 1):
        for launch, ms in zip(launches, times):
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            launch()
            end.record()
            end.synchronize()
            if run > 0:
                ms.append(start.elapsed_time(end))
    return [statistics.median(ms) for ms in times]


def module(ptx):
    cubin = os.path.splitext(ptx)[0] + ".cubin"
    return cupy.RawModule(path=cubin if os.path.exists(cubin) else ptx)


class Case:
    """Codes and scales of one shape."""

    def __init__(self, batch, heads, n, dim, causal):
        torch.manual_seed(n + dim)
        self.batch, self.heads, self.n, self.dim, self.causal = batch, heads, n, dim, causal
        bh = batch * heads
        self.q = torch.randint(-95, 96, (bh, n, dim), dtype=torch.int8, device="cuda")
        self.k = torch.randint(-95, 96, (bh, n, dim), dtype=torch.int8, device="cuda")
        self.qs = torch.rand(bh, n // 128 * 4 * 8, device="cuda") * 0.01 + 0.02
        self.ks = torch.rand(bh, n // 64 * 4, device="cuda") * 0.01 + 0.02
        self.v8 = torch.randn(bh, dim, n, device="cuda").clamp(-2.25, 2.25).to(torch.float8_e4m3fn).view(torch.uint8)
        self.v16 = torch.randn(bh, dim, n, device="cuda", dtype=torch.float16)
        self.vs = torch.rand(bh, dim, device="cuda") + 0.5
        self.ds = torch.randn(bh, n // 128, n, device="cuda")
        self.sm_scale = dim**-0.5
        self.stream = cupy.cuda.ExternalStream(torch.cuda.current_stream().cuda_stream)

    def tiles(self, v):
        """[head][tile][channel][64 positions] from [head][channel][position]."""
        return v.reshape(v.shape[0], self.dim, self.n // 64, 64).transpose(1, 2).contiguous()

    def out(self):
        return torch.full((self.batch, self.heads, self.n, self.dim), float("nan"), dtype=torch.float16, device="cuda")

    def ours(self, ptx, variant, qo_len=None, kv_len=None):
        """A launch and its output; fewer tokens than the case has leave the rest of the operands unread."""
        fp8 = "-fp8" in variant
        kernel = module(ptx).get_function("sage_mma_attention")
        text = open(ptx).read()
        rows, keys = 128, 64
        int4 = variant.startswith("int4")
        # Kernels for GPUs without INT4 have its codes a byte each.
        packed = ".s4.s4." in text
        q, k = (self.q // 14, self.k // 14) if int4 else (self.q, self.k)
        if packed:
            q, k = ((x[..., ::2] & 15) | (x[..., 1::2] << 4) for x in (q, k))
        v = self.tiles(self.v8 if fp8 else self.v16)
        shared = (rows + 2 * keys) * self.dim // (2 if packed else 1) + 2 * keys * self.dim * (1 if fp8 else 2) + (512 if int4 else 0)
        kernel.max_dynamic_shared_size_bytes = shared
        out = self.out()
        n, dim = self.n, self.dim
        args = [q.data_ptr(), k.data_ptr(), v.data_ptr(), self.qs.data_ptr(), self.ks.data_ptr()]
        args += [self.vs.data_ptr()] if fp8 else []
        args += [self.ds.data_ptr()] if int4 else []
        args += [out.data_ptr(), self.heads * n * dim, n * dim, dim]
        args = [np.uint64(a) for a in args]
        args += [np.uint32(qo_len or n), np.uint32(kv_len or n), np.uint32(self.heads), np.uint32(1), np.uint32(dim)]
        args += [np.int32(0)] if self.causal else []
        args += [np.float32(self.sm_scale * LOG2E)]
        grid = (n // 128, self.heads, self.batch)
        block = (int(re.search(r"\.(?:max|req)ntid (\d+)", text).group(1)),)

        def launch():
            with self.stream:
                kernel(grid, block, tuple(args), shared_mem=shared)

        launch.keep = (q, k, v)
        return launch, out

    def upstream(self, cubin):
        name = UPSTREAM.format(dim=self.dim, mask=1 if self.causal else 0)
        kernel = cupy.RawModule(path=cubin).get_function(name)
        shared = max(256 * self.dim, 128 * self.dim * 2)
        kernel.max_dynamic_shared_size_bytes = shared
        out = self.out()
        n, dim, h = self.n, self.dim, self.heads
        pointers = [self.q, self.k, self.v8, out, None, self.qs, self.ks, self.vs, None]
        args = [np.uint64(p.data_ptr() if p is not None else 0) for p in pointers]
        args += [np.uint32(x) for x in (n, n, 1)]
        args += [np.uint32(x) for x in (h * n * dim, dim, n * dim) * 2]
        args += [np.uint32(x) for x in (h * dim * n, dim * n, n)]
        args += [np.uint32(x) for x in (h * n * dim, dim, n * dim)]
        args += [np.float32(self.sm_scale)]

        def launch():
            with self.stream:
                kernel((n // 128, h, self.batch), (32, 4), tuple(args), shared_mem=shared)

        return launch, out

    def exact(self):
        """Head 0 of batch 0 in FP32 from the codes, FP8 PV, up to 4096 tokens."""
        row = torch.arange(self.n, device="cuda")
        qs = self.qs[0][row // 32 * 8 + row % 8]
        ks = self.ks[0][row // 64 * 4 + row % 8 // 2]
        s = (self.q[0].float() @ self.k[0].float().T) * qs[:, None] * ks[None, :] * self.sm_scale
        if self.causal:
            s = s.masked_fill(row[None, :] > row[:, None], float("-inf"))
        order = torch.tensor([(p & ~15) + KEY_AT[p & 15] for p in range(self.n)], device="cuda")
        v = torch.empty(self.dim, self.n, device="cuda")
        v[:, order] = self.v8[0].view(torch.float8_e4m3fn).float()
        return (torch.softmax(s, -1) @ v.T) * self.vs[0]


def relative_l1(a, b):
    return ((a.float() - b.float()).abs().sum() / b.float().abs().sum()).item()


def kernels(folder, dim, causal):
    """Variants that the folder has for a head_dim and a mask, and their files."""
    for variant in VARIANTS:
        file = os.path.join(folder, f"{variant}_d{dim}{'_causal' if causal else ''}.ptx")
        if os.path.exists(file):
            yield variant, file


def once(folder):
    for dim in (128, 96, 64):
        for causal in (False, True):
            case = Case(1, 2, 256, dim, causal)
            for variant, file in kernels(folder, dim, causal):
                launch, out = case.ours(file, variant, qo_len=150, kv_len=200)
                launch()
                written = ~torch.isnan(out)
                assert written[:, :, :150].all() and not written[:, :, 150:].any()
                print(os.path.basename(file), "started")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ptx")
    parser.add_argument("out", nargs="?")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--upstream")
    parser.add_argument("--beside")
    parser.add_argument("--lengths", default="1024,4096,16384")
    parser.add_argument("--commit", help="of the source that made PTX_DIR, for the record")
    args = parser.parse_args()
    if args.once:
        return once(args.ptx)
    torch.backends.cuda.matmul.allow_tf32 = False
    smi = ["nvidia-smi", "--query-gpu=name,driver_version,clocks.sm", "--format=csv,noheader"]
    command = "scripts/mma-time.py " + " ".join(sys.argv[1:])
    record = {"commit": args.commit, "command": command, "gpu": subprocess.run(smi, capture_output=True, text=True).stdout.strip(), "torch": torch.__version__, "rows": []}
    print(record["gpu"])
    for dim in (128, 64):
        for causal in (False, True):
            for n in map(int, args.lengths.split(",")):
                case = Case(4, 32, n, dim, causal)
                ops = 4 * 4 * 32 * n * n * dim / (2 if causal else 1)
                runs = {}
                for variant, file in kernels(args.ptx, dim, causal):
                    runs[variant] = case.ours(file, variant)
                for variant, file in kernels(args.beside, dim, causal) if args.beside else ():
                    runs[variant + " beside"] = case.ours(file, variant)
                if not runs:
                    continue
                if args.upstream:
                    runs["upstream sm89 f16"] = case.upstream(args.upstream)
                row = {"dim": dim, "causal": causal, "tokens": n, "ms": {}, "tops": {}}
                for name, ms in zip(runs, timed([launch for launch, _ in runs.values()], 21)):
                    row["ms"][name] = round(ms, 4)
                    row["tops"][name] = round(ops / ms * 1e-9, 1)
                if n <= 4096:
                    exact = case.exact()
                    row["relative_l1_of_a_head"] = {
                        name: round(relative_l1(out[0, 0], exact), 5) for name, (_, out) in runs.items() if name.startswith(("int8-fp8", "up"))
                    }
                if {"upstream sm89 f16", "int8-fp8-f16acc"} <= runs.keys():
                    row["ours_to_upstream"] = round(row["tops"]["int8-fp8-f16acc"] / row["tops"]["upstream sm89 f16"], 3)
                    row["difference"] = round(relative_l1(runs["int8-fp8-f16acc"][1], runs["upstream sm89 f16"][1]), 6)
                assert not any(math.isnan(o.float().sum().item()) for _, o in runs.values())
                record["rows"].append(row)
                print(json.dumps(row))
    with open(args.out, "w") as f:
        json.dump(record, f, indent=1)


main()
