"""The same views by torchvision, albumentations and Keras; all are optional.

What a user of these libraries writes: image by image, in Python, from uint8
images in memory to a batch of float32; Keras's layers take a batch at once.
Each works on one thread (Keras on TensorFlow's).
"""

import importlib.util
import os

import numpy as np
import tensorflow as tf

_HALF = (0.5, 0.5, 0.5)
# Of RandAugment at level M of 10, see `policies`: the blending factor and
# what else depends on it, in its own units.
_MOST_SHEAR, _MOST_TURN, _MOST_MOVE = 0.3, 30, 10 / 32


def views(augment, images):
    """Returns what the installed libraries make of a batch.

    Args:
        augment: `standard` or `randaugment:N:M`; for others there is nothing.
        images: uint8 [B, H, H, 3].

    Returns:
        {torchvision, albumentations, keras: a function of nothing that makes
        float32 [B, H, H, 3], or [B, 3, H, H] for torchvision}, of those that
        are installed.
    """
    kind, *numbers = augment.split(":")
    if images.shape[-1] != 3 or kind not in ("standard", "randaugment"):
        return {}
    num_ops, level = (int(number) for number in numbers or (0, 0))
    makers = {
        "torchvision": _torchvision,
        "albumentations": _albumentations,
        "keras": _keras,
    }
    return {
        name: make(images, num_ops, level)
        for name, make in makers.items()
        if importlib.util.find_spec(name) is not None
    }


def _padding(side):
    return max(1, round(4 * side / 32))


def _torchvision(images, num_ops, level):
    import torch
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    side = images.shape[1]
    steps = [
        v2.RandomCrop(side, padding=_padding(side)),
        v2.RandomHorizontalFlip(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(_HALF, _HALF),
    ]
    if num_ops:
        # Its magnitudes are 0..30.
        steps.insert(0, v2.RandAugment(num_ops, 3 * level))
        steps.append(v2.RandomErasing(1.0, (0.25, 0.25), (1.0, 1.0)))
    view = v2.Compose(steps)
    tensors = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    return lambda: torch.stack([view(image) for image in tensors]).numpy()


def _albumentations(images, num_ops, level):
    # Else it asks PyPI for a newer version when it is imported.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations
    import cv2

    cv2.setNumThreads(1)
    side = images.shape[1]
    steps = [
        albumentations.Pad(_padding(side), p=1.0),
        albumentations.RandomCrop(side, side),
        albumentations.HorizontalFlip(),
    ]
    if num_ops:
        operations = _albumentations_operations(albumentations, side, level)
        steps.insert(
            0, albumentations.SomeOf(operations, num_ops, replace=True, p=1.0)
        )
        hole = (side // 2, side // 2)
        steps.append(
            albumentations.CoarseDropout((1, 1), hole, hole, fill=128, p=1.0)
        )
    view = albumentations.Compose(
        [*steps, albumentations.Normalize(_HALF, _HALF)]
    )
    return lambda: np.stack([view(image=image)["image"] for image in images])


def _albumentations_operations(albumentations, side, level):
    """Returns the 14 operations of RandAugment, each always applied."""
    share = level / 10
    factor = 1.8 * share + 0.1
    move = round(_MOST_MOVE * share * side)
    shear = float(np.degrees(np.arctan(_MOST_SHEAR * share)))
    threshold = 1 - share

    def jitter(**changed):
        still = dict.fromkeys(("brightness", "contrast", "saturation"), (1, 1))
        ranges = {**still, "hue": (0, 0), **changed}
        return albumentations.ColorJitter(**ranges, p=1.0)

    def affine(**moved):
        # Nearest neighbours, as here.
        return albumentations.Affine(**moved, interpolation=0, p=1.0)

    return [
        albumentations.NoOp(p=1.0),
        albumentations.AutoContrast(p=1.0),
        albumentations.Equalize(p=1.0),
        albumentations.Rotate(_MOST_TURN * share, interpolation=0, p=1.0),
        albumentations.Solarize((threshold, threshold), p=1.0),
        jitter(saturation=(factor, factor)),
        jitter(contrast=(factor, factor)),
        jitter(brightness=(factor, factor)),
        albumentations.Sharpen(p=1.0),
        affine(shear={"x": (-shear, shear), "y": (0, 0)}),
        affine(shear={"x": (0, 0), "y": (-shear, shear)}),
        affine(translate_px={"x": (-move, move), "y": (0, 0)}),
        affine(translate_px={"x": (0, 0), "y": (-move, move)}),
        albumentations.Posterize(max(1, 4 - int(4 * share)), p=1.0),
    ]


def _keras(images, num_ops, level):
    import keras

    side = images.shape[1]
    # One offset for a batch.
    steps = [
        keras.layers.ZeroPadding2D(_padding(side)),
        keras.layers.RandomCrop(side, side),
        keras.layers.RandomFlip("horizontal"),
    ]
    if num_ops:
        steps.insert(0, keras.layers.RandAugment((0, 255), num_ops, level / 10))
        steps.append(
            keras.layers.RandomErasing(
                1.0, (0.25, 0.25), 127.5, value_range=(0, 255)
            )
        )
    steps.append(keras.layers.Rescaling(1 / 127.5, -1))

    @tf.function(autograph=False)
    def view(batch):
        batch = tf.cast(batch, tf.float32)
        for step in steps:
            batch = (
                step(batch, training=True)
                if step.name.startswith("rand")
                else step(batch)
            )
        return batch

    batch = tf.constant(images)
    return lambda: view(batch).numpy()
