import numpy as np
import pytest
from sklearn import datasets

from tfnoisy import errors, metrics
from tfnoisy.audit import geometry, label_errors


def blobs(count=120, classes=3, size=8, spread=0.5, seed=0):
    """Returns features [N, D] around a centre for each class, and classes."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, size))
    labels = np.arange(count) % classes
    return centres[labels] + spread * rng.normal(size=(count, size)), labels


def symmetric(labels, classes, rate, seed=0):
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, classes, len(labels))
    return np.where(rng.random(len(labels)) < rate, drawn, labels)


@pytest.fixture(scope="module")
def digits():
    found = datasets.load_digits()
    return found.data, found.target, geometry.measure(found.data)


def refitted(geometry_, targets, penalty, left_out):
    """Predictions for some rows by a ridge fitted to the others, in full."""
    centred = geometry_.left * np.sqrt(geometry_.eigenvalues)
    kept = np.setdiff1d(np.arange(len(centred)), left_out)
    design = np.hstack([np.ones([len(kept), 1]), centred[kept]])
    shrink = penalty * np.eye(design.shape[1])
    shrink[0, 0] = 0  # The intercept is not shrunk.
    fitted = np.linalg.solve(
        design.T @ design + shrink, design.T @ targets[kept]
    )
    return fitted[0] + centred[left_out] @ fitted[1:]


def test_the_ridge_leaves_each_label_out_exactly():
    features, labels = blobs()
    measured = geometry.measure(features)
    given = np.eye(3)[labels]
    soft = np.random.default_rng(1).dirichlet([1, 1, 1], len(labels))
    scorer = label_errors.Scorer(measured, given)
    for targets in (given, soft):
        found = scorer.ridge(targets, 0.3)
        for row in (0, 17, 119):
            np.testing.assert_allclose(
                found[[row]], refitted(measured, targets, 0.3, [row]), atol=1e-8
            )


def test_the_ridge_leaves_out_all_of_a_group():
    features, labels = blobs()
    groups = np.arange(len(labels))
    groups[[5, 40, 77]] = 5
    measured = geometry.measure(features, groups)
    given = np.eye(3)[labels]
    found = label_errors.Scorer(measured, given).ridge(given, 0.1)
    together = [5, 40, 77]
    np.testing.assert_allclose(
        found[together], refitted(measured, given, 0.1, together), atol=1e-8
    )
    np.testing.assert_allclose(
        found[[6]], refitted(measured, given, 0.1, [6]), atol=1e-8
    )


def test_own_labels_never_enter_own_scores():
    features, labels = blobs()
    groups = np.arange(len(labels))
    groups[9] = 3
    measured = geometry.measure(features, groups)
    given = np.eye(3)[labels]
    scorer = label_errors.Scorer(measured, given)
    changed = given.copy()
    changed[[3, 9]] = [[0.2, 0.3, 0.5], [1, 0, 0]]
    for one, other in zip(scorer.scores(given), scorer.scores(changed)):
        np.testing.assert_allclose(one[[3, 9]], other[[3, 9]], atol=1e-9)
        assert np.abs(one - other).max() > 1e-3


def test_the_penalty_has_the_smallest_error_of_the_seven():
    features, labels = blobs(spread=2)
    measured = geometry.measure(features)
    given = np.eye(3)[labels]
    scorer = label_errors.Scorer(measured, given)
    tried = {
        share * 120: np.square(scorer.ridge(given, share * 120) - given).mean()
        for share in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    }
    assert scorer.penalty == min(tried, key=tried.get)


def test_votes_are_log_shares():
    features, labels = blobs()
    measured = geometry.measure(features)
    given = np.eye(3)[labels]
    found = label_errors.Scorer(measured, given).votes(given)
    shares = np.zeros(3)
    row = measured.cosines[8].astype(float)
    for vote, label in zip(
        np.exp((row - row[0]) / 0.1), labels[measured.neighbours[8]]
    ):
        shares[label] += vote
    shares /= shares.sum()
    np.testing.assert_allclose(
        found[8], np.log((shares + 0.02 / 3) / 1.02), rtol=1e-5
    )


def test_the_softmax_is_fitted_by_its_gradient():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, 50, 3))
    truth = label_errors.Softmax(np.array([2.0, -0.5]), np.array([0.3, 0, -1]))
    targets = truth.probabilities(scores)
    fitted = label_errors.fit_softmax(scores, targets, 200)
    # The biases are shrunk a little.
    np.testing.assert_allclose(fitted.coefficients, [2, -0.5], atol=0.03)
    gap = fitted.probabilities(scores) - targets
    slope = np.tensordot(scores, gap, ([1, 2], [0, 1])) / 50
    np.testing.assert_allclose(slope, 0, atol=1e-4)


def test_one_em_step_by_hand():
    scores = np.log([[[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]]])
    labels = np.array([0, 1, 1])
    transition = np.array([[0.9, 0.1], [0.3, 0.7]])
    start = label_errors.Softmax(np.ones(1), np.zeros(2))
    posterior, new, _ = label_errors.em_step(scores, labels, transition, start)
    wanted = np.array(
        [[0.8 * 0.9, 0.2 * 0.3], [0.6 * 0.1, 0.4 * 0.7], [0.1 * 0.1, 0.9 * 0.7]]
    )
    wanted /= wanted.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(posterior, wanted)
    counts = 0.5 + np.stack([wanted[0], wanted[1] + wanted[2]], axis=1)
    np.testing.assert_allclose(new, counts / counts.sum(axis=1, keepdims=True))


def test_finds_the_wrong_labels_of_digits(digits):
    features, labels, measured = digits
    given = symmetric(labels, 10, 0.2)
    found = label_errors.find_label_errors(given, features, measured=measured)
    wrong = given != labels
    scores = metrics.detection_scores(found.is_label_issue, wrong)
    assert scores["f1"] >= 0.97
    assert metrics.auc(found.label_score, wrong) >= 0.99
    assert np.mean(found.suggested_labels == labels) >= 0.97
    assert found.noise_rate == pytest.approx(wrong.mean(), abs=0.02)
    low, high = found.noise_bracket
    assert low <= wrong.mean() <= high
    precision = scores["precision"]
    assert found.expected_precision == pytest.approx(precision, abs=0.05)
    rows = found.posterior.sum(axis=1), found.transition_matrix.sum(axis=1)
    for sums in rows:
        np.testing.assert_allclose(sums, 1, atol=1e-9)
    assert found.wrongness.min() >= 0
    assert found.wrongness.max() <= 1
    np.testing.assert_allclose(
        found.wrongness,
        1 - found.posterior[np.arange(len(given)), given],
        atol=1e-12,
    )


def test_flags_few_of_right_labels(digits):
    features, labels, measured = digits
    found = label_errors.find_label_errors(labels, features, measured=measured)
    assert found.is_label_issue.mean() < 0.02
    assert found.noise_rate < 0.01
    assert found.held_out_agreement > 0.97


def test_the_order_of_rows_changes_rounding_alone(digits):
    features, labels, _ = digits
    features, labels = features[:400], symmetric(labels[:400], 10, 0.3)
    order = np.random.default_rng(0).permutation(400)
    one = label_errors.find_label_errors(labels, features)
    other = label_errors.find_label_errors(labels[order], features[order])
    np.testing.assert_allclose(one.wrongness[order], other.wrongness, atol=1e-3)


def test_duplicates_do_not_confirm_each_other():
    """Twenty copies of one image, all with the same wrong label."""
    features, labels = blobs(300, classes=3, spread=0.3)
    copies = np.arange(0, 60, 3)
    features[copies] = features[0]
    given = labels.copy()
    given[copies] = 1
    groups = np.arange(300)
    groups[copies] = 0
    joined = label_errors.find_label_errors(given, features, groups=groups)
    apart = label_errors.find_label_errors(given, features)
    assert joined.is_label_issue[copies].all()
    assert not apart.is_label_issue[copies].any()


def test_a_third_opinion_is_heard():
    features, labels = blobs(300, spread=3.0)
    given = symmetric(labels, 3, 0.3, seed=1)
    good = np.log(0.9 * np.eye(3)[labels] + 0.1 / 3)
    alone = label_errors.find_label_errors(given, features)
    helped = label_errors.find_label_errors(
        given, features, log_pred_probs=good
    )
    wrong = given != labels
    assert len(helped.coefficients) == 3
    assert metrics.auc(helped.label_score, wrong) > 0.95
    assert metrics.auc(alone.label_score, wrong) < 0.9


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([0, 1, 0, 1], None),  # Two classes, four images.
        ([0, 1, 0], 2),
        ([0, 4, 0, 4, 0, 4, 4], 6),  # Classes that no label names.
        ([0] * 30 + [1], 2),  # One label of its class.
        (list(range(9)), 9),  # Each class once.
    ],
)
def test_tiny_sets_give_numbers(labels, classes):
    labels = np.array(labels)
    features = np.random.default_rng(0).normal(size=(len(labels), 4))
    features += labels[:, np.newaxis]
    found = label_errors.find_label_errors(
        labels, features, num_classes=classes
    )
    for values in (
        found.posterior,
        found.wrongness,
        found.transition_matrix,
        found.pred_probs,
    ):
        assert np.isfinite(values).all()
    assert found.num_classes == (classes or labels.max() + 1)
    assert found.noise_bracket[0] <= found.noise_bracket[1]
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1)


def test_all_images_in_one_group_give_numbers():
    features, labels = blobs(12)
    found = label_errors.find_label_errors(
        labels, features, groups=np.zeros(12, int)
    )
    assert np.isfinite(found.posterior).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], r"shape \[2\] for 4 rows"),
        ([[0], [1], [0], [1]], r"shape \[4, 1\]"),
        ([0.0, 1.0, 0.0, 1.0], "float64"),
        ([0, 1, -1, 1], "from -1 to 1"),
        ([0, 1, 3, 1], "from 0 to 3; with 3 classes"),
        ([2, 2, 2, 2], "are the same"),
    ],
)
def test_says_what_is_wrong_with_labels(labels, message):
    with pytest.raises(errors.UserError, match=message):
        label_errors.find_label_errors(labels, np.eye(4), num_classes=3)


def test_says_what_is_wrong_with_a_third_opinion():
    labels = [0, 1, 0, 1]
    for opinion in (np.zeros([4, 3]), np.full([4, 2], -np.inf)):
        with pytest.raises(errors.UserError, match="log_pred_probs"):
            label_errors.find_label_errors(
                labels, np.eye(4), log_pred_probs=opinion
            )
