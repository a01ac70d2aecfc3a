import keras
import numpy as np
import pytest

import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import last_layer, students
from tfnoisy.nets import precision, registry

IMAGES = tiny_methods.digits()[0][0][:5]


def nested():
    """A network in a network in a network, the scale outside."""
    inner = tiny_methods.conv()
    for _ in range(2):
        inputs = keras.Input((8, 8, 1))
        inner = keras.Model(inputs, inner(2.0 * inputs))
    return inner


def half():
    return registry.build(
        "small_cnn", 10, (8, 8, 1), dtype=precision.policy("bfloat16")
    )


@pytest.mark.parametrize("make", [tiny_methods.dense, nested, half])
def test_the_body_and_the_last_layer_are_the_network(make):
    network = students.checked(make())
    body, last = last_layer.split(network)
    assert last is last_layer.of(network)
    assert isinstance(last, keras.layers.Dense)
    logits = keras.ops.cast(last(body(IMAGES)), "float32")
    np.testing.assert_allclose(logits, network(IMAGES), rtol=1e-5, atol=1e-6)
    own = {id(v) for v in network.variables}
    assert own == {id(v) for v in [*body.variables, *last.variables]}


class Subclassed(keras.Model):
    """A network that has a dense layer at its end, but does not say so."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(10)

    def call(self, x):
        return self.dense(keras.ops.reshape(x, (-1, 64)))


@pytest.mark.parametrize("find", [last_layer.of, last_layer.split])
def test_a_network_whose_last_layer_is_not_known_is_refused(find):
    inputs = keras.Input((8, 8, 1))
    inside = keras.Model(inputs, Subclassed()(inputs))
    pooled = keras.layers.GlobalAveragePooling2D()(
        keras.layers.Conv2D(10, 3)(inputs)
    )
    for network, kind in (
        (Subclassed(), "Subclassed"),
        (inside, "Subclassed"),
        (keras.Model(inputs, pooled), "GlobalAveragePooling2D"),
    ):
        with pytest.raises(
            errors.ArgumentError, match=rf"a {kind}: .* keras.layers.Dense"
        ):
            find(network)
