"""How the networks draw their weights, begin and end.

A weight's initial value depends only on the network's seed and on the name of
its layer (`layer_seed`): two networks of one seed are equal byte for byte,
whatever was built before them, and two seeds share nothing.
"""

import hashlib

import keras


def layer_seed(seed, name):
    """Returns the seed, in [0, 2**31), of the layer `name` of a network."""
    digest = hashlib.sha256(f"{int(seed)}/{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def fan_out_normal(seed):
    """Draws from N(0, 2 / (k * k * filters)), not truncated (He, fan-out)."""
    return keras.initializers.VarianceScaling(
        2.0, "fan_out", "untruncated_normal", seed
    )


def torch_uniform(seed):
    """Draws from U(-b, b), b = 1 / sqrt(fan_in): PyTorch's default."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform", seed)


def image_input(image_shape):
    """Returns a Keras input of images [N, H, W, C] in the variables' type."""
    dtype = keras.config.dtype_policy().variable_dtype
    return keras.Input(image_shape, dtype=dtype, name="images")


def conv(filters, size, strides, initializer, seed, name, padding="same"):
    """Returns a square convolution without bias.

    Measured on CPU: `Conv2D` beats slicing before a 1x1 convolution of stride
    2 (by 2.2), and padding before it beats TensorFlow's explicit padding.

    Args:
        filters: the number of output channels.
        size: the side of the kernel.
        strides: the step in both directions.
        initializer: maps a seed to a Keras initialiser of the kernel.
        seed: the network's seed.
        name: the layer's name.
        padding: `same` (TensorFlow's: more at the bottom right) or `valid`.
    """
    return keras.layers.Conv2D(
        filters,
        size,
        strides,
        padding,
        use_bias=False,
        kernel_initializer=initializer(layer_seed(seed, name)),
        name=name,
    )


def global_average():
    """Returns the mean over the map; never in less than float32."""
    return keras.layers.GlobalAveragePooling2D(
        dtype=output_dtype(), name="pooled"
    )


def logits(num_classes, initializer, seed, bias_initializer="zeros"):
    """Returns the last layer of every network, never below float32.

    Args:
        num_classes: C.
        initializer: maps a seed to a Keras initialiser of the matrix.
        seed: the network's seed.
        bias_initializer: a Keras initialiser of the bias.
    """
    return keras.layers.Dense(
        num_classes,
        kernel_initializer=initializer(layer_seed(seed, "logits")),
        bias_initializer=bias_initializer,
        dtype=output_dtype(),
        name="logits",
    )


def output_dtype():
    """Returns the type of what follows the maps, never below float32."""
    dtype = keras.config.dtype_policy().variable_dtype
    return dtype if dtype == "float64" else "float32"
