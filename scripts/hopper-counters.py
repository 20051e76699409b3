#!/usr/bin/env python3
"""Where the Hopper kernels' time goes: counters of Nsight Compute for quantize-kv and attention, as `sage4j bench attention` starts them.

usage: hopper-counters.py OUT.json [--java JAVA] [--jars FOLDER] [--ncu NCU] [--commit COMMIT]

JAVA is a JDK 25's java (default: on the PATH); FOLDER holds sage4j's jars and lib/ (default: target, as `mvn package` leaves it). Clocks are
left as they are. A kernel's time under the profiler is that of a cold start, not of a benchmark. Shapes are B=4, H=32.
"""
import argparse
import csv
import io
import subprocess

import gpu_record
import sage4j_jars

SECTIONS = ["SpeedOfLight", "ComputeWorkloadAnalysis", "SchedulerStats", "WarpStateStats", "LaunchStats", "MemoryWorkloadAnalysis"]
# Variant, head_dim, tokens, causal.
CASES = [("int8-fp8-sm90", 128, 1024, False), ("int8-fp8-sm90", 128, 4096, False), ("int8-fp8-sm90", 128, 4096, True), ("int8-fp8-sm90", 128, 32768, False),
         ("int8-fp8-sm90", 64, 4096, False), ("int8-fp8-sm90-fast", 128, 4096, False), ("int8-fp16-sm90", 128, 4096, False)]
# What is kept of some hundred numbers: a name, and the counters of it, the first that this version of the profiler has.
KEPT = {
    "time_us": ["gpu__time_duration.sum"],
    "sm_clock_ghz": ["smsp__cycles_elapsed.avg.per_second", "sm__cycles_elapsed.avg.per_second"],
    "registers": ["launch__registers_per_thread"],
    "instructions": ["smsp__inst_executed.sum", "sm__inst_executed.sum"],
    "issue_slots_busy_pct": ["smsp__issue_active.avg.pct_of_peak_sustained_active", "sm__instruction_throughput.avg.pct_of_peak_sustained_active"],
    "issued_per_scheduler_clock": ["smsp__issue_active.avg.per_cycle_active"],
    "eligible_warps_per_scheduler": ["smsp__warps_eligible.avg.per_cycle_active"],
    "active_warps_per_scheduler": ["smsp__warps_active.avg.per_cycle_active"],
    "dram_pct": ["gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed", "dram__throughput.avg.pct_of_peak_sustained_elapsed"],
    "dram_bytes": ["dram__bytes.sum"],
    "l2_pct": ["lts__throughput.avg.pct_of_peak_sustained_elapsed"],
    "l2_hit_pct": ["lts__t_sector_hit_rate.pct"],
}
PIPES, STALLS = "sm__inst_executed_pipe_", "smsp__average_warps_issue_stalled_"


def scale(unit):
    """To microseconds, gigahertz and bytes."""
    prefixes = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "K": 1e3, "M": 1e6, "G": 1e9}
    for base, to in (("second", 1e6), ("s", 1e6), ("byte", 1), ("hz", 1e-9)):
        if unit.lower().endswith(base) and len(unit) - len(base) <= 1:
            return prefixes.get(unit[:-len(base)], 1) * to
    return 1


def read(text):
    """Kernels with what is kept of each, from the profiler's table of all counters."""
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if line.startswith('"ID"')), None)
    if start is None:
        raise SystemExit("the profiler gave no table:\n" + text[-2000:])
    names, units, *rows = csv.reader(io.StringIO("\n".join(lines[start:])))
    kernels = []
    for row in rows:
        number = {}
        for name, unit, value in zip(names, units, row):
            try:
                number[name] = float(value.replace(",", "")) * scale(unit)
            except ValueError:
                pass
        kernel = {"kernel": dict(zip(names, row))["Kernel Name"]}
        for name, counters in KEPT.items():
            kernel[name] = next((round(number[c], 4) for c in counters if c in number), None)
        kernel["pipes_pct"] = {n[len("sm__"):].split(".")[0]: round(v, 2) for n, v in number.items()
                               if (n.startswith(PIPES) or n.startswith("sm__pipe_")) and "pct_of_peak_sustained_active" in n}
        kernel["stalled_warps_per_issue"] = dict(sorted(
            ((n[len(STALLS):].replace("_per_issue_active.ratio", ""), round(v, 3)) for n, v in number.items()
             if n.startswith(STALLS) and n.endswith("_per_issue_active.ratio") and v >= 0.02), key=lambda item: -item[1]))
        kernels.append(kernel)
    return kernels


def profile(ncu, java, jars, variant, dim, tokens, causal):
    shape = f"4x32x{tokens}x{dim}"
    program = [java, "--enable-native-access=ALL-UNNAMED", "-Xmx8g", "-cp", jars, "io.sage4j.cli.Main", "bench", "attention", "--backend=cuda",
               "--on-gpu", "--quiet", "--variant=" + variant, "--shape=" + shape] + (["--causal"] if causal else [])
    # The first call is the warm-up's; attention without Q's codes is one kernel, with the last round in parts it is three.
    command = [ncu, "--clock-control", "none", "--csv", "--page", "raw", "--kill", "yes", "--kernel-name", "regex:sage_(quantize_kv|wgmma_attention|join_parts)",
               "--launch-skip", "4", "--launch-count", "4"] + [word for section in SECTIONS for word in ("--section", section)]
    done = subprocess.run(command + program, capture_output=True, text=True, timeout=240)
    return dict(variant=variant, shape=[4, 32, tokens, dim], causal=causal, kernels=read(done.stdout + done.stderr))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    sage4j_jars.options(parser)
    parser.add_argument("--ncu", default="ncu")
    parser.add_argument("--commit")
    arguments = parser.parse_args()
    jars = sage4j_jars.class_path(parser, arguments)
    record = dict(what="counters of the Hopper kernels, B=4, H=32, FP16, N(0,1)", machine=gpu_record.machine(), commit=gpu_record.commit(arguments.commit),
                  date=gpu_record.now(), command="scripts/hopper-counters.py OUT.json", cases=[])
    for case in CASES:
        record["cases"].append(profile(arguments.ncu, arguments.java, jars, *case))
        gpu_record.write(arguments.out, record)
        for kernel in record["cases"][-1]["kernels"]:
            print(*case, kernel, flush=True)


if __name__ == "__main__":
    main()
