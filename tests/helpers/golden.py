"""What the tests beside the originals' numbers share: inputs and comparisons.

The originals were run on the same images and the same little network, whose
weights are sines, see "How the goldens were made" in `tests/README.md`.
"""

import json
import pathlib

import keras
import numpy as np
import tensorflow as tf

from tfnoisy.nets import layers
from tfnoisy.training import optimizer

_FOLDER = pathlib.Path(__file__).parents[1] / "goldens"

# Given labels of ten examples of four classes.
LABELS = np.array([0, 1, 2, 3, 1, 0, 3, 2, 1, 1])


def read(name):
    """Returns the numbers of `tests/goldens/<name>.json`."""
    return json.loads((_FOLDER / f"{name}.json").read_text())


def wave(shape, phase, scale=1.0):
    """Returns scale * sin(1.3 n + phase), n = 0, 1, ..., float32."""
    values = scale * np.sin(1.3 * np.arange(np.prod(shape)) + phase)
    return values.reshape(shape).astype(np.float32)


def images(count=10, phase=0.1, scale=1.5):
    """Returns images, float32 [count, 3, 3, 1]."""
    return wave((count, 3, 3, 1), phase, scale)


def logits():
    """Returns logits and one-hot labels of eight examples of five classes."""
    rng = np.random.default_rng(11)
    z = tf.constant(2.0 * rng.standard_normal((8, 5)), tf.float32)
    return z, tf.one_hot(rng.integers(0, 5, 8), 5)


def network(k=0, classes=4, sharpness=1.0):
    """Convolution, normalisation, ReLU, average, matrix; [B, 3, 3, 1] -> z.

    Args:
        k: an int, each has other weights.
        classes: C.
        sharpness: a factor of the matrix.
    """
    inputs = keras.Input([3, 3, 1])
    x = keras.layers.Conv2D(5, 2, use_bias=False)(inputs)
    x = keras.layers.ReLU()(layers.BatchNorm()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(classes)(x))
    for v, value in zip(
        model.trainable_variables,
        [
            wave((2, 2, 1, 5), 0.5 + k),
            1 + wave((5,), 3.0 + k, 0.3),
            wave((5,), 4.0 + k, 0.3),
            wave((5, classes), 2.0 + k, 2.0 * sharpness),
            wave((classes,), 5.0 + k, 0.3),
        ],
        strict=True,
    ):
        v.assign(value)
    return model


def weights(model):
    """Returns a network's variables, the moving statistics last."""
    return [*model.trainable_variables, *model.non_trainable_variables]


def compiled(method):
    """Compiles a method with the optimiser that the originals had."""
    method.compile(optimizer.TF1Momentum(0.1, 0.9))
    return method


def batch(ids, **parts):
    """Returns a batch of examples.

    Args:
        ids: [B].
        **parts: arrays [N, ...], of which it has the rows; images and labels
            are those above if not given.
    """
    parts = {"images": images(), "labels": LABELS, **parts}
    rows = {name: tf.constant(part[ids]) for name, part in parts.items()}
    return {**rows, "ids": tf.constant(ids, tf.int64)}


def assert_near(found, expected, largest=2e-6, name=""):
    """Fails if two arrays differ by more than rounding in float32.

    Args:
        found: of any shape.
        expected: of as many numbers.
        largest: the difference allowed, as a share of the largest number.
        name: said if it fails.
    """
    found, expected = (
        np.ravel(np.asarray(a, np.float64)) for a in (found, expected)
    )
    assert found.shape == expected.shape, name
    difference = np.abs(found - expected).max()
    assert difference <= largest * np.abs(expected).max(), (name, difference)


def assert_weights(model, expected):
    """Fails if a network's variables are not the golden ones."""
    for v, value in zip(weights(model), expected, strict=True):
        assert_near(v, value, name=v.path)


def assert_steps(method, batches, expected):
    """Takes steps; fails if losses or weights are not the golden ones.

    Args:
        method: one with a single student, compiled.
        batches: as its `train_step` takes them.
        expected: {losses, without weight decay; weights}.
    """
    step = tf.function(method.train_step, autograph=False)
    losses = []
    for one in batches:
        decayed = float(method.decay_loss())
        losses.append(float(step(one)["loss"]) - decayed)
    assert_near(losses, expected["losses"], name="losses")
    assert_weights(method.student, expected["weights"])
