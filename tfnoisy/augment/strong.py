"""The strong view of an image: a policy's operations and what follows them.

As in AutoAugment's and IEG's original code, an image becomes RGBA, passes the
operations of its policy, and what is transparent at the end is grey (0 in
-1..1).  Here XLA compiles all of it into one loop over the images, in which
an image passes the operations that it asks for and no other.  A pixel is one
integer of four bytes, so that a move takes a pixel in one piece, and what
changes each value by itself is a table of 256 values.  Shapes do not depend
on the draws, so that the program is compiled once.

ProMix's policy works in RGB, and ends as bytes: its view comes before the crop,
the flip and the normalisation, which are those of the training view.

What differs from the original code: the draws are functions of the example
id, one row per image; `autoaugment_imagenet` uses Pillow's operations, where
the original's TensorFlow ones differ by at most the rounding of a grey level
or of a source pixel; sizes in pixels scale with the height of the images.
"""

import functools

import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.augment import image_ops, policies, standard
from tfnoisy.catalogue import views

# Draws of each operation, and after the policy.
_APPLY, _SIGN, _CENTRE, _PER_OP = 0, 1, 2, 4
_OFFSET_Y, _OFFSET_X, _FLIP, _CUTOUT, _AT_END = 0, 1, 2, 3, 5
# Of a policy that neither crops nor flips.
_SIDE = 0

_OP = policies.OP

# What changes each value by itself is a table of 256 values: of the image's
# own values,
_OF_IMAGE = {
    "AutoContrast": image_ops.autocontrast_tables,
    "Equalize": image_ops.equalize_tables,
}
# or whatever these are, as a function of images and magnitudes.
_OF_VALUES = {
    "Invert": lambda images, _: image_ops.invert(images),
    "Posterize": image_ops.posterize,
    "Solarize": image_ops.solarize,
    "SolarizeAdd": image_ops.solarize_add,
}
# These are Pillow's look-ups, which know no alpha, and so IEG drops it.
_DROP_ALPHA = (*_OF_IMAGE, *_OF_VALUES)

# IEG's cutout within a policy: CIFAR's mean colour, transparent.
_CUTOUT_RGBA = (125, 122, 113, 0)
_CUTOUT_LA = (122, 122, 122, 0)
# ProMix's square at the end, in the mean colour; in a grey image as bright.
_SQUARE_RGBA = (125, 123, 114, 255)
_SQUARE_LA = (123, 123, 123, 255)


def get(
    name: str,
    image_shape: tuple[int, ...],
    mirror: bool = True,
    jit: bool = True,
) -> standard.Augmentation:
    """Returns a strong augmentation by name.

    Args:
        name: a name in `catalogue.views`, a colon and parameters behind it
            where it takes some: a policy's, see `tfnoisy.augment.policies`,
            Keras's, see `keras_view`, or a plugin's.
        image_shape: (H, W, C) of the images, C 1 or 3.
        mirror: whether a flipped image keeps its class; if not, none is
            flipped (digits).
        jit: whether XLA compiles the view of a policy; the result is the same.

    Returns:
        A `standard.Augmentation`.  Its `train` maps uint8 [B, H, W, C], for
        IEG the standard view, to float32 in -1..1 with 0 for what is cut out.

    Raises:
        UserError: for a name that does not exist.
    """
    entry = views.STRONG_VIEWS.get(name.partition(":")[0])
    if entry is None or (":" in name and not entry.parameters):
        raise errors.UserError(
            f"no {views.STRONG_VIEWS.kind} {name!r}"
            f"{views.STRONG_VIEWS.hint(name)}"
        )
    options = {"jit": jit} if entry.takes_jit else {}
    view = entry.load()(name, tuple(image_shape), mirror, **options)
    return standard.checked(view, name)


def policy_view(name, image_shape, mirror, jit=True, policy=None):
    """Returns the view of a policy.

    Args:
        name: the policy's, see `tfnoisy.augment.policies`.
        image_shape: (H, W, C) of the images, C 1 or 3.
        mirror: see `get`.
        jit: see `get`.
        policy: its name if that is another one.
    """
    name = policy or name
    policy = policies.get(name, *image_shape[:2])

    if policy.finish == "promix":

        @tf.function(jit_compile=jit, autograph=False)
        def move(images, draws):
            return changed(images, draws, policy)[..., : image_shape[2]]

        return standard.Augmentation(
            name,
            num_draws(policy),
            move,
            lambda images, _: standard.to_unit_range(images),
            standard.to_unit_range,
            image_shape,
            comes_first=True,
        )

    @tf.function(jit_compile=jit, autograph=False)
    def finish(images, draws):
        return view(images, draws, policy, mirror)

    return standard.Augmentation(
        name,
        num_draws(policy),
        standard.unmoved,
        finish,
        standard.to_unit_range,
        image_shape,
    )


def num_draws(policy):
    """Returns how many uniform draws `view` takes per image."""
    return policy.num_draws + policy.num_ops * _PER_OP + _AT_END


def view(images, draws, policy, mirror=True):
    """Returns the strong view of each image.

    Args:
        images: uint8 [B, H, W, C], C 1 or 3.
        draws: float32 [B, K] in [0, 1), K = `num_draws(policy)`: those of the
            policy's choice; for each operation whether it is applied, its
            sign and a cutout's centre; vertical and horizontal offset of the
            crop, flip, and the last cutout's centre.
        policy: a `policies.Policy`.
        mirror: whether images are flipped.

    Returns:
        float32 [B, H, W, C] in -1..1.
    """
    pixels = changed(images, draws, policy, mirror)
    views = standard.to_unit_range(pixels[..., : images.shape[-1]])
    if policy.finish == "cifar":
        return tf.where(pixels[..., -1:] == 0, 0.0, views)
    return views


def changed(images, draws, policy, mirror=True):
    """Returns the pixels of `view`, with an alpha: uint8 [B, H, W, 4]."""
    choice, per_op, at_end = tf.split(
        draws, [policy.num_draws, policy.num_ops * _PER_OP, _AT_END], axis=1
    )
    per_op = tf.reshape(per_op, [-1, policy.num_ops, _PER_OP])
    ops, probabilities, levels = policy.choose(choice)
    ops = tf.where(per_op[..., _APPLY] < probabilities, ops, _OP["Identity"])
    magnitudes = policy.magnitude(ops, levels)
    signed = tf.gather(
        tf.constant([name in policies.MOVES for name in policies.OPS]), ops
    )
    magnitudes = tf.where(
        signed & (per_op[..., _SIGN] < 0.5), -magnitudes, magnitudes
    )

    channels = images.shape[-1]

    def one(image):
        pixels, at_end, *steps = image

        def step(k, pixels):
            of_step = [tf.gather(values, k) for values in steps]
            return k + 1, _apply(pixels, *of_step, channels, policy)

        _, pixels = tf.while_loop(
            lambda k, _: k < policy.num_ops,
            step,
            (0, pixels),
            maximum_iterations=policy.num_ops,
        )
        if policy.finish == "promix":
            return _square(pixels, at_end, channels)
        return _finish(pixels, at_end, policy, mirror)

    pixels = tf.map_fn(
        one,
        (
            _packed(images, policy),
            at_end,
            ops,
            magnitudes,
            per_op[..., _CENTRE:],
        ),
        fn_output_signature=tf.TensorSpec(images.shape[1:3], tf.int32),
    )
    return tf.bitcast(pixels, tf.uint8)


def _packed(images, policy):
    """Returns int32 [B, H, W]: in the bytes of each pixel R, G, B and alpha.

    Args:
        images: uint8 [B, H, W, C]; a grey pixel has its value in R's place.
        policy: a `policies.Policy`.
    """
    if policy.finish == "cifar":
        # IEG turns the standard view in -1..1 into bytes by truncation, which
        # takes 1 off these 63 values.
        images -= tf.cast((images > 0) & (images < 64), tf.uint8)
    padding = [[0, 0], [0, 0], [0, 0], [0, 3 - images.shape[-1]]]
    opaque = tf.ones_like(images[..., :1]) * 255
    return tf.bitcast(
        tf.concat([tf.pad(images, padding), opaque], -1), tf.int32
    )


def _colour(red, green, blue, alpha):
    """Returns a pixel of `_packed`."""
    return int(np.array([red, green, blue, alpha], np.uint8).view(np.int32)[0])


def _planes(pixels, channels):
    """Returns the colours of [H, W] as grey images, C of uint8 [1, H, W, 1]."""
    return [
        _one(
            tf.cast(
                tf.bitwise.bitwise_and(
                    tf.bitwise.right_shift(pixels, 8 * channel), 255
                ),
                tf.uint8,
            )
        )
        for channel in range(channels)
    ]


def _joined(planes, alpha):
    """Returns the pixels [H, W] of `_planes` and of an alpha in its byte."""
    pixels = alpha
    for channel, plane in enumerate(planes):
        plane = tf.cast(_only(plane), tf.int32)
        pixels = tf.bitwise.bitwise_or(
            pixels, tf.bitwise.left_shift(plane, 8 * channel)
        )
    return pixels


def _apply(pixels, op, magnitude, centre, channels, policy):
    """Applies one operation to an image.

    Args:
        pixels: int32 [H, W], see `_packed`.
        op: int32 [], an index of `policies.OPS`.
        magnitude: float64 [], with its sign.
        centre: float32 [2] in [0, 1): where a cutout's centre is.
        channels: C.
        policy: a `policies.Policy`.

    Returns:
        int32 [H, W].
    """
    height, width = pixels.shape
    magnitudes = magnitude[None]
    opaque = _colour(0, 0, 0, 255)

    def planes():
        return _planes(pixels, channels)

    def alpha():
        return tf.bitwise.bitwise_and(pixels, opaque)

    def tables_of(make):
        tables = [make(plane) for plane in planes()]
        return tf.concat(tables, 0)

    def of_values(function):
        # What becomes of an image of all values is a table.
        values = np.arange(256, dtype=np.uint8).reshape(1, 1, 256, 1)
        table = tf.reshape(function(values, magnitudes), [1, 1, 256])
        return tf.repeat(table, channels, 0)

    def contrast(values, factors):
        mean = image_ops.mean_luminance(tf.concat(planes(), -1))
        return image_ops.blend(mean, values, factors)

    blends = {"Brightness": image_ops.brightness, "Contrast": contrast}
    makers = {
        name: functools.partial(make, function)
        for make, functions in (
            (tables_of, _OF_IMAGE),
            (of_values, {**_OF_VALUES, **blends}),
        )
        for name, function in functions.items()
    }
    # By leaving a conditional the tables become numbers in memory; XLA would
    # else compute an entry anew for each pixel that looks it up.  The loop of
    # one round keeps the compiler from evaluating, slowly, whether the tables
    # are constants before it looks at the second conditional.
    nothing = tf.zeros([channels, 1, 256], tf.uint8)
    _, tables = tf.while_loop(
        lambda done, _: done < 1,
        lambda done, _: (done + 1, _switch(op, makers, lambda: nothing)),
        (0, nothing),
        maximum_iterations=1,
    )

    def look_up():
        drop = tf.reduce_any(op == [_OP[name] for name in _DROP_ALPHA])
        return _joined(
            [
                image_ops.apply_tables(plane, tables[channel, None])
                for channel, plane in enumerate(planes())
            ],
            tf.where(drop, opaque, alpha()),
        )

    def move():
        matrix = _matrices((1, height, width, 1), op[None], magnitudes)
        return _only(image_ops.affine(_one(pixels), matrix, _fill(policy)))

    def cut():
        row, column = _centre(centre, height, width)
        colour = _colour(*(_CUTOUT_LA if channels == 1 else _CUTOUT_RGBA))
        return _only(
            image_ops.cutout(
                _one(pixels), row[None], column[None], magnitudes, colour
            )
        )

    def color():
        grey = image_ops.luminance(tf.concat(planes(), -1))
        return _joined(
            [image_ops.blend(grey, plane, magnitudes) for plane in planes()],
            alpha(),
        )

    def sharpness():
        return _joined(
            [image_ops.sharpness(plane, magnitudes) for plane in planes()],
            alpha(),
        )

    return _switch(
        op,
        {
            **dict.fromkeys(makers, look_up),
            **dict.fromkeys(policies.MOVES, move),
            "Cutout": cut,
            "Color": color,
            "Sharpness": sharpness,
        },
        lambda: pixels,
    )


def _matrices(shape, ops, magnitudes):
    """Returns each image's affine map, float64 [n, 6]."""

    def only(name):
        return tf.where(ops == _OP[name], magnitudes, 0.0)

    return tf.where(
        (ops == _OP["Rotate"])[:, None],
        image_ops.rotation_matrices(magnitudes, shape[1], shape[2]),
        image_ops.linear_matrices(
            only("ShearX"),
            only("ShearY"),
            only("TranslateX"),
            only("TranslateY"),
        ),
    )


def _finish(pixels, draws, policy, mirror):
    """Crops, flips and cuts out as the policy's origin does.

    Args:
        pixels: int32 [H, W], see `_packed`.
        draws: float [5].
        policy: a `policies.Policy`.
        mirror: whether to flip.

    Returns:
        int32 [H, W].
    """
    height, width = pixels.shape
    pixels = _one(pixels)
    row, column = (
        centre[None] for centre in _centre(draws[_CUTOUT:], height, width)
    )
    if policy.finish == "imagenet":
        return _only(
            image_ops.cutout(pixels, row, column, 16, _colour(0, 0, 0, 255))
        )
    padding = max(1, round(4 * height / 32))
    # 0..7 for a padding of 4: the original never draws the last offset.
    top, left = tf.unstack(
        tf.cast(draws[: _OFFSET_X + 1] * (2 * padding), tf.int32)
    )
    across = tf.range(width)
    if mirror:
        across = tf.where(draws[_FLIP] < 0.5, width - 1 - across, across)
    pixels = image_ops.pick(
        pixels,
        (top - padding + tf.range(height))[None],
        (left - padding + across)[None],
    )
    side = max(2, round(16 * height / 32))
    return _only(image_ops.cutout(pixels, row, column, side))


def _square(pixels, draws, channels):
    """Covers a square of random size, see `_finish`."""
    height, width = pixels.shape
    sizes = np.array([width / 2.0, height, width])
    draws = tf.gather(draws, [_SIDE, _CUTOUT, _CUTOUT + 1])
    side, row, column = tf.unstack(tf.cast(draws, tf.float64) * sizes)
    colour = _colour(*(_SQUARE_LA if channels == 1 else _SQUARE_RGBA))
    place = [x[None] for x in (row, column, side)]
    return _only(image_ops.square(_one(pixels), *place, colour))


def _fill(policy):
    """Returns what an affine map shows outside, a colour."""
    value = {"imagenet": 128, "promix": 0}.get(policy.finish)
    return 0 if value is None else _colour(value, value, value, 255)


def _centre(draws, height, width):
    """Turns draws [2] into a row and a column, int32 [] each."""
    sizes = np.array([height, width], np.int32)
    centre = tf.cast(draws * sizes.astype(np.float32), tf.int32)
    return tf.unstack(tf.minimum(centre, sizes - 1))


def _switch(op, branches, otherwise):
    """Returns what the branch of an operation returns.

    Args:
        op: int32 [], an index of `policies.OPS`.
        branches: {name of an operation: a function of nothing}.
        otherwise: the function of the other operations.
    """
    functions = [otherwise, *dict.fromkeys(branches.values())]
    numbers = [
        functions.index(branches.get(name, otherwise)) for name in policies.OPS
    ]
    return tf.switch_case(tf.gather(tf.constant(numbers), op), functions)


def _one(image):
    """Returns a batch of one, [1, H, W, 1], of [H, W]."""
    return image[None, ..., None]


def _only(images):
    """Returns [H, W] of `_one`."""
    return images[0, ..., 0]
