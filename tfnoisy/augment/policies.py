"""Policies of strong augmentation: which operations, how likely, how strong.

A policy turns uniform draws into `num_ops` operations for each image, and a
level of 0..10 into an operation's magnitude.  The tables are written as
"operation probability level + operation probability level | ..."; `_SHORT`
names the operations:

* `autoaugment_cifar10`, `autoaugment_svhn`: AutoAugment, arXiv 1805.09501,
  appendix, 25 sub-policies each;
* `autoaugment_ieg`: the 95 that IEG trains on CIFAR with (its original code;
  20 of the former's are among them);
* `autoaugment_imagenet`: "v0" of AutoAugment's ImageNet code, which IEG
  trains on WebVision with;
* `randaugment:N:M`: RandAugment, arXiv 1909.13719: N of 14 operations, drawn
  with replacement for each image, always applied, all at level M;
* `randaugment_ieg`: IEG's form: two of 14 with levels 1..9, drawn once for a
  whole batch, each applied to an image with probability one half;
* `randaugment_promix`: ProMix's form: three of the 14 with replacement for each
  image, always applied, each with a magnitude drawn from the whole of its
  range, then a square of a random size.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfnoisy import errors

MAX_LEVEL = 10

# All operations that change an image, by what the tables below call them.
_SHORT = {
    "AuC": "AutoContrast",
    "Equ": "Equalize",
    "Inv": "Invert",
    "Pos": "Posterize",
    "Sol": "Solarize",
    "SoA": "SolarizeAdd",
    "Rot": "Rotate",
    "ShX": "ShearX",
    "ShY": "ShearY",
    "TrX": "TranslateX",
    "TrY": "TranslateY",
    "Bri": "Brightness",
    "Col": "Color",
    "Con": "Contrast",
    "Sha": "Sharpness",
    "Cut": "Cutout",
}
OPS = ("Identity", *_SHORT.values())
OP = {name: index for index, name in enumerate(OPS)}
# What moves pixels, by a magnitude of either sign.
MOVES = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")
# Those of RandAugment, in the order that a draw counts them in.
_RAND_OPS = (
    "Identity",
    "AutoContrast",
    "Equalize",
    "Rotate",
    "Solarize",
    "Color",
    "Contrast",
    "Brightness",
    "Sharpness",
    "ShearX",
    "ShearY",
    "TranslateX",
    "TranslateY",
    "Posterize",
)

# ProMix's magnitudes, at the least and at the largest level.
_PROMIX = {
    **dict.fromkeys(("Brightness", "Color", "Contrast"), (0.05, 0.95)),
    "Sharpness": (0.05, 0.95),
    "Posterize": (4.0, 8.0),
    "Rotate": (0.0, 30.0),
    "ShearX": (0.0, 0.3),
    "ShearY": (0.0, 0.3),
    "Solarize": (0.0, 256.0),
}
# Of TranslateX and TranslateY, a share of width and height.
_PROMIX_MOVE = 0.3

_CIFAR10 = """
Inv 0.1 7 + Con 0.2 6 | Rot 0.7 2 + TrX 0.3 9 | Sha 0.8 1 + Sha 0.9 3 |
ShY 0.5 8 + TrY 0.7 9 | AuC 0.5 8 + Equ 0.9 2 | ShY 0.2 7 + Pos 0.3 7 |
Col 0.4 3 + Bri 0.6 7 | Sha 0.3 9 + Bri 0.7 9 | Equ 0.6 5 + Equ 0.5 1 |
Con 0.6 7 + Sha 0.6 5 | Col 0.7 7 + TrX 0.5 8 | Equ 0.3 7 + AuC 0.4 8 |
TrY 0.4 3 + Sha 0.2 6 | Bri 0.9 6 + Col 0.2 8 | Sol 0.5 2 + Inv 0.0 3 |
Equ 0.2 0 + AuC 0.6 0 | Equ 0.2 8 + Equ 0.6 4 | Col 0.9 9 + Equ 0.6 6 |
AuC 0.8 4 + Sol 0.2 8 | Bri 0.1 3 + Col 0.7 0 | Sol 0.4 5 + AuC 0.9 3 |
TrY 0.9 9 + TrY 0.7 9 | AuC 0.9 2 + Sol 0.8 3 | Equ 0.8 8 + Inv 0.1 3 |
TrY 0.7 9 + AuC 0.9 1
"""

_SVHN = """
ShX 0.9 4 + Inv 0.2 3 | ShY 0.9 8 + Inv 0.7 5 | Equ 0.6 5 + Sol 0.6 6 |
Inv 0.9 3 + Equ 0.6 3 | Equ 0.6 1 + Rot 0.9 3 | ShX 0.9 4 + AuC 0.8 3 |
ShY 0.9 8 + Inv 0.4 5 | ShY 0.9 5 + Sol 0.2 6 | Inv 0.9 6 + AuC 0.8 1 |
Equ 0.6 3 + Rot 0.9 3 | ShX 0.9 4 + Sol 0.3 3 | ShY 0.8 8 + Inv 0.7 4 |
Equ 0.9 5 + TrY 0.6 6 | Inv 0.9 4 + Equ 0.6 7 | Con 0.3 3 + Rot 0.8 4 |
Inv 0.8 5 + TrY 0.0 2 | ShY 0.7 6 + Sol 0.4 8 | Inv 0.6 4 + Rot 0.8 4 |
ShY 0.3 7 + TrX 0.9 3 | ShX 0.1 6 + Inv 0.6 5 | Sol 0.7 2 + TrY 0.6 7 |
ShY 0.8 4 + Inv 0.8 8 | ShX 0.7 9 + TrY 0.8 3 | ShY 0.8 5 + AuC 0.7 3 |
ShX 0.7 2 + Inv 0.1 5
"""

_IMAGENET = """
Equ 0.8 1 + ShY 0.8 4 | Col 0.4 9 + Equ 0.6 3 | Col 0.4 1 + Rot 0.6 8 |
Sol 0.8 3 + Equ 0.4 7 | Sol 0.4 2 + Sol 0.6 2 | Col 0.2 0 + Equ 0.8 8 |
Equ 0.4 8 + SoA 0.8 3 | ShX 0.2 9 + Rot 0.6 8 | Col 0.6 1 + Equ 1.0 2 |
Inv 0.4 9 + Rot 0.6 0 | Equ 1.0 9 + ShY 0.6 3 | Col 0.4 7 + Equ 0.6 0 |
Pos 0.4 6 + AuC 0.4 7 | Sol 0.6 8 + Col 0.6 9 | Sol 0.2 4 + Rot 0.8 9 |
Rot 1.0 7 + TrY 0.8 9 | ShX 0.0 0 + Sol 0.8 4 | ShY 0.8 0 + Col 0.6 4 |
Col 1.0 0 + Rot 0.6 2 | Equ 0.8 4 + Equ 0.0 8 | Equ 1.0 4 + AuC 0.6 2 |
ShY 0.4 7 + SoA 0.6 7 | Pos 0.8 2 + Sol 0.6 10 | Sol 0.6 8 + Equ 0.6 1 |
Col 0.8 6 + Rot 0.4 5
"""

_IEG = """
Inv 0.1 7 + Con 0.2 6 | Rot 0.7 2 + TrX 0.3 9 | Sha 0.8 1 + Sha 0.9 3 |
ShY 0.5 8 + TrY 0.7 9 | AuC 0.5 8 + Equ 0.9 2 | Sol 0.4 5 + AuC 0.9 3 |
TrY 0.9 9 + TrY 0.7 9 | AuC 0.9 2 + Sol 0.8 3 | Equ 0.8 8 + Inv 0.1 3 |
TrY 0.7 9 + AuC 0.9 1 | Sol 0.4 5 + AuC 0.0 2 | TrY 0.7 9 + TrY 0.7 9 |
AuC 0.9 0 + Sol 0.4 3 | Equ 0.7 5 + Inv 0.1 3 | TrY 0.7 9 + TrY 0.7 9 |
Sol 0.4 5 + AuC 0.9 1 | TrY 0.8 9 + TrY 0.9 9 | AuC 0.8 0 + TrY 0.7 9 |
TrY 0.2 7 + Col 0.9 6 | Equ 0.7 6 + Col 0.4 9 | ShY 0.2 7 + Pos 0.3 7 |
Col 0.4 3 + Bri 0.6 7 | Sha 0.3 9 + Bri 0.7 9 | Equ 0.6 5 + Equ 0.5 1 |
Con 0.6 7 + Sha 0.6 5 | Bri 0.3 7 + AuC 0.5 8 | AuC 0.9 4 + AuC 0.5 6 |
Sol 0.3 5 + Equ 0.6 5 | TrY 0.2 4 + Sha 0.3 3 | Bri 0.0 8 + Col 0.8 8 |
Sol 0.2 6 + Col 0.8 6 | Sol 0.2 6 + AuC 0.8 1 | Sol 0.4 1 + Equ 0.6 5 |
Bri 0.0 0 + Sol 0.5 2 | AuC 0.9 5 + Bri 0.5 3 | Con 0.7 5 + Bri 0.0 2 |
Sol 0.2 8 + Sol 0.1 5 | Con 0.5 1 + TrY 0.2 9 | AuC 0.6 5 + TrY 0.0 9 |
AuC 0.9 4 + Equ 0.8 4 | Bri 0.0 7 + Equ 0.4 7 | Sol 0.2 5 + Equ 0.7 5 |
Equ 0.6 8 + Col 0.6 2 | Col 0.3 7 + Col 0.2 4 | AuC 0.5 2 + Sol 0.7 2 |
AuC 0.2 0 + Equ 0.1 0 | ShY 0.6 5 + Equ 0.6 5 | Bri 0.9 3 + AuC 0.4 1 |
Equ 0.8 8 + Equ 0.7 7 | Equ 0.7 7 + Sol 0.5 0 | Equ 0.8 4 + TrY 0.8 9 |
TrY 0.8 9 + TrY 0.6 9 | TrY 0.9 0 + TrY 0.5 9 | AuC 0.5 3 + Sol 0.3 4 |
Sol 0.5 3 + Equ 0.4 4 | Col 0.7 7 + TrX 0.5 8 | Equ 0.3 7 + AuC 0.4 8 |
TrY 0.4 3 + Sha 0.2 6 | Bri 0.9 6 + Col 0.2 8 | Sol 0.5 2 + Inv 0.0 3 |
AuC 0.1 5 + Bri 0.0 0 | Cut 0.2 4 + Equ 0.1 1 | Equ 0.7 7 + AuC 0.6 4 |
Col 0.1 8 + ShY 0.2 3 | ShY 0.4 2 + Rot 0.7 0 | ShY 0.1 3 + AuC 0.9 5 |
TrY 0.3 6 + Cut 0.3 3 | Equ 0.5 0 + Sol 0.6 6 | AuC 0.3 5 + Rot 0.2 7 |
Equ 0.8 2 + Inv 0.4 0 | Equ 0.9 5 + Col 0.7 0 | Equ 0.1 1 + ShY 0.1 3 |
AuC 0.7 3 + Equ 0.7 0 | Bri 0.5 1 + Con 0.1 7 | Con 0.1 4 + Sol 0.6 5 |
Sol 0.2 3 + ShX 0.0 0 | TrX 0.3 0 + TrX 0.6 0 | Equ 0.5 9 + TrY 0.6 7 |
ShX 0.1 0 + Sha 0.5 1 | Equ 0.8 6 + Inv 0.3 6 | AuC 0.3 9 + Cut 0.5 3 |
ShX 0.4 4 + AuC 0.9 2 | ShX 0.0 3 + Pos 0.0 3 | Sol 0.4 3 + Col 0.2 4 |
Equ 0.1 4 + Equ 0.7 6 | Equ 0.3 8 + AuC 0.4 3 | Sol 0.6 4 + AuC 0.7 6 |
AuC 0.2 9 + Bri 0.4 8 | Equ 0.1 0 + Equ 0.0 6 | Equ 0.8 4 + Equ 0.0 4 |
Equ 0.5 5 + AuC 0.1 2 | Sol 0.5 5 + AuC 0.9 5 | AuC 0.6 1 + AuC 0.7 8 |
Equ 0.2 0 + AuC 0.1 2 | Equ 0.6 9 + Equ 0.4 4
"""


@dataclasses.dataclass(frozen=True)
class Policy:
    """What happens to each image.

    Attributes:
        name: how a user names it.
        num_ops: operations in a row, N.
        num_draws: how many uniform draws `choose` takes per image.
        choose: draws float [B, num_draws] -> (operations int32 [B, N] as
            indices of `OPS`, probabilities float32 [B, N], levels [B, N],
            int32 or, for levels of any size in [0, 1), float32).
        magnitudes: float64: an operation's magnitude, before its sign, at each
            level, [len(OPS), 11], or at 0 and at 1, [len(OPS), 2]: degrees,
            shear, pixels, bits, threshold, addition, blending factor or side.
        finish: `cifar` (transparent fill that ends as 0; then pad-crop, flip
            and cutout of a transparent square), `imagenet` (fill 128; then
            cutout of a black square) or `promix` (black fill; then a grey
            square of a random side up to half the width).
    """

    name: str
    num_ops: int
    num_draws: int
    choose: Callable
    magnitudes: np.ndarray
    finish: str

    def magnitude(self, ops, levels):
        """Returns the magnitudes of operations, before their signs.

        Args:
            ops: int32 [B, N], as of `choose`.
            levels: [B, N], likewise.

        Returns:
            float64 [B, N].
        """
        if levels.dtype.is_integer:
            places = tf.stack([ops, levels], axis=-1)
            return tf.gather_nd(tf.constant(self.magnitudes), places)
        ends = tf.gather(tf.constant(self.magnitudes), ops)
        low, high = tf.unstack(ends, axis=-1)
        found = low + (high - low) * tf.cast(levels, low.dtype)
        # Of the values below a threshold the last one is an integer.
        return tf.where(ops == OP["Solarize"], tf.math.ceil(found), found)


def get(name, image_height=32, image_width=None):
    """Returns a policy by name.

    Args:
        name: see the head of this module.
        image_height: in pixels.  The pixel counts of the CIFAR policies are
            for 32 and scale with it; those of ImageNet's are what they are.
        image_width: in pixels, of which ProMix moves a share; as the height if
            None.

    Returns:
        A `Policy`.

    Raises:
        UserError: for a name that does not exist, or N < 1, or M outside
            0..10.
    """
    tables = {
        "autoaugment_cifar10": (_CIFAR10, "cifar"),
        "autoaugment_svhn": (_SVHN, "cifar"),
        "autoaugment_imagenet": (_IMAGENET, "imagenet"),
        "autoaugment_ieg": (_IEG, "cifar"),
    }
    kind, _, arguments = name.partition(":")
    if name in tables:
        table, finish = tables[name]
        choosing = _one_of(parse(table))
    elif name == "randaugment_ieg":
        choosing, finish = _randaugment_ieg(), "cifar"
    elif name == "randaugment_promix":
        size = image_height, image_width or image_height
        return Policy(name, *_randaugment_promix(), _ranges(*size), "promix")
    elif kind == "randaugment":
        choosing, finish = _randaugment(name, arguments), "cifar"
    else:
        raise errors.UserError(
            f"no policy {name!r}; there are {', '.join(tables)}, "
            "randaugment_ieg, randaugment_promix and randaugment:N:M"
        )
    return Policy(name, *choosing, _magnitudes(finish, image_height), finish)


def parse(table):
    """Returns [((operation, probability, level), ...), ...] of a table."""
    policies = []
    for line in table.split("|"):
        words = [op.split() for op in line.split("+")]
        policies.append(
            tuple((_SHORT[op], float(p), int(level)) for op, p, level in words)
        )
    return policies


def _one_of(sub_policies):
    """Draws one sub-policy per image: AutoAugment."""
    ops, probabilities, levels = (
        np.array([[pick(step) for step in sub] for sub in sub_policies])
        for pick in (
            lambda step: OP[step[0]],
            lambda step: step[1],
            lambda step: step[2],
        )
    )

    def choose(draws):
        index = _integer(draws[:, 0], len(sub_policies))
        return (
            tf.gather(tf.constant(ops, tf.int32), index),
            tf.gather(tf.constant(probabilities, tf.float32), index),
            tf.gather(tf.constant(levels, tf.int32), index),
        )

    return ops.shape[1], 1, choose


def _randaugment(name, arguments):
    """Draws N operations per image, all at level M."""
    try:
        num_ops, level = (int(word) for word in arguments.split(":"))
    except ValueError:
        num_ops, level = 0, 0
    if num_ops < 1 or not 0 <= level <= MAX_LEVEL:
        raise errors.UserError(
            f"{name!r} is not randaugment:N:M with N from 1 on and M in "
            f"0..{MAX_LEVEL}, e.g. randaugment:2:9"
        )

    def choose(draws):
        ops = _rand_op(draws)
        return ops, tf.ones_like(draws), tf.fill(tf.shape(ops), level)

    return num_ops, num_ops, choose


def _randaugment_ieg():
    """Draws two operations and their levels per batch, by its first row."""

    def choose(draws):
        ops = _rand_op(draws[:1, :2])
        levels = 1 + _integer(draws[:1, 2:], MAX_LEVEL - 1)
        shape = [tf.shape(draws)[0], 2]
        return (
            tf.broadcast_to(ops, shape),
            tf.fill(shape, 0.5),
            tf.broadcast_to(levels, shape),
        )

    return 2, 4, choose


def _randaugment_promix():
    """Draws three operations per image, and a level for each."""

    def choose(draws):
        ops = _rand_op(draws[:, :3])
        return ops, tf.ones_like(draws[:, :3]), draws[:, 3:]

    return 3, 6, choose


def _ranges(height, width):
    """Returns `Policy.magnitudes` of ProMix."""
    of_size = {"TranslateX": width, "TranslateY": height}
    ranges = {
        **_PROMIX,
        **{op: (0.0, _PROMIX_MOVE * size) for op, size in of_size.items()},
    }
    return np.array([ranges.get(op, (0.0, 0.0)) for op in OPS])


def _rand_op(draws):
    known = tf.constant([OP[name] for name in _RAND_OPS], tf.int32)
    return tf.gather(known, _integer(draws, len(_RAND_OPS)))


def _integer(draws, count):
    return tf.minimum(tf.cast(draws * count, tf.int32), count - 1)


def _magnitudes(finish, height):
    """Returns `Policy.magnitudes`, as google-research/ieg computes them."""
    of_imagenet = finish == "imagenet"

    def magnitude(op, level):
        # As the original computes them: int() of level * maximum / 10.
        if op in ("Color", "Contrast", "Brightness", "Sharpness"):
            # Pillow's blend takes a float32.
            return np.float32(level * 1.8 / MAX_LEVEL + 0.1)
        if op in ("ShearX", "ShearY"):
            return level * 0.3 / MAX_LEVEL
        if op == "Rotate":
            return int(level * 30 / MAX_LEVEL)
        if op in ("TranslateX", "TranslateY"):
            if of_imagenet:
                return level * 250 / MAX_LEVEL
            return int(level * 10 * height / 32 / MAX_LEVEL)
        if op == "Posterize":
            kept = int(level * 4 / MAX_LEVEL)
            return kept if of_imagenet else 4 - kept
        if op == "Solarize":
            inverted = int(level * 256 / MAX_LEVEL)
            return inverted if of_imagenet else 256 - inverted
        if op == "SolarizeAdd":
            return int(level * 110 / MAX_LEVEL)
        if op == "Cutout":
            return int(level * 20 * height / 32 / MAX_LEVEL)
        return 0.0

    return np.array(
        [[magnitude(op, level) for level in range(MAX_LEVEL + 1)] for op in OPS]
    )
