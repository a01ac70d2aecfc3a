"""IEG's ResNet-50 for WebVision: the pre-activation one of TF's models.

Source: the official ResNet v2 of tensorflow/models, which google-research/ieg
has as `resnet50`.  A convolution of stride 2 pads by the same number of pixels
on all four sides; nothing normalises the stem before the first block.
"""

import keras

from tfnoisy.nets import blocks, layers


def resnet50(num_classes, image_shape, seed):
    """Returns the network: 23 602 802 parameters for C = 50.

    Args:
        num_classes: C.
        image_shape: (H, W, channels).
        seed: seed of the initial weights.
    """

    def conv(x, width, size, strides, name):
        if strides > 1 and size > 1:
            x = keras.layers.ZeroPadding2D(size // 2)(x)
        return blocks.conv(
            width,
            size,
            strides,
            _fan_in_normal,
            seed,
            name,
            padding="valid" if strides > 1 else "same",
        )(x)

    def bn_relu(x, name):
        x = layers.BatchNorm(momentum=0.997, name=name)(x)
        return keras.layers.ReLU()(x)

    images = blocks.image_input(image_shape)
    x = conv(images, 64, 7, 2, "stem")
    x = keras.layers.MaxPooling2D(3, 2, "same")(x)
    for stage, count in enumerate((3, 4, 6, 3)):
        mid = 64 * 2**stage
        for block in range(count):
            name = f"block_{stage}_{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            h = bn_relu(x, f"{name}_bn1")
            if block == 0:
                x = conv(h, 4 * mid, 1, stride, f"{name}_shortcut")
            h = conv(h, mid, 1, 1, f"{name}_conv1")
            h = bn_relu(h, f"{name}_bn2")
            h = conv(h, mid, 3, stride, f"{name}_conv2")
            h = bn_relu(h, f"{name}_bn3")
            h = conv(h, 4 * mid, 1, 1, f"{name}_conv3")
            x = keras.layers.Add(name=name)([x, h])
    x = blocks.global_average()(bn_relu(x, "final_bn"))
    x = blocks.logits(num_classes, keras.initializers.GlorotUniform, seed)(x)
    return keras.Model(images, x)


def _fan_in_normal(seed):
    """Draws from N(0, 1 / fan_in), truncated: TF1's variance scaling."""
    return keras.initializers.VarianceScaling(
        1.0, "fan_in", "truncated_normal", seed
    )
