"""The pre-activation ResNet-18 variant of DivideMix and BKD.

Source: LiJunnan1992/DivideMix, `PreResNet.py`.  It differs from He et al. in
three ways: the stem has BN and ReLU, an identity shortcut passes the
*activated* input on, and nothing follows the last block but the pooling.
"""

import keras

from tfnoisy.nets import blocks, layers


def preact_resnet18(num_classes, image_shape, seed):
    """Returns the network: 11 171 274 parameters for C = 10.

    Pads by one pixel on all four sides as PyTorch does: `same` would pad the
    convolutions of stride 2 at the bottom and the right only.

    Args:
        num_classes: C.
        image_shape: (H, W, channels).
        seed: seed of the initial weights.
    """

    def conv(x, width, size, strides, name):
        pad = size == 3 and strides == 2
        if pad:
            x = keras.layers.ZeroPadding2D(1)(x)
        return blocks.conv(
            width,
            size,
            strides,
            blocks.torch_uniform,
            seed,
            name,
            padding="valid" if pad else "same",
        )(x)

    def bn_relu(x, name):
        return keras.layers.ReLU()(layers.BatchNorm(name=name)(x))

    images = blocks.image_input(image_shape)
    x = bn_relu(conv(images, 64, 3, 1, "conv1"), "bn1")
    for stage, width in enumerate((64, 128, 256, 512), 1):
        for block in range(2):
            name = f"layer{stage}_{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            x = bn_relu(x, f"{name}_bn1")
            h = conv(x, width, 3, stride, f"{name}_conv1")
            h = conv(bn_relu(h, f"{name}_bn2"), width, 3, 1, f"{name}_conv2")
            if stride > 1:
                x = conv(x, width, 1, stride, f"{name}_shortcut")
            x = keras.layers.Add(name=name)([x, h])
    x = blocks.global_average()(x)
    bound = 512**-0.5
    bias = keras.initializers.RandomUniform(
        -bound, bound, blocks.layer_seed(seed, "logits_bias")
    )
    x = blocks.logits(num_classes, blocks.torch_uniform, seed, bias)(x)
    return keras.Model(images, x)
