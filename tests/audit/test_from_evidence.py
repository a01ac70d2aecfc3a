import dataclasses

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import from_evidence, label_quality
from tfnoisy.runs import evidence as run_evidence

COMMON = {
    "ids": np.array([4, 2, 9, 7]),
    "given_labels": np.array([0, 1, 1, 0]),
    "predicted_labels": np.array([0, 0, 1, 1]),
    "num_classes": 2,
    "clean_labels": np.array([0, 0, 1, 0]),
}
SCORE = np.array([0.9, 0.25, 0.5, 0.0], np.float32)
FLAGGED = np.array([False, True, False, True])


def evidence(score="label_score", **changes):
    """What a method of somebody else's left, rows as in COMMON."""
    fields = {
        "arrays": {
            "ids": COMMON["ids"],
            "is_label_issue": FLAGGED,
            score: SCORE,
        },
        "method": "my_method",
        "title": "my method",
        "score": score,
        "score_name": "trust",
        "criterion": "The trust is below 0.4.",
        "threshold": 0.4,
        "notes": ("Nobody knows.",),
    }
    return run_evidence.Evidence(**(fields | changes))


def test_the_score_of_a_weight_is_no_probability():
    found = from_evidence.of(evidence(), **COMMON)
    assert found.is_label_issue.tolist() == FLAGGED.tolist()
    np.testing.assert_array_equal(found.label_score, SCORE)
    assert found.ranking().tolist() == [3, 1]
    assert found.cuts == {"threshold": 0.4}
    assert found.is_wrong.tolist() == [False, True, False, False]
    # What is flagged is counted, and no more.
    assert found.noise_rate == 0.5 and found.clean_probability is None
    np.testing.assert_allclose(
        found.transition_matrix, [[1 / 2, 1 / 2], [1 / 2, 1 / 2]]
    )
    assert found.score_name == "trust"
    assert found.criterion == "The trust is below 0.4."
    assert found.notes == ("Nobody knows.",)


def test_a_clean_probability_is_one():
    found = from_evidence.of(evidence("clean_probability"), **COMMON)
    expected = label_quality.LabelQuality.from_clean_probability(
        clean_probability=SCORE, threshold=0.4, **COMMON
    )
    for name in ("label_score", "noise_rate", "transition_matrix", "cuts"):
        np.testing.assert_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_array_equal(found.clean_probability, SCORE)
    assert "DivideMix" not in found.criterion


@pytest.mark.parametrize("score", ["clean_probability", "label_score"])
def test_the_labels_that_the_method_flagged_are_flagged(score):
    """Also where no threshold gives them."""
    odd = np.array([True, False, False, False])
    left = evidence(score)
    left = dataclasses.replace(
        left, arrays={**left.arrays, "is_label_issue": odd}, threshold=None
    )
    found = from_evidence.of(left, **COMMON)
    assert found.is_label_issue.tolist() == odd.tolist()
    assert found.cuts == {}


def test_groups():
    left = evidence("agreement", threshold=None)
    left.arrays["group"] = np.array([1, 3, 2, 4])
    left.arrays["is_label_issue"] = left.arrays["group"] == 4
    found = from_evidence.of(left, **COMMON)
    expected = label_quality.LabelQuality.from_groups(
        groups=left.arrays["group"], agreement=SCORE, **COMMON
    )
    for name in ("noise_rate", "transition_matrix", "group", "is_label_issue"):
        np.testing.assert_equal(getattr(found, name), getattr(expected, name))
    assert found.notes == ("Nobody knows.", *expected.notes)


def test_scores_that_do_not_fit():
    for score, words in (
        (SCORE[:3], "3 trusts for 4 ids"),
        (2 * SCORE, "trusts reach from 0.0 to 1.7"),
    ):
        left = evidence()
        left.arrays["label_score"] = score
        with pytest.raises(errors.UserError, match=words):
            from_evidence.of(left, **COMMON)
