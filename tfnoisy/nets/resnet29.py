"""IEG's pre-activation bottleneck ResNet of 9n + 2 = 29 layers.

Source: google-research/ieg, `models/resnet29.py`, including its quirk: no ReLU
stands before the first convolution of any block (the textbook network has one
in every block but the first).
"""

import keras

from tfnoisy.nets import blocks, layers


def resnet29(num_classes, image_shape, seed):
    """Returns the network: 840 730 parameters for C = 10.

    Args:
        num_classes: C.
        image_shape: (H, W, channels).
        seed: seed of the initial weights.
    """

    def conv(x, width, size, strides, name):
        return blocks.conv(
            width, size, strides, keras.initializers.GlorotNormal, seed, name
        )(x)

    def bn(x, name):
        return layers.BatchNorm(name=name)(x)

    def relu(x):
        return keras.layers.ReLU()(x)

    images = blocks.image_input(image_shape)
    x = relu(bn(conv(images, 16, 3, 1, "stem"), "stem_bn"))
    for stage, (mid, out) in enumerate(((16, 64), (64, 128), (128, 256))):
        for block in range(3):
            name = f"block_{stage}_{block}"
            stride = 2 if stage > 0 and block == 0 else 1
            first = stage == 0 and block == 0
            h = x if first else bn(x, f"{name}_bn1")
            h = conv(h, mid, 1, stride, f"{name}_conv1")
            h = conv(relu(bn(h, f"{name}_bn2")), mid, 3, 1, f"{name}_conv2")
            h = conv(relu(bn(h, f"{name}_bn3")), out, 1, 1, f"{name}_conv3")
            if block == 0:
                x = conv(x, out, 1, stride, f"{name}_shortcut")
            x = keras.layers.Add(name=name)([x, h])
    x = blocks.global_average()(relu(bn(x, "final_bn")))
    x = blocks.logits(num_classes, keras.initializers.GlorotUniform, seed)(x)
    return keras.Model(images, x)
