"""Which layers are the last stages, and what they begin anew with."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import base
from tfnoisy.methods.pes import refinement
from tfnoisy.nets import registry
from tfnoisy.training import optimizer


def names(network, num_stages):
    return [x.name for x in refinement.last_stages(network, num_stages)]


def test_the_final_layer_alone():
    assert names(registry.build("small_cnn", 10, (8, 8, 1)), 0) == ["logits"]
    network = tiny_methods.conv()
    assert refinement.last_stages(network, 0) == [network.layers[-1]]


@pytest.mark.parametrize(
    "network, shape, num_stages, prefixes",
    [
        ("small_cnn", (8, 8, 1), 1, ("conv3", "bn3")),
        ("small_cnn", (8, 8, 1), 2, ("conv", "bn")),
        ("small_cnn", (8, 8, 1), 9, ("conv", "bn")),
        ("cifar_resnet20", (8, 8, 3), 1, ("block_3",)),
        ("cifar_resnet20", (8, 8, 3), 2, ("block_2", "block_3")),
    ],
)
def test_stages_are_maps_of_one_size(network, shape, num_stages, prefixes):
    network = registry.build(network, 10, shape)
    expected = [
        layer.name
        for layer in network.layers
        if layer.weights and layer.name.startswith((*prefixes, "logits"))
    ]
    assert sorted(names(network, num_stages)) == sorted(expected)


def test_the_normalisation_before_a_smaller_map_is_of_the_stage_before():
    found = names(registry.build("preact_resnet18", 10, (16, 16, 3)), 1)
    assert "layer4_0_bn1" not in found
    assert set(found) == {
        *("layer4_0_conv1", "layer4_0_bn2", "layer4_0_conv2"),
        *("layer4_0_shortcut", "layer4_1_bn1", "layer4_1_conv1"),
        *("layer4_1_bn2", "layer4_1_conv2", "logits"),
    }


def test_hidden_dense_layers_are_a_stage():
    network = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, name="conv"),
            keras.layers.Flatten(),
            keras.layers.Dense(5, name="hidden"),
            keras.layers.Dense(3, name="last"),
        ]
    )
    assert names(network, 1) == ["hidden", "last"]
    assert names(network, 2) == ["conv", "hidden", "last"]
    network.get_layer("hidden").trainable = False
    assert names(network, 1) == ["conv", "last"]


def test_networks_within_networks():
    inner = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(4, 3, name="wide"),
            keras.layers.Conv2D(4, 3, 2, name="narrow"),
        ]
    )
    images = keras.Input((8, 8, 1))
    x = keras.layers.GlobalAveragePooling2D()(inner(images))
    network = keras.Model(images, keras.layers.Dense(3, name="last")(x))
    assert names(network, 1) == ["narrow", "last"]


def test_images_of_any_size_have_no_stages():
    network = keras.Sequential(
        [
            keras.Input((None, None, 1)),
            keras.layers.Conv2D(4, 3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3),
        ]
    )
    with pytest.raises(errors.ArgumentError, match="one size"):
        refinement.last_stages(network, 1)
    assert len(refinement.last_stages(network, 0)) == 1


def values(layer):
    return {v.name: base.value_of(v) for v in layer.variables}


def trained_network():
    """A network whose every weight is 7."""
    network = registry.build("small_cnn", 10, (8, 8, 1))
    for v in network.variables:
        v.assign(tf.fill(v.shape, tf.cast(7, v.dtype)))
    return network


def test_layers_begin_as_those_of_pytorch():
    network = trained_network()
    layers = refinement.last_stages(network, 1)
    refinement.begin_anew(layers, 3, 1)
    bn = values(network.get_layer("bn3"))
    for name, expected in {
        "gamma": 1,
        "beta": 0,
        "moving_mean": 0,
        "moving_variance": 1,
    }.items():
        np.testing.assert_array_equal(bn[name], np.full(64, expected))
    kernel = values(network.get_layer("conv3"))["kernel"]
    bound = 1 / np.sqrt(9 * 64)
    assert 0.999 * bound < np.abs(kernel).max() <= bound
    assert kernel.std() == pytest.approx(bound / np.sqrt(3), rel=0.01)
    logits = values(network.get_layer("logits"))
    bound = 1 / np.sqrt(64)
    for name in ("kernel", "bias"):
        assert 0.7 * bound < np.abs(logits[name]).max() <= bound
    assert len(np.unique(logits["bias"])) == 10
    # Nothing else.
    for name in ("conv1", "bn1", "conv2", "bn2"):
        for value in values(network.get_layer(name)).values():
            assert (value == 7).all()


def test_the_draw_depends_on_seed_and_counters_alone():
    found = []
    for key in ((3, 1), (3, 1), (4, 1), (3, 0)):
        network = trained_network()
        layers = refinement.last_stages(network, key[1])
        refinement.begin_anew(layers, *key)
        found.append(values(network.get_layer("logits"))["kernel"])
    np.testing.assert_array_equal(found[0], found[1])
    for other in found[2:]:
        assert np.abs(found[0] - other).max() > 0.1


def test_a_generator_s_state_stays():
    layer = keras.layers.Dropout(0.5, seed=1)
    layer(tf.ones([1, 2]), training=True)
    before = [base.value_of(v) for v in layer.variables]
    refinement.begin_anew([layer], 3, 1)
    for v, value in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(base.value_of(v), value)


def test_a_variable_without_a_rule_is_named():
    layer = keras.layers.PReLU(name="prelu")
    layer.build((None, 4))
    with pytest.raises(errors.ArgumentError, match="'prelu'.*'alpha'"):
        refinement.begin_anew([layer], 3, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optimizer.TF1Momentum(0.1, 0.9),
        lambda: keras.optimizers.SGD(0.1, momentum=0.9),
        lambda: keras.optimizers.Adam(0.1),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.1)),
    ],
)
def test_an_optimiser_forgets_some_variables(make):
    made = make()
    weights = [keras.Variable([float(n), 1.0]) for n in (1, 2, 3)]
    made.build(weights)
    made.apply([tf.ones([2])] * 3, weights)
    inner = getattr(made, "inner_optimizer", made)
    before = [base.value_of(v) for v in weights]
    slots = [v for v in inner.variables if v.shape == (2,)]
    assert all(base.value_of(v).all() for v in slots) and len(slots) in (3, 6)
    refinement.forget(made, weights[1:2])
    left = [bool(base.value_of(v).any()) for v in slots]
    assert left.count(False) == len(slots) // 3
    for v, value in zip(weights, before, strict=True):
        np.testing.assert_array_equal(base.value_of(v), value)
    iterations = int(base.value_of(inner.iterations))
    assert iterations == 1
