import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.nets import slim_cifarnet


@pytest.fixture(scope="module")
def model():
    return slim_cifarnet.inception(10, (32, 32, 3), 1)


def test_layers_in_the_originals_order(model):
    shapes = [
        layer.output.shape[1:]
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]
    assert shapes == [
        (32, 32, 64),
        (16, 16, 64),
        (16, 16, 64),
        (16, 16, 64),
        (16, 16, 64),
        (8, 8, 64),
        (4096,),
        (384,),
        (384,),
        (192,),
        (10,),
    ]
    kinds = [type(layer).__name__ for layer in model.layers[1:7]]
    assert kinds == [
        "Conv2D",
        "MaxPooling2D",
        "LocalResponseNorm",
        "Conv2D",
        "LocalResponseNorm",
        "MaxPooling2D",
    ]


def test_forward_pass_is_the_originals(model):
    x = tf.random.stateless_normal([2, 32, 32, 3], [1, 2])
    weights = {v.path: v.value for v in model.trainable_variables}

    def conv(h, name):
        h = tf.nn.conv2d(h, weights[f"{name}/kernel"], 1, "SAME")
        return tf.nn.relu(h + weights[f"{name}/bias"])

    def dense(h, name):
        return h @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def lrn(h):
        return tf.nn.lrn(h, 4, 1.0, 0.001 / 9, 0.75)

    def pool(h):
        return tf.nn.max_pool2d(h, 2, 2, "VALID")

    h = lrn(pool(conv(x, "conv1")))
    h = tf.reshape(pool(lrn(conv(h, "conv2"))), [2, -1])
    h = tf.nn.relu(dense(tf.nn.relu(dense(h, "fc3")), "fc4"))
    np.testing.assert_allclose(
        model(x, training=False), dense(h, "logits"), atol=1e-5
    )


def test_initial_weights(model):
    for name, stddev, bias in (
        ("conv1", 0.05, 0),
        ("conv2", 0.05, 0),
        ("fc3", 0.04, 0.1),
        ("fc4", 0.04, 0.1),
        ("logits", 1 / 192, 0),
    ):
        layer = model.get_layer(name)
        kernel = layer.kernel.numpy()
        # Truncated at two deviations, which leaves 0.8796 of the deviation.
        assert np.abs(kernel).max() <= 2 * stddev
        assert kernel.std() == pytest.approx(0.8796 * stddev, rel=0.05)
        np.testing.assert_array_equal(layer.bias, np.float32(bias))


def test_only_training_drops(model):
    x = tf.random.stateless_normal([2, 32, 32, 3], [1, 2])
    still = model(x, training=False)
    np.testing.assert_array_equal(still, model(x, training=False))
    first, second = model(x, training=True), model(x, training=True)
    assert np.any(first != second)
    assert model.get_layer("dropout3").rate == 0.2
