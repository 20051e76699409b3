"""Records of a GPU machine, for the scripts beside it."""
import datetime
import json
import os
import subprocess


def machine():
    """Name and driver of each GPU."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit():
    """Of the checkout that the scripts are in."""
    return subprocess.run(["git", "-C", os.path.dirname(os.path.abspath(__file__)), "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()


def now():
    return datetime.datetime.now(datetime.UTC).isoformat()


def write(target, record):
    """The file appears whole or not at all."""
    with open(target + ".part", "w") as f:
        json.dump(record, f, indent=1)
    os.replace(target + ".part", target)
