#!/usr/bin/env python3
"""Measures how long a new process takes to its first result: with nothing cached, with the files of an earlier one, and with a class-data archive.

usage: first-result.py OUT.json [--java JAVA] [--jars FOLDER] [--commit COMMIT]

JAVA is a JDK 25's java (default: on the PATH); FOLDER holds sage4j's jars and lib/ (default: target, as `mvn package` leaves it);
COMMIT is what the jars were built from (default: the checkout's).
Milliseconds since Java started, as io.sage4j.bench.FirstResult tells them, for int8-fp8-sm90 on backend cuda.
"""
import argparse
import json
import os
import subprocess
import tempfile

import gpu_record
import sage4j_jars

NOTHING, WARM = 3, 7


def first(java, jars, folder, *options):
    """Runs it with caches in a folder; none without one."""
    caches = {"SAGE4J_CACHE": os.path.join(folder, "ptx"), "CUDA_CACHE_PATH": os.path.join(folder, "cubin")} if folder else {
        "SAGE4J_CACHE": "off", "CUDA_CACHE_DISABLE": "1"}
    command = [java, "--enable-native-access=ALL-UNNAMED", *options, "-cp", jars, "io.sage4j.bench.FirstResult", "cuda",
               "int8-fp8-sm90"]
    out = subprocess.run(command, env=dict(os.environ, **caches), check=True, capture_output=True, text=True, timeout=60).stdout
    return json.loads(out.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    sage4j_jars.options(parser)
    parser.add_argument("--commit")
    arguments = parser.parse_args()
    java, jars = arguments.java, sage4j_jars.class_path(parser, arguments)
    with tempfile.TemporaryDirectory() as caches:
        archive = ["-XX:+AutoCreateSharedArchive", "-XX:SharedArchiveFile=" + os.path.join(caches, "sage4j.jsa"), "-Xlog:disable"]
        record = dict(what="a new process's first result, ms since Java started: int8-fp8-sm90, 2 heads of 128 tokens, head_dim 64", machine=gpu_record.machine(),
                      commit=gpu_record.commit(arguments.commit), command="scripts/first-result.py OUT.json", date=gpu_record.now(),
                      nothing_cached=[first(java, jars, None) for _ in range(NOTHING)], first_process=first(java, jars, caches),
                      warm=[first(java, jars, caches) for _ in range(WARM)], archive_made=first(java, jars, caches, *archive),
                      warm_with_archive=[first(java, jars, caches, *archive) for _ in range(WARM)])
    gpu_record.write(arguments.out, record)
    for name in ("nothing_cached", "warm", "warm_with_archive"):
        runs = sorted(run["first_ms"] for run in record[name])
        print(f"{name}: {runs[0]} to {runs[-1]} ms, median {runs[len(runs) // 2]}")


if __name__ == "__main__":
    main()
