import numpy as np
import pytest

from tfnoisy.audit import from_features, label_errors
from tfnoisy.datasets import load
from tfnoisy.noise import manifest


@pytest.fixture(scope="module")
def digits():
    data = load.load("digits", "train[:600]")
    return manifest.inject(data, "symmetric:0.2", seed=1).apply(data)


@pytest.fixture
def pixels(digits, tmp_path):
    path = tmp_path / "pixels.npy"
    np.save(path, digits.images.reshape(len(digits), -1).astype(np.float32))
    return str(path)


def test_wrong_labels_are_found_by_a_file_of_features(digits, pixels):
    found = from_features.judge(digits, pixels)
    wrong = digits.given_labels != digits.clean_labels
    hits = found.is_label_issue & wrong
    assert hits.sum() / wrong.sum() > 0.95
    assert hits.sum() / found.is_label_issue.sum() > 0.95
    assert found.predicted_labels[hits].tolist() == pytest.approx(
        digits.clean_labels[hits].tolist(), abs=9
    )
    np.testing.assert_array_equal(found.ids, digits.ids)
    assert "bracket" in found.notes[0]
    assert not any("cannot judge" in note for note in found.notes)


def test_features_of_nothing_cannot_judge(digits, tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.npy"
    np.save(path, rng.normal(size=(len(digits), 20)).astype(np.float32))
    found = from_features.judge(digits, str(path))
    assert "cannot judge" in found.notes[0]


def test_copies_have_one_group():
    features = np.array([[1.0, 2], [3, 4], [1, 2], [5, 6], [3, 4]])
    assert from_features.copies(features).tolist() == [0, 1, 0, 3, 1]


def test_copies_do_not_confirm_each_other(digits, pixels):
    features = np.load(pixels)
    # Twenty copies of one image, all wrongly labelled alike.
    features[:20] = features[0]
    labels = digits.clean_labels.copy()
    labels[:20] = (digits.clean_labels[0] + 1) % 10
    kept = label_errors.find_label_errors(
        labels, features, groups=from_features.copies(features)
    )
    assert kept.is_label_issue[:20].all()
