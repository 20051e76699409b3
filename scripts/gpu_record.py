"""Records of a GPU machine, for the scripts beside it."""
import json
import os
import subprocess


def machine():
    """Name and driver of each GPU."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def write(target, record):
    """The file appears whole or not at all."""
    with open(target + ".part", "w") as f:
        json.dump(record, f, indent=1)
    os.replace(target + ".part", target)
