import urllib.error

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.utils import file_utils

from tfnoisy import errors
from tfnoisy.methods import base
from tfnoisy.nets import applications, layers, registry

SHAPE = (64, 64, 3)
# What keras.applications' ResNet50 subtracts, as shares of 255.
CAFFE_MEAN = tuple(value / 255 for value in (123.68, 116.779, 103.939))
OTHER = ((0.6959, 0.6537, 0.6371), (0.3113, 0.3192, 0.3214))


def pixels(shape=SHAPE, count=2):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, *shape)).astype(np.float32)


def view(images, mean, deviation):
    return ((images / 255 - mean) / deviation).astype(np.float32)


def scattered(model):
    """Gives a model biases and statistics that are not those of the start."""
    rng = np.random.default_rng(1)
    for v in model.weights:
        if v.ndim == 1:
            v.assign(v + rng.uniform(0.05, 0.2, v.shape))
    return model


@pytest.fixture(scope="module")
def resnet():
    return registry.build("keras_resnet50", 14, SHAPE, seed=1)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """The library's ResNet50 with some weights, and their file."""
    model = scattered(
        keras.applications.ResNet50(
            include_top=False, weights=None, input_shape=SHAPE
        )
    )
    path = tmp_path_factory.mktemp("weights") / "resnet50.weights.h5"
    model.save_weights(path)
    return model, str(path)


def test_resnet50(resnet):
    assert registry.parameter_count(resnet) == 23563278
    convolutions = [
        layer
        for layer in resnet.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert len(convolutions) == 53
    biases = sum(layer.bias.shape[0] for layer in convolutions)
    # torchvision's has none.
    assert registry.parameter_count(resnet) - biases == 23536718
    assert len(registry.moving_statistics(resnet)) == 2 * 53
    assert resnet(view(pixels(), *OTHER), training=False).shape == (2, 14)
    assert registry.features(resnet).output.shape == (None, 2048)


def test_the_seed_settles_the_weights(resnet):
    keras.utils.set_random_seed(3)
    again = registry.build("keras_resnet50", 14, SHAPE, seed=1)
    for one, two in zip(resnet.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one, two)
    kernels = [v.numpy() for v in resnet.trainable_variables if v.ndim == 4]
    assert len({kernel.ravel()[:4].tobytes() for kernel in kernels}) == 53


def test_training_moves_the_statistics_once(resnet):
    method = base.Method(resnet)
    images = tf.constant(view(pixels(), *OTHER))
    before = [v.numpy() for v in resnet.non_trainable_variables]
    untracked = method.forward_untracked(images)
    for old, v in zip(before, resnet.non_trainable_variables):
        np.testing.assert_array_equal(old, v)
    tracked = resnet(images, training=True)
    np.testing.assert_allclose(untracked, tracked, atol=1e-5)
    layer = resnet.get_layer("conv1_bn")
    assert isinstance(layer, layers.BatchNorm)
    assert layer.epsilon == pytest.approx(1.001e-5)
    maps = keras.Model(resnet.input, layer.input)(images)
    mean = tf.reduce_mean(maps, [0, 1, 2])
    # PyTorch's momentum of 0.1.
    np.testing.assert_allclose(layer.moving_mean, 0.1 * mean, atol=1e-5)
    assert method.evaluation_logits(images).shape == (2, 14)
    for old, v in zip(before, resnet.non_trainable_variables):
        v.assign(old)


@pytest.mark.slow
def test_inception_resnet_v2():
    model = registry.build("keras_inception_resnet_v2", 50, (75, 75, 3))
    assert registry.parameter_count(model) == 54383314
    statistics = registry.moving_statistics(model)
    # The library's own network has no scales, one for each moving mean.
    scales = sum(v.shape[0] for v in statistics) // 2
    assert scales == 30272
    norms = [x for x in model.layers if isinstance(x, layers.BatchNorm)]
    assert {layer.epsilon for layer in norms} == {1e-3}
    images = view(pixels((75, 75, 3), 1), *OTHER)
    assert model(images, training=False).shape == (1, 50)
    assert model.get_layer("logits").kernel.shape == (1536, 50)


def test_published_weights_see_our_views(published, resnet):
    theirs, path = published
    images = pixels()
    expected = tf.reduce_mean(
        theirs(keras.applications.resnet.preprocess_input(images.copy())),
        [1, 2],
    )
    deviation = (0.2, 0.3, 0.4)
    ours = registry.build(
        "keras_resnet50",
        14,
        SHAPE,
        seed=1,
        # Where nothing differs in the padding of the first convolution.
        pretrained=applications.Pretrained(path, CAFFE_MEAN, deviation),
    )
    found = registry.features(ours)(view(images, CAFFE_MEAN, deviation))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-4 * scale)
    # The last layer begins as without them.
    np.testing.assert_array_equal(
        ours.get_layer("logits").kernel, resnet.get_layer("logits").kernel
    )


def tiny(include_top, weights, input_shape):
    """Like the beginning of InceptionResNetV2: no padding, bias or scale."""
    assert not include_top
    images = keras.Input(input_shape)
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False)(images)
    x = keras.layers.BatchNormalization(scale=False)(x)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.Conv2D(4, 3)(x)
    model = keras.Model(images, x)
    if weights:
        model.load_weights(weights)
    return model


@pytest.fixture
def inception(monkeypatch, tmp_path):
    """A tiny network in InceptionResNetV2's place, and a weights file."""
    monkeypatch.setattr(keras.applications, "InceptionResNetV2", tiny)
    model = scattered(tiny(False, None, (75, 75, 3)))
    path = tmp_path / "tiny.weights.h5"
    model.save_weights(path)
    return model, str(path)


@pytest.mark.parametrize("statistics", [OTHER, ((0.5,) * 3, (0.5,) * 3)])
def test_any_view_without_padding(inception, statistics):
    theirs, path = inception
    images = pixels((75, 75, 3))
    ours = registry.build(
        "keras_inception_resnet_v2",
        5,
        (75, 75, 3),
        pretrained=applications.Pretrained(path, *statistics),
    )
    for training in (False, True):
        expected = theirs(images / 127.5 - 1, training=training)
        found = registry.features(ours)(
            view(images, *statistics), training=training
        )
        np.testing.assert_allclose(
            found, tf.reduce_mean(expected, [1, 2]), atol=1e-4
        )


def test_on_two_replicas(inception, two_replicas):
    theirs, path = inception
    images = pixels((75, 75, 3))
    with two_replicas.scope():
        ours = registry.build(
            "keras_inception_resnet_v2",
            5,
            (75, 75, 3),
            pretrained=applications.Pretrained(path, *OTHER),
        )
    found = registry.features(ours)(view(images, *OTHER), training=False)
    expected = tf.reduce_mean(theirs(images / 127.5 - 1), [1, 2])
    np.testing.assert_allclose(found, expected, atol=1e-4)

    # Both replicas see other images, and keep one moving average.
    @tf.function
    def step():
        def replica():
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            x = view(images, *OTHER) + tf.cast(index, tf.float32)
            return tf.reduce_mean(ours(x, training=True))

        return two_replicas.run(replica)

    step()
    for variable in registry.moving_statistics(ours):
        one, two = two_replicas.experimental_local_results(variable.value)
        np.testing.assert_array_equal(one, two)


def test_in_mixed_precision(inception):
    _, path = inception
    model = registry.build(
        "keras_inception_resnet_v2",
        5,
        (75, 75, 3),
        dtype="mixed_bfloat16",
        pretrained=applications.Pretrained(path, *OTHER),
    )
    assert {v.dtype for v in model.variables} == {"float32"}
    assert model.layers[1].compute_dtype == "bfloat16"
    assert model(view(pixels((75, 75, 3)), *OTHER)).dtype == tf.float32


@pytest.mark.parametrize(
    "name, source, shape, message",
    [
        ("resnet29", "imagenet", SHAPE, "resnet29 has no published weights"),
        ("keras_resnet50", "nowhere.h5", SHAPE, "=nowhere.h5: there is no"),
        ("keras_resnet50", "imagenet", (64, 64, 1), "three channels, not 1"),
    ],
)
def test_weights_that_cannot_be_had(name, source, shape, message):
    with pytest.raises(errors.UserError, match=message) as caught:
        registry.build(
            name,
            10,
            shape,
            pretrained=applications.Pretrained(source, *OTHER),
        )
    assert "--pretrained=" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_other_weights(inception, published):
    _, path = published
    with pytest.raises(errors.UserError, match="without its last") as caught:
        registry.build(
            "keras_inception_resnet_v2",
            5,
            (75, 75, 3),
            pretrained=applications.Pretrained(path, *OTHER),
        )
    assert "\n" not in str(caught.value)


def test_a_download_that_fails(monkeypatch, tmp_path):
    def urlretrieve(*_):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(file_utils, "urlretrieve", urlretrieve)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(tmp_path))
    with pytest.raises(errors.UserError) as caught:
        registry.build(
            "keras_resnet50",
            14,
            SHAPE,
            pretrained=applications.Pretrained("imagenet", *OTHER),
        )
    message = str(caught.value)
    assert "cannot be downloaded" in message and "no network" in message
    assert "notop.h5" in message and "--pretrained=FILE" in message
    assert "\n" not in message
