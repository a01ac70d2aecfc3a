"""Networks that begin with the body of another one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import slow_cases
from tfnoisy import errors
from tfnoisy.methods import baseline
from tfnoisy.nets import bodies, pair, registry

SHAPE = (16, 16, 3)
# All kinds of layers: dropout that counts, several dense ones, whitening.
NAMES = ("small_cnn", "inception", "resnet9_half", "preact_resnet18")


def scattered(network, seed=0):
    """Gives all variables values that no initialiser gives."""
    rng = np.random.default_rng(seed)
    for variable in network.variables:
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return network


def body_of(network):
    last = {id(v) for v in network.get_layer("logits").variables}
    return [v.numpy() for v in network.variables if id(v) not in last]


def begun(name, source, num_classes=3, shape=SHAPE, **kwargs):
    body = source if isinstance(source, bodies.Body) else None
    return registry.build(
        name,
        num_classes,
        shape,
        seed=5,
        pretrained=body or bodies.of_file(str(source)),
        **kwargs,
    )


def assert_begins_with(found, trained):
    for value, expected in zip(body_of(found), body_of(trained), strict=True):
        np.testing.assert_array_equal(value, expected)
    fresh = registry.build(found.name, 3, SHAPE, seed=5)
    for variable, drawn in zip(
        found.get_layer("logits").variables,
        fresh.get_layer("logits").variables,
    ):
        np.testing.assert_array_equal(variable, drawn)


@pytest.mark.parametrize("name", slow_cases.but(NAMES[:1], NAMES))
def test_from_each_kind_of_file(name, tmp_path):
    # As many classes, or others.
    for num_classes in (3, 7):
        trained = scattered(registry.build(name, num_classes, SHAPE, seed=1))
        trained.save_weights(tmp_path / "whole.weights.h5")
        registry.features(trained).save_weights(tmp_path / "body.weights.h5")
        trained.save(tmp_path / "network.keras")
        for file in tmp_path.iterdir():
            assert bodies.is_file(file)
            assert_begins_with(begun(name, file), trained)
    values = [v.numpy() for v in trained.variables]
    body = bodies.of_values("run", name, values)
    assert_begins_with(begun(name, body), trained)


def test_from_the_file_of_a_method_and_of_its_classifier(tmp_path):
    trained = scattered(registry.build("small_cnn", 10, SHAPE))
    method = baseline.Baseline(trained)
    method.compile("sgd")
    method.save(tmp_path / "method.keras")
    method.classifier().save(tmp_path / "classifier.keras")
    for file in tmp_path.iterdir():
        assert_begins_with(begun("small_cnn", file), trained)


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_in_half_precision_and_on_replicas(tmp_path, suffix, two_replicas):
    trained = scattered(registry.build("small_cnn", 3, SHAPE))
    file = saved(tmp_path / f"a{suffix}", network=trained)
    mixed = begun("small_cnn", file, dtype="mixed_bfloat16")
    assert {v.dtype for v in mixed.variables} == {"float32"}
    assert_begins_with(mixed, trained)
    with two_replicas.scope():
        both = begun("small_cnn", file)
    for variable, value in zip(both.variables, body_of(trained)):
        for own in two_replicas.experimental_local_results(variable.value):
            np.testing.assert_array_equal(own, value)


def test_the_network_computes_what_the_trained_one_did(tmp_path):
    trained = scattered(registry.build("inception", 3, SHAPE))
    trained.save(tmp_path / "a.keras")
    images = tf.random.stateless_uniform([2, *SHAPE], [0, 1])
    np.testing.assert_array_equal(
        registry.features(begun("inception", tmp_path / "a.keras"))(images),
        registry.features(trained)(images),
    )


def saved(path, name="small_cnn", shape=SHAPE, network=None):
    network = network or registry.build(name, 3, shape)
    if path.name.endswith(".keras"):
        network.save(path)
    else:
        network.save_weights(path)
    return path


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
@pytest.mark.parametrize(
    "theirs, shape, ours, message",
    [
        ("small_cnn", SHAPE, "cifar_resnet20", "it has no "),
        ("cifar_resnet32", SHAPE, "cifar_resnet20", "it has .* too"),
        ("cifar_resnet20", SHAPE, "cifar_resnet32", "it has no "),
        ("small_cnn", (16, 16, 1), "small_cnn", r"\[3, 3, 1, 32\] there and"),
        ("resnet9", SHAPE, "resnet9_half", r"is \[.*\] there and \[.*\] here"),
    ],
)
def test_another_network(tmp_path, suffix, theirs, shape, ours, message):
    file = saved(tmp_path / f"a{suffix}", theirs, shape)
    with pytest.raises(errors.UserError, match=message) as caught:
        begun(ours, file)
    start = f"--pretrained={file} holds no weights of {ours} for such images: "
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values, message",
    [
        ([np.zeros([2])] * 5, "it has 5 variables of other, small_cnn has 17"),
        ([np.zeros([2])] * 17, r"conv1/kernel is \[2\] there and \[3, 3, 3"),
    ],
)
def test_values_of_another_network(values, message):
    with pytest.raises(errors.UserError, match=message):
        begun("small_cnn", bodies.of_values("run", "other", values))


@pytest.mark.parametrize(
    "name, message",
    [
        ("nowhere.keras", "there is no such file or run folder"),
        ("text.weights.h5", "cannot be read as weights of Keras"),
        ("text.keras", "cannot be read as weights of Keras"),
        ("text.txt", r"a \.weights\.h5 or \.keras file of Keras is wanted"),
    ],
)
def test_what_is_no_such_file(tmp_path, name, message):
    path = tmp_path / name
    if "text" in name:
        path.write_text("no weights")
    with pytest.raises(errors.UserError, match=message) as caught:
        begun("small_cnn", path)
    assert str(caught.value).startswith(f"--pretrained={path}")
    assert "\n" not in str(caught.value)


def test_a_pair_is_refused(tmp_path):
    networks = [registry.build("small_cnn", 3, SHAPE, seed=s) for s in (1, 2)]
    pair.Pair(*networks).save(tmp_path / "pair.keras")
    with pytest.raises(errors.UserError, match="two networks"):
        begun("small_cnn", tmp_path / "pair.keras")


def test_published_weights_are_told_from_ours(tmp_path):
    images = keras.Input(SHAPE)
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3)(images))
    theirs = tmp_path / "theirs.weights.h5"
    keras.Model(images, x).save_weights(theirs)
    assert not bodies.is_file(theirs)
    assert not bodies.is_file(tmp_path / "nowhere.weights.h5")
    assert not bodies.is_file(tmp_path / "published_notop.h5")
    assert bodies.is_file(saved(tmp_path / "ours.weights.h5"))
