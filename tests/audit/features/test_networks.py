import keras
import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit.features import networks


def test_a_network_of_keras_applications(monkeypatch):
    """With random weights: no network is needed for the test."""
    built = []

    def small(include_top, weights, input_shape, pooling):
        built.append((include_top, weights, input_shape, pooling))
        return mobile(
            include_top=include_top,
            weights=None,
            input_shape=(64, 64, 3),
            pooling=pooling,
            alpha=0.35,
        )

    mobile = keras.applications.MobileNetV2
    small.__module__, small.__name__ = mobile.__module__, mobile.__name__
    monkeypatch.setattr(keras.applications, "MobileNetV2", small)
    monkeypatch.setattr(networks, "_KERAS_SIDE", 64)
    extractor = networks.get("keras:mobilenetv2")
    assert built == [(False, "imagenet", (64, 64, 3), "avg")]
    values = extractor(np.zeros([2, 10, 10, 3], np.uint8))
    assert values.shape == (2, extractor.size) == (2, 1280)
    assert len(extractor.fingerprint) == 64


def test_an_unknown_one_names_those_there_are():
    with pytest.raises(errors.UserError, match="keras:ResNet9: .*MobileNetV2"):
        networks.get("keras:ResNet9")


def test_one_whose_weights_cannot_be_had(monkeypatch):
    def failing(**_):
        raise OSError("no route to host\nsecond line")

    failing.__name__ = "ResNet50"
    monkeypatch.setattr(keras.applications, "ResNet50", failing)
    with pytest.raises(errors.UserError, match="no route to host") as caught:
        networks.get("keras:ResNet50")
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(errors.UserError, match="no run folder"):
        networks.get(str(tmp_path))
