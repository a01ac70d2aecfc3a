"""Students of a few hundred weights, for tests that differentiate twice."""

import keras

from tfnoisy.nets import layers


def toy_student(dtype="float32"):
    """A network with batch normalisation."""
    inputs = keras.Input((8, 8, 1), dtype=dtype)
    x = inputs
    for k, strides in ((0, 2), (1, 1)):
        x = keras.layers.Conv2D(
            6,
            3,
            strides=strides,
            use_bias=False,
            kernel_initializer=keras.initializers.HeNormal(k),
            dtype=dtype,
        )(x)
        x = keras.layers.ReLU(dtype=dtype)(layers.BatchNorm(dtype=dtype)(x))
    x = keras.layers.Flatten(dtype=dtype)(x)
    dense = keras.layers.Dense(
        4, kernel_initializer=keras.initializers.HeNormal(3), dtype=dtype
    )
    return keras.Model(inputs, dense(x))
