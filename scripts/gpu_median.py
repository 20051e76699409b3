"""The median of event-timed runs on the GPU, for the scripts beside it: one right behind the other, as sage4j's own bench times a call."""
import time

import numpy as np
import torch

# As io.sage4j.bench.GpuBench.
REST_S = 0.3


def median(f, reps=21, warm=4):
    for _ in range(warm):
        f()
    torch.cuda.synchronize()
    events = [torch.cuda.Event(enable_timing=True) for _ in range(reps + 1)]
    torch.cuda._sleep(4_000_000)  # the host runs ahead, so that short launches are not timed by its speed
    events[0].record()
    for event in events[1:]:
        f()
        event.record()
    torch.cuda.synchronize()
    return float(np.median([a.elapsed_time(b) for a, b in zip(events, events[1:])]))


def rested(f, reps=21, warm=4):
    """The same after the GPU has rested, as it clocks lower for a while after work."""
    torch.cuda.synchronize()
    time.sleep(REST_S)
    return median(f, reps, warm)
