#!/usr/bin/env python3
"""Takes a record of wgmma-check.py into the project: adds date and commit, and makes README's tables from it.

usage: wgmma-tables.py OUT.json DATE COMMIT [MEMCHECK]

Writes results/gpu/wgmma-h100.json and the two tables of README.md's section on the Hopper kernel.
"""
import json
import os
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
RECORD = os.path.join(ROOT, "results/gpu/wgmma-h100.json")
README = os.path.join(ROOT, "README.md")
SUMS = {"f32": "FP32", "f16": "FP16"}


def mask(row):
    return f"{row['head_dim']} {'causal' if row['causal'] else 'full'}"


def alone(record):
    yield "| head_dim, mask | tile sums | tokens | ms | TOPS | cuDNN FP16 TFLOP/s | ratio | rel. L1 |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for r in record["timings"]:
        yield (f"| {mask(r)} | {SUMS.get(r['sums'], r['sums'])} | {r['n']} | {r['ms']:.3f} | {r['tops']:.0f} |"
               f" {r['cudnn_tflops']:.0f} | {r['ratio']:.2f} | {r['l1']:.4f} |")


def whole(record):
    yield "| head_dim, mask | tokens | ms | cuDNN ms | ratio | of copy bandwidth |"
    yield "|---|---:|---:|---:|---:|---:|"
    for r in record["pipeline"]:
        yield (f"| {mask(r)} | {r['n']} | {r['ms']:.3f} | {r['cudnn_ms']:.3f} | {r['ratio']:.2f} |"
               f" {100 * r['preprocess_gbs'] / r['copy_gbs']:.0f} % |")


def replaced(text, table):
    rows = list(table)
    start = text.index(rows[0].split(" | ")[0] + " | " + rows[0].split(" | ")[1] + " |")
    end = start
    while text[end] == "|":
        end = text.index("\n", end) + 1
    return text[:start] + "\n".join(rows) + "\n" + text[end:]


def write(path, text):
    with open(path + ".part", "w") as f:
        f.write(text)
    os.replace(path + ".part", path)


def main():
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__.split("\n")[2])
    with open(sys.argv[1]) as f:
        record = json.load(f)
    record = dict(date=sys.argv[2], commit=sys.argv[3], **record)
    if len(sys.argv) == 5:
        record["memcheck"] = sys.argv[4]
    with open(README) as f:
        readme = f.read()
    section = readme.index("## The native Hopper kernel")
    text = replaced(replaced(readme[section:], alone(record)), whole(record))
    write(RECORD, json.dumps(record, indent=1) + "\n")
    write(README, readme[:section] + text)


if __name__ == "__main__":
    main()
