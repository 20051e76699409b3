"""Records of a GPU machine, for the scripts beside it."""
import datetime
import json
import os
import subprocess


def machine():
    """Name and driver of each GPU."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit(told=None):
    """What was measured: the commit that was told, else the checkout's; none where there is no repository."""
    if told:
        return told
    try:
        command = ["git", "-C", os.path.dirname(os.path.abspath(__file__)), "rev-parse", "HEAD"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def write(target, record):
    """The file appears whole or not at all."""
    with open(target + ".part", "w") as f:
        json.dump(record, f, indent=1)
    os.replace(target + ".part", target)
