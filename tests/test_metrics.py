import numpy as np
import pytest

from tfnoisy import metrics


def test_what_cannot_be_measured():
    nothing = np.zeros(3, bool)
    assert metrics.auc(np.arange(3), nothing) is None
    assert metrics.auc(np.arange(3), ~nothing) is None
    labels = np.arange(3)
    assert metrics.correction_accuracy(labels, labels, nothing) is None


def test_auc_is_one_where_wrong_labels_have_low_scores():
    score = np.array([0.1, 0.2, 0.7, 0.8])
    assert metrics.auc(score, score < 0.5) == 1.0
    assert metrics.auc(score, score > 0.5) == 0.0


@pytest.mark.parametrize(
    "wrong, early, recall, f1, f1_of_all",
    [
        (4505, 2276, 0.505216, 0.671287, 0.1653),
        (20104, 10143, 0.504526, 0.670678, 0.5735),
        (8617, 4297, 0.498666, 0.665479, 0.2940),
        (9061, 4579, 0.505353, 0.671408, 0.3068),
        (8820, 4490, 0.509070, 0.674681, 0.2999),
        (20100, 10225, 0.508707, 0.674362, 0.5735),
    ],
)
def test_detection_scores(wrong, early, recall, f1, f1_of_all):
    is_wrong = np.zeros(50000, bool)
    is_wrong[:early] = is_wrong[25000 : 25000 + wrong - early] = True
    flagged = is_wrong.copy()
    flagged[25000:] = False
    scores = metrics.detection_scores(flagged, is_wrong)
    assert scores["precision"] == 1.0
    assert scores["recall"] == pytest.approx(recall, abs=1e-6)
    assert scores["f1"] == pytest.approx(f1, abs=1e-6)
    scores = metrics.detection_scores(np.ones(50000), is_wrong)
    assert scores["f1"] == pytest.approx(f1_of_all, abs=5e-5)
    assert scores["recall"] == 1.0


def test_the_released_detection_of_aggre():
    # detection.py on `aggre`: 4803 flagged, 2889 of 4050 wrong ones hit.
    is_wrong = np.arange(45000) < 4050
    flagged = (np.arange(45000) >= 4050 - 2889) & (np.arange(45000) < 5964)
    scores = metrics.detection_scores(flagged, is_wrong)
    assert flagged.sum() == 4803
    np.testing.assert_allclose(
        list(scores.values()), [0.6015, 0.7133, 0.6527], atol=5e-5
    )


def test_nothing_by_nothing_is_nothing():
    nothing, some = np.zeros(4, bool), np.array([True, False, False, False])
    none = {"precision": 0.0, "recall": 0.0, "f1": 0.0}
    assert metrics.detection_scores(nothing, some) == none
    assert metrics.detection_scores(some, nothing) == none
    assert metrics.detection_scores(nothing, nothing) == none
    assert metrics.detection_scores(some, ~some) == none
