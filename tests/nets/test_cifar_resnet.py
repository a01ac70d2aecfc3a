import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.nets import cifar_resnet


@pytest.fixture(scope="module")
def model():
    return cifar_resnet.build(10, (8, 8, 3), 1, 20)


def images():
    return tf.random.stateless_normal([2, 8, 8, 3], [1, 2])


def outputs(model, tensor):
    return keras.Model(model.input, tensor)(images(), training=False).numpy()


def test_depth_counts_convolutions_and_the_dense_layer():
    for depth in (8, 20):
        model = cifar_resnet.build(10, (8, 8, 3), 1, depth)
        layers = [
            layer
            for layer in model.layers
            if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))
        ]
        assert len(layers) == depth


def test_without_residuals_only_pooling_and_padding_are_left(model):
    # The stem's output is positive, hence every ReLU passes it on.
    kernels = []
    for layer in model.layers:
        if layer.name.endswith("conv2"):
            kernels.append((layer.kernel, layer.kernel.numpy()))
            layer.kernel.assign(tf.zeros_like(layer.kernel))
    stem = model.get_layer("block_1_0_conv1").input
    pooled = outputs(model, model.get_layer("pooled").output)
    expected = outputs(model, stem).mean((1, 2))
    np.testing.assert_allclose(pooled[:, 24:40], expected, atol=1e-6)
    np.testing.assert_array_equal(pooled[:, :24], 0)
    np.testing.assert_array_equal(pooled[:, 40:], 0)
    for kernel, former in kernels:
        kernel.assign(former)


def test_a_block_activates_after_the_sum(model):
    block = model.get_layer("block_1_1")
    assert outputs(model, block.output).min() < 0
    following = outputs(model, model.get_layer("block_1_2_conv1").input)
    np.testing.assert_array_equal(
        following, np.maximum(outputs(model, block.output), 0)
    )


def test_initial_weights_are_glorots(model):
    kernel = model.get_layer("block_3_1_conv1").kernel.numpy()
    bound = (6 / (9 * 64 + 9 * 64)) ** 0.5
    assert 0.999 * bound < np.abs(kernel).max() <= bound
    assert kernel.std() == pytest.approx(bound / 3**0.5, rel=0.02)
    norm = model.get_layer("stem_bn")
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
