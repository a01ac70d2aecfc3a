"""A network that stays as ImageNet made it, and a linear layer on top.

Images of any size of at least 8 pixels are enlarged to the side at which the
features of the audit are computed, so that these are the same numbers; then

    u = (x - mean) / |x - mean|        the features x of an image, centred
    z = u kernel + bias                its logits

The mean, the kernel and the bias are for `audit.frozen_head` to set: nothing
here is trained by gradients.
"""

import keras
import tensorflow as tf

from tfnoisy.nets import blocks, efficientnet_lite0

# Pixels, of the enlarged image.
SIDE = 128
FEATURES, CENTRE, LOGITS = "pooled", "centre", "logits"


@keras.saving.register_keras_serializable("tfnoisy")
class Enlarge(keras.layers.Layer):
    """Views in -1..1 to pixels as the backbone wants them.

    Args:
        side: height and width that images get.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(self, side=SIDE, **kwargs):
        super().__init__(**{**kwargs, "trainable": False})
        self.side = side

    def call(self, views):
        """Returns [N, side, side, 3] of views [N, H, W, 1 or 3]."""
        pixels = views * 127.5 + 127.5
        if pixels.shape[-1] == 1:
            pixels = tf.repeat(pixels, 3, axis=-1)
        if tuple(pixels.shape[1:3]) != (self.side, self.side):
            pixels = tf.image.resize(
                pixels, [self.side, self.side], "bicubic", antialias=True
            )
            # Bicubic weights are negative in places.
            pixels = tf.clip_by_value(pixels, 0.0, 255.0)
        return efficientnet_lite0.preprocess(pixels)

    def compute_output_shape(self, input_shape):
        """Returns (N, side, side, 3)."""
        return (input_shape[0], self.side, self.side, 3)

    def get_config(self):
        """Returns the arguments."""
        return {**super().get_config(), "side": self.side}


@keras.saving.register_keras_serializable("tfnoisy")
class Backbone(keras.layers.Layer):
    """EfficientNet-Lite0 up to its pooled maps, always as in evaluation."""

    def __init__(self, **kwargs):
        super().__init__(**{**kwargs, "trainable": False})
        whole = efficientnet_lite0.efficientnet_lite0(2, (SIDE, SIDE, 3), 0)
        self.network = keras.Model(
            whole.input, whole.get_layer(FEATURES).output
        )
        self.network.trainable = False
        # Not an attribute: its last layer is no part of this one.
        self._load = lambda: efficientnet_lite0.load_weights(whole)

    def load_weights(self):
        """Gives it ImageNet's weights."""
        self._load()

    def call(self, pixels):
        """Returns features [N, D] of pixels [N, side, side, 3]."""
        return self.network(pixels, training=False)

    def compute_output_shape(self, input_shape):
        """Returns (N, D)."""
        return (input_shape[0], efficientnet_lite0.HEAD)


@keras.saving.register_keras_serializable("tfnoisy")
class Centre(keras.layers.Layer):
    """Subtracts a mean from features and scales them to length 1."""

    def build(self, input_shape):
        """Creates the mean."""
        self.mean = self.add_weight(
            shape=(input_shape[-1],),
            initializer="zeros",
            trainable=False,
            name="mean",
        )

    def call(self, features):
        """Returns [N, D] of features [N, D]."""
        return tf.math.l2_normalize(features - self.mean, axis=-1)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the features."""
        return input_shape


def frozen_efficientnet_lite0(num_classes, image_shape, seed):
    """Returns EfficientNet-Lite0 with ImageNet's weights under a new head.

    Args:
        num_classes: C.
        image_shape: (H, W, channels) of views in -1..1, one channel or three.
        seed: of the head's first weights.

    Raises:
        UserError: if the package with the weights is not installed.
    """
    backbone = Backbone(name="backbone")
    backbone.load_weights()
    images = blocks.image_input(image_shape)
    x = backbone(Enlarge(name="enlarge")(images))
    x = Centre(name=CENTRE)(x)
    x = blocks.logits(num_classes, lambda _: "zeros", seed)(x)
    return keras.Model(images, x)
