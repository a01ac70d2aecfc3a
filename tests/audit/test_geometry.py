import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import geometry


def drawn(count=60, size=12, seed=0):
    return np.random.default_rng(seed).normal(size=(count, size)) + 5


def cosines_of(features):
    centred = features - features.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    return centred @ centred.T


def test_neighbours_are_the_nearest_by_cosine(monkeypatch):
    monkeypatch.setattr(geometry, "_BLOCK", 7)
    features = drawn()
    found = geometry.measure(features)
    cosines = cosines_of(features)
    np.fill_diagonal(cosines, -2)
    order = np.argsort(-cosines, axis=1)[:, :6]
    np.testing.assert_array_equal(found.neighbours, order)
    np.testing.assert_allclose(
        found.cosines, np.take_along_axis(cosines, order, 1), atol=1e-6
    )


@pytest.mark.parametrize(
    ("count", "k"), [(3, 2), (5, 4), (20, 5), (99, 9), (500, 50), (10000, 50)]
)
def test_a_tenth_of_the_images_vote(count, k):
    assert geometry.num_neighbours(count) == k


def test_the_nearer_a_neighbour_the_more_its_vote_weighs():
    found = geometry.measure(drawn())
    weights = found.vote_weights().toarray()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert not weights.diagonal().any()
    row = found.cosines[4].astype(float)
    wanted = np.exp((row - row[0]) / 0.1)
    np.testing.assert_allclose(
        weights[4, found.neighbours[4]], wanted / wanted.sum(), rtol=1e-5
    )


def test_duplicates_are_no_neighbours():
    features = drawn()
    features[10:20] = features[0]
    groups = np.arange(60)
    groups[10:20] = 0
    found = geometry.measure(features, groups)
    copies = [0, *range(10, 20)]
    assert not np.isin(found.neighbours[copies], copies).any()
    alone = geometry.measure(features)
    assert np.isin(alone.neighbours[copies], copies).all()


def test_with_and_without_spare_neighbours_it_is_the_same(monkeypatch):
    groups = np.arange(60) // 4
    many = geometry.measure(drawn(), groups)
    monkeypatch.setattr(geometry, "_SPARE", 0)
    few = geometry.measure(drawn(), groups)
    np.testing.assert_array_equal(many.neighbours, few.neighbours)
    np.testing.assert_allclose(many.cosines, few.cosines, rtol=1e-6)


def test_a_group_of_nearly_all_has_few_neighbours():
    groups = np.zeros(60, int)
    groups[57:] = [1, 2, 3]
    found = geometry.measure(drawn(), groups)
    assert (found.neighbours[0] >= 0).sum() == 3
    weights = found.vote_weights()
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    nobody = geometry.measure(drawn(), np.zeros(60, int))
    assert nobody.vote_weights().sum() == 0


def test_says_what_is_wrong_with_groups():
    with pytest.raises(errors.UserError, match=r"shape \[59\] for 60"):
        geometry.measure(drawn(), np.zeros(59))


def test_neighbours_among_other_images():
    features, others = drawn(5), drawn(40, seed=1)
    mean = others.mean(axis=0)
    unit, among = (
        geometry.unit_vectors(values, mean) for values in (features, others)
    )
    rows, cosines = geometry.nearest(unit, among, 2)
    wanted = unit @ among.T
    np.testing.assert_array_equal(rows[:, 0], wanted.argmax(axis=1))
    np.testing.assert_allclose(cosines[:, 0], wanted.max(axis=1), rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-200, 1e-20, 1.0, 1e20, 1e200])
def test_scale_and_shift_change_nothing(scale):
    features = drawn()
    one = geometry.measure(features)
    other = geometry.measure(features * scale)
    np.testing.assert_array_equal(one.neighbours, other.neighbours)
    np.testing.assert_allclose(one.eigenvalues, other.eigenvalues, rtol=1e-5)


def test_directions_that_all_images_share_are_left_out():
    features = drawn(30, 40)
    features[:, 3] = 7
    features[:, 5] = features[:, 4]
    found = geometry.measure(features)
    rank = len(found.eigenvalues)
    assert rank <= 29
    np.testing.assert_allclose(
        found.left.T @ found.left, np.eye(rank), atol=1e-5
    )


def test_an_image_at_the_mean_has_no_direction():
    features = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1], [0, 0]])
    found = geometry.measure(features)
    assert not found.cosines[4].any()
    assert np.isfinite(found.left).all()


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (np.zeros(5), r"shape \[5\]"),
        (np.zeros([0, 3]), r"shape \[0, 3\]"),
        (np.zeros([4, 2], complex), "complex"),
        (np.array([["a", "b"]] * 4), "<U1"),
        (np.eye(2), "too few"),
        (np.ones([9, 2]), "the same"),
        ([[1.0, 2], [np.nan, 0], [np.inf, 0], [3, 4]], "2 of 4 .* row 1"),
    ],
)
def test_says_what_is_wrong_with_features(features, message):
    with pytest.raises(errors.UserError, match=message):
        geometry.measure(features)
