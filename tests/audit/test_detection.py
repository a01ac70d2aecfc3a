import types

import numpy as np
import pytest

from tfnoisy.audit import detection


def test_by_hand():
    found = detection.measure(
        types.SimpleNamespace(
            is_wrong=np.array([1, 1, 1, 0, 0], bool),
            is_label_issue=np.array([1, 1, 0, 1, 0], bool),
            label_score=np.array([0.1, 0.2, 0.9, 0.2, 0.8]),
            predicted_labels=np.array([1, 2, 0, 0, 0]),
            clean_labels=np.array([1, 1, -1, 2, 2]),
        )
    )
    assert found["noise_rate"] == pytest.approx(3 / 5)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["f1"] == pytest.approx(2 / 3)
    # Of six pairs three are in order and one is even.
    assert found["auc"] == pytest.approx(3.5 / 6)
    assert found["correction_accuracy"] == pytest.approx(1 / 3)


def test_without_the_truth_nothing_is_measured():
    unknown = types.SimpleNamespace(is_wrong=None)
    assert detection.measure(unknown) is None
