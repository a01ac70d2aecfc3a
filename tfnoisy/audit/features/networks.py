"""Networks that turn images into features.

A feature is what the last layer sees: the mean of the last maps over the
image.  Three kinds of networks are known:

    efficientnet_lite0      ImageNet's weights, installed with tfnoisy
    keras:NAME              a network of keras.applications with ImageNet's
                            weights, which Keras downloads once
    RUN                     a run folder: the student that it trained
"""

import dataclasses
import hashlib
import inspect
import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.nets import efficientnet_lite0, registry
from tfnoisy.training import evaluate_run

# Pixels; the published weights were trained at 224, and at 128 they take a
# third of the time.
SIDE = 128
# Of each network of keras.applications, unless it says otherwise.
_KERAS_SIDE = 224
# Part of every fingerprint: a change of what is computed changes it.
_VERSION = 1


@dataclasses.dataclass(frozen=True, eq=False)
class Extractor:
    """A network that makes features.

    Attributes:
        name: how a user names it.
        size: D, numbers for each image.
        fingerprint: 64 hexadecimal digits that change with the weights and
            with everything else that the features depend on.
        batch_size: images at a time.
        compute: uint8 [B, H, W, channels] -> float32 [B, D], tensors.
        note: a sentence for a report, or empty.
    """

    name: str
    size: int
    fingerprint: str
    batch_size: int
    compute: Callable
    note: str = ""

    def __call__(self, images):
        """Returns the features float32 [B, D] of images uint8 [B, H, W, C]."""
        return self.compute(tf.constant(images)).numpy()


def get(name):
    """Returns the `Extractor` of a name.

    Args:
        name: `efficientnet_lite0`, `keras:NAME` or the path of a run folder.

    Raises:
        UserError: if there is no such network, or no weights.
    """
    if name == "efficientnet_lite0":
        model = registry.build(name, 2, (SIDE, SIDE, 3))
        efficientnet_lite0.load_weights(model)
        return _of_model(
            name,
            registry.features(model),
            efficientnet_lite0.preprocess,
            SIDE,
        )
    if name.startswith("keras:"):
        return _of_keras(name)
    return _of_run(name)


def _of_model(name, model, preprocess, side):
    """Returns the `Extractor` of a model of preprocessed images.

    Args:
        name: how a user names it.
        model: a `keras.Model`, [B, side, side, 3] -> [B, D].
        preprocess: of pixels as floats in 0..255.
        side: height and width in pixels.
    """

    @tf.function(reduce_retracing=True, autograph=False)
    def compute(images):
        pixels = tf.cast(images, tf.float32)
        if pixels.shape[-1] == 1:
            pixels = tf.repeat(pixels, 3, axis=-1)
        if tuple(pixels.shape[1:3]) != (side, side):
            pixels = tf.image.resize(
                pixels, [side, side], "bicubic", antialias=True
            )
            # Bicubic weights are negative in places.
            pixels = tf.clip_by_value(pixels, 0.0, 255.0)
        return model(preprocess(pixels), training=False)

    return Extractor(
        name=name,
        size=model.output_shape[-1],
        fingerprint=_fingerprint(name, side, model.weights),
        batch_size=max(1, 64 * SIDE**2 // side**2),
        compute=compute,
    )


def _of_keras(name):
    """Returns the `Extractor` of `keras:NAME`."""
    applications = {
        key: value
        for key, value in vars(keras.applications).items()
        if inspect.isfunction(value)
    }
    kind = name.removeprefix("keras:")
    by_lower = {key.lower(): key for key in applications}
    if kind.lower() not in by_lower:
        raise errors.UserError(
            f"--features={name}: keras.applications has "
            f"{', '.join(sorted(applications))}"
        )
    build = applications[by_lower[kind.lower()]]
    module = sys.modules[build.__module__]
    side = _default_side(build.__name__)
    try:
        model = build(
            include_top=False,
            weights="imagenet",
            input_shape=(side, side, 3),
            pooling="avg",
        )
    except Exception as error:  # Keras raises half a dozen kinds.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise errors.UserError(
            f"--features={name}: its weights cannot be had ({reason}); "
            "efficientnet_lite0 needs no network"
        ) from error
    return _of_model(name, model, module.preprocess_input, side)


def _default_side(name):
    """Returns the side that a network of keras.applications was trained at."""
    if name.startswith(("Inception", "Xception")):
        return 299
    if name.startswith("NASNetLarge"):
        return 331
    return _KERAS_SIDE


def _of_run(path):
    """Returns the `Extractor` of a run folder."""
    judged = evaluate_run.RunEvaluator(path, "train", batch_size=250)
    judged.restore(judged.checkpoint())
    method = judged.method
    if method.averages is not None:
        for variable, average in zip(
            method.student.trainable_variables, method.averages
        ):
            variable.assign(average)
    networks = getattr(method.student, "networks", (method.student,))
    models = [registry.features(network) for network in networks]
    images = keras.Input(judged.augmentation.view_shape)
    outputs = [model(images) for model in models]
    both = keras.layers.Concatenate()(outputs) if outputs[1:] else outputs[0]
    model = keras.Model(images, both)
    shape = judged.dataset.images.shape[1:]
    evaluate = judged.augmentation.evaluate

    @tf.function(reduce_retracing=True, autograph=False)
    def compute(images):
        if tuple(images.shape[1:]) != tuple(shape):
            raise errors.UserError(
                f"--features={path}: the run was trained on images "
                f"{list(shape)}, these are {list(images.shape[1:])}"
            )
        return model(evaluate(images), training=False)

    return Extractor(
        name=str(path),
        size=model.output_shape[-1],
        fingerprint=_fingerprint(
            f"run {judged.options.augment} {shape}", 0, model.weights
        ),
        batch_size=250,
        compute=compute,
        note=(
            "The features are those of a network that was trained on these "
            "labels: where it has memorised a wrong label, the audit may miss "
            "it."
        ),
    )


def _fingerprint(name, side, weights):
    digest = hashlib.sha256(f"{_VERSION}/{name}/{side}".encode())
    for weight in weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.hexdigest()
