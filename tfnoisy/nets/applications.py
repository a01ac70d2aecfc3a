"""ResNet-50 and Inception-ResNet-v2 as keras.applications has them.

DivideMix trains the first, from ImageNet's weights, on Clothing1M, and the
second, from scratch, on WebVision.  The layout and the published weights are
the library's; the normalisation is ours, with the momentum of DivideMix's code
and one moving average for all replicas, and so is the last layer.

What differs from the original's PyTorch networks: each convolution of this
ResNet has a bias (26 560 more parameters, without effect before a
normalisation), and a block's stride is in its first convolution, not in its
second.  The Inception-ResNet has the original's parameters to the last one; the
library's own does without the scale of the normalisation (30 272 fewer).
"""

import dataclasses
import pathlib

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.nets import blocks, layers


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """Weights to begin with, and what the images to come look like.

    Attributes:
        source: `imagenet`, which keras.applications downloads once (the weights
            of efficientnet_lite0 are installed with tfnoisy), or a file of
            weights of the same network without its last layer.
        mean: of each channel of a view, and
        deviation: likewise: value = (pixel / 255 - mean) / deviation.
    """

    source: str
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


def keras_resnet50(num_classes, image_shape, seed, pretrained=None):
    """Returns the network: 23 563 278 parameters for C = 14.

    Args:
        num_classes: C.
        image_shape: (H, W, channels), H and W at least 32.
        seed: seed of the initial weights.
        pretrained: a `Pretrained`, or None for random weights.
    """
    return _build(
        keras.applications.ResNet50,
        keras.applications.resnet.preprocess_input,
        num_classes,
        image_shape,
        seed,
        pretrained,
    )


def keras_inception_resnet_v2(num_classes, image_shape, seed, pretrained=None):
    """Returns the network: 54 383 314 parameters for C = 50.

    Args:
        num_classes: C.
        image_shape: (H, W, channels), H and W at least 75.
        seed: seed of the initial weights.
        pretrained: a `Pretrained`, or None for random weights.
    """
    return _build(
        keras.applications.InceptionResNetV2,
        keras.applications.inception_resnet_v2.preprocess_input,
        num_classes,
        image_shape,
        seed,
        pretrained,
    )


def _build(application, preprocess, num_classes, image_shape, seed, pretrained):
    if pretrained is None:
        theirs = application(
            include_top=False, weights=None, input_shape=image_shape
        )
    else:
        theirs = _load(application, pretrained.source, image_shape)
    images = blocks.image_input(image_shape)
    copies = []  # (theirs, ours) of the layers with weights, in order.

    def copy(layer):
        config = layer.get_config()
        # In its place the policy in force: `from_config` would make Keras's own
        # of a `precision.MixedPolicy`.
        del config["dtype"]
        if isinstance(layer, keras.layers.BatchNormalization):
            ours = layers.BatchNorm(
                momentum=0.9, epsilon=layer.epsilon, name=layer.name
            )
        elif isinstance(layer, keras.layers.Conv2D):
            # By number: the library's automatic names are never twice alike.
            layer_seed = blocks.layer_seed(seed, f"convolution {len(copies)}")
            initializer = keras.initializers.GlorotUniform(layer_seed)
            config["kernel_initializer"] = initializer
            ours = type(layer).from_config(config)
        else:
            return type(layer).from_config(config)
        copies.append((layer, ours))
        return ours

    def call(layer, *inputs, mask=None):
        return layer(*inputs)  # Ours know no mask.

    maps = keras.models.clone_model(theirs, images, copy, call).output
    outputs = blocks.logits(
        num_classes, keras.initializers.GlorotUniform, seed
    )(blocks.global_average()(maps))
    model = keras.Model(images, outputs)
    if pretrained is not None:
        for source, target in copies:
            _assign(source, target)
        take_views(*[ours for _, ours in copies[:2]], preprocess, pretrained)
    return model


def _load(application, source, image_shape):
    """Returns the library's network without its top, with weights.

    Raises:
        UserError: if they cannot be had.
    """
    name = application.__name__
    option = f"--pretrained={source}"
    if image_shape[-1] != 3:
        raise errors.UserError(
            f"{option}: the weights are for images of three channels, not "
            f"{image_shape[-1]}"
        )
    weights = source
    if source != "imagenet":
        weights = str(pathlib.Path(source).expanduser())
        if not pathlib.Path(weights).is_file():
            raise errors.UserError(f"{option}: there is no such file")
    try:
        return application(
            include_top=False, weights=weights, input_shape=image_shape
        )
    except Exception as error:  # Keras raises half a dozen kinds.
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        if source == "imagenet":
            raise errors.UserError(
                f"{option}: the weights of {name} cannot be downloaded "
                f"({reason}); fetch that file elsewhere and name it, "
                "--pretrained=FILE"
            ) from error
        raise errors.UserError(
            f"{option} holds no weights of keras.applications.{name} without "
            f"its last layer, such as the published ...notop.h5 ({reason})"
        ) from error


def _assign(source, target):
    """Gives a layer of ours the weights of the library's."""
    if isinstance(target, layers.BatchNorm):
        names = ["beta", "moving_mean", "moving_variance"]
        names += ["gamma"] if source.scale else []
    else:
        names = ["kernel", "bias"] if source.use_bias else ["kernel"]
    for name in names:
        getattr(target, name).assign(getattr(source, name))


def take_views(convolution, normalisation, preprocess, pretrained):
    """Makes the first layer take our views in place of the library's.

    Both are affine in the pixels, p / 255 = mean + deviation v and
    preprocess(p) = base + p / 255 @ matrix, so that the kernel and what
    follows it can take in the difference: the bias, or the moving mean of the
    normalisation where there is none.  Only the pixels in the padding of a
    first layer that pads are then of the views' mean colour, not ImageNet's;
    as in the original, which pads what it has normalised.

    Args:
        convolution: the first one, with the library's weights.
        normalisation: the `BatchNorm` that follows.
        preprocess: the library's function of pixels in 0..255.
        pretrained: a `Pretrained`.
    """
    base = preprocess(np.zeros([1, 1, 1, 3]))[0, 0, 0]
    matrix = preprocess(255 * np.eye(3).reshape(1, 1, 3, 3))[0, 0] - base
    mean, deviation = np.array([pretrained.mean, pretrained.deviation])
    kernel = tf.convert_to_tensor(convolution.kernel.value).numpy()
    offset = np.einsum("hwjo,j->o", kernel, base + mean @ matrix)
    convolution.kernel.assign(
        np.einsum("hwjo,cj,c->hwco", kernel, matrix, deviation)
    )
    if convolution.use_bias:
        convolution.bias.assign_add(offset)
    else:
        normalisation.moving_mean.assign_sub(offset)
