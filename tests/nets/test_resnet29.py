import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.nets import layers, resnet29


@pytest.fixture(scope="module")
def model():
    return resnet29.resnet29(10, (8, 8, 3), 1)


def test_no_relu_before_the_first_convolution_of_a_block(model):
    for stage in range(3):
        for block in range(3):
            name = f"block_{stage}_{block}"
            source = model.get_layer(f"{name}_conv1").input
            if stage == block == 0:
                stem = model.get_layer(f"{name}_shortcut").input
                assert source is stem
                assert isinstance(
                    stem._keras_history.operation, keras.layers.ReLU
                )
            else:
                assert source is model.get_layer(f"{name}_bn1").output
            for conv in ("conv2", "conv3"):
                operation = model.get_layer(
                    f"{name}_{conv}"
                ).input._keras_history.operation
                assert isinstance(operation, keras.layers.ReLU)
                assert isinstance(
                    operation.input._keras_history.operation, layers.BatchNorm
                )


def test_strides_widths_and_shortcuts(model):
    for stage, (side, mid, out) in enumerate(
        ((8, 16, 64), (4, 32 * 2, 128), (2, 128, 256))
    ):
        for block in range(3):
            name = f"block_{stage}_{block}"
            conv1 = model.get_layer(f"{name}_conv1").output.shape
            assert conv1 == (None, side, side, mid)
            assert model.get_layer(name).output.shape == (
                None, side, side, out,
            )  # fmt: skip
    names = {layer.name for layer in model.layers}
    shortcuts = {name for name in names if name.endswith("shortcut")}
    assert shortcuts == {f"block_{stage}_0_shortcut" for stage in range(3)}


def test_a_block_without_its_last_convolution_is_its_shortcut(model):
    model = keras.models.clone_model(model)
    for layer in model.layers:
        if layer.name.endswith("conv3"):
            layer.kernel.assign(tf.zeros_like(layer.kernel))
    x = tf.random.stateless_normal([2, 8, 8, 3], [1, 2])
    before, after, end = keras.Model(
        model.input,
        [
            model.get_layer("block_1_0_shortcut").input,
            model.get_layer("block_1_0").output,
            model.get_layer("block_1_2").output,
        ],
    )(x, training=False)
    kernel = model.get_layer("block_1_0_shortcut").kernel
    np.testing.assert_allclose(
        after, tf.nn.conv2d(before, kernel.value, 2, "VALID"), atol=1e-5
    )
    np.testing.assert_array_equal(after, end)


def test_initial_weights(model):
    kernel = model.get_layer("block_2_1_conv2").kernel.numpy()
    stddev = (2 / (9 * 128 + 9 * 128)) ** 0.5
    assert kernel.std() == pytest.approx(stddev, rel=0.01)
    # Keras's and TF1's Glorot normal are truncated.
    assert np.abs(kernel).max() <= 2 * stddev / 0.8796
    dense = model.get_layer("logits").kernel.numpy()
    bound = (6 / (256 + 10)) ** 0.5
    assert 0.99 * bound < np.abs(dense).max() <= bound
