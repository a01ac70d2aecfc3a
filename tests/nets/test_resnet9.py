import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.nets import registry


def network(name="resnet9_half", shape=(16, 16, 3)):
    return registry.build(name, 10, shape, seed=1)


@pytest.mark.parametrize(
    "name, widths",
    [("resnet9", (64, 256, 256)), ("resnet9_half", (32, 128, 128))],
)
def test_three_blocks_of_two_convolutions(name, widths):
    model = network(name)
    kernels = [
        layer.kernel.shape
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    inputs, expected = 24, []
    for width in widths:
        expected += [(3, 3, inputs, width), (3, 3, width, width)]
        inputs = width
    assert kernels == expected
    assert model.get_layer("logits").kernel.shape == (widths[-1], 10)


def test_features_are_a_ninth_of_the_largest_of_the_map():
    model = network()
    images = tf.random.stateless_normal([3, 16, 16, 3], [1, 2])
    maps = keras.Model(model.input, model.get_layer("block3_add").output)
    expected = np.asarray(maps(images)).max((1, 2)) / 9
    np.testing.assert_allclose(
        registry.features(model)(images), expected, rtol=1e-5
    )


def test_a_second_convolution_of_zeros_leaves_the_identity():
    model = network()
    for index in (1, 2, 3):
        kernel = model.get_layer(f"block{index}_conv2").kernel
        kernel.assign(tf.zeros_like(kernel))
    images = tf.random.stateless_normal([3, 16, 16, 3], [1, 2])
    ends = keras.Model(
        model.input,
        [
            model.get_layer(f"block3_{part}").output
            for part in ("bn1_gelu", "add")
        ],
    )
    before, after = ends(images)
    np.testing.assert_array_equal(before, after)


def test_images_below_nine_pixels_are_too_small():
    assert network(shape=(9, 9, 1)).output_shape == (None, 10)
    with pytest.raises(errors.UserError, match="at least 9"):
        network(shape=(8, 9, 1))
