import keras
import pytest
import tensorflow as tf
from sklearn import datasets

from tfnoisy.nets import small_cnn


@pytest.mark.parametrize(
    "image_shape, pools", [((8, 8, 1), 1), ((4, 5, 3), 1), ((28, 28, 1), 2)]
)
def test_pools_depend_on_the_size(image_shape, pools):
    model = small_cnn.small_cnn(10, image_shape, 1)
    assert pools == sum(
        isinstance(layer, keras.layers.MaxPooling2D) for layer in model.layers
    )
    assert model(tf.zeros([2, *image_shape]), training=False).shape == (2, 10)


def test_it_learns_the_digits():
    digits = datasets.load_digits()
    images = tf.constant(digits.images[..., None] / 8 - 1, tf.float32)
    labels = tf.constant(digits.target, tf.int32)
    model = small_cnn.small_cnn(10, (8, 8, 1), 1)

    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(
                    y, model(x, training=True)
                )
            )
        gradients = tape.gradient(loss, model.trainable_variables)
        for variable, gradient in zip(model.trainable_variables, gradients):
            variable.assign(variable - 0.1 * gradient)

    train = tf.data.Dataset.from_tensor_slices((images[:1400], labels[:1400]))
    for x, y in train.batch(50).repeat(5):
        step(x, y)
    predicted = tf.argmax(model(images[1400:], training=False), 1)
    right = tf.cast(predicted, tf.int32) == labels[1400:]
    assert float(tf.reduce_mean(tf.cast(right, tf.float32))) > 0.9
