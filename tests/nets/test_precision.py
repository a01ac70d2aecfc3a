import threading

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.nets import precision, registry

IMAGES = tf.random.stateless_uniform([4, 8, 8, 1], [1, 2])


def build(name):
    return registry.build(
        "small_cnn", 10, (8, 8, 1), seed=3, dtype=precision.policy(name)
    )


def types_of(function, operation):
    """The types of the results of the operations of a function's graph."""
    graph = tf.function(function).get_concrete_function(IMAGES).graph
    return {
        op.outputs[0].dtype
        for op in graph.get_operations()
        if op.type == operation
    }


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_networks_compute_in_half_and_keep_float32(name):
    network = build(name)
    assert precision.is_mixed(network)
    assert {v.dtype for v in network.variables} == {"float32"}
    half = tf.as_dtype(name)
    assert types_of(network, "Conv2D") == {half}
    # What ends the network does not.
    assert types_of(network, "Mean") == {tf.float32}
    assert types_of(network, "MatMul") == {tf.float32}
    logits = network(IMAGES, training=True)
    assert logits.dtype == tf.float32
    exact = build("none")(IMAGES, training=True)
    assert 0 < np.max(np.abs(logits - exact)) < 0.05


@pytest.mark.parametrize("name", ["float16", "bfloat16"])
@pytest.mark.parametrize("training", [False, True])
def test_in_float32_they_are_what_float32_networks_are(name, training):
    network, exact = build(name), build("none")
    expected = exact(IMAGES, training=training)
    with precision.in_float32():
        np.testing.assert_array_equal(
            network(IMAGES, training=training), expected
        )
        assert not precision.is_mixed(network)
    for v, w in zip(network.variables, exact.variables):
        np.testing.assert_array_equal(v, w)
    assert np.any(network(IMAGES) != exact(IMAGES))


def test_a_stateless_call_heeds_it_too():
    network, exact = build("bfloat16"), build("none")
    weights = [0.5 * v for v in exact.trainable_variables]
    moments = exact.non_trainable_variables
    expected, _ = exact.stateless_call(weights, moments, IMAGES, training=True)
    with precision.in_float32():
        found, _ = network.stateless_call(
            weights, network.non_trainable_variables, IMAGES, training=True
        )
    np.testing.assert_array_equal(found, expected)


def test_it_ends_with_its_block_and_is_one_threads():
    network = build("bfloat16")
    seen = []
    with pytest.raises(KeyError), precision.in_float32():
        with precision.in_float32():
            pass
        assert not precision.is_mixed(network)
        other = threading.Thread(
            target=lambda: seen.append(precision.is_mixed(network))
        )
        other.start()
        other.join()
        raise KeyError
    assert seen == [True]
    assert precision.is_mixed(network)


def test_none_is_the_global_policy():
    assert precision.policy("none") is None
    assert not precision.is_mixed(build("none"))


def test_copies_of_the_librarys_layers_heed_it():
    network = registry.build(
        "keras_resnet50",
        10,
        (32, 32, 3),
        dtype=precision.policy("bfloat16"),
    )
    half = {layer.compute_dtype for layer in network.layers}
    assert half == {"bfloat16", "float32"}
    with precision.in_float32():
        assert {v.compute_dtype for v in network.layers} == {"float32"}
    assert {v.dtype for v in network.variables} == {"float32"}
