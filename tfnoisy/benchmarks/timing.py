"""How long functions take, so that a noisy machine disturbs all alike."""

import collections
import time


def interleaved(runs, repeats, warm_up):
    """Times functions in turn: each once, then each once more, and so on.

    Args:
        runs: {name: a function of nothing that returns when its work is done}.
        repeats: how often each is timed.
        warm_up: how often each is called before.

    Returns:
        Two dicts {name: [seconds of each repeat]}: by the clock, and of the
        processor (of all threads; blind to a GPU).
    """
    wall, cpu = (collections.defaultdict(list) for _ in range(2))
    for repeat in range(warm_up + repeats):
        for name, run in runs.items():
            started, cpu_started = time.perf_counter(), time.process_time()
            run()
            if repeat >= warm_up:
                wall[name].append(time.perf_counter() - started)
                cpu[name].append(time.process_time() - cpu_started)
    return dict(wall), dict(cpu)
