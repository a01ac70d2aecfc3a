import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import issues, label_quality, loss_mixture, scores
from tfnoisy.methods.bkd import trust

Evidence = label_quality.LabelQuality


def test_from_pred_probs(case):
    data = case.data
    found = Evidence.from_pred_probs(
        data.ids, data.given_labels, case.pred_probs
    )
    assert len(found) == 400 and found.num_classes == 4
    np.testing.assert_array_equal(
        found.predicted_labels, case.pred_probs.argmax(axis=1)
    )
    np.testing.assert_array_equal(
        found.label_score,
        scores.self_confidence(data.given_labels, case.pred_probs),
    )
    np.testing.assert_array_equal(
        found.is_label_issue, issues.find(data.given_labels, case.pred_probs)
    )
    assert found.noise_rate == pytest.approx(0.3, abs=0.05)
    np.testing.assert_allclose(found.transition_matrix.sum(axis=1), 1)
    assert found.clean_labels is None and found.is_wrong is None
    (told,) = found.notes
    assert told.startswith("Of the given labels ")
    assert found.score_name == "self-confidence"


def test_another_score_and_predictions_of_trained_examples(case):
    data = case.data
    found = Evidence.from_pred_probs(
        data.ids,
        data.given_labels,
        case.pred_probs.astype(np.float32),
        score="normalized_margin",
        adjust_pred_probs=True,
        out_of_sample=False,
        clean_labels=data.clean_labels,
    )
    assert found.score_name == "normalized margin, adjusted"
    np.testing.assert_allclose(
        found.label_score,
        scores.normalized_margin(data.given_labels, case.pred_probs, True),
        atol=1e-6,
    )
    assert "memorised" in found.notes[0]
    np.testing.assert_array_equal(
        found.is_wrong, data.given_labels != data.clean_labels
    )


def test_the_ranking_is_of_the_flagged(case):
    data = case.data
    found = Evidence.from_pred_probs(
        data.ids, data.given_labels, np.round(case.pred_probs, 2)
    )
    ranking = found.ranking()
    assert sorted(ranking) == list(np.flatnonzero(found.is_label_issue))
    keys = list(zip(found.label_score[ranking], found.ids[ranking]))
    assert keys == sorted(keys)
    assert len(set(found.label_score[ranking])) < len(ranking)


def test_from_clean_probability_by_hand():
    found = Evidence.from_clean_probability(
        [4, 2, 9],
        [0, 1, 1],
        [0, 0, 1],
        [0.9, 0.25, 0.5],
        2,
        method="DivideMix",
        clean_labels=[0, 0, -1],
    )
    # Labelled is what is strictly above the threshold.
    assert found.is_label_issue.tolist() == [False, True, True]
    assert found.label_score.tolist() == [0.9, 0.25, 0.5]
    assert found.noise_rate == pytest.approx((0.1 + 0.75 + 0.5) / 3)
    # Clean 0: 1 of label 0, 0.75 of label 1; clean 1: 0.25 + 1 of label 1.
    np.testing.assert_allclose(
        found.transition_matrix, [[1 / 1.75, 0.75 / 1.75], [0, 1]]
    )
    assert found.cuts == {"threshold": 0.5}
    assert (
        found.criterion == "The clean probability of DivideMix is 0.5 or less."
    )
    assert found.is_wrong.tolist() == [False, True, True]
    assert found.ranking().tolist() == [1, 2]


def ramp(count):
    return (np.arange(count) + 0.5) / count


def test_from_losses():
    # The losses `apart` of tests/methods/dividemix/test_mixture.py, times 7:
    # scaling takes the 7 away again.
    losses = 7 * np.concatenate([0.15 * ramp(800) ** 2, 0.4 + 0.6 * ramp(200)])
    given = np.arange(1000) % 5
    predicted = np.where(np.arange(1000) < 800, given, (given + 1) % 5)
    found = Evidence.from_losses(np.arange(1000), given, predicted, losses, 5)
    assert np.count_nonzero(found.is_label_issue) == 200
    assert found.is_label_issue[800:].all()
    assert found.noise_rate == pytest.approx(0.200251, abs=1e-5)
    np.testing.assert_allclose(
        found.mixture.means, [0.05005, 0.70032], atol=6e-5
    )
    np.testing.assert_array_equal(found.losses, losses)
    scaled = loss_mixture.scale(losses)
    assert scaled[799] < found.cuts["threshold"] < scaled[800]
    assert np.all(np.diff(found.label_score) <= 0)
    strict = Evidence.from_losses(
        np.arange(1000), given, predicted, losses, 5, threshold=0.999999
    )
    assert np.count_nonzero(strict.is_label_issue) > 200


def test_from_groups():
    q = np.concatenate([ramp(70) * 0.2, 0.8 + 0.2 * ramp(30)])
    split = trust.otsu_split(q)
    groups = trust.trust_groups(q, split)
    given = np.arange(100) % 2
    found = Evidence.from_groups(
        np.arange(100),
        given,
        np.where(groups > 2, 1 - given, given),
        groups,
        2,
        agreement=q,
        split=split,
    )
    np.testing.assert_array_equal(found.is_label_issue, groups == 4)
    assert 30 < np.count_nonzero(found.is_label_issue) < 40
    assert found.noise_rate == pytest.approx(0.7)
    np.testing.assert_allclose(
        found.transition_matrix, [[0.3, 0.7], [0.7, 0.3]]
    )
    assert found.cuts["threshold"] == split.threshold
    assert list(found.cuts) == ["lower mean", "threshold", "upper mean"]
    np.testing.assert_array_equal(found.label_score, q)
    alone = Evidence.from_groups([0, 1, 2], [0, 0, 1], [0, 1, 1], [1, 4, 3], 2)
    np.testing.assert_allclose(alone.label_score, [1, 0, 1 / 3])
    assert alone.cuts == {}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"ids": [1, 2, 2]}, "the ids are not unique"),
        ({"ids": [1, 2]}, "there are 3 given labels for 2 ids"),
        ({"given_labels": [0, 1, 2]}, "given labels reach from 0 to 2; 0 to 1"),
        ({"given_labels": [0, 1, -1]}, "given labels reach from -1"),
        ({"predicted_labels": [0, 1]}, "there are 2 predicted labels"),
        ({"predicted_labels": [0, 1, 5]}, "predicted labels reach"),
        ({"clean_labels": [0, 1, -2]}, "clean labels reach from -2 to 1"),
        ({"clean_probability": [0, 1, 1.5]}, "clean probabilities reach"),
        ({"clean_probability": [0, np.nan, 1]}, "1 of 3 clean probabilities"),
        ({"losses": [0.1, np.inf, 1]}, "1 of 3 losses are not finite"),
    ],
)
def test_what_does_not_fit(changes, message):
    right = {
        "ids": [1, 2, 3],
        "given_labels": [0, 1, 1],
        "predicted_labels": [0, 1, 0],
        "clean_probability": [0.1, 0.2, 0.3],
        "num_classes": 2,
    }
    Evidence.from_clean_probability(**right)
    with pytest.raises(errors.UserError, match=message):
        Evidence.from_clean_probability(**(right | changes))


def test_what_does_not_fit_elsewhere():
    with pytest.raises(errors.UserError, match="losses are all equal"):
        Evidence.from_losses([1, 2], [0, 1], [0, 1], [0.5, 0.5], 2)
    with pytest.raises(errors.UserError, match="groups reach from 0 to 3"):
        Evidence.from_groups([1, 2], [0, 1], [0, 1], [0, 3], 2)
    with pytest.raises(errors.UserError, match=r"shape \[2, 2\]: \[3, 2\]"):
        Evidence.from_pred_probs([1, 2, 3], [0, 1, 1], np.eye(2))
    with pytest.raises(
        errors.UserError, match="given labels reach from 0 to 2"
    ):
        Evidence.from_pred_probs([1, 2], [0, 2], np.eye(2))
