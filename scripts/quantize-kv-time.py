#!/usr/bin/env python3
"""Times quantize-kv, K and V to codes for the Hopper kernels, of several versions in turns; each must make the codes of the first.

usage: quantize-kv-time.py OUT.json PTX_DIR[@FEW]... [--commit COMMIT]

PTX_DIR as scripts/wgmma-ptx.sh makes it; FEW is the kernel's parameter of that name (default as in io.sage4j.ptx.kernel.QuantizeKv). B=4,
H=32, FP16, N(0,1) with a mean. Times are medians of 21 runs, of two rounds: the kernel that clears the counters and quantize-kv, launched as in a
call of sage4j, and quantize-kv alone as in a call that was prepared; GB/s count each input once and codes once. Needs PyTorch and CuPy.
"""
import argparse
import importlib

import torch

import gpu_record
from gpu_median import median

check = importlib.import_module("wgmma-check")
BATCH, HEADS, ROUNDS = 4, 32, 2
KEPT = ", prepared"
# head_dim, FP16 V, tokens.
SHAPES = [(128, False, 1024), (128, False, 2048), (128, False, 4096), (128, False, 8192), (128, False, 16384), (128, False, 32768),
          (128, False, 65536), (64, False, 1024), (64, False, 4096), (64, False, 16384), (64, False, 32768), (128, True, 4096), (128, True, 32768)]
# Heads, tokens: lengths that are no whole tiles, one tile, few and many.
ODD = [(1, 1), (3, 127), (2, 130), (5, 1000), (3, 8193), (2, 8320), (3, 20001), (1, 140001)]


class Version:
    def __init__(self, name, dim, half):
        self.folder, _, few = name.partition("@")
        self.few = int(few) if few else check.FEW_TILES
        self.prepare = check.Preprocess(self.folder, dim, half)

    def start(self, k, v, kept=False):
        """What runs it, and what it writes; kept: the counters are not cleared before each run."""
        check.FEW_TILES = self.few
        ops = self.prepare.buffers(k, k)
        ops["counters"].zero_()
        return self.prepare.steps(k, k, v, ops, kept)["quantize-kv"], ops


def same(a, b):
    """Bits of all that the attention kernel reads."""
    bits = lambda t: t.view(torch.uint8)
    return all(torch.equal(bits(a[name]), bits(b[name])) for name in ("k", "ks", "mean", "v", "vs") if name in a)


def inputs(heads, tokens, dim):
    make = lambda: torch.randn(BATCH, heads, tokens, dim, device="cuda", dtype=torch.half)
    return make() + torch.randn(BATCH, heads, 1, dim, device="cuda", dtype=torch.half), make()


def check_odd(names):
    """How many runs were not bit-equal to the first version's, of how many."""
    wrong = done = 0
    for dim in (128, 64):
        for half in (False, True):
            versions = [Version(name, dim, half) for name in names]
            for heads, tokens in ODD:
                k, v = inputs(heads, tokens, dim)
                made = []
                for version in versions:
                    run, ops = version.start(k, v)
                    run()
                    made.append(ops)
                for name, ops in zip(names[1:], made[1:]):
                    done += 1
                    if not same(made[0], ops):
                        wrong += 1
                        print(f"BAD {name}: head_dim {dim}, {'FP16' if half else 'FP8'} V, {heads} heads of {tokens} tokens", flush=True)
    return wrong, done


def time_shape(names, dim, half, tokens):
    k, v = inputs(HEADS, tokens, dim)
    runs, made = {}, []
    for name in names:
        for kept in (False, True):
            run, ops = Version(name, dim, half).start(k, v, kept)
            run()
            runs[name + KEPT * kept] = run
            made.append(ops)
    us = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            us[name].append(round(median(run) * 1000, 1))
    size = 2 * k.numel()
    read_and_written = 2 * size + (3 * size // 2 if half else size)
    return dict(head_dim=dim, v="fp16" if half else "fp8", tokens=tokens, us=us,
                gbs={name: round(read_and_written / min(of) * 1e-3) for name, of in us.items()},
                equal=all(same(made[0], ops) for ops in made[1:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT.json")
    parser.add_argument("versions", metavar="PTX_DIR[@FEW]", nargs="+")
    parser.add_argument("--commit")
    arguments = parser.parse_args()
    names = arguments.versions
    big = torch.randn(1 << 28, device="cuda", dtype=torch.half)
    other = torch.empty_like(big)
    copy = round(4 * big.numel() / median(lambda: other.copy_(big)) * 1e-6)
    del big, other
    print(f"copy {copy} GB/s", flush=True)
    wrong, done = check_odd(names)
    print(f"odd lengths: {done - wrong} of {done} bit-equal", flush=True)
    rows = []
    for shape in SHAPES:
        rows.append(time_shape(names, *shape))
        print(rows[-1], flush=True)
        torch.cuda.empty_cache()
    record = dict(what="quantize-kv: K and V to codes; B=4, H=32, FP16; us: medians of 21 runs, clearing of the counters included",
                  machine=gpu_record.machine(), command="scripts/quantize-kv-time.py OUT.json " + " ".join(names),
                  commit=gpu_record.commit(arguments.commit), date=gpu_record.now(), copy_gbs=copy,
                  odd_lengths=f"{done - wrong} of {done} bit-equal to {names[0]}", rows=rows)
    gpu_record.write(arguments.out, record)


if __name__ == "__main__":
    main()
