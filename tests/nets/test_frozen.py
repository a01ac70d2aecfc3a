import keras
import numpy as np
import pytest

from tfnoisy.audit.features import networks
from tfnoisy.nets import frozen, registry


def views(images):
    return (images.astype(np.float32) - 127.5) / 127.5


@pytest.fixture(scope="module")
def grey():
    return registry.build("frozen_efficientnet_lite0", 3, (8, 8, 1))


def test_the_features_are_those_of_the_audit(grey):
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), np.uint8)
    wanted = networks.get("efficientnet_lite0")(images)
    features = keras.Model(grey.input, grey.get_layer(frozen.CENTRE).input)
    np.testing.assert_allclose(
        features(views(images)), wanted, atol=1e-4, rtol=1e-4
    )


def test_the_logits_are_of_centred_features_of_length_1(grey, tmp_path):
    draws = np.random.default_rng(1)
    images = draws.integers(0, 256, (4, 8, 8, 1), np.uint8)
    mean, kernel = draws.normal(size=1280), draws.normal(size=(1280, 3))
    grey.get_layer(frozen.CENTRE).mean.assign(mean)
    grey.get_layer(frozen.LOGITS).kernel.assign(kernel)
    unit = networks.get("efficientnet_lite0")(images) - mean
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    logits = grey(views(images), training=True).numpy()
    np.testing.assert_allclose(logits, unit @ kernel, atol=1e-4)
    # Neither mode moves anything.
    np.testing.assert_allclose(
        grey(views(images), training=False), logits, atol=1e-5
    )
    grey.save(tmp_path / "a.keras")
    again = keras.models.load_model(tmp_path / "a.keras")
    np.testing.assert_allclose(again(views(images)), logits, atol=1e-5)


def test_only_the_head_would_be_trained(grey):
    assert [v.path for v in grey.trainable_variables] == [
        "logits/kernel",
        "logits/bias",
    ]
