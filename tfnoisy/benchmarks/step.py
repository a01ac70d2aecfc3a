"""How fast a method's step is on this machine.

A step is compared with the passes that its method cannot avoid, in the same
process, on the same images, in interleaved repeats: the ratio of the medians
is the method's overhead and says the same on a noisy machine as on a quiet
one.
"""

import concurrent.futures
import functools
import multiprocessing
import statistics

import tensorflow as tf

from tfnoisy import plugins
from tfnoisy.benchmarks import memory, step_passes, timing


def step_suite(
    method="mentormix",
    studentnet=None,
    batch_size=None,
    repeats=20,
    image_shape=(32, 32, 3),
    num_classes=10,
    mixed_precision="none",
    jit_compile=False,
):
    """Times a method's step and the passes it cannot avoid.

    Each pass is counted once; the optimiser, and what a method computes
    between its passes, only where an update is a piece.  Forms of the step
    that the method has beside its own are timed in the same repeats, and of
    each the peak of memory is measured (`peak_mib`).

    The default networks are small enough for a minute or two on two cores.
    With the papers' `preact_resnet18` a step of DivideMix took 3.3 seconds of
    processor time at B = 16, and theirs is 64.

    Args:
        method: a name in `catalogue.methods`.
        studentnet: a name in `nets.registry`; the method's own if None.
        batch_size: B; the method's own if None.
        repeats: how often each is timed, in turn.
        image_shape: (H, W, C).
        num_classes: C.
        mixed_precision: what the networks compute in, see `nets.precision`.
        jit_compile: whether XLA compiles the step, and each of the passes.

    Returns:
        {forward_seconds, ..., step_seconds, unavoidable_seconds, ratio, ...}:
        medians by the clock, their sum over the passes, and step / sum:
        clock_ratio by the clock, cpu_ratio of processor time (of all threads;
        blind to a GPU).  ratio is cpu_ratio where nothing runs on a GPU, as
        other work on the machine disturbs it less, else clock_ratio.
        images_per_second counts B images a step.  For each variant
        NAME_step_seconds, NAME_peak_mib and what these are in units of the
        step's: NAME_seconds_ratio, NAME_cpu_ratio, NAME_peak_ratio.
    """
    step = step_passes.step_of(method)
    setting = step_passes.Setting(
        studentnet or step.studentnet,
        batch_size or step.batch_size,
        image_shape,
        num_classes,
        mixed_precision,
        jit_compile,
    )
    pieces = step_passes.pieces(step, setting)
    runs = {name: pieces[name] for name in step.passes}
    for name, options in {"step": {}, **step.variants}.items():
        name = name if name == "step" else f"{name}_step"
        runs[name] = functools.partial(*step.compiled(setting, **options))
    runs = {name: _waiting(run) for name, run in runs.items()}
    wall, cpu = (
        {name: statistics.median(s) for name, s in seconds.items()}
        # The first calls trace and warm up.
        for seconds in timing.interleaved(runs, repeats, warm_up=2)
    )

    def unavoidable(seconds):
        return sum(n * seconds[name] for name, n in step.passes.items())

    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    ratios = {
        f"{name}_ratio": round(seconds["step"] / unavoidable(seconds), 4)
        for name, seconds in (("clock", wall), ("cpu", cpu))
    }
    result = {
        "method": method,
        "studentnet": setting.studentnet,
        "batch_size": setting.batch_size,
        "mixed_precision": mixed_precision,
        "jit_compile": jit_compile,
        "repeats": repeats,
        **{f"{name}_seconds": round(s, 5) for name, s in wall.items()},
        "unavoidable_seconds": round(unavoidable(wall), 5),
        "ratio": ratios["clock_ratio" if on_gpu else "cpu_ratio"],
        **ratios,
        "images_per_second": round(setting.batch_size / wall["step"], 1),
    }
    if not step.variants:
        return result
    peak = peak_mib(method, setting)
    result["peak_mib"] = round(peak)
    for name, options in step.variants.items():
        other = peak_mib(method, setting, **options)
        timed = f"{name}_step"
        result |= {
            f"{name}_peak_mib": round(other),
            f"{name}_seconds_ratio": round(wall[timed] / wall["step"], 4),
            f"{name}_cpu_ratio": round(cpu[timed] / cpu["step"], 4),
            f"{name}_peak_ratio": round(other / max(peak, 1.0), 4),
        }
    return result


def _waiting(run):
    return lambda: _wait_for(run())


def _wait_for(tensors):
    tf.nest.map_structure(lambda tensor: tensor.numpy(), tensors)


def peak_mib(method, setting, **options):
    """Measures how much memory a method's step takes, in MiB.

    A new process builds the method and traces the step, then makes three of
    them.  On a GPU the result is the most that TensorFlow held on it; else by
    how much the three raised the most memory that the process ever had
    resident, which leaves out the program, the batch and the weights.

    Args:
        method: a name in `catalogue.methods`.
        setting: a `step_passes.Setting`.
        **options: of the method.
    """
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn")
    ) as process:
        return process.submit(
            _peak_mib, plugins.loaded(), method, setting, options
        ).result()


def _peak_mib(named_plugins, method, setting, options):
    plugins.load_installed()
    plugins.load(named_plugins)
    step, batch = step_passes.step_of(method).compiled(setting, **options)
    step.get_concrete_function(batch)
    on_gpu = bool(tf.config.list_physical_devices("GPU"))

    def peak():
        if on_gpu:
            return tf.config.experimental.get_memory_info("GPU:0")["peak"]
        return memory.high_water_mib() * 2**20

    before = 0 if on_gpu else peak()
    for _ in range(3):
        _wait_for(step(batch))
    return (peak() - before) / 2**20
