"""A small network for small images, e.g. scikit-learn's 8x8 digits."""

import keras

from tfnoisy.nets import blocks, layers


def small_cnn(num_classes, image_shape, seed):
    """Returns three 3x3 convolutions (32, 64, 64) with BN and ReLU.

    The map is halved before the third convolution, and before the second one
    where the image has at least 16 pixels a side; then it is averaged.

    Args:
        num_classes: C.
        image_shape: (H, W, channels).
        seed: seed of the initial weights.
    """
    images = x = blocks.image_input(image_shape)
    large = min(image_shape[:2]) >= 16
    for index, width in enumerate((32, 64, 64)):
        if index == 2 or (index == 1 and large):
            x = keras.layers.MaxPooling2D()(x)
        name = f"conv{index + 1}"
        x = blocks.conv(width, 3, 1, blocks.fan_out_normal, seed, name)(x)
        x = keras.layers.ReLU()(layers.BatchNorm(name=f"bn{index + 1}")(x))
    x = blocks.global_average()(x)
    x = blocks.logits(num_classes, keras.initializers.GlorotUniform, seed)(x)
    return keras.Model(images, x)
