"""A second head on networks of all kinds, which must not change them."""

import keras
import numpy as np
import pytest

import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import students
from tfnoisy.methods.promix import two_heads
from tfnoisy.nets import registry

IMAGES = tiny_methods.digits()[0][0][:5]


def nested():
    inputs = keras.Input((8, 8, 1))
    return keras.Model(inputs, tiny_methods.conv()(2.0 * inputs))


NETWORKS = {
    "sequential": tiny_methods.dense,
    "conv": tiny_methods.conv,
    "nested": nested,
    "ours": lambda: registry.build("small_cnn", 10, (8, 8, 1)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_first_head_is_the_networks_own(name):
    network = students.checked(NETWORKS[name]())
    before = network(IMAGES).numpy()
    heads = two_heads.TwoHeads(network, 1)
    primary, pseudo = heads.logits(IMAGES, training=False)
    np.testing.assert_allclose(primary, before, atol=1e-6)
    np.testing.assert_array_equal(network(IMAGES), before)
    assert np.abs(pseudo.numpy() - before).max() > 1e-3
    assert len(heads.trainable_variables) == 2
    config = keras.saving.serialize_keras_object(network)
    copy = keras.saving.deserialize_keras_object(config)
    copy.set_weights(network.get_weights())
    np.testing.assert_allclose(copy(IMAGES), before, atol=1e-6)


def test_a_network_in_half_precision_gives_float32():
    network = tiny_methods.conv()
    for layer in network.layers:
        layer.dtype_policy = "mixed_bfloat16"
    network = students.checked(
        keras.Sequential.from_config(network.get_config())
    )
    heads = two_heads.TwoHeads(network, 1)
    for logits in heads.logits(IMAGES):
        assert logits.dtype == "float32"
    assert heads.pseudo.kernel.dtype == "float32"


def test_the_second_head_of_a_frozen_network_is_trained():
    network = tiny_methods.conv()
    network.trainable = False
    heads = two_heads.TwoHeads(students.checked(network), 1)
    assert not network.trainable_variables
    assert len(heads.trainable_variables) == 2


def test_a_network_without_a_dense_end_is_refused():
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(10, 3)(inputs)
    network = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))
    with pytest.raises(
        errors.ArgumentError, match=r"must be a keras.layers.Dense"
    ):
        two_heads.TwoHeads(network, 1)
