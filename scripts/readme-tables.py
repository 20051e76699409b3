#!/usr/bin/env python3
"""Makes the tables of whole calls in README.md and docs/gpu-tensors.md from results/gpu/sage-h100.json.

usage: readme-tables.py
"""
import json
import os

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
RECORD = os.path.join(ROOT, "results/gpu/sage-h100.json")
MASK = {"none": "full", "top-left": "causal", "bottom-right": "causal, bottom right"}


def table(record):
    yield "| head_dim, mask | tokens | ms | one by one | cuDNN ms | ratio | attention ms | ratio | TOPS | rel. L1 |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for r in record["rows"]:
        yield (f"| {r['head_dim']} {MASK[r['causal']]} | {r['tokens']} | {r['ms']:.3f} | {r['one_by_one_ms']:.3f} |"
               f" {r['peers_ms']['cudnn']:.3f} | {r['ratio']:.2f} | {r['attend_ms']:.3f} | {r['attend_ratio']:.2f} |"
               f" {r['tops']:.0f} | {r['l1']:.4f} |")


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
    with open(RECORD) as f:
        rows = list(table(json.load(f)))
    for document in ("README.md", "docs/gpu-tensors.md"):
        replace(os.path.join(ROOT, document), rows)


if __name__ == "__main__":
    main()
