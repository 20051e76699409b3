"""The median of event-timed runs on the GPU, for the scripts beside it."""
import numpy as np
import torch


def median(f, reps=21, warm=4):
    for _ in range(warm):
        f()
    times = []
    for _ in range(reps):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        torch.cuda._sleep(1_000_000)  # the host runs ahead, so that short launches are not timed by its speed
        a.record()
        f()
        b.record()
        b.synchronize()
        times.append(a.elapsed_time(b))
    return float(np.median(times))
