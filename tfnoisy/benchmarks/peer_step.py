"""Our plain step beside PyTorch's on a CPU, each with a core to itself.

Each runs in a process of its own with one thread: in one process, or with more
threads on a machine that has other work, the threads of PyTorch's OpenMP wait
in loops, and their waiting counts as processor time.
"""

import concurrent.futures
import importlib.util
import multiprocessing
import statistics
import time

from tfnoisy import errors
from tfnoisy.benchmarks import step_passes, torch_step

_NETWORK = "preact_resnet18"
_step = None


def peer_suite(batch_size, repeats, precisions=("none", "bfloat16")):
    """Yields the processor time of a plain step, ours and PyTorch's.

    PreAct ResNet-18, 32x32 images, SGD with momentum; PyTorch's images are
    channels last, the faster form there.  The two take turns.

    Args:
        batch_size: B.
        repeats: steps of each that are timed, after two that are not.
        precisions: what the networks compute in, see `nets.precision`.

    Yields:
        {network, batch_size, mixed_precision, ours_seconds, torch_seconds,
        ratio, torch}: medians; ratio is ours / PyTorch's.

    Raises:
        UserError: if PyTorch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise errors.UserError(
            "--suite=peer times PyTorch too, which is not installed: pip "
            "install torch"
        )
    import torch

    for precision in precisions:
        seconds = _taking_turns(
            {"ours": _make_ours, "torch": _make_torch},
            (precision, batch_size),
            repeats,
        )
        yield {
            "studentnet": _NETWORK,
            "batch_size": batch_size,
            "mixed_precision": precision,
            "repeats": repeats,
            **{f"{name}_seconds": round(s, 4) for name, s in seconds.items()},
            "ratio": round(seconds["ours"] / seconds["torch"], 4),
            "torch": torch.__version__,
        }


def _taking_turns(makers, arguments, repeats, warm_up=2):
    """Returns {name: median processor seconds of a step}.

    Args:
        makers: {name: called in the process of its own, sets `_step`}.
        arguments: what they are called with.
        repeats: how many steps of each count.
        warm_up: how many come before.
    """
    context = multiprocessing.get_context("spawn")
    pools, found = {}, {name: [] for name in makers}
    try:
        for name, maker in makers.items():
            pools[name] = concurrent.futures.ProcessPoolExecutor(
                1, context, initializer=maker, initargs=arguments
            )
        for repeat in range(warm_up + repeats):
            for name, pool in pools.items():
                seconds = pool.submit(_timed).result()
                if repeat >= warm_up:
                    found[name].append(seconds)
    finally:
        for pool in pools.values():
            pool.shutdown()
    return {name: statistics.median(found[name]) for name in makers}


def _timed():
    started = time.process_time()
    _step()
    return time.process_time() - started


def _make_ours(precision, batch_size):
    global _step
    # What bin/benchmark.py has set in the environment holds here too: oneDNN.
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    setting = step_passes.Setting(
        _NETWORK, batch_size, mixed_precision=precision
    )
    update = step_passes.pieces(step_passes.PLAIN, setting)["update"]

    def step():
        tf.nest.map_structure(lambda tensor: tensor.numpy(), update())

    _step = step


def _make_torch(precision, batch_size):
    global _step
    import torch

    torch.set_num_threads(1)
    update = torch_step.compiled("cpu", precision, batch_size, num_classes=10)

    def step():
        update().item()

    _step = step
