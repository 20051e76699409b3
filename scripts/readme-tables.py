#!/usr/bin/env python3
"""Makes the tables of README.md's section on the Hopper kernel, and those of docs/, from the records in results/gpu.

usage: readme-tables.py
"""
import json
import os

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
CALLS = "results/gpu/sage-h100.json"
VARIANTS = "results/gpu/hopper-variants-h100.json"
LADDER = "docs/tornadovm-ladder.md"
NAMED = ("int8-fp8-sm90", "int8-fp8-sm90-fast", "int8-fp16-sm90")
MASK = {"none": "full", "top-left": "causal", "bottom-right": "causal, bottom right"}


def name(row):
    return f"{row['head_dim']} {MASK[row['causal']]} | {row['tokens']}"


def calls(record):
    """Upstream's columns only where the record has them: it is not on every machine."""
    upstream = "sageattention" in record["rows"][0]["peers_ms"]
    beside = " SageAttention ms | ratio | its kernel ms | ratio |" if upstream else ""
    yield "| head_dim, mask | tokens | ms | one by one | cuDNN ms | ratio | attention ms | ratio | TOPS | rel. L1 |" + beside
    yield "|---|" + "---:|" * (13 if upstream else 9)
    for r in record["rows"]:
        peers = r["peers_ms"]
        beside = (f" {peers['sageattention']:.3f} | {peers['sageattention'] / r['ms']:.2f} | {peers['sageattention_kernel']:.3f} |"
                  f" {peers['sageattention_kernel'] / r['attend_ms']:.2f} |") if upstream else ""
        yield (f"| {name(r)} | {r['ms']:.3f} | {r['one_by_one_ms']:.3f} | {peers['cudnn']:.3f} | {r['ratio']:.2f} |"
               f" {r['attend_ms']:.3f} | {r['attend_ratio']:.2f} | {r['tops']:.0f} | {r['l1']:.4f} |" + beside)


def variants(record):
    yield "| head_dim, mask | tokens | variant | attention ms | TOPS | ratio | whole call ms | ratio | rel. L1 |"
    yield "|---|---:|---|---:|---:|---:|---:|---:|---:|"
    for r in sorted(record["rows"], key=lambda r: (-r["head_dim"], r["causal"] != "none", r["tokens"], NAMED.index(r["variant"]))):
        yield (f"| {name(r)} | `{r['variant']}` | {r['attend_ms']:.3f} | {r['tops']:.0f} | {r['attend_ratio']:.2f} |"
               f" {r['ms']:.3f} | {r['ratio']:.2f} | {r['l1']:.4f} |")


ATTENTION = ("scores", "softmax", "attend")


def ladder(record):
    """As LadderRecord.rows has them, to which a test holds the page."""
    yield "| variant | head_dim | tokens | B x H | attention ms | TFLOP/s | all ms | TFLOP/s | rel. L1 |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    for m in record["bench"]["measurements"]:
        batch, heads, tokens, dim = m["shape"]
        teraflop = 4 * batch * heads * dim * tokens ** 2 / 1e12
        steps = m["stepMedianMs"]
        whole = sum(steps.values())
        attention = sum(ms for step, ms in steps.items() if step in ATTENTION)
        yield (f"| `{m['variant']}` | {dim} | {tokens} | {batch} x {heads} | {attention:.3f} | {teraflop / attention * 1e3:.2f} |"
               f" {whole:.3f} | {teraflop / whole * 1e3:.2f} | {max(a['metrics']['relativeL1'] for a in m['accuracy']):.5f} |")


def peers(record):
    yield "| head_dim | tokens | B x H | ms | TFLOP/s | rel. L1 |"
    yield "|---:|---:|---:|---:|---:|---:|"
    for p in record["peers"]:
        batch, heads, tokens, dim = p["shape"]
        yield f"| {dim} | {tokens} | {batch} x {heads} | {p['ms']:.3f} | {p['tflops']:.0f} | {p['l1']:.5f} |"


def read(record):
    with open(os.path.join(ROOT, record)) as f:
        return json.load(f)


def replace(path, title, rows):
    """Puts the rows in the place of the table behind the comment that names it."""
    path = os.path.join(ROOT, path)
    with open(path) as f:
        text = f.read()
    mark = f"<!-- {title} -->\n"
    start = end = text.index(mark) + len(mark)
    while text[end:end + 1] == "|":
        end = text.index("\n", end) + 1
    with open(path + ".part", "w") as f:
        f.write(text[:start] + "\n".join(rows) + "\n" + text[end:])
    os.replace(path + ".part", path)


def main():
    for document in ("README.md", "docs/gpu-tensors.md"):
        replace(document, CALLS, calls(read(CALLS)))
    replace("README.md", VARIANTS, variants(read(VARIANTS)))
    for backend in ("cuda", "ptx"):
        record = f"results/gpu/tornado-ladder-{backend}-h100.json"
        replace(LADDER, record, ladder(read(record)))
    replace(LADDER, "peers", peers(read("results/gpu/tornado-ladder-cuda-h100.json")))


if __name__ == "__main__":
    main()
