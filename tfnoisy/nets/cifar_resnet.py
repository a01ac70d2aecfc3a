"""The original CIFAR ResNets (He et al. 2016, section 4.2), 16/32/64 filters.

`cifar_resnet32` is the ResNet-32 of google-research/ieg (FSR, long tail).
"""

import keras

from tfnoisy.nets import blocks, layers


def build(num_classes, image_shape, seed, depth):
    """Returns the network: 464 154 parameters for depth 32 and C = 10.

    A block is ReLU(x + BN(conv(ReLU(BN(conv(x)))))); where the map changes,
    the shortcut averages pixels and adds zero channels (option A).

    Args:
        num_classes: C.
        image_shape: (H, W, channels).
        seed: seed of the initial weights.
        depth: 6n + 2, the number of layers.
    """

    def conv_bn(x, width, strides, name):
        x = blocks.conv(
            width, 3, strides, keras.initializers.GlorotUniform, seed, name
        )(x)
        return layers.BatchNorm(name=f"{name}_bn")(x)

    def relu(x):
        return keras.layers.ReLU()(x)

    images = blocks.image_input(image_shape)
    x = relu(conv_bn(images, 16, 1, "stem"))
    for stage, width in enumerate((16, 32, 64), 1):
        for block in range((depth - 2) // 6):
            name = f"block_{stage}_{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            h = relu(conv_bn(x, width, stride, f"{name}_conv1"))
            h = conv_bn(h, width, 1, f"{name}_conv2")
            if stride > 1:
                x = layers.PoolAndPad(stride, width, name=f"{name}_short")(x)
            x = relu(keras.layers.Add(name=name)([x, h]))
    x = blocks.global_average()(x)
    x = blocks.logits(num_classes, keras.initializers.GlorotUniform, seed)(x)
    return keras.Model(images, x)
