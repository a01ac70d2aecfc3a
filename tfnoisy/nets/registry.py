"""The networks by name.

Every network is a functional `keras.Model` from images [N, H, W, C] to logits
[N, num_classes], both float32 (float64 under that policy); its last layer is
named `logits`.
"""

import difflib
import functools
import re

import keras

from tfnoisy import errors
from tfnoisy.nets import (
    applications,
    cifar_resnet,
    layers,
    preact_resnet,
    resnet29,
    resnet50,
    slim_cifarnet,
    small_cnn,
    wide_preact_resnet,
    wide_resnet,
)

# name: (function of (num_classes, image_shape, seed), the factor by which the
# network shrinks an image and thus the least side that fills its last map).
_NETS = {
    "resnet32": (wide_preact_resnet.resnet32, 4),
    "resnet101": (wide_preact_resnet.resnet101, 4),
    "inception": (slim_cifarnet.inception, 4),
    "preact_resnet18": (preact_resnet.preact_resnet18, 8),
    "resnet29": (resnet29.resnet29, 4),
    "resnet50": (resnet50.resnet50, 32),
    "small_cnn": (small_cnn.small_cnn, 4),
    "keras_resnet50": (applications.keras_resnet50, 32),
    "keras_inception_resnet_v2": (
        applications.keras_inception_resnet_v2,
        75,
    ),
}
for _depth in (20, 32, 56):
    _NETS[f"cifar_resnet{_depth}"] = (
        functools.partial(cifar_resnet.build, depth=_depth),
        4,
    )


def names():
    """Returns the names, sorted; `wrn-28-10` stands for every `wrn-D-K`."""
    return sorted([*_NETS, "wrn-28-10"])


def build(
    name,
    num_classes,
    image_shape,
    seed=0,
    dtype=None,
    pretrained=None,
    sync_batch_norm=False,
):
    """Returns a network with its initial weights.

    Args:
        name: one of `names()`, or `wrn-D-K` (also spelt `wrnD-K`) with depth
            D = 6n + 4 and widening factor K.
        num_classes: C, at least 2.
        image_shape: (H, W, channels).
        seed: an integer; with the layers' names it settles every weight.
        dtype: a Keras dtype policy such as `precision.policy("bfloat16")` or
            `float64`; None is the global policy.
        pretrained: an `applications.Pretrained`, weights for all but the last
            layer of a `keras_` network; None for random ones.
        sync_batch_norm: normalise by the moments of the batches of all
            replicas, in place of each one's own as the originals do.

    Returns:
        A `keras.Model` named `name`.

    Raises:
        UserError: an unknown name, images that are too small for it, or
            weights that cannot be had.
    """
    function, least_side = _find(name)
    image_shape = tuple(int(side) for side in image_shape)
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise errors.UserError(
            f"image_shape is {image_shape}; it should be (height, width, "
            "channels)"
        )
    if min(image_shape[:2]) < least_side:
        height, width, _ = image_shape
        raise errors.UserError(
            f"images of {height}x{width} pixels are too small for {name}: "
            f"each side needs at least {least_side}"
        )
    if num_classes < 2:
        raise errors.UserError(
            f"{name} was asked for {num_classes} classes; at least 2 are needed"
        )
    arguments = {}
    if pretrained is not None:
        if not name.startswith("keras_"):
            with_weights = [n for n in _NETS if n.startswith("keras_")]
            raise errors.UserError(
                f"--pretrained={pretrained.source}: {name} has no published "
                f"weights; {' and '.join(with_weights)} have"
            )
        arguments["pretrained"] = pretrained
    former = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(dtype or former)
        model = function(num_classes, image_shape, seed, **arguments)
    finally:
        keras.config.set_dtype_policy(former)
    model.name = name
    for layer in model.layers:
        if isinstance(layer, layers.BatchNorm):
            layer.synchronized = sync_batch_norm
    return model


def features(model):
    """Returns a model of images to what the last layer sees, [N, F].

    Of all networks but `inception` these are the pooled maps, in float32.  The
    variables are shared with `model`.
    """
    return keras.Model(model.input, model.get_layer("logits").input)


def parameter_count(model):
    """Returns how many numbers are trained."""
    return sum(v.shape.num_elements() for v in model.trainable_variables)


def moving_statistics(model):
    """Returns the moving means and variances, a list of variables.

    The other non-trainable variables (`updates`, `calls`) count passes.
    """
    return [
        statistic
        for layer in model.layers
        if isinstance(layer, layers.BatchNorm)
        for statistic in (layer.moving_mean, layer.moving_variance)
    ]


def _find(name):
    """Returns (function, least side) of the network of that name."""
    if name in _NETS:
        return _NETS[name]
    wide = re.fullmatch(r"wrn-?(\d+)-(\d+)", name)
    if wide:
        depth, widen = map(int, wide.groups())
        if depth < 10 or (depth - 4) % 6 or widen < 1:
            raise errors.UserError(
                f"network {name}: wrn-D-K needs a depth D = 6n + 4 (10, 16, "
                "22, 28, 40, ...) and K >= 1"
            )
        build_wide = functools.partial(
            wide_resnet.build, depth=depth, widen=widen
        )
        return build_wide, 4
    near = difflib.get_close_matches(name, names(), n=1, cutoff=0.0)[0]
    raise errors.UserError(
        f"unknown network {name}; did you mean {near}? (there are "
        f"{', '.join(names())}; wrn-D-K for any D = 6n + 4)"
    )
