"""Wide ResNets in AutoAugment's variant, which IEG uses (`wrn28-10`).

Source: google-research/ieg, `models/wrn.py`.  Beyond Zagoruyko and Komodakis:
no projections (pooling and zero channels instead), a skip around each stage
and one from the stem to the end.
"""

import keras

from tfnoisy.nets import blocks, layers


def build(num_classes, image_shape, seed, depth, widen):
    """Returns WRN-depth-widen: 36 220 634 parameters for 28-10 and C = 10.

    Args:
        num_classes: C.
        image_shape: (H, W, channels).
        seed: seed of the initial weights.
        depth: 6n + 4, the number of layers.
        widen: K, the factor of the widths 16, 32 and 64.
    """

    def conv(x, width, strides, name):
        return blocks.conv(
            width, 3, strides, blocks.fan_out_normal, seed, name
        )(x)

    def bn_relu(x, name):
        return keras.layers.ReLU()(layers.BatchNorm(name=name)(x))

    def shortcut(x, stride, width, name):
        if x.shape[-1] == width and stride == 1:
            return x
        return layers.PoolAndPad(stride, width, name=name)(x)

    images = blocks.image_input(image_shape)
    x = stem = conv(images, 16, 1, "stem")
    for stage, width in enumerate((16 * widen, 32 * widen, 64 * widen), 1):
        first_stride = 1 if stage == 1 else 2
        stage_input = x
        for block in range((depth - 4) // 6):
            name = f"block_{stage}_{block}"
            stride = first_stride if block == 0 else 1
            h = bn_relu(x, f"{name}_bn1")
            if stage == 1 and block == 0:
                x = h
            h = conv(h, width, stride, f"{name}_conv1")
            h = conv(bn_relu(h, f"{name}_bn2"), width, 1, f"{name}_conv2")
            x = shortcut(x, stride, width, f"{name}_short")
            x = keras.layers.Add(name=name)([x, h])
        skip = shortcut(
            stage_input, first_stride, width, f"stage_{stage}_short"
        )
        x = keras.layers.Add(name=f"stage_{stage}")([x, skip])
    skip = shortcut(stem, 4, 64 * widen, "stem_short")
    x = keras.layers.Add(name="stages")([x, skip])
    x = blocks.global_average()(bn_relu(x, "final_bn"))
    x = blocks.logits(num_classes, _dense_uniform, seed)(x)
    return keras.Model(images, x)


def _dense_uniform(seed):
    """Draws from U(-b, b), b = 1 / sqrt(C)."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_out", "uniform", seed)
