#!/usr/bin/env python3
"""Times sage4j on tensors in GPU memory beside PyTorch's attention on the same shapes; one merged record, one table.

usage: attention-bench.py OUT.json [--sage4j COMMAND] [--quick | --variants NAME,...]

COMMAND starts sage4j's command line (default ./sage4j); --quick takes few shapes; --variants takes these variants instead of
int8-fp8-sm90, beside each other and cuDNN only, at few shapes. B=4, H=32, FP16, N(0,1). sage4j: `bench attention --backend cuda --on-gpu`, the
whole call from FP16 on, as a graph and its steps one by one, and the attention step alone; PyTorch: scaled_dot_product_attention with
cuDNN and with FlashAttention, and SageAttention's own call and its kernel alone where it is installed. Needs PyTorch.

Both sides are timed alike: the GPU rests, as it clocks lower for a while after work, then 5 runs warm up and 20 follow one right behind
the other; the median of the GPU's time. PyTorch's are timed before sage4j's process and after it, shapes of one head_dim and mask at a time,
and the mean of both medians counts, so that a GPU that grows warmer favours nobody; `cudnn_ms` has the two.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import gpu_median
import gpu_record

BATCH, HEADS = 4, 32
FULL = [(128, "none", [1024, 2048, 4096, 8192, 32768]), (128, "top-left", [1024, 4096, 32768]),
        (64, "none", [1024, 4096, 32768]), (64, "top-left", [4096])]
QUICK = [(128, "none", [1024, 4096]), (64, "top-left", [4096])]
BESIDE = [(128, "none", [4096, 8192]), (64, "none", [8192])]
VARIANT = "int8-fp8-sm90"
ATTENTION = ("attend", "attend-parts", "join-parts")
# As io.sage4j.bench.GpuBench.
WARMUP, RUNS = 5, 20


def rested(f):
    return gpu_median.rested(f, RUNS, WARMUP)


def ours(command, variant, dim, causal, lengths):
    shapes = ",".join(f"{BATCH}x{HEADS}x{n}x{dim}" for n in lengths)
    with tempfile.TemporaryDirectory() as folder:
        record = os.path.join(folder, "record.json")
        subprocess.run(shlex.split(command) + ["bench", "attention", "--backend", "cuda", "--on-gpu", "--variant", variant,
                                               "--causal", causal, "--shape", shapes, "--runs", str(RUNS), "--record", record, "--quiet"],
                       check=True, stdout=sys.stderr)
        with open(record) as f:
            return json.load(f)


def peers(dim, causal, n, all_of_them):
    q, k, v = (torch.randn(BATCH, HEADS, n, dim, device="cuda", dtype=torch.half) for _ in range(3))
    times = {}
    for name, backend in [("cudnn", SDPBackend.CUDNN_ATTENTION), ("flash", SDPBackend.FLASH_ATTENTION)]:
        if name == "flash" and (n > 8192 or not all_of_them):
            continue
        with sdpa_kernel(backend):
            times[name] = rested(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=causal))
    if all_of_them:
        times.update(upstream(q, k, v, causal))
    del q, k, v
    torch.cuda.empty_cache()
    return times


def upstream(q, k, v, causal):
    """SageAttention's whole call and its kernel alone, where it is installed; and how far its output is from cuDNN's."""
    try:
        from sageattention import core
    except ImportError:
        return {}
    call = lambda: core.sageattn_qk_int8_pv_fp8_cuda_sm90(q, k, v, is_causal=causal)
    part = slice(0, 1), slice(0, 2)
    with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
        exact = F.scaled_dot_product_attention(*(t[part] for t in (q, k, v)), is_causal=causal).float()
    l1 = float((call()[part].float() - exact).abs().sum() / exact.abs().sum())
    if not l1 < 0.1:
        raise ValueError(f"SageAttention's output is wrong: relative L1 {l1}")
    codes = core.per_thread_int8_triton(q, k, k.mean(dim=2, keepdim=True), tensor_layout="HND", BLKQ=64, WARPQ=16, BLKK=128, WARPK=128)
    v_codes, v_scale, _ = core.per_channel_fp8(v, tensor_layout="HND", smooth_v=False)
    out = torch.empty_like(q)
    kernel = lambda: core.sm90_compile.qk_int8_sv_f8_accum_f32_fuse_v_scale_attn_inst_buf(
        codes[0], codes[2], v_codes, out, codes[1], codes[3], v_scale, 1, int(causal), 3, q.shape[-1] ** -0.5, 0)
    return {"sageattention": rested(call), "sageattention_kernel": rested(kernel), "sageattention_l1": l1}


def row(variant, dim, causal, n, m, before, after):
    """A measurement m of ours beside peers' times before and after it."""
    peers_ms = {name: (before[name] + after[name]) / 2 for name in before}
    steps = dict(m["stepMedianMs"])
    whole, plain = m["times"]["medianMs"], steps.pop("one by one")
    attend = sum(ms for step, ms in steps.items() if step in ATTENTION)
    flops = 4 * BATCH * HEADS * dim * n * n / (1 if causal == "none" else 2)
    return dict(variant=variant, head_dim=dim, causal=causal, tokens=n, ms=whole, one_by_one_ms=plain, attend_ms=attend, peers_ms=peers_ms,
                cudnn_ms=[before["cudnn"], after["cudnn"]], ratio=peers_ms["cudnn"] / whole, attend_ratio=peers_ms["cudnn"] / attend,
                tops=flops / attend * 1e-9, l1=m["accuracy"][0]["metrics"]["relativeL1"], host_us=m["hostMicros"], steps_ms=steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--sage4j", default="./sage4j")
    shorter = parser.add_mutually_exclusive_group()
    shorter.add_argument("--quick", action="store_true")
    shorter.add_argument("--variants")
    arguments = parser.parse_args()
    variants = arguments.variants.split(",") if arguments.variants else [VARIANT]
    shapes = QUICK if arguments.quick else BESIDE if arguments.variants else FULL
    of_peers = lambda: {n: peers(dim, causal != "none", n, not arguments.variants) for n in lengths}
    rows, records = [], []
    for dim, causal, lengths in shapes:
        before = of_peers()
        of_group = {variant: ours(arguments.sage4j, variant, dim, causal, lengths) for variant in variants}
        after = of_peers()
        records += of_group.values()
        for variant, record in of_group.items():
            rows += [row(variant, dim, causal, n, m, before[n], after[n]) for n, m in zip(lengths, record["measurements"])]
    merged = dict(what=f"{', '.join(variants)} on tensors in GPU memory beside PyTorch; B={BATCH}, H={HEADS}, FP16, N(0,1); ratio: cuDNN's time"
                       " over ours", machine=gpu_record.machine(), torch=torch.__version__, command="scripts/attention-bench.py " + " ".join(sys.argv[1:]),
                  date=records[0]["date"], commit=records[0]["commit"], rows=rows)
    gpu_record.write(arguments.out, merged)
    print("| head_dim, mask | tokens | variant | ms | one by one | cuDNN ms | ratio | attention ms | ratio | TOPS | rel. L1 | start us |")
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for r in rows:
        mask = "full" if r["causal"] == "none" else "causal"
        print(f"| {r['head_dim']} {mask} | {r['tokens']} | {r['variant']} | {r['ms']:.3f} | {r['one_by_one_ms']:.3f} |"
              f" {r['peers_ms']['cudnn']:.3f} | {r['ratio']:.2f} | {r['attend_ms']:.3f} | {r['attend_ratio']:.2f} | {r['tops']:.0f} |"
              f" {r['l1']:.4f} | {r['host_us']['prepared']:.1f} |")


if __name__ == "__main__":
    main()
