"""The strong view against Pillow code of the same policy, image by image.

`pillow_view` is what torchvision-style code does: a Python function of one
image.  It takes the same draws, so that it also is the reference that the
tests hold `strong.view` to, byte for byte.
"""

import time

import numpy as np
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from tfnoisy import randomness
from tfnoisy.augment import policies, strong

_ENHANCERS = {
    "Brightness": ImageEnhance.Brightness,
    "Color": ImageEnhance.Color,
    "Contrast": ImageEnhance.Contrast,
    "Sharpness": ImageEnhance.Sharpness,
}
_BY_TABLE = {
    "AutoContrast": lambda image, _: ImageOps.autocontrast(image),
    "Equalize": lambda image, _: ImageOps.equalize(image),
    "Invert": lambda image, _: ImageOps.invert(image),
    "Posterize": lambda image, bits: ImageOps.posterize(image, int(bits)),
    "Solarize": lambda image, least: ImageOps.solarize(image, int(least)),
}
_MATRICES = {
    "ShearX": lambda shear: (1, shear, 0, 0, 1, 0),
    "ShearY": lambda shear: (1, 0, 0, shear, 1, 0),
    "TranslateX": lambda pixels: (1, 0, pixels, 0, 1, 0),
    "TranslateY": lambda pixels: (1, 0, 0, 0, 1, pixels),
}


def pillow_view(array, operations, at_end, alpha=True):
    """Returns the strong view of one image, by Pillow: policies for CIFAR.

    Args:
        array: uint8 [32, 32, 3].
        operations: [(name in `policies.OPS`, signed magnitude, (row, column)
            of a cutout's centre), ...].
        at_end: (vertical offset, horizontal offset, whether to flip, row,
            column of the last cutout's centre).
        alpha: whether to work in RGBA, as IEG does; in RGB, as torchvision
            does, it is faster, and what lies outside is black.

    Returns:
        float32 [32, 32, 3] in -1..1.
    """
    image = Image.fromarray(array)
    if alpha:
        image = image.convert("RGBA")
    for name, magnitude, centre in operations:
        image = _pillow_operation(image, name, magnitude, centre)
    top, left, flip, row, column = at_end
    image = ImageOps.expand(image, 4, (0, 0, 0, 0) if alpha else 0)
    image = image.crop((left, top, left + 32, top + 32))
    if flip:
        image = ImageOps.mirror(image)
    pixels = np.asarray(image)
    result = (pixels[..., :3].astype(np.float32) - 127.5) / 127.5
    if alpha:
        result[pixels[..., 3] == 0] = 0.0
    result[
        max(0, row - 8) : min(32, row + 8),
        max(0, column - 8) : min(32, column + 8),
    ] = 0.0
    return result


def _pillow_operation(image, name, magnitude, centre):
    if name in _BY_TABLE:
        if image.mode == "RGB":
            return _BY_TABLE[name](image, magnitude)
        return _BY_TABLE[name](image.convert("RGB"), magnitude).convert("RGBA")
    if name in _ENHANCERS:
        return _ENHANCERS[name](image).enhance(magnitude)
    if name in _MATRICES:
        return image.transform(
            image.size, Image.Transform.AFFINE, _MATRICES[name](magnitude)
        )
    if name == "Rotate":
        return image.rotate(magnitude)
    if name == "Cutout":
        half = int(magnitude) // 2
        row, column = centre
        box = (
            max(0, column - half),
            max(0, row - half),
            min(32, column + half),
            min(32, row + half),
        )
        if half:
            colour = (125, 122, 113, 0)
            image.paste(colour[: len(image.getbands())], box)
    return image


def pillow_choices(policy, draws, mirror=True):
    """Reads the draws of `strong.view` for `pillow_view`.

    Args:
        policy: a `policies.Policy`.
        draws: float32 [B, strong.num_draws(policy)].
        mirror: whether images are flipped.

    Returns:
        [(operations, at_end), ...], one for each image.
    """
    count = len(draws)
    end = policy.num_draws + 4 * policy.num_ops
    ops, probabilities, levels = (
        values.numpy()
        for values in policy.choose(tf.constant(draws[:, : policy.num_draws]))
    )
    per_op = draws[:, policy.num_draws : end].reshape(count, -1, 4)
    choices = []
    for i in range(count):
        operations = []
        for k in range(policy.num_ops):
            applied, sign, row, column = per_op[i, k]
            if not applied < probabilities[i, k]:
                continue
            name = policies.OPS[ops[i, k]]
            magnitude = policy.magnitudes[ops[i, k], levels[i, k]]
            if name in policies.SIGNED and sign < 0.5:
                magnitude = -magnitude
            centre = (int(row * 32), int(column * 32))
            operations.append((name, float(magnitude), centre))
        top, left, flip, row, column = draws[i, end:]
        at_end = (
            int(top * 8),
            int(left * 8),
            bool(mirror and flip < 0.5),
            int(row * 32),
            int(column * 32),
        )
        choices.append((operations, at_end))
    return choices


def truncate(images):
    """Returns IEG's bytes of a standard view: see `strong.view`."""
    view = (images / np.float32(255) - np.float32(0.5)) * np.float32(2)
    return np.uint8((view * 0.5 + 0.5) * 255.0)


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
    choices = pillow_choices(policy, draws_of(0, count).numpy())
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
                pillow_view(array, *choice, alpha=False)
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
