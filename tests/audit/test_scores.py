import cleanlab.count
import cleanlab.rank
import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import scores

TWO = [scores.self_confidence, scores.normalized_margin]


def test_by_hand():
    pred_probs = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0]])
    given = np.array([0, 2])
    np.testing.assert_allclose(
        scores.self_confidence(given, pred_probs), [0.7, 0.0]
    )
    np.testing.assert_allclose(
        scores.normalized_margin(given, pred_probs), [0.75, 0.25]
    )
    np.testing.assert_allclose(
        scores.confident_thresholds(given, pred_probs), [0.7, 2, 2e-6]
    )
    # e = H / (ln 3 * p): 0.72986 / 0.7 in the first row.
    entropy = -sum(p * np.log(p) for p in (0.7, 0.2, 0.1)) / np.log(3)
    expected = np.log1p(entropy / 0.7) / (entropy / 0.7)
    found = scores.confidence_weighted_entropy(given, pred_probs)
    assert found[0] == pytest.approx(expected)
    assert 0 <= found[1] < 1e-4


def cases():
    rng = np.random.default_rng(0)
    for classes, sharpness in ((2, 1), (3, 5), (10, 3), (50, 9)):
        logits = rng.normal(size=(300, classes)) * sharpness
        probs = np.exp(logits - logits.max(axis=1, keepdims=True))
        probs /= probs.sum(axis=1, keepdims=True)
        yield rng.integers(classes, size=300), probs
    # A class without labels, certain rows, single precision.
    given = rng.integers(3, size=40)
    probs = np.eye(5)[rng.integers(5, size=40)]
    yield given, probs
    yield given, (0.9 * probs + 0.02).astype(np.float32)


@pytest.mark.parametrize("name", scores.NAMES)
@pytest.mark.parametrize("adjust", [False, True])
@pytest.mark.parametrize("given, probs", list(cases()))
def test_equal_to_cleanlab(name, adjust, given, probs):
    if adjust and name == "confidence_weighted_entropy":
        with pytest.raises(ValueError, match="not currently supported"):
            cleanlab.rank.get_label_quality_scores(
                given, probs, method=name, adjust_pred_probs=True
            )
        with pytest.raises(errors.UserError, match="no adjusted form"):
            scores.label_quality(given, probs, name, adjust)
        return
    found = scores.label_quality(given, probs, name, adjust)
    expected = cleanlab.rank.get_label_quality_scores(
        given, probs, method=name, adjust_pred_probs=adjust
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert found.shape == given.shape


@pytest.mark.parametrize("given, probs", list(cases()))
def test_thresholds_are_cleanlabs(given, probs):
    np.testing.assert_allclose(
        scores.confident_thresholds(given, probs),
        cleanlab.count.get_confident_thresholds(given, probs),
        rtol=0,
        atol=1e-6,
    )


@pytest.mark.parametrize("score", TWO)
def test_the_adjustment_helps_a_class_that_is_always_unsure(score):
    # Class 1 never gets more than 0.6, so 0.55 is not suspicious there.
    probs = np.array([[0.95, 0.05]] * 5 + [[0.4, 0.6]] * 4 + [[0.45, 0.55]])
    given = np.array([0] * 5 + [1] * 5)
    plain, adjusted = score(given, probs), score(given, probs, True)
    assert plain[0] - plain[-1] > 3 * abs(adjusted[0] - adjusted[-1])


def test_nothing_is_changed_in_place():
    probs = np.array([[0.7, 0.3], [0.2, 0.8]])
    before = probs.copy()
    for name in scores.NAMES:
        scores.label_quality(np.array([0, 0]), probs, name)
    scores.adjusted(np.array([0, 0]), probs)
    np.testing.assert_array_equal(probs, before)


def test_another_name():
    with pytest.raises(errors.UserError, match="'margin'; there are self_con"):
        scores.label_quality(np.array([0]), np.array([[1.0, 0.0]]), "margin")
