import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import from_evidence, label_quality

COMMON = {
    "ids": np.array([4, 2, 9, 7]),
    "given_labels": np.array([0, 1, 1, 0]),
    "predicted_labels": np.array([0, 0, 1, 1]),
    "num_classes": 2,
    "clean_labels": np.array([0, 0, 1, 0]),
}
SCORE = np.array([0.9, 0.25, 0.5, 0.0], np.float32)


def same(found, expected):
    for name in label_quality.LabelQuality.__dataclass_fields__:
        np.testing.assert_equal(
            getattr(found, name), getattr(expected, name), err_msg=name
        )


def test_the_arrays_tell_the_method():
    groups, q = np.array([1, 4, 2, 4]), np.array([0.9, 0.1, 0.6, 0.2])
    same(
        from_evidence.of({"group": groups, "agreement": q}, **COMMON),
        label_quality.LabelQuality.from_groups(
            groups=groups, agreement=q, **COMMON
        ),
    )
    same(
        from_evidence.of({"clean_probability": q}, **COMMON),
        label_quality.LabelQuality.from_clean_probability(
            clean_probability=q, method="DivideMix", **COMMON
        ),
    )
    with pytest.raises(errors.UserError, match="has hunch, ids, of which no"):
        from_evidence.of({"ids": COMMON["ids"], "hunch": q}, **COMMON)


def test_labels_of_a_small_weight_are_flagged():
    found = from_evidence.of(
        {"mean_weight": SCORE, "label_score": SCORE}, **COMMON
    )
    # A weight of one half is trusted, as where MentorMix mixes by it.
    assert found.is_label_issue.tolist() == [False, True, False, True]
    np.testing.assert_array_equal(found.label_score, SCORE)
    assert found.ranking().tolist() == [3, 1]
    assert found.cuts == {"threshold": 0.5}
    assert found.is_wrong.tolist() == [False, True, False, False]
    # Weights are no probabilities: what is flagged is counted, and no more.
    assert found.noise_rate == 0.5 and found.clean_probability is None
    np.testing.assert_allclose(
        found.transition_matrix, [[1 / 2, 1 / 2], [1 / 2, 1 / 2]]
    )
    assert found.score_name == "mean weight" and "mentor" in found.criterion
    assert len(found.notes) == 1


@pytest.mark.parametrize(
    "names, words",
    [
        (["positive_weight"], "the label's weight was 0: its gradient did not"),
        (["positive_weight", "mean_lambda"], "or the pseudo label was chosen"),
        # As earlier versions wrote them.
        (["helpful"], "the label's weight was 0: its gradient did not"),
        (["helpful", "kept_label"], "or the pseudo label was chosen"),
    ],
)
def test_coefficients_of_a_look_ahead(names, words):
    arrays = {
        # Far above 1: it is not the score.
        "mean_weight": 7 * SCORE,
        **dict.fromkeys(names, SCORE),
        "label_score": SCORE,
    }
    found = from_evidence.of(arrays, **COMMON)
    np.testing.assert_array_equal(found.label_score, SCORE)
    assert words in found.criterion
    assert any("--method=losses" in note for note in found.notes)


def test_scores_that_do_not_fit():
    for score, words in (
        (SCORE[:3], "3 label scores for 4 ids"),
        (2 * SCORE, "label scores reach from 0.0 to 1.7"),
    ):
        with pytest.raises(errors.UserError, match=words):
            from_evidence.of(
                {"mean_weight": SCORE, "label_score": score}, **COMMON
            )
