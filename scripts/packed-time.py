#!/usr/bin/env python3
"""Times packed sequences (Sage.enqueuePacked) beside a batch of the same size, an earlier sage4j, and PyTorch.

usage: packed-time.py OUT.json [--java JAVA] [--jars FOLDER] [--before CLASS_PATH --before-commit COMMIT] [--commit COMMIT]

FOLDER holds sage4j's jars and lib/, or classes; CLASS_PATH is that of an earlier sage4j with io.sage4j.bench.PackedBench. FP16, N(0,1), [tokens, heads,
head_dim], variant int8-fp8-sm90. sage4j: io.sage4j.bench.PackedBench, medians of 20 runs one right behind the other, of the stream's time for each and of
the host's; the batch by Sage.enqueue. PyTorch, the same by events: a loop of scaled_dot_product_attention with cuDNN over the sequences, torch.nested
(jagged) through it with FlashAttention, and torch.nn.attention.varlen, where they are there.
"""
import argparse
import glob
import json
import os
import random
import subprocess

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import gpu_median
import gpu_record
import sage4j_jars

RUNS = 20
VARIANT = "int8-fp8-sm90"


def mixed(total, seed=3):
    """Lengths log-uniform in 32 to 8192, with so many tokens together."""
    draw = random.Random(seed)
    lengths = []
    while sum(lengths) < total:
        lengths.append(min(int(round(2 ** draw.uniform(5, 13))), total - sum(lengths)))
    return lengths


LENGTHS = {"64 x 512": ([512] * 64, None), "256 x 128": ([128] * 256, None), "16 x 2048": ([2048] * 16, None), "32 to 8192": (mixed(32768), None)}
# Few rows or few sequences: queries, keys.
FEW = {"64 x 1 of 4096": ([1] * 64, [4096] * 64), "8 x 1 of 16384": ([1] * 8, [16384] * 8), "4 x 16 of 8192": ([16] * 4, [8192] * 4), "3 x 300": ([300] * 3, None)}
# Heads, key/value heads, head_dim, mask.
KINDS = [(16, 16, 128, "none"), (32, 32, 128, "none"), (16, 16, 64, "none"), (32, 32, 64, "none"), (32, 8, 128, "bottom-right")]


def calls():
    for kind in KINDS:
        for name, (q, k) in LENGTHS.items():
            yield name, kind, q, k or q
    for name, (q, k) in FEW.items():
        yield name, (32, 8, 128, "none"), q, k or q


def text(kind, q, k):
    return "/".join(map(str, kind)) + f"/{RUNS}/" + ",".join(f"{a}:{b}" for a, b in zip(q, k))


def ours(java, class_path):
    """PackedBench's lines by call."""
    wanted = [text(kind, q, k) for _, kind, q, k in calls()]
    command = [java, "--enable-native-access=ALL-UNNAMED", "-cp", class_path, "io.sage4j.bench.PackedBench", VARIANT, *wanted]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout.splitlines()
    return {found["call"]: found for found in map(json.loads, lines)}


def peers(kind, q_lengths, k_lengths):
    heads, kv_heads, dim, mask = kind
    causal = mask != "none"
    make = lambda lengths, h: torch.randn(sum(lengths), h, dim, device="cuda", dtype=torch.half)
    q, k, v = make(q_lengths, heads), make(k_lengths, kv_heads), make(k_lengths, kv_heads)
    split = lambda t, lengths: [part.transpose(0, 1)[None] for part in t.split(lengths)]
    parts = list(zip(split(q, q_lengths), split(k, k_lengths), split(v, k_lengths)))
    starts = lambda lengths: torch.tensor([0, *lengths], device="cuda").cumsum(0).to(torch.int32)
    q_starts, k_starts = starts(q_lengths), starts(k_lengths)

    def loop():
        with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
            for a, b, c in parts:
                F.scaled_dot_product_attention(a, b, c, is_causal=causal, enable_gqa=heads != kv_heads)

    def nested():
        jagged = lambda t, s: torch.nested.nested_tensor_from_jagged(t, s).transpose(1, 2)
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            F.scaled_dot_product_attention(jagged(q, q_starts), jagged(k, k_starts), jagged(v, k_starts), is_causal=causal)

    def varlen():
        from torch.nn.attention.varlen import varlen_attn
        window = dict(window_size=(-1, 0)) if causal else {}
        more = dict(enable_gqa=True) if heads != kv_heads else {}
        varlen_attn(q, k, v, q_starts, k_starts, max(q_lengths), max(k_lengths), **window, **more)

    found = {}
    for name, run in (("cudnn_loop", loop), ("nested", nested), ("varlen", varlen)):
        try:
            run()
            found[name + "_ms"] = round(gpu_median.median(run, RUNS, 3), 4)
        except Exception as e:  # what this PyTorch has not is told, not timed
            found[name + "_not"] = str(e).splitlines()[0][:160]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT.json")
    sage4j_jars.options(parser)
    parser.add_argument("--before")
    parser.add_argument("--before-commit")
    parser.add_argument("--commit")
    arguments = parser.parse_args()
    here = arguments.jars if glob.glob(os.path.join(arguments.jars, "io")) else sage4j_jars.class_path(parser, arguments)
    now = ours(arguments.java, here)
    before = ours(arguments.java, arguments.before) if arguments.before else {}
    rows = []
    for name, kind, q, k in calls():
        found, earlier = now[text(kind, q, k)], before.get(text(kind, q, k))
        row = dict(lengths=name, heads=kind[0], kv_heads=kind[1], head_dim=kind[2], mask=kind[3], sequences=len(q), packed_ms=found["packed_ms"],
                   host_us=found["host_us"], batch_ms=found["batch_ms"], l1_from_alone=found["l1_from_alone"],
                   before_ms=earlier and earlier["packed_ms"], before_host_us=earlier and earlier["host_us"], **peers(kind, q, k))
        rows.append(row)
        print(row, flush=True)
    record = dict(what=f"packed sequences, {VARIANT}, FP16: medians of {RUNS} calls one right behind the other; batch: Sage.enqueue of as many equal ones",
                  machine=gpu_record.machine(), pytorch=torch.__version__, command="scripts/packed-time.py OUT.json --before CLASS_PATH",
                  commit=gpu_record.commit(arguments.commit), before=arguments.before_commit, date=gpu_record.now(), mixed_lengths=mixed(32768), rows=rows)
    gpu_record.write(arguments.out, record)


if __name__ == "__main__":
    main()
