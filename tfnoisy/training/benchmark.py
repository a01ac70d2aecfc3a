"""How fast: a method's step and the input pipeline, on this machine.

A step is compared with the passes that its method cannot avoid, in the same
process, on the same batch, in interleaved repeats: the ratio of the medians
is the method's overhead and says the same on a noisy machine as on a quiet
one.
"""

import statistics
import time

import numpy as np
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.augment import standard
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline
from tfnoisy.methods import baseline, mentormix, mentornet
from tfnoisy.nets import mentornet as mentornet_net
from tfnoisy.nets import registry
from tfnoisy.training import optimizer


def _plain(student):
    return baseline.Baseline(student)


def _mentornet(student):
    return mentornet.MentorNet(
        student, mentornet_net.default(), num_steps=100000
    )


def _mentormix(student):
    return mentormix.MentorMix(
        student, mentornet_net.default(), num_steps=100000
    )


# method: (how it is made, forward passes without gradient, passes with).
STEPS = {
    "mentornet": (_mentornet, 0, 1),
    "mentormix": (_mentormix, 1, 1),
}


def step_suite(
    method="mentormix",
    studentnet="cifar_resnet32",
    batch_size=128,
    repeats=20,
    image_shape=(32, 32, 3),
    num_classes=10,
):
    """Times a method's step and the passes it cannot avoid.

    Args:
        method: a name in `STEPS`.
        studentnet: a name in `nets.registry`.
        batch_size: B.
        repeats: how often each is timed, in turn.
        image_shape: (H, W, C).
        num_classes: C.

    Returns:
        {forward_seconds, update_seconds, step_seconds, ratio, ...}: medians,
        and step / (passes without gradient * forward + passes with * update).
    """
    make, forwards, updates = STEPS[method]
    batch = {
        "images": tf.random.stateless_uniform(
            [batch_size, *image_shape],
            randomness.stream_seed(0, "evaluation"),
            -1.0,
            1.0,
        ),
        "labels": tf.range(batch_size) % num_classes,
        "ids": tf.range(batch_size, dtype=tf.int64),
    }

    def compiled(make_method):
        student = registry.build(studentnet, num_classes, image_shape)
        made = make_method(student)
        made.compile(optimizer.TF1Momentum(0.01))
        return made

    plain, timed = compiled(_plain), compiled(make)
    functions = {
        "forward": tf.function(plain.forward_untracked, jit_compile=False),
        "update": tf.function(plain.train_step, jit_compile=False),
        "step": tf.function(timed.train_step, jit_compile=False),
    }
    arguments = {"forward": batch["images"], "update": batch, "step": batch}
    seconds = {name: [] for name in functions}
    for repeat in range(repeats + 2):
        for name, function in functions.items():
            started = time.perf_counter()
            tf.nest.map_structure(
                lambda t: t.numpy(), function(arguments[name])
            )
            if repeat >= 2:  # The first calls trace and warm up.
                seconds[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    unavoidable = forwards * medians["forward"] + updates * medians["update"]
    return {
        "method": method,
        "studentnet": studentnet,
        "batch_size": batch_size,
        "repeats": repeats,
        **{f"{name}_seconds": round(s, 5) for name, s in medians.items()},
        "unavoidable_seconds": round(unavoidable, 5),
        "ratio": round(medians["step"] / unavoidable, 4),
        "images_per_second": round(batch_size / medians["step"], 1),
    }


def input_suite(
    augment="standard",
    image_shape=(32, 32, 3),
    num_examples=50000,
    batch_size=128,
    num_batches=400,
):
    """Times the training pipeline alone, on random images.

    Args:
        augment: a name of `augment.standard`.
        image_shape: (H, W, C).
        num_examples: N.
        batch_size: B.
        num_batches: how many are drawn.

    Returns:
        {images_per_second, images_per_second_per_core, ...}; per core means
        per second of processor time.
    """
    pixels = tf.random.stateless_uniform(
        [num_examples, *image_shape],
        randomness.stream_seed(0, "evaluation"),
        0,
        256,
        tf.int32,
    )
    data = dataset_lib.ImageDataset(
        name="random",
        images=tf.cast(pixels, tf.uint8).numpy(),
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
