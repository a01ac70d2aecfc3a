"""The strong view by Pillow, image by image: the reference of `strong.view`.

It is what torchvision-style code does: a Python function of one image.  It
takes the same draws as `strong.view`, which the tests hold to it byte for
byte and the benchmarks in time.
"""

import numpy as np
import tensorflow as tf
from PIL import Image, ImageEnhance, ImageOps

from tfnoisy.augment import policies

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
    chosen = policy.choose(tf.constant(draws[:, : policy.num_draws]))
    magnitudes = policy.magnitude(chosen[0], chosen[2]).numpy()
    ops, probabilities = (values.numpy() for values in chosen[:2])
    per_op = draws[:, policy.num_draws : end].reshape(count, -1, 4)
    choices = []
    for i in range(count):
        operations = []
        for k in range(policy.num_ops):
            applied, sign, row, column = per_op[i, k]
            if not applied < probabilities[i, k]:
                continue
            name = policies.OPS[ops[i, k]]
            magnitude = magnitudes[i, k]
            if name in policies.MOVES and sign < 0.5:
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
