"""Evaluation of an image and its mirror image together.

Test-time augmentation as the family of `resnet9` has it (airbench, "lite"):
between these two layers a network evaluates both, and the mean of what it makes
of them goes on.  Where only the linear layer of logits follows, that is the
mean of the logits.  In training the layers change nothing.
"""

import keras


@keras.saving.register_keras_serializable("tfnoisy")
class WithMirror(keras.layers.Layer):
    """Appends the mirror images, in evaluation: [N, ...] to [2 N, ...]."""

    def call(self, inputs, training=False):
        """Returns the images, [N or 2 N, H, W, C]."""
        if training:
            return inputs
        mirrored = keras.ops.flip(inputs, axis=2)
        return keras.ops.concatenate([inputs, mirrored])

    def compute_output_shape(self, input_shape):
        """The number of images is unknown, as it hangs on `training`."""
        return (None, *input_shape[1:])


@keras.saving.register_keras_serializable("tfnoisy")
class MeanOfMirrored(keras.layers.Layer):
    """Takes the mean over an image and its mirror: [2 N, F] to [N, F]."""

    def call(self, inputs, training=False):
        """Returns the features, [N, F]."""
        if training:
            return inputs
        images, mirrored = keras.ops.split(inputs, 2)
        return (images + mirrored) / 2

    def compute_output_shape(self, input_shape):
        """The number of images is unknown, as it hangs on `training`."""
        return (None, *input_shape[1:])
