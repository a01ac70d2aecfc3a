"""How fast the input pipeline is on this machine, alone."""

import time

import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness
from tfnoisy.augment import policies, standard
from tfnoisy.benchmarks import strong_view as strong_view_suite
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline


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
        policy what `strong_view_suite.measure` returns.

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
    measured = strong_view_suite.measure(
        pixels, name, batch_size, num_batches // rounds, rounds
    )
    return {"augment": measured.pop("policy"), **measured}
