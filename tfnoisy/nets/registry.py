"""The networks by name.

Every network is a functional `keras.Model` from images [N, H, W, C] to logits
[N, num_classes], both float32 (float64 under that policy); its last layer is
named `logits`.
"""

import dataclasses
import re
from typing import Any

import keras

from tfnoisy import errors
from tfnoisy.catalogue import networks
from tfnoisy.nets import bodies, layers

# Ours, and Keras's in a network of somebody else's.
_BATCH_NORMS = (layers.BatchNorm, keras.layers.BatchNormalization)


def names():
    """Returns the names, sorted; `wrn-28-10` stands for every `wrn-D-K`."""
    return sorted(networks.NETWORKS.names())


def build(
    name: str,
    num_classes: int,
    image_shape: tuple[int, ...],
    seed: int = 0,
    dtype: str | keras.DTypePolicy | None = None,
    pretrained: Any = None,
    sync_batch_norm: bool = False,
) -> keras.Model:
    """Returns a network with its initial weights.

    Args:
        name: one of `names()`, or `wrn-D-K` (also spelt `wrnD-K`) with depth
            D = 6n + 4 and widening factor K.
        num_classes: C, at least 2.
        image_shape: (H, W, channels).
        seed: an integer; with the layers' names it settles every weight.
        dtype: a Keras dtype policy such as `precision.policy("bfloat16")` or
            `float64`; None is the global policy.
        pretrained: weights for all but the last layer: a `bodies.Body` for any
            network, an `applications.Pretrained` for those with published
            weights; None for random ones.
        sync_batch_norm: normalise by the moments of the batches of all
            replicas, in place of each one's own as the originals do.

    Returns:
        A `keras.Model` named `name`.

    Raises:
        UserError: an unknown name, images that are too small for it, or
            weights that cannot be had.
    """
    entry = _find(name)
    image_shape = tuple(int(side) for side in image_shape)
    if len(image_shape) != 3 or min(image_shape) < 1:
        raise errors.UserError(
            f"image_shape is {image_shape}; it should be (height, width, "
            "channels)"
        )
    if min(image_shape[:2]) < entry.least_side:
        height, width, _ = image_shape
        raise errors.UserError(
            f"images of {height}x{width} pixels are too small for {name}: "
            f"each side needs at least {entry.least_side}"
        )
    if num_classes < 2:
        raise errors.UserError(
            f"{name} was asked for {num_classes} classes; at least 2 are needed"
        )
    arguments = {}
    body = pretrained if isinstance(pretrained, bodies.Body) else None
    if pretrained is not None and body is None:
        if not entry.takes_pretrained:
            with_weights = [
                n.name for n in networks.NETWORKS if n.takes_pretrained
            ]
            raise errors.UserError(
                f"--pretrained={pretrained.source}: {name} has no published "
                f"weights; {' and '.join(with_weights)} have; a run folder or "
                "a file of the same network's weights can be given"
            )
        arguments["pretrained"] = pretrained
    former = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy(dtype or former)
        model = entry.load()(num_classes, image_shape, seed, **arguments)
    finally:
        keras.config.set_dtype_policy(former)
    _check(model, entry, num_classes)
    model.name = name
    if body is not None:
        body.give(model)
    for layer in model.layers:
        if isinstance(layer, _BATCH_NORMS):
            layer.synchronized = sync_batch_norm
    return model


def takes_published(name: str) -> bool:
    """Returns whether there are published weights of a network.

    Args:
        name: as for `build`.

    Raises:
        UserError: an unknown name.
    """
    return _find(name).takes_pretrained


def features(model: keras.Model) -> keras.Model:
    """Returns a model of images to what the last layer sees, [N, F].

    Of all networks but `inception` these are the pooled maps, in float32.  The
    variables are shared with `model`.
    """
    return keras.Model(model.input, model.get_layer("logits").input)


def parameter_count(model: keras.Model) -> int:
    """Returns how many numbers are trained."""
    return sum(v.shape.num_elements() for v in model.trainable_variables)


def moving_statistics(model):
    """Returns the moving means and variances, a list of variables.

    The other non-trainable variables (`updates`, `calls`) count passes.
    """
    return [
        statistic
        for layer in model.layers
        if isinstance(layer, _BATCH_NORMS)
        for statistic in (layer.moving_mean, layer.moving_variance)
    ]


def _find(name):
    """Returns the `networks.Network` of that name."""
    wide = re.fullmatch(r"wrn-?(\d+)-(\d+)", name)
    if wide:
        return _wide(name, *map(int, wide.groups()))
    entry = networks.NETWORKS.get(name)
    if entry is None:
        raise errors.UserError(
            f"unknown network {name}{networks.NETWORKS.hint(name)}; of "
            "wrn-D-K there is any with D = 6n + 4"
        )
    return entry


def _wide(name, depth, widen):
    if depth < 10 or (depth - 4) % 6 or widen < 1:
        raise errors.UserError(
            f"network {name}: wrn-D-K needs a depth D = 6n + 4 (10, 16, "
            "22, 28, 40, ...) and K >= 1"
        )
    return dataclasses.replace(
        networks.NETWORKS["wrn-28-10"],
        arguments={"depth": depth, "widen": widen},
    )


def _check(model, entry, num_classes):
    """Refuses what a plugin returns in place of a network.

    Raises:
        UserError: if it is no functional model to logits [N, C].
    """
    wanted = (None, num_classes)
    found = getattr(model, "output_shape", None)
    last = model.layers[-1].name if isinstance(model, keras.Model) else None
    if found == wanted and last == "logits" and len(model.inputs) == 1:
        return
    raise errors.UserError(
        f"network {entry.name} of {entry.module}: it should return a "
        "functional keras.Model of one input whose last layer is named logits "
        f"and has the shape {wanted}, not {type(model).__name__}"
        + (f" with the last layer {last} of the shape {found}" if last else "")
    )
