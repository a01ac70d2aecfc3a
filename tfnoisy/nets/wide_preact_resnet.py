"""The pre-activation ResNets of MentorNet and MentorMix.

Source: google/mentornet and google-research/mentormix, `resnet_model.py`.
Both are wide: `resnet32` has 128/256/512 filters (29.4 M parameters), not the
16/32/64 of the usual CIFAR ResNet-32, and `resnet101` has 56 layers.
"""

import keras

from tfnoisy.nets import blocks, layers


def build(num_classes, image_shape, seed, units, stem, filters):
    """Returns a network of 2 * units * len(filters) + 2 layers.

    A unit adds conv(leaky(BN(conv(leaky(BN(x)))))) to its input.  The first
    unit of all differs: it applies the leaky ReLU first and BN after it, and
    feeds the result to its shortcut, too.

    Args:
        num_classes: C.
        image_shape: (H, W, channels).
        seed: seed of the initial weights.
        units: units a stage.
        stem: filters of the first convolution.
        filters: filters of each stage; all stages but the first halve the map.
    """

    def conv(x, width, strides, name):
        return blocks.conv(
            width, 3, strides, blocks.fan_out_normal, seed, name
        )(x)

    def bn(x, name):
        return layers.BatchNorm(
            epsilon=1e-3, debias_mean=True, unbiased_variance=False, name=name
        )(x)

    def leaky(x):
        return keras.layers.LeakyReLU(0.1)(x)

    images = blocks.image_input(image_shape)
    x = conv(images, stem, 1, "init_conv")
    for stage, width in enumerate(filters, 1):
        for unit in range(units):
            name = f"unit_{stage}_{unit}"
            stride = 2 if stage > 1 and unit == 0 else 1
            if stage == 1 and unit == 0:
                h = x = bn(leaky(x), f"{name}_init_bn")
            else:
                h = leaky(bn(x, f"{name}_init_bn"))
            h = conv(h, width, stride, f"{name}_conv1")
            h = leaky(bn(h, f"{name}_bn2"))
            h = conv(h, width, 1, f"{name}_conv2")
            if x.shape[-1] != width:
                x = layers.PoolAndPad(stride, width, name=f"{name}_short")(x)
            x = keras.layers.Add(name=name)([x, h])
    x = leaky(bn(x, "final_bn"))
    x = blocks.global_average()(x)
    x = blocks.logits(num_classes, _dense_uniform, seed)(x)
    return keras.Model(images, x)


def resnet32(num_classes, image_shape, seed):
    """Returns MentorMix's student: 29 442 378 parameters for C = 10."""
    return build(num_classes, image_shape, seed, 5, 64, (128, 256, 512))


def resnet101(num_classes, image_shape, seed):
    """Returns MentorNet's student: 84 627 034 parameters for C = 10."""
    return build(num_classes, image_shape, seed, 9, 16, (160, 320, 640))


def _dense_uniform(seed):
    """Draws from U(-b, b), b = sqrt(3 / fan_in)."""
    return keras.initializers.VarianceScaling(1.0, "fan_in", "uniform", seed)
