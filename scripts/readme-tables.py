#!/usr/bin/env python3
"""Makes the tables of README.md's section on the Hopper kernel, of docs/gpu-tensors.md and of docs/hopper-kernel.md from the records in
results/gpu.

usage: readme-tables.py
"""
import json
import os

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
CALLS = "results/gpu/sage-h100.json"
VARIANTS = "results/gpu/hopper-variants-h100.json"
ALONE = "results/gpu/wgmma-h100.json"
KERNELS = {"f32": "int8-fp8-sm90", "fast": "int8-fp8-sm90-fast", "f16": "int8-fp8-sm90-f16acc", "pv16": "int8-fp16-sm90"}
MASK = {"none": "full", "top-left": "causal", "bottom-right": "causal, bottom right"}


def table(record):
    yield "| head_dim, mask | tokens | ms | one by one | cuDNN ms | ratio | attention ms | ratio | TOPS | rel. L1 |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for r in record["rows"]:
        yield (f"| {r['head_dim']} {MASK[r['causal']]} | {r['tokens']} | {r['ms']:.3f} | {r['one_by_one_ms']:.3f} |"
               f" {r['peers_ms']['cudnn']:.3f} | {r['ratio']:.2f} | {r['attend_ms']:.3f} | {r['attend_ratio']:.2f} |"
               f" {r['tops']:.0f} | {r['l1']:.4f} |")


def variants(record):
    yield "| head_dim, mask | tokens | variant | ms | ratio | attention ms | ratio | TOPS | rel. L1 |"
    yield "|---|---:|---|---:|---:|---:|---:|---:|---:|"
    order = []
    for r in record["rows"]:
        shape = (r["head_dim"], r["causal"], r["tokens"])
        if shape not in order:
            order.append(shape)
    for r in sorted(record["rows"], key=lambda r: order.index((r["head_dim"], r["causal"], r["tokens"]))):
        yield (f"| {r['head_dim']} {MASK[r['causal']]} | {r['tokens']} | `{r['variant']}` | {r['ms']:.3f} | {r['ratio']:.2f} |"
               f" {r['attend_ms']:.3f} | {r['attend_ratio']:.2f} | {r['tops']:.0f} | {r['l1']:.4f} |")


def kernels(record):
    yield "| head_dim, mask | tokens | variant | ms | TOPS | cuDNN TFLOP/s | ratio | rel. L1 |"
    yield "|---|---:|---|---:|---:|---:|---:|---:|"
    for r in record["timings"]:
        yield (f"| {r['head_dim']} {'causal' if r['causal'] else 'full'} | {r['n']} | `{KERNELS[r['sums']]}` | {r['ms']:.3f} |"
               f" {r['tops']:.0f} | {r['cudnn_tflops']:.0f} | {r['ratio']:.2f} | {r['l1']:.4f} |")


def read(record):
    with open(os.path.join(ROOT, record)) as f:
        return json.load(f)


def replace(path, rows):
    with open(path) as f:
        text = f.read()
    start = text.index(rows[0])
    end = start
    while text[end:end + 1] == "|":
        end = text.index("\n", end) + 1
    with open(path + ".part", "w") as f:
        f.write(text[:start] + "\n".join(rows) + "\n" + text[end:])
    os.replace(path + ".part", path)


def main():
    rows = list(table(read(CALLS)))
    for document in ("README.md", "docs/gpu-tensors.md"):
        replace(os.path.join(ROOT, document), rows)
    replace(os.path.join(ROOT, "README.md"), list(variants(read(VARIANTS))))
    replace(os.path.join(ROOT, "docs/hopper-kernel.md"), list(kernels(read(ALONE))))


if __name__ == "__main__":
    main()
