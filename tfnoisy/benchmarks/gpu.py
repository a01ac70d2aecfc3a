"""What a step costs on this machine's accelerator, in every way to run it.

One command for the day a card is there; it runs on a CPU as well.  A step is
the loop's own: the batch comes from the host, the logs go back.  Methods that
see one view of each image are timed once more with all of it made within the
step, from pixels that lie on the device.
"""

import concurrent.futures
import dataclasses
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tfnoisy import errors, plugins, replicas
from tfnoisy.augment import standard
from tfnoisy.benchmarks import step_passes, torch_step
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline, views
from tfnoisy.methods import execution
from tfnoisy.training import distribution

PRECISIONS = ("none", "bfloat16", "float16")
# Of one call of TensorFlow.
STEPS = (1, 50)


def gpu_suite(
    methods,
    studentnet=None,
    batch_size=None,
    repeats=3,
    *,
    steps=STEPS,
    precisions=PRECISIONS,
    jit=(False, True),
    deterministic=(False, True),
    image_shape=(32, 32, 3),
):
    """Yields a step's time for every method and every way to run it.

    Determinism cannot be switched off again: each has a process of its own.
    A way that TensorFlow refuses gives a line with `error`.

    Args:
        methods: names in `catalogue.methods`.
        studentnet: a name in `nets.registry`; `preact_resnet18` if None.
        batch_size: B; the method's own if None.
        repeats: how often each is timed; the median counts.
        steps: steps in one call of TensorFlow.
        precisions: see `nets.precision`.
        jit: whether XLA compiles the step.
        deterministic: whether kernels have to be.
        image_shape: (H, W, C).

    Yields:
        {device, method, studentnet, batch_size, mixed_precision, jit_compile,
        input (`host`, a batch that is always the same, or `device`, the
        standard view of shuffled images), steps_per_execution,
        deterministic, first_call_seconds (tracing and compiling), step_ms,
        images_per_second}; where PyTorch is installed also its plain step,
        as method `torch_baseline`.
    """
    setting = {
        "studentnet": studentnet or "preact_resnet18",
        "batch_size": batch_size,
        "repeats": repeats,
        "steps": tuple(steps),
        "image_shape": tuple(image_shape),
    }
    yield from torch_step.torch_step_suite(batch_size or 128, repeats)
    for wanted in deterministic:
        with concurrent.futures.ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn")
        ) as process:
            for way in itertools.product(methods, precisions, jit):
                yield from process.submit(
                    _lines, plugins.loaded(), setting, *way, wanted
                ).result()


def _lines(named_plugins, *way):
    """Returns the lines of one compiled step, made in this process."""
    plugins.load_installed()
    plugins.load(named_plugins)
    return [
        line if run is None else {**line, **_timed(run)}
        for line, run in prepared(*way)
    ]


def prepared(setting, method, precision, jit, deterministic):
    """Compiles a step, in each number of steps a call.

    Args:
        setting: {studentnet, batch_size, repeats, steps, image_shape} of
            `gpu_suite`.
        method: a name in `catalogue.methods`.
        precision: see `nets.precision`.
        jit: whether XLA compiles it.
        deterministic: whether kernels have to be; for good.

    Returns:
        [(what is known of it, its `_Run` or None where TensorFlow refuses)].
    """
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    tf.keras.utils.set_random_seed(0)
    step = step_passes.step_of(method)
    batch_size = setting["batch_size"] or step.batch_size
    facts = {
        "device": _device(),
        "method": method,
        "studentnet": setting["studentnet"],
        "batch_size": batch_size,
        "mixed_precision": precision,
        "jit_compile": jit,
        "deterministic": deterministic,
    }
    strategy = distribution.make_strategy("one_device")
    with strategy.scope():
        made_for = step_passes.Setting(
            setting["studentnet"],
            batch_size,
            setting["image_shape"],
            mixed_precision=precision,
        )
        trained = step.method(made_for)
        trained.compile(made_for.optimizer())
    with tf.device("CPU:0"):
        batch = step.batch(made_for)
        batches = tf.data.Dataset.from_tensors(batch).repeat().prefetch(2)
    inputs = {"host": (batches, None)}
    one_view = trained.sees_one_view and not trained.uses_strong_view
    if one_view and not trained.needs_probe:
        inputs["device"] = _within_the_step(batch, strategy)
    found = []
    for (name, (stream, see)), number in itertools.product(
        inputs.items(), setting["steps"]
    ):
        line = {**facts, "input": name, "steps_per_execution": number}
        run = _Run(
            execution.compiled(
                strategy,
                step.step(trained),
                trained.prepare,
                number,
                jit,
                see=see,
            ),
            replicas.iterate(strategy, lambda context, own=stream: own),
            number,
            setting["repeats"],
            batch_size,
        )
        try:
            line["first_call_seconds"] = round(run() * run.steps, 2)
        except (errors.UserError, errors.TrainingError, tf.errors.OpError) as e:
            run, line["error"] = None, str(e).splitlines()[0][:200]
        found.append((line, run))
    return found


def _within_the_step(batch, strategy):
    """Returns the batches of `--data_on_device=yes`, and what completes them.

    They come from as many images as a batch has, since the method knows no
    more ids.
    """
    count, *shape = batch["images"].shape
    pixels = np.random.default_rng(0).integers(0, 256, [count, *shape], "u1")
    labels = batch["labels"].numpy()
    dataset = dataset_lib.ImageDataset(
        name="random",
        images=pixels,
        given_labels=labels.astype(np.int64),
        clean_labels=None,
        ids=batch["ids"].numpy(),
        class_names=tuple(map(str, range(labels.max() + 1))),
    )
    data = pipeline.TrainingData(
        dataset, standard.get("standard", tuple(shape)), count, seed=0
    )
    (device,) = strategy.extended.worker_devices
    in_step = views.InStep(
        dataset, data.augmentation, device, jit_compile=_device() != "CPU"
    )
    return data.batches.unseen(in_step)(), in_step


@dataclasses.dataclass(frozen=True)
class _Run:
    """Some calls of a compiled step."""

    execute: Callable
    iterator: Any
    number: int
    repeats: int
    batch_size: int

    @property
    def steps(self):
        """The steps between two looks at the clock: at least 20."""
        return self.number * max(1, 20 // self.number)

    def __call__(self):
        """Returns the seconds of a step."""
        started = time.perf_counter()
        for _ in range(self.steps // self.number):
            logs = self.execute(self.iterator, self.number)
        # Read back: only then the device has done its work.
        for value in logs.values():
            value.numpy()
        return (time.perf_counter() - started) / self.steps


def _timed(run):
    each = statistics.median(run() for _ in range(run.repeats))
    return {
        "step_ms": round(1000 * each, 3),
        "images_per_second": round(run.batch_size / each, 1),
    }


def _device():
    """Returns the accelerator's name, or CPU."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "CPU"
    details = tf.config.experimental.get_device_details(gpus[0])
    return details.get("device_name", "GPU")
