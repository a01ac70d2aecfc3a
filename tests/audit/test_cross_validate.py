import dataclasses

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import cross_validate
from tfnoisy.augment import standard
from tfnoisy.datasets import load
from tfnoisy.runs import lock


def digits(rows="train[:300]"):
    return load.load("digits", rows)


def predict(data, folder, **kwargs):
    return cross_validate.pred_probs(
        data,
        standard.get("standard", (8, 8, 1), mirror=False),
        folder,
        studentnet="small_cnn",
        folds=2,
        num_epochs=6,
        batch_size=16,
        **kwargs,
    )


def test_folds_are_even_and_random():
    data = digits()
    fold = cross_validate.folds_of(data, 4, seed=1)
    assert np.bincount(fold).tolist() == [75] * 4
    assert (fold[:100] != np.arange(100) % 4).any()
    again = cross_validate.folds_of(data.take(np.arange(300)[::-1]), 4, seed=1)
    np.testing.assert_array_equal(again[::-1], fold)


@pytest.mark.parametrize("folds", [1, 301])
def test_folds_that_cannot_be(folds):
    with pytest.raises(errors.UserError, match=f"--folds={folds}"):
        cross_validate.folds_of(digits(), folds, seed=0)


@pytest.fixture(scope="module")
def predicted(tmp_path_factory):
    """A data set, the folder, and what networks predict of it."""
    data, path = digits(), tmp_path_factory.mktemp("predicted")
    return data, path, predict(data, path)


def test_predictions_are_out_of_sample(predicted, tmp_path):
    data, path, probs = predicted
    assert probs.shape == (300, 10)
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)
    assert np.mean(probs.argmax(1) == data.given_labels) > 0.7
    # With labels that say nothing, no network can know what it was not told.
    given = np.random.default_rng(0).integers(0, 10, 300)
    guessed = predict(
        dataclasses.replace(data, given_labels=given),
        tmp_path / "guess",
    )
    assert np.mean(guessed.argmax(1) == given) < 0.25
    # What is finished is not trained again.
    before = (path / "fold-0/metrics.jsonl").read_text()
    np.testing.assert_array_equal(predict(data, path), probs)
    assert (path / "fold-0/metrics.jsonl").read_text() == before


@pytest.mark.slow
def test_half_precision_predicts_almost_the_same(predicted, tmp_path):
    data, _, probs = predicted
    half = predict(data, tmp_path, mixed_precision="bfloat16")
    assert np.abs(half - probs).max() > 0
    assert np.mean(half.argmax(1) == probs.argmax(1)) > 0.9


def test_networks_for_views_of_a_part(tmp_path):
    data = digits("train[:60]")
    probs = cross_validate.pred_probs(
        data,
        standard.get("dividemix_clothing1m", (8, 8, 1), mirror=False),
        tmp_path,
        studentnet="small_cnn",
        folds=2,
        num_epochs=1,
    )
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-5)


def test_another_process_in_the_folder_is_refused(tmp_path):
    with lock.Lock(tmp_path) as held:
        held.acquire()
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(errors.UserError, match="another --output_dir"):
            predict(digits(), tmp_path)
        assert sorted(tmp_path.rglob("*")) == before
