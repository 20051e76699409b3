#!/usr/bin/env python3
"""Makes the tables of README.md's section on the Hopper kernel, and that of docs/gpu-tensors.md, from the records in results/gpu.

usage: readme-tables.py
"""
import json
import os

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
CALLS = "results/gpu/sage-h100.json"
VARIANTS = "results/gpu/hopper-variants-h100.json"
NAMED = ("int8-fp8-sm90", "int8-fp8-sm90-fast", "int8-fp16-sm90")
MASK = {"none": "full", "top-left": "causal", "bottom-right": "causal, bottom right"}


def table(record):
    yield "| head_dim, mask | tokens | ms | one by one | cuDNN ms | ratio | attention ms | ratio | TOPS | rel. L1 |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for r in record["rows"]:
        yield (f"| {r['head_dim']} {MASK[r['causal']]} | {r['tokens']} | {r['ms']:.3f} | {r['one_by_one_ms']:.3f} |"
               f" {r['peers_ms']['cudnn']:.3f} | {r['ratio']:.2f} | {r['attend_ms']:.3f} | {r['attend_ratio']:.2f} |"
               f" {r['tops']:.0f} | {r['l1']:.4f} |")


def variants(record):
    """Those of the record that have a name; it has kernels too that were tried and not taken."""
    yield "| head_dim, mask | tokens | variant | attention ms | TOPS | ratio | end to end | rel. L1 |"
    yield "|---|---:|---|---:|---:|---:|---:|---:|"
    rows = [r for r in record["timings"] if r["kernel"] in NAMED]
    order = [(-r["head_dim"], r["mask"] != "full", r["n"]) for r in rows]
    for r in [r for _, _, r in sorted(zip(order, range(len(rows)), rows), key=lambda x: (x[0], NAMED.index(x[2]["kernel"])))]:
        yield (f"| {r['head_dim']} {r['mask']} | {r['n']} | `{r['kernel']}` | {r['attention_ms']:.3f} | {r['tops']:.0f} |"
               f" {r['ratio']:.2f} | {r['end_to_end_ratio']:.2f} | {r['l1']:.4f} |")


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


if __name__ == "__main__":
    main()
