"""A short wide network for 32x32 images: most accuracy for the time.

Of the family that began with David Page's ResNet-9 for DAWNBench (2018) and
went on with tysam-code/hlb-CIFAR10 (2023) and KellerJordan/94percent's
airbench (2024): a first layer that whitens patches of the data, a few wide
convolutions, GELU, one maximum over the map, a scaled head.  The widths are
airbench's; the identity round each second convolution is ResNet-9's.
"""

import keras

from tfnoisy.nets import blocks, layers, mirrored, whitening

_WIDTHS = (64, 256, 256)
_PATCH = 2
# What airbench divides the logits by.
_HEAD = 1 / 9


def build(num_classes, image_shape, seed, width=1.0, mirror=False):
    """Returns the network.

    2,2-whitening; three times (convolution, maximum of 2 x 2, BN, GELU, and a
    convolution, BN, GELU round which its input is added); maximum over the
    map; logits of a ninth of it.

    Args:
        num_classes: C.
        image_shape: (H, W, channels), at least 9 pixels a side.
        seed: seed of the initial weights.
        width: what the three widths 64, 256, 256 are multiplied by.
        mirror: whether an image is evaluated together with its mirror image,
            see `mirrored`; in twice the time.
    """
    images = x = blocks.image_input(image_shape)
    if mirror:
        x = mirrored.WithMirror(name="with_mirror")(x)
    x = whitening.Whitening(_PATCH, name="whitening")(x)
    x = keras.layers.Activation("gelu", name="whitening_gelu")(x)
    for index, filters in enumerate(_WIDTHS):
        filters = round(filters * width)
        x = _conv(filters, seed, f"block{index + 1}_conv1")(x)
        x = keras.layers.MaxPooling2D(name=f"block{index + 1}_pool")(x)
        x = shortcut = _bn_gelu(x, f"block{index + 1}_bn1")
        x = _conv(filters, seed, f"block{index + 1}_conv2")(x)
        x = _bn_gelu(x, f"block{index + 1}_bn2")
        x = keras.layers.Add(name=f"block{index + 1}_add")([x, shortcut])
    # Never below float32, as the averages of the other networks.
    dtype = blocks.output_dtype()
    x = keras.layers.GlobalMaxPooling2D(dtype=dtype, name="pooled")(x)
    x = keras.layers.Rescaling(_HEAD, dtype=dtype, name="scaled")(x)
    if mirror:
        x = mirrored.MeanOfMirrored(dtype=dtype, name="mean_of_mirrored")(x)
    x = blocks.logits(num_classes, blocks.torch_uniform, seed)(x)
    return keras.Model(images, x)


def _conv(filters, seed, name):
    return blocks.conv(filters, 3, 1, blocks.torch_uniform, seed, name)


def _bn_gelu(x, name):
    x = layers.BatchNorm(name=name)(x)
    return keras.layers.Activation("gelu", name=f"{name}_gelu")(x)
