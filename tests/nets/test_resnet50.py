import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.nets import registry


@pytest.fixture(scope="module")
def model():
    return registry.build("resnet50", 50, (64, 64, 3), seed=1)


def test_counts_are_the_originals(model):
    assert registry.parameter_count(model) == 23602802
    head = 2048 + 1  # A column of the last layer, and its bias.
    assert registry.parameter_count(model) + 950 * head == 25549352
    # 53 convolutions, 49 normalisations, the last layer.
    assert len(model.trainable_variables) == 53 + 2 * 49 + 2
    assert len(registry.moving_statistics(model)) == 2 * 49
    layer = model.get_layer("final_bn")
    assert (layer.momentum, layer.epsilon) == (0.997, 1e-5)


def test_the_map_is_halved_five_times(model):
    images = tf.random.stateless_uniform([2, 64, 64, 3], [1, 2], -1, 1)
    assert model(images, training=False).shape == (2, 50)
    assert model.get_layer("final_bn").output.shape == (None, 2, 2, 2048)
    # The stride is in the second convolution of a stage's first block.
    assert model.get_layer("block_1_0_conv1").output.shape[1] == 16
    assert model.get_layer("block_1_0_conv2").output.shape[1] == 8


def test_strided_convolutions_pad_alike_on_all_sides(model):
    """A kernel of 7 at stride 2 begins three pixels outside, on every side."""
    stem = model.get_layer("stem")
    ones = tf.ones([1, 64, 64, 3])
    padded = tf.pad(ones, [[0, 0], [3, 3], [3, 3], [0, 0]])
    expected = tf.nn.conv2d(padded, stem.kernel, 2, "VALID")
    features = keras.Model(model.input, stem.output)
    np.testing.assert_allclose(features(ones), expected, atol=1e-5)


def test_kernels_have_the_variance_of_their_fan_in(model):
    kernel = model.get_layer("block_2_3_conv2").kernel.numpy()
    assert kernel.shape == (3, 3, 256, 256)
    assert kernel.std() == pytest.approx((9 * 256) ** -0.5, rel=0.01)
    # Truncated at two standard deviations of the normal that is cut.
    assert np.abs(kernel).max() < 2.3 * kernel.std()
