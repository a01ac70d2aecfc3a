"""The small student that MentorNet calls "inception".

Source: google/mentornet, `inception_model.py`; it is TF-Slim's CifarNet.
"""

import functools

import keras

from tfnoisy.nets import blocks, layers


def inception(num_classes, image_shape, seed):
    """Returns the network: 1 756 426 parameters for C = 10 and 32x32 images.

    Args:
        num_classes: C.
        image_shape: (H, W, channels).
        seed: seed of the initial weights and of the dropout.
    """

    def normal(stddev, name):
        return keras.initializers.TruncatedNormal(
            0.0, stddev, blocks.layer_seed(seed, name)
        )

    def conv(x, name):
        return keras.layers.Conv2D(
            64,
            5,
            padding="same",
            activation="relu",
            kernel_initializer=normal(0.05, name),
            name=name,
        )(x)

    def dense(x, units, name):
        return keras.layers.Dense(
            units,
            activation="relu",
            kernel_initializer=normal(0.04, name),
            bias_initializer=keras.initializers.Constant(0.1),
            name=name,
        )(x)

    def response_norm(x):
        return layers.LocalResponseNorm(4, 0.001 / 9)(x)

    images = blocks.image_input(image_shape)
    x = conv(images, "conv1")
    x = response_norm(keras.layers.MaxPooling2D()(x))
    x = response_norm(conv(x, "conv2"))
    x = keras.layers.Flatten()(keras.layers.MaxPooling2D()(x))
    x = dense(x, 384, "fc3")
    x = layers.Dropout(
        0.2, blocks.layer_seed(seed, "dropout3"), name="dropout3"
    )(x)
    x = dense(x, 192, "fc4")
    last = functools.partial(keras.initializers.TruncatedNormal, 0.0, 1 / 192)
    return keras.Model(images, blocks.logits(num_classes, last, seed)(x))
