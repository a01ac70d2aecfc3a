import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.nets import wide_resnet


@pytest.fixture(scope="module")
def model():
    return wide_resnet.build(10, (8, 8, 3), 1, 10, 2)


def pool_pad(x, stride, width):
    if stride > 1:
        x = tf.nn.avg_pool2d(x, stride, stride, "VALID")
    side = (width - x.shape[-1]) // 2
    return tf.pad(x, [[0, 0], [0, 0], [0, 0], [side, side]])


def test_skips_without_residuals():
    model = wide_resnet.build(10, (8, 8, 3), 1, 16, 2)
    for layer in model.layers:
        if layer.name.endswith("conv2"):
            layer.kernel.assign(tf.zeros_like(layer.kernel))
    stem = model.get_layer("stem").output
    names = ("stage_1", "stage_2", "stage_3", "stages")
    parts = [model.get_layer(name).output for name in names]
    stem, *results = keras.Model(model.input, [stem, *parts])(
        tf.random.stateless_normal([2, 8, 8, 3], [1, 2]), training=False
    )
    activated = tf.nn.relu(stem / (1 + 1e-5) ** 0.5)
    stage_1 = pool_pad(activated, 1, 32) + pool_pad(stem, 1, 32)
    stage_2 = 2 * pool_pad(stage_1, 2, 64)
    stage_3 = 2 * pool_pad(stage_2, 2, 128)
    stages = stage_3 + pool_pad(stem, 4, 128)
    for result, expected in zip(results, (stage_1, stage_2, stage_3, stages)):
        np.testing.assert_allclose(result, expected, atol=1e-5)


def test_a_block_is_bn_relu_conv_twice(model):
    bn1 = model.get_layer("block_2_0_bn1")
    conv1 = model.get_layer("block_2_0_conv1")
    before, after, conv_out, block = keras.Model(
        model.input,
        [
            bn1.input,
            conv1.input,
            model.get_layer("block_2_0_conv2").output,
            model.get_layer("block_2_0").output,
        ],
    )(tf.random.stateless_normal([2, 8, 8, 3], [1, 2]), training=False)
    np.testing.assert_allclose(
        after, tf.nn.relu(before / (1 + 1e-5) ** 0.5), atol=1e-5
    )
    np.testing.assert_allclose(
        block, conv_out + pool_pad(before, 2, 64), atol=1e-5
    )


def test_depth_and_width():
    for depth, widen in ((10, 1), (16, 3), (22, 2)):
        model = wide_resnet.build(5, (8, 8, 1), 1, depth, widen)
        convs = [
            layer
            for layer in model.layers
            if isinstance(layer, keras.layers.Conv2D)
        ]
        # The textbook's other three layers are projections.
        assert len(convs) == depth - 3
        assert model.get_layer("pooled").output.shape == (None, 64 * widen)
        assert model.output.shape == (None, 5)


def test_initial_weights(model):
    kernel = model.get_layer("block_3_0_conv2").kernel.numpy()
    assert kernel.std() == pytest.approx((2 / 9 / 128) ** 0.5, rel=0.01)
    dense = model.get_layer("logits")
    bound = 10**-0.5
    assert 0.99 * bound < np.abs(dense.kernel.numpy()).max() <= bound
    assert not dense.bias.numpy().any()
    norm = model.get_layer("final_bn")
    assert (norm.momentum, norm.epsilon) == (0.9, 1e-5)
