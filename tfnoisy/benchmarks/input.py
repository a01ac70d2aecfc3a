"""How fast the input pipeline is on this machine, alone and beside others'."""

import math
import statistics
import time

import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness
from tfnoisy.augment import policies, standard, strong
from tfnoisy.benchmarks import peer_views, timing
from tfnoisy.benchmarks import strong_view as strong_view_suite
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline


def input_suite(
    augment="standard",
    image_shape=(32, 32, 3),
    num_examples=None,
    batch_size=128,
    num_batches=400,
    rounds=4,
):
    """Times the training pipeline alone, or the strong view, on random images.

    Beside it what `peer_views` has of the same view, and of a policy for
    CIFAR at 32x32 pixels Pillow's code, in turn.

    Args:
        augment: a name of `augment.standard`, or a policy for CIFAR of
            `augment.policies`.
        image_shape: (H, W, C).
        num_examples: N; if None as many as take 150 MB, 50,000 of 32x32x3.
        batch_size: B.
        num_batches: how many are drawn.
        rounds: how often each is timed; the medians count.

    Returns:
        {images_per_second_per_core, ...}; per core means per second of
        processor time.  For `augment.standard` also images_per_second; for a
        policy at 32x32 pixels what `strong_view_suite.measure` returns; for
        each library {its name}_images_per_second_per_core, and ours over it
        as over_{its name}.

    Raises:
        UserError: for a name that does not exist, or a policy for ImageNet.
    """
    if num_examples is None:
        num_examples = max(1, 153_600_000 // math.prod(image_shape))
    pixels = tf.random.stateless_uniform(
        [num_examples, *image_shape],
        randomness.stream_seed(0, "evaluation"),
        0,
        256,
        tf.int32,
    )
    pixels = tf.cast(pixels, tf.uint8).numpy()
    few = pixels[np.arange(batch_size) % num_examples]
    peers = peer_views.views(augment, few)
    found = {"augment": augment, "batch_size": batch_size}
    if augment in standard.names():
        view = standard.get(augment, image_shape)
    else:
        _check_policy(augment)
        view = strong.get(augment, image_shape)
        if image_shape[:2] == (32, 32):
            found |= _beside_pillow(augment, pixels, batch_size, num_batches)
            if not peers:
                return found
    data = dataset_lib.ImageDataset(
        name="random",
        images=pixels,
        given_labels=np.arange(num_examples) % 10,
        clean_labels=None,
        ids=np.arange(num_examples),
        class_names=tuple("0123456789"),
    )
    batches = iter(pipeline.training_batches(data, view, batch_size, seed=0))
    each = max(1, num_batches // rounds)
    wall = []

    def ours():
        started = time.perf_counter()
        for _ in range(each):
            next(batches)
        wall.append(time.perf_counter() - started)
        _wait_until_idle()

    _, cpu = timing.interleaved({"ours": ours, **peers}, rounds, warm_up=1)
    speeds = {
        name: (batch_size * (each if name == "ours" else 1))
        / statistics.median(seconds)
        for name, seconds in cpu.items()
    }
    found["image_shape"] = list(image_shape)
    found["images_per_second"] = round(
        batch_size * each / statistics.median(wall[1:])
    )
    found["images_per_second_per_core"] = round(speeds["ours"])
    for name in peers:
        found[f"{name}_images_per_second_per_core"] = round(speeds[name])
        found[f"over_{name}"] = round(speeds["ours"] / speeds[name], 2)
    return found


def _wait_until_idle(most_seconds=30.0):
    """Waits until tf.data has filled its buffers.

    So each round makes as many batches as it takes, and a peer's is not
    disturbed.
    """
    started = time.perf_counter()
    while time.perf_counter() - started < most_seconds:
        before = time.process_time()
        time.sleep(0.02)
        if time.process_time() - before < 0.002:
            return


def _check_policy(name):
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


def _beside_pillow(name, pixels, batch_size, num_batches):
    rounds = min(3, num_batches)
    measured = strong_view_suite.measure(
        pixels, name, batch_size, num_batches // rounds, rounds
    )
    return {"augment": measured.pop("policy"), **measured}
