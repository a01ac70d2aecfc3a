"""The image operations of tensorflow-addons, each beside ours.

A `Case` calls an operation of addons 0.23.0 with certain arguments, and ours
twice: as named, by the same amount in the same direction; and by addons'
conventions, where these differ from Pillow's, which ours are.

* Nearest neighbour (rotate, shear, translate, transform): addons counts from
  the centre of the first pixel, Pillow from its outer edge.  So addons shears
  about the centre of the first row or column, and ours must in addition be
  moved by half the factor; rotations are about the image's centre in both.
  A source half-way between two pixels is decided by addons' float32 and its
  rounding away from zero, by Pillow's 16.16 fixed point and its rounding up:
  either neighbour may be shown.
* blend: addons rounds (half to even), Pillow truncates.
* sharpness: addons truncates the smoothed image and rounds the blend, Pillow
  does it the other way round.  Where the smoothed value is an integer,
  addons' float32 convolution may be just below it and lose one level.
* translate: addons' sign is that of the motion, Pillow's that of the source.
* rotate: addons takes radians.
* equalize, cutout, translations by whole pixels: no difference.

This file imports without addons: `tests/augment/test_addons_goldens.py` checks
the same cases against what addons returned.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfnoisy.augment import image_ops

FILL = (1, 2, 128)
# More than the error of Pillow's fixed point over 32 rows and columns.
HALF_WAY = 2.0**-10


@dataclasses.dataclass(frozen=True)
class Case:
    """One operation with its arguments.

    Attributes:
        operation: name in addons.
        arguments: as a table shows them.
        addons: (tensorflow_addons.image, images uint8 [B, H, W, 3]) -> images.
        as_named: images -> ours.
        candidates: images -> ours by addons' conventions, [K, B, H, W, 3]:
            what addons may show at each pixel, the likeliest first.
    """

    operation: str
    arguments: str
    addons: Callable
    as_named: Callable
    candidates: Callable

    @property
    def name(self):
        return f"{self.operation}({self.arguments})"


def generated_images(count):
    """Returns uint8 [count, 32, 32, 3]: one colour, a ramp, then patches."""
    # RandomState's numbers are the same in every version of numpy.
    random = np.random.RandomState(7)
    patches = random.randint(0, 256, [count, 8, 8, 3])
    texture = random.randint(-8, 9, [count, 32, 32, 3])
    images = np.clip(np.kron(patches, np.ones([4, 4, 1])) + texture, 0, 255)
    images[0] = (7, 7, 255)
    images[1] = np.indices((32, 32, 3)).sum(0)
    return images.astype(np.uint8)


def of_each(function, images):
    """Applies a function of one image to each."""
    return np.stack([function(image).numpy() for image in images])


def _near(matrices, images, fill):
    """Ours, and ours with the source moved less than matters elsewhere."""
    near = (-HALF_WAY, HALF_WAY)
    moves = [(0.0, 0.0)] + [(x, y) for x in near for y in near]
    return np.stack(
        [
            image_ops.affine(images, matrices + [0, 0, x, 0, 0, y], fill)
            for x, y in moves
        ]
    )


def rotate(degrees):
    def candidates(images):
        matrices = image_ops.rotation_matrices(
            [degrees] * len(images), *images.shape[1:3]
        )
        return _near(matrices, images, 9)

    return Case(
        "rotate",
        f"{degrees:g}",
        lambda addons, images: addons.rotate(
            images, math.radians(degrees), fill_value=9.0
        ),
        lambda images: image_ops.rotate(images, [degrees] * len(images), 9),
        candidates,
    )


def shear(axis, factor):
    ours = {"x": image_ops.shear_x, "y": image_ops.shear_y}[axis]

    def candidates(images):
        matrix = image_ops.linear_matrices(
            **{
                f"shear_{axis}": np.full(len(images), factor),
                f"translate_{axis}": -factor / 2,
            }
        )
        return _near(matrix, images, FILL)

    return Case(
        f"shear_{axis}",
        f"{factor:g}",
        lambda addons, images: of_each(
            lambda image: getattr(addons, f"shear_{axis}")(image, factor, FILL),
            tf.constant(images),
        ),
        lambda images: ours(images, np.full(len(images), factor), FILL),
        candidates,
    )


def translate(axis, pixels):
    """Moves the content to the left or up, as Pillow counts."""
    motion = {"x": [-pixels, 0.0], "y": [0.0, -pixels]}[axis]
    ours = {"x": image_ops.translate_x, "y": image_ops.translate_y}[axis]

    def candidates(images):
        matrix = image_ops.linear_matrices(
            **{f"translate_{axis}": np.full(len(images), pixels, float)}
        )
        return _near(matrix, images, 0)

    return Case(
        f"translate_{axis}",
        f"{pixels:g}",
        lambda addons, images: addons.translate(images, tf.constant(motion)),
        lambda images: ours(images, [pixels] * len(images)),
        candidates,
    )


def translate_xy(x, y):
    """Moves the content to the left and up, with a fill."""

    def candidates(images):
        matrix = image_ops.linear_matrices(
            translate_x=np.full(len(images), x, float), translate_y=y
        )
        return _near(matrix, images, FILL)

    return Case(
        "translate_xy",
        f"{x:g}, {y:g}",
        lambda addons, images: of_each(
            lambda image: addons.translate_xy(image, [-x, -y], FILL),
            tf.constant(images),
        ),
        lambda images: candidates(images)[0],
        candidates,
    )


def transform(seed):
    """Applies an affine map near the identity, the same numbers in both."""
    random = np.random.RandomState(seed)
    a, b, d, e = random.uniform(-0.4, 0.4, 4) + [1, 0, 0, 1]
    c, f = random.uniform(-8, 8, 2)

    def candidates(images):
        matrix = [a, b, c - (a + b - 1) / 2, d, e, f - (d + e - 1) / 2]
        return _near(tf.constant([matrix] * len(images)), images, 9)

    return Case(
        "transform",
        f"{seed}",
        lambda addons, images: addons.transform(
            images, [a, b, c, d, e, f, 0.0, 0.0], fill_value=9.0
        ),
        lambda images: image_ops.affine(
            images, tf.constant([[a, b, c, d, e, f]] * len(images)), 9
        ),
        candidates,
    )


def equalize():
    return Case(
        "equalize",
        "",
        lambda addons, images: addons.equalize(images),
        image_ops.equalize,
        lambda images: image_ops.equalize(images)[None],
    )


def cutout(row, column, side):
    def ours(images):
        many = np.ones(len(images), int)
        return image_ops.cutout(images, row * many, column * many, side, 9)

    return Case(
        "cutout",
        f"{row}, {column}, {side}",
        lambda addons, images: addons.cutout(images, side, (row, column), 9),
        ours,
        lambda images: ours(images)[None],
    )


def blend(factor):
    """Blends each image with the one before it."""
    return Case(
        "blend",
        f"{factor:g}",
        lambda addons, images: addons.blend(
            np.roll(images, 1, axis=0), images, factor
        ),
        lambda images: image_ops.blend(
            np.roll(images, 1, axis=0), images, [factor] * len(images)
        ),
        lambda images: _rounded_blend(
            np.roll(images, 1, axis=0), images, factor
        )[None],
    )


def _rounded_blend(degenerate, images, factor):
    """Ours, plus the levels that addons' rounding adds to truncation."""
    start = degenerate.astype(np.float32)
    blended = start + np.float32(factor) * (images.astype(np.float32) - start)
    blended = np.clip(blended, 0.0, 255.0)
    added = np.rint(blended) - np.floor(blended)
    ours = image_ops.blend(degenerate, images, [factor] * len(images))
    return ours.numpy() + added.astype(np.uint8)


def sharpness(factor):
    def candidates(images):
        wide = np.pad(images.astype(int), [(0, 0), (1, 1), (1, 1), (0, 0)])
        height, width = images.shape[1:3]
        sums = 4 * images.astype(int) + sum(
            wide[:, i : i + height, j : j + width]
            for i in range(3)
            for j in range(3)
        )
        sums[:, [0, -1]] = 0
        sums[:, :, [0, -1]] = 0
        # Ours rounds thirteenths up from seven on.
        smooth = image_ops.smooth(images).numpy() - (sums % 13 >= 7)
        below = smooth - ((sums % 13 == 0) & (sums > 0))
        return np.stack(
            [_rounded_blend(d, images, factor) for d in (smooth, below)]
        )

    return Case(
        "sharpness",
        f"{factor:g}",
        lambda addons, images: addons.sharpness(images, factor),
        lambda images: image_ops.sharpness(images, [factor] * len(images)),
        candidates,
    )


_LEVELS = range(11)
_SIGNED_LEVELS = range(-10, 11)
_FACTORS = [level * 1.8 / 10 + 0.1 for level in _LEVELS]

# At the magnitudes of the policies for CIFAR, with both signs.
TABLE = [
    *(rotate(3.0 * level) for level in _SIGNED_LEVELS),
    *(shear("x", level * 0.3 / 10) for level in _SIGNED_LEVELS),
    *(shear("y", level * 0.3 / 10) for level in _SIGNED_LEVELS),
    *(translate("x", float(level)) for level in _SIGNED_LEVELS),
    *(translate("y", float(level)) for level in _SIGNED_LEVELS),
    *(translate_xy(float(level), 3.0 - level) for level in _LEVELS),
    *(transform(seed) for seed in range(11)),
    equalize(),
    *(cutout(5, 20, 2 * level) for level in _LEVELS),
    *(cutout(0, 31, 2 * level) for level in _LEVELS),
    *(blend(factor) for factor in _FACTORS),
    *(sharpness(factor) for factor in _FACTORS),
]

NUM_GOLDEN_IMAGES = 4
GOLDENS = [
    *(rotate(degrees) for degrees in (-30.0, 12.0, 15.4, 45.0, 90.0)),
    *(shear("x", factor) for factor in (-0.21, 0.06, 0.3)),
    *(shear("y", factor) for factor in (-0.3, 0.09)),
    *(translate("x", pixels) for pixels in (-2.5, 3.0)),
    *(translate("y", pixels) for pixels in (-10.0, 2.5)),
    translate_xy(-4.0, 7.0),
    *(transform(seed) for seed in (3, 4)),
    equalize(),
    *(cutout(*where) for where in ((5, 20, 16), (0, 31, 8))),
    *(blend(factor) for factor in (0.28, 0.5, 1.72)),
    *(sharpness(factor) for factor in (0.0, 0.1, 0.64, 1.9)),
]


def run_addons(addons, case, images):
    """Returns what addons does, uint8 [B, H, W, 3]."""
    return np.asarray(case.addons(addons, images)).astype(np.uint8)


def explained(candidates, theirs):
    """Returns bool [B, H, W, C]: whether a candidate is what addons shows."""
    return np.any(candidates == theirs, axis=0)


def num_differing(case, images, theirs):
    """Returns how many pixels of ours differ: as named, by conventions."""
    pairs = (case.as_named(images), case.candidates(images)[0])
    return [
        int(np.sum(np.any(np.asarray(ours) != theirs, axis=-1)))
        for ours in pairs
    ]
