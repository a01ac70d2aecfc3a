"""The strong view of an image: a policy's operations and what follows them.

As in AutoAugment's and IEG's original code, an image becomes RGBA, passes the
operations of its policy, and what is transparent at the end is grey (0 in
-1..1).  Here a whole batch does so in one program: before each step of the
policy the images are sorted by operation; then a few at a time pass all
operations, and those that none of the few asked for are skipped.  Shapes do
not depend on the draws, so that XLA compiles the program once.

What differs from the original code: the draws are functions of the example
id, one row per image; `autoaugment_imagenet` uses Pillow's operations, where
the original's TensorFlow ones differ by at most the rounding of a grey level
or of a source pixel; sizes in pixels scale with the height of the images.
"""

import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.augment import image_ops, policies, standard
from tfnoisy.catalogue import views

# Draws of each operation, and after the policy.
_APPLY, _SIGN, _CENTRE, _PER_OP = 0, 1, 2, 4
_OFFSET_Y, _OFFSET_X, _FLIP, _CUTOUT, _AT_END = 0, 1, 2, 3, 5

# How many images pass the operations together.
_CHUNK = 8

_OP = policies.OP

# Operations on colours alone: by tables made from images [n, H, W, C], and
# by functions of images and magnitudes [n].
_TABLES = {
    "AutoContrast": image_ops.autocontrast_tables,
    "Equalize": image_ops.equalize_tables,
}
_ON_COLOURS = {
    "Invert": lambda images, _: image_ops.invert(images),
    "Posterize": image_ops.posterize,
    "Solarize": image_ops.solarize,
    "SolarizeAdd": image_ops.solarize_add,
    "Brightness": image_ops.brightness,
    "Color": image_ops.color,
    "Contrast": image_ops.contrast,
    "Sharpness": image_ops.sharpness,
}
# Pillow's look-up operations know no alpha, and so IEG drops it; so do those
# of `_TABLES`.
_DROP_ALPHA = ("Invert", "Posterize", "Solarize", "SolarizeAdd")

# IEG's cutout within a policy: CIFAR's mean colour, transparent.
_CUTOUT_RGBA = (125, 122, 113, 0)
_CUTOUT_LA = (122, 0)


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
    policy = policies.get(name, image_shape[0])

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
    choice, per_op, at_end = tf.split(
        draws, [policy.num_draws, policy.num_ops * _PER_OP, _AT_END], axis=1
    )
    per_op = tf.reshape(per_op, [-1, policy.num_ops, _PER_OP])
    ops, probabilities, levels = policy.choose(choice)
    ops = tf.where(per_op[..., _APPLY] < probabilities, ops, _OP["Identity"])
    magnitudes = tf.gather_nd(
        tf.constant(policy.magnitudes), tf.stack([ops, levels], axis=-1)
    )
    signed = tf.gather(
        tf.constant([name in policies.SIGNED for name in policies.OPS]), ops
    )
    magnitudes = tf.where(
        signed & (per_op[..., _SIGN] < 0.5), -magnitudes, magnitudes
    )

    # What each step needs of each image.  (Taken by `tf.gather`: XLA slices
    # per_op[:, step, 2:] wrongly in a loop.)
    needs = [ops, magnitudes, per_op[..., _CENTRE:]]

    def step_of(step, pixels, order):
        of_step = [tf.gather(values, step, axis=1) for values in needs]
        rows = tf.argsort(tf.gather(of_step[0], order), stable=True)
        order = tf.gather(order, rows)
        pixels = _in_chunks(
            tf.gather(pixels, rows),
            *(tf.gather(values, order) for values in of_step),
            policy,
        )
        return step + 1, tf.reshape(pixels, shape), order

    pixels = _with_alpha(images, policy)
    shape = tf.shape(pixels)
    _, pixels, order = tf.while_loop(
        lambda step, *_: step < policy.num_ops,
        step_of,
        (0, pixels, tf.range(shape[0])),
        maximum_iterations=policy.num_ops,
    )
    pixels = tf.gather(pixels, tf.argsort(order))
    return _finish(pixels, at_end, policy, mirror)


def _with_alpha(images, policy):
    """Appends an opaque channel."""
    if policy.finish == "cifar":
        # IEG turns the standard view in -1..1 into bytes by truncation, which
        # takes 1 off 63 of the 256 values.
        values = np.arange(256, dtype=np.float32) / np.float32(255)
        values = (values - np.float32(0.5)) * np.float32(2)
        truncated = ((values * 0.5 + 0.5) * 255.0).astype(np.uint8)
        images = tf.gather(tf.constant(truncated), tf.cast(images, tf.int32))
    return tf.concat([images, _opaque(images)], -1)


def _in_chunks(pixels, ops, magnitudes, centres, policy):
    """Applies each image's operation, `_CHUNK` images at a time."""
    count = tf.shape(pixels)[0]
    chunks = (count + _CHUNK - 1) // _CHUNK
    padded = tf.minimum(tf.range(chunks * _CHUNK), count - 1)

    def split(values):
        values = tf.gather(values, padded)
        return tf.reshape(
            values, tf.concat([[chunks, _CHUNK], tf.shape(values)[1:]], 0)
        )

    def apply(chunk):
        return _apply(*chunk, policy)

    return tf.reshape(
        tf.map_fn(
            apply,
            tuple(split(v) for v in (pixels, ops, magnitudes, centres)),
            fn_output_signature=tf.TensorSpec(
                [_CHUNK, *pixels.shape[1:]], tf.uint8
            ),
        ),
        [-1, *pixels.shape[1:]],
    )[:count]


def _apply(pixels, ops, magnitudes, centres, policy):
    """Applies one operation to each of a few images.

    Args:
        pixels: uint8 [n, H, W, C + 1], the last channel alpha.
        ops: int32 [n].
        magnitudes: float64 [n], with their signs.
        centres: float32 [n, 2] in [0, 1): where a cutout's centre is.
        policy: a `policies.Policy`.

    Returns:
        uint8 [n, H, W, C + 1].
    """
    grey = pixels.shape[-1] == 2
    moves = (ops >= _OP["Rotate"]) & (ops <= _OP["TranslateY"])

    def move(images):
        matrices = _matrices(tf.shape(images), ops, magnitudes)
        return image_ops.affine(images, matrices, _fill(policy, images))

    def cut(images):
        rows, columns = _centres(images, centres)
        fill = _CUTOUT_LA if grey else _CUTOUT_RGBA
        return image_ops.cutout(images, rows, columns, magnitudes, fill)

    def where_any(chosen, function, images):
        return tf.cond(
            tf.reduce_any(chosen),
            lambda: tf.where(_each(chosen), function(images), images),
            lambda: images,
        )

    pixels = where_any(moves, move, pixels)
    pixels = where_any(ops == _OP["Cutout"], cut, pixels)
    for name, make_tables in _TABLES.items():
        chosen = ops == _OP[name]
        # By leaving a conditional the tables become numbers in memory; XLA
        # would else compute an entry anew for each pixel that looks it up.
        tables = tf.cond(
            tf.reduce_any(chosen),
            lambda make_tables=make_tables, pixels=pixels: make_tables(
                pixels[..., :-1]
            ),
            lambda pixels=pixels: tf.zeros(
                [pixels.shape[0], pixels.shape[-1] - 1, 256], tf.uint8
            ),
        )

        def look_up(images, tables=tables):
            changed = image_ops.apply_tables(images[..., :-1], tables)
            return tf.concat([changed, _opaque(images)], -1)

        pixels = where_any(chosen, look_up, pixels)
    for name, function in _ON_COLOURS.items():

        def on_colours(images, name=name, function=function):
            changed = function(images[..., :-1], magnitudes)
            alpha = images[..., -1:]
            if name in _DROP_ALPHA:
                alpha = _opaque(images)
            return tf.concat([changed, alpha], -1)

        pixels = where_any(ops == _OP[name], on_colours, pixels)
    return pixels


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
    """Crops, flips, cuts out and scales to -1..1 as the policy's origin does.

    Args:
        pixels: uint8 [B, H, W, C + 1].
        draws: float [B, 5].
        policy: a `policies.Policy`.
        mirror: whether to flip.

    Returns:
        float32 [B, H, W, C].
    """
    height, width = pixels.shape[1:3]
    rows, columns = _centres(pixels, draws[:, _CUTOUT:])
    if policy.finish == "imagenet":
        black = [0] * (pixels.shape[-1] - 1) + [255]
        pixels = image_ops.cutout(pixels, rows, columns, 16, black)
        return standard.to_unit_range(pixels[..., :-1])
    visible = tf.where(
        pixels[..., -1:] == 0, 0.0, standard.to_unit_range(pixels[..., :-1])
    )
    padding = max(1, round(4 * height / 32))
    # 0..7 for a padding of 4: the original never draws the last offset.
    offsets = tf.cast(draws[:, : _OFFSET_X + 1] * (2 * padding), tf.int32)
    source_rows = offsets[:, _OFFSET_Y, None] - padding + tf.range(height)
    across = tf.range(width)
    if mirror:
        across = tf.where(
            draws[:, _FLIP, None] < 0.5, width - 1 - across, across
        )
    source_columns = offsets[:, _OFFSET_X, None] - padding + across
    cropped = image_ops.pick(visible, source_rows, source_columns, 0.0)
    side = max(2, round(16 * height / 32))
    return image_ops.cutout(cropped, rows, columns, side)


def _fill(policy, images):
    """Returns what an affine map shows outside, [C + 1]."""
    channels = images.shape[-1]
    if policy.finish == "cifar":
        return [0] * channels
    return [128] * (channels - 1) + [255]


def _centres(images, draws):
    """Turns draws [n, 2] into a row and a column, int32 [n] each."""
    shape = tf.shape(images)
    sizes = tf.cast(shape[1:3], tf.float32)
    centres = tf.minimum(tf.cast(draws * sizes, tf.int32), shape[1:3] - 1)
    return centres[:, 0], centres[:, 1]


def _each(chosen):
    return chosen[:, None, None, None]


def _opaque(images):
    return tf.ones_like(images[..., :1]) * 255
