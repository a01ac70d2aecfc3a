"""How fast: a method's step and the input pipeline, on this machine.

A step is compared with the passes that its method cannot avoid, in the same
process, on the same images, in interleaved repeats: the ratio of the medians
is the method's overhead and says the same on a noisy machine as on a quiet
one.
"""

import collections
import concurrent.futures
import dataclasses
import multiprocessing
import pathlib
import resource
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness
from tfnoisy.augment import benchmark_strong, policies, standard
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline
from tfnoisy.methods import (
    base,
    baseline,
    ieg,
    l2r,
    look_ahead,
    mentormix,
    mentornet,
)
from tfnoisy.nets import mentornet as mentornet_net
from tfnoisy.nets import registry
from tfnoisy.training import optimizer


@dataclasses.dataclass(frozen=True)
class Step:
    """What a method's step is, and what it is compared with.

    Attributes:
        make: (student, **options) -> method.
        passes: which pieces the step cannot avoid, each with its number:
            `forward`, a pass over the batch; `gradient`, a pass and the
            backward one; `mixed_gradient`, the same over three batches' worth
            of images; `update`, the whole step of plain training.
        studentnet: the network, if none is asked for.
        batch_size: B, if none is asked for.
        variants: other forms of the step, {name: options}, to be compared
            with it in time and memory.
    """

    make: Callable
    passes: Mapping
    studentnet: str = "cifar_resnet32"
    batch_size: int = 128
    variants: Mapping = dataclasses.field(default_factory=dict)


def _with_mentornet(cls):
    return lambda student: cls(
        student, mentornet_net.default(), num_steps=100000
    )


def _with_look_ahead(cls):
    return lambda student, **options: cls(
        student, **look_ahead.published_decay(student), **options
    )


_LOOK_AHEAD = {
    "studentnet": "resnet29",
    "batch_size": 100,
    "variants": {"reverse": {"meta_gradient": "reverse"}},
}
STEPS = {
    "mentornet": Step(_with_mentornet(mentornet.MentorNet), {"update": 1}),
    "mentormix": Step(
        _with_mentornet(mentormix.MentorMix), {"forward": 1, "update": 1}
    ),
    # The probe's, and that of the images; their look-ahead stays where it is.
    "l2r": Step(_with_look_ahead(l2r.L2R), {"gradient": 2}, **_LOOK_AHEAD),
    # Five backward passes over B images: of the look-ahead through both
    # views, of the probe, of the loss through both views; two of them go back
    # over passes that were made before.  Then the mixed images'.
    "ieg": Step(
        _with_look_ahead(ieg.IEG),
        {"gradient": 5, "forward": -2, "mixed_gradient": 1},
        **_LOOK_AHEAD,
    ),
}


def step_suite(
    method="mentormix",
    studentnet=None,
    batch_size=None,
    repeats=20,
    image_shape=(32, 32, 3),
    num_classes=10,
):
    """Times a method's step and the passes it cannot avoid.

    Each pass is counted once; the optimiser, and what a method computes
    between its passes, only where `update` is a piece.  Forms of the step
    that the method has beside its own are timed in the same repeats, and of
    each the peak of memory is measured (`peak_mib`).

    Args:
        method: a name in `STEPS`.
        studentnet: a name in `nets.registry`; the method's own if None.
        batch_size: B; the method's own if None.
        repeats: how often each is timed, in turn.
        image_shape: (H, W, C).
        num_classes: C.

    Returns:
        {forward_seconds, ..., step_seconds, unavoidable_seconds, ratio, ...}:
        medians, their sum over the passes, and step / sum.  cpu_ratio is the
        same of processor time (of all threads; blind to a GPU).  For each
        variant NAME_step_seconds, NAME_peak_mib and what these are in units of
        the step's: NAME_seconds_ratio, NAME_cpu_ratio, NAME_peak_ratio.
    """
    step = STEPS[method]
    setting = (
        studentnet or step.studentnet,
        batch_size or step.batch_size,
        image_shape,
        num_classes,
    )
    batch = _batch(*setting[1:])
    pieces = _pieces(_compiled(baseline.Baseline, *setting), batch)
    runs = {name: pieces[name] for name in step.passes}
    for name, options in {"step": {}, **step.variants}.items():
        made = _compiled(step.make, *setting, **options)
        name = name if name == "step" else f"{name}_step"
        runs[name] = _function(made.train_step, batch)
    wall, cpu = _medians(runs, repeats)

    def unavoidable(seconds):
        return sum(n * seconds[name] for name, n in step.passes.items())

    result = {
        "method": method,
        "studentnet": setting[0],
        "batch_size": setting[1],
        "repeats": repeats,
        **{f"{name}_seconds": round(s, 5) for name, s in wall.items()},
        "unavoidable_seconds": round(unavoidable(wall), 5),
        "ratio": round(wall["step"] / unavoidable(wall), 4),
        "cpu_ratio": round(cpu["step"] / unavoidable(cpu), 4),
        "images_per_second": round(setting[1] / wall["step"], 1),
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


def peak_mib(method, setting, **options):
    """Measures how much memory a method's step takes, in MiB.

    A new process builds the method and traces the step, then makes three of
    them.  On a GPU the result is the most that TensorFlow held on it; else by
    how much the three raised the most memory that the process ever had
    resident, which leaves out the program, the batch and the weights.

    Args:
        method: a name in `STEPS`.
        setting: (studentnet, batch size, image shape, number of classes).
        **options: of the method.
    """
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn")
    ) as process:
        return process.submit(_peak_mib, method, setting, options).result()


def _peak_mib(method, setting, options):
    made = _compiled(STEPS[method].make, *setting, **options)
    batch = _batch(*setting[1:])
    step = tf.function(made.train_step, jit_compile=False)
    step.get_concrete_function(batch)
    on_gpu = bool(tf.config.list_physical_devices("GPU"))

    def peak():
        if on_gpu:
            return tf.config.experimental.get_memory_info("GPU:0")["peak"]
        status = pathlib.Path("/proc/self/status")
        if not status.exists():
            # macOS counts in bytes.
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # Not ru_maxrss, which a process inherits from the one that began it.
        [line] = [
            line
            for line in status.read_text().splitlines()
            if line.startswith("VmHWM:")
        ]
        return int(line.split()[1]) * 2**10

    before = 0 if on_gpu else peak()
    for _ in range(3):
        _wait_for(step(batch))
    return (peak() - before) / 2**20


def _batch(batch_size, image_shape, num_classes):
    """Returns a batch of noise that serves every method."""

    def images(index):
        return tf.random.stateless_uniform(
            [batch_size, *image_shape],
            randomness.stream_seed(index, "evaluation"),
            -1.0,
            1.0,
        )

    labels = tf.range(batch_size) % num_classes
    return {
        "images": images(0),
        "images_strong": images(1),
        "labels": labels,
        "ids": tf.range(batch_size, dtype=tf.int64),
        "probe_images": images(2),
        "probe_labels": labels,
    }


def _compiled(make, studentnet, _, image_shape, num_classes, **options):
    made = make(registry.build(studentnet, num_classes, image_shape), **options)
    made.compile(optimizer.TF1Momentum(0.01))
    return made


def _pieces(plain, batch):
    """Returns {name: function without arguments}, of plain training."""
    variables = plain.student.trainable_variables
    labels = tf.one_hot(batch["labels"], plain.num_classes)

    def gradient(images, labels):
        with tf.GradientTape() as tape:
            logits = plain.forward_untracked(images)
            loss = tf.reduce_mean(base.cross_entropy(labels, logits))
        # Sums: to fetch the gradients themselves would be counted as well.
        return [tf.reduce_sum(g) for g in tape.gradient(loss, variables)]

    views = [
        batch[name] for name in ("probe_images", "images", "images_strong")
    ]
    return {
        "forward": _function(plain.forward_untracked, batch["images"]),
        "gradient": _function(gradient, batch["images"], labels),
        "mixed_gradient": _function(
            gradient, tf.concat(views, 0), tf.concat([labels] * 3, 0)
        ),
        "update": _function(plain.train_step, batch),
    }


def _function(function, *arguments):
    function = tf.function(function, jit_compile=False)
    return lambda: _wait_for(function(*arguments))


def _wait_for(tensors):
    tf.nest.map_structure(lambda tensor: tensor.numpy(), tensors)


def _medians(runs, repeats):
    """Returns the median {name: seconds} by the clock and of the processor."""
    wall, cpu = (collections.defaultdict(list) for _ in range(2))
    for repeat in range(repeats + 2):
        for name, run in runs.items():
            started, cpu_started = time.perf_counter(), time.process_time()
            run()
            if repeat >= 2:  # The first calls trace and warm up.
                wall[name].append(time.perf_counter() - started)
                cpu[name].append(time.process_time() - cpu_started)
    return (
        {name: statistics.median(s) for name, s in seconds.items()}
        for seconds in (wall, cpu)
    )


def input_suite(
    augment="standard",
    image_shape=(32, 32, 3),
    num_examples=50000,
    batch_size=128,
    num_batches=400,
):
    """Times the training pipeline alone, or the strong view, on random images.

    Args:
        augment: a name of `augment.standard`, or a policy for CIFAR of
            `augment.policies`, which is compared with Pillow's code.
        image_shape: (H, W, C); (32, 32, 3) for a policy.
        num_examples: N.
        batch_size: B.
        num_batches: how many are drawn.

    Returns:
        {images_per_second_per_core, ...}; per core means per second of
        processor time.  For `augment.standard` also images_per_second; for a
        policy what `benchmark_strong.measure` returns.

    Raises:
        UserError: for a name that does not exist, or a policy for ImageNet.
    """
    pixels = tf.random.stateless_uniform(
        [num_examples, *image_shape],
        randomness.stream_seed(0, "evaluation"),
        0,
        256,
        tf.int32,
    )
    pixels = tf.cast(pixels, tf.uint8).numpy()
    if augment not in standard.names():
        return _strong(augment, pixels, batch_size, num_batches)
    data = dataset_lib.ImageDataset(
        name="random",
        images=pixels,
        given_labels=np.arange(num_examples) % 10,
        clean_labels=None,
        ids=np.arange(num_examples),
        class_names=tuple("0123456789"),
    )
    batches = iter(
        pipeline.training_batches(
            data, standard.get(augment, image_shape), batch_size, seed=0
        )
    )
    for _ in range(10):
        next(batches)
    started, cpu_started = time.perf_counter(), time.process_time()
    for _ in range(num_batches):
        next(batches)
    seconds = time.perf_counter() - started
    cpu_seconds = time.process_time() - cpu_started
    images = num_batches * batch_size
    return {
        "augment": augment,
        "batch_size": batch_size,
        "images_per_second": round(images / seconds),
        "images_per_second_per_core": round(images / cpu_seconds),
    }


def _strong(name, pixels, batch_size, num_batches):
    try:
        policy = policies.get(name)
    except errors.UserError as error:
        raise errors.UserError(
            f"--augment={name}: neither one of {', '.join(standard.names())}; "
            f"and {error}"
        ) from error
    if policy.finish != "cifar":
        raise errors.UserError(
            f"--augment={name}: only policies for CIFAR are compared with "
            "Pillow's code"
        )
    rounds = min(3, num_batches)
    measured = benchmark_strong.measure(
        pixels, name, batch_size, num_batches // rounds, rounds
    )
    return {"augment": measured.pop("policy"), **measured}
