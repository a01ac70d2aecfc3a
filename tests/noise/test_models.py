import numpy as np
import pytest

from tfnoisy import errors, randomness
from tfnoisy.datasets import dataset
from tfnoisy.noise import models, spec


def _data(**changes):
    labels = np.arange(50) % 5
    fields = {
        "name": "toy",
        "images": np.zeros([50, 2, 2, 1], np.uint8),
        "given_labels": labels,
        "clean_labels": labels,
        "ids": np.arange(50),
        "class_names": tuple("abcde"),
    }
    return dataset.ImageDataset(**(fields | changes))


def test_uniforms_are_the_noise_streams_rows():
    ids = np.array([7, 2, 40])
    expected = randomness.uniform_by_id(9, "noise", 41, 2).numpy()[ids]
    assert np.array_equal(models.uniforms(9, ids), expected)
    whole = models.uniforms(9, np.arange(5000))
    assert np.array_equal(whole[ids], expected)
    assert not np.array_equal(models.uniforms(8, ids), expected)


def test_rate_one_gives_each_kinds_exact_map():
    data = _data()
    ring = (data.clean_labels + 1) % 5
    for kind in ("pairflip:1", "asymmetric:1"):
        given = models.given_labels(data, spec.parse(kind), 0)
        assert np.array_equal(given, ring)
    exclusive = spec.parse("symmetric_exclusive:1")
    given = models.given_labels(data, exclusive, 0)
    assert np.all(given != data.clean_labels)


def test_human_labels_by_name():
    worse = (np.arange(50) + 1) % 5
    data = _data(human_labels={"worse": worse, "aggre": worse * 0})
    given = models.given_labels(data, spec.parse("human:worse"), 0)
    assert np.array_equal(given, worse)
    with pytest.raises(errors.UserError) as caught:
        models.given_labels(data, spec.parse("human:wrose"), 0)
    assert "did you mean human:worse? toy has worse, aggre" in str(caught.value)
    with pytest.raises(errors.UserError, match="toy has no human labels"):
        models.given_labels(_data(), spec.parse("human:worse"), 0)


def test_dividemix_does_not_look_at_the_order_of_the_rows_or_the_seed():
    data, noise = _data(), spec.parse("dividemix_sym:0.5")
    given = models.given_labels(data, noise, 0)
    assert np.any(given != data.clean_labels)
    rows = np.arange(50)[::-1]
    assert np.array_equal(
        models.given_labels(data.take(rows), noise, 1), given[rows]
    )
    with pytest.raises(errors.UserError, match="whole training set"):
        models.given_labels(data.take(rows[:20]), noise, 0)
    with pytest.raises(errors.UserError, match="CIFAR-10 only"):
        models.given_labels(data, spec.parse("dividemix_asym:0.4"), 0)


def test_kinds_without_a_label_model_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="no label model"):
        models.given_labels(_data(), spec.parse("openset:0.2:x"), 0)
