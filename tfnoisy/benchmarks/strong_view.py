"""The strong view against Pillow code of the same policy, image by image."""

import time

import numpy as np
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.augment import pillow_view, policies, strong


def measure(
    images,
    policy_name="autoaugment_ieg",
    batch_size=128,
    num_batches=200,
    rounds=3,
    jit=True,
):
    """Times the strong view in tf.data and Pillow's, in turn.

    Args:
        images: uint8 [N, 32, 32, 3].
        policy_name: one for CIFAR, see `policies.get`.
        batch_size: B.
        num_batches: how many are drawn from tf.data in a round; Pillow works
            on two.
        rounds: how often each is timed.
        jit: whether XLA compiles the view.

    Returns:
        {images_per_second_per_core, pillow_images_per_second_per_core,
        ratio, ...}: medians; per core means per second of processor time.
    """
    policy = policies.get(policy_name)
    augmentation = strong.get(policy_name, images.shape[1:], jit=jit)
    pixels = tf.constant(images)

    def draws_of(k, count=batch_size):
        return randomness.uniform_by_id(
            0, "augment_strong", count, augmentation.num_draws, k
        )

    def load(k):
        rows = tf.range(batch_size) + tf.cast(k, tf.int32) * batch_size
        batch = tf.gather(pixels, rows % len(images))
        return augmentation.train(batch, draws_of(k))

    batches = iter(
        tf.data.Dataset.range(10 + rounds * num_batches)
        .map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(4)
    )
    for _ in range(10):  # The first call compiles.
        next(batches)
    count = 2 * batch_size
    choices = pillow_view.pillow_choices(policy, draws_of(0, count).numpy())
    arrays = images[np.arange(count) % len(images)]
    ours, pillows = [], []
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(num_batches):
            next(batches)
        ours.append(num_batches * batch_size / (time.process_time() - started))
        # This thread's time: tf.data goes on filling its buffers meanwhile.
        started = time.thread_time()
        np.stack(
            [
                pillow_view.pillow_view(array, *choice, alpha=False)
                for array, choice in zip(arrays, choices)
            ]
        )
        pillows.append(count / (time.thread_time() - started))
    speed, pillow_speed = np.median(ours), np.median(pillows)
    return {
        "policy": policy_name,
        "batch_size": batch_size,
        "jit": jit,
        "images_per_second_per_core": round(speed),
        "pillow_images_per_second_per_core": round(pillow_speed),
        "ratio": round(float(speed / pillow_speed), 2),
    }
