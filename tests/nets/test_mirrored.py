"""An image and its mirror image, evaluated together."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.nets import registry

SHAPE = (12, 12, 3)


@pytest.fixture
def pair():
    """The network without and with the mirror, of the same weights."""
    plain = registry.build("resnet9_half", 4, SHAPE, seed=3)
    both = registry.build("resnet9_half_mirror", 4, SHAPE, seed=3)
    return plain, both


@pytest.fixture
def images():
    return tf.random.stateless_normal([5, *SHAPE], [1, 2])


def test_the_weights_are_those_of_the_plain_network(pair):
    plain, both = pair
    assert [v.path for v in plain.variables] == [v.path for v in both.variables]
    for ours, theirs in zip(both.variables, plain.variables):
        np.testing.assert_array_equal(ours, theirs)


def test_logits_are_the_mean_of_both_images(pair, images):
    plain, both = pair
    mean = (plain(images) + plain(tf.reverse(images, [2]))) / 2
    np.testing.assert_allclose(both(images), mean, atol=1e-6)
    assert np.abs(both(images) - plain(images)).max() > 1e-4
    # A mirrored image has the same logits.
    np.testing.assert_allclose(
        both(tf.reverse(images, [2])), both(images), atol=1e-6
    )


def test_training_is_that_of_the_plain_network(pair, images):
    plain, both = pair
    np.testing.assert_array_equal(
        both(images, training=True), plain(images, training=True)
    )
    for ours, theirs in zip(both.variables, plain.variables):
        np.testing.assert_array_equal(ours, theirs)


def test_features_are_means_too(pair, images):
    plain, both = (registry.features(network) for network in pair)
    mean = (plain(images) + plain(tf.reverse(images, [2]))) / 2
    np.testing.assert_allclose(both(images), mean, atol=1e-6)


def test_it_is_saved_exported_and_read_again(pair, images, tmp_path):
    _, network = pair
    network.save(tmp_path / "a.keras")
    again = keras.saving.load_model(tmp_path / "a.keras")
    np.testing.assert_array_equal(again(images), network(images))
    network.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    for count in (1, 5):
        np.testing.assert_allclose(
            served.serve(images[:count]), network(images[:count]), atol=1e-6
        )
