import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.methods.bkd import trust


@pytest.mark.parametrize(
    "confidence, expected",
    [
        ([1, 2, 3, 2, 1], None),
        ([1, 2, 3, 2, 1, 0], 2),
        ([3, 2, 1, 2, 3, 2, 1], 4),
        ([1, 2, 3, 4, 5, 4, 3], 4),
        ([1, 2, 3, 3, 2, 1, 0], None),
        ([1, 2, 3, 4, 5, 6, 7], None),
        ([5, 4, 3, 2, 1, 0], None),
        ([1, 3, 2, 2.5, 2, 1, 0], None),
        ([0.2, 0.3, 0.4, 0.39, 0.38, 0.41, 0.40, 0.39], 2),
        ([], None),
    ],
)
def test_tipping_point(confidence, expected):
    assert trust.tipping_point(confidence) == expected
    assert trust.tipping_point(np.array(confidence)) == expected


def centres(*counted):
    """So many values at the centres of these bins of a thousand."""
    return np.repeat(
        [(k + 0.5) / 1000 for _, k in counted], [n for n, _ in counted]
    )


RAMP = centres(*((k // 10 + 1, k) for k in range(1000)))
TWO_SIDES = centres(
    *((1 + int(abs(k - 600) / 50) ** 2, k) for k in range(1000))
)


@pytest.mark.parametrize(
    "q, lower, upper, threshold, sizes",
    [
        (
            centres((10, 50), (20, 150), (30, 850), (40, 950)),
            0.116667,
            0.907143,
            0.151,
            [40, 30, 20, 10],
        ),
        (
            centres(*((1, k) for k in range(1000))),
            0.2495,
            0.7495,
            0.5,
            [251, 249, 251, 249],
        ),
        (RAMP, 0.417833, 0.828403, 0.63, [15806, 14534, 11214, 8946]),
        (TWO_SIDES, 0.146770, 0.895944, 0.543, [4454, 3011, 10912, 15067]),
        # A class within one bin has nothing below its mean.
        (centres((30, 100), (70, 900)), 0.1, 0.9, 0.101, [70, 0, 30, 0]),
    ],
)
def test_released_split(q, lower, upper, threshold, sizes):
    split = trust.otsu_split(q)
    assert split.lower_mean == pytest.approx(lower, abs=1e-6)
    assert split.upper_mean == pytest.approx(upper, abs=1e-6)
    assert split.threshold == pytest.approx(threshold)
    groups = trust.trust_groups(q, split)
    assert np.bincount(groups, minlength=5).tolist() == [0, *sizes]


def test_a_tie_takes_the_first_cut():
    q = centres(*((1, k) for k in range(600)), (1400, 950))
    split = trust.otsu_split(q)
    assert split.threshold == 0.6
    assert split.lower_mean == pytest.approx(0.2995)
    assert split.upper_mean == pytest.approx(0.95)
    # The original's float32 counts 300 in group 4: the value that equals lo
    # falls below it by rounding.
    assert np.sum(q == split.lower_mean) == 1
    groups = trust.trust_groups(q, split)
    assert np.bincount(groups).tolist() == [0, 1400, 0, 301, 299]


@pytest.mark.parametrize("q, expected", [(RAMP, 0.616), (TWO_SIDES, 0.52)])
def test_textbook_split(q, expected):
    split = trust.otsu_split(q, "textbook")
    assert split.threshold == pytest.approx(expected)
    # Otsu's own definition, cut by cut.
    h, _ = np.histogram(q, np.arange(1001) / 1000)
    k = np.arange(1000) / 1000
    within = [
        sum(
            h[part].sum() * np.average((k[part] - m) ** 2, weights=h[part])
            for part in (slice(0, s), slice(s, None))
            for m in [np.average(k[part], weights=h[part])]
        )
        for s in range(1, 1000)
    ]
    assert 1 + np.argmin(within) == round(1000 * split.threshold)


def score_of(q, s):
    """The released score of one cut, anew."""
    h = np.histogram(q, np.arange(1001) / 1000)[0]
    k, above, below = np.arange(1000) / 1000, 0.0, 0.0
    for part in (slice(0, s), slice(s, None)):
        n, m = h[part].sum(), np.average(k[part], weights=h[part])
        variance = np.average((k[part] - m) ** 2, weights=h[part])
        above += n * (m - q.mean()) ** 2
        below += n * np.sqrt(max(variance, 1e-5))
    return above / below


@pytest.mark.parametrize(
    "q, expected",
    [
        (centres((10, 50), (20, 150), (30, 850), (40, 950)), 2.689849),
        (centres(*((1, k) for k in range(1000))), 0.433015),
        (centres((30, 100), (70, 900)), 42.501),
    ],
)
def test_the_score_of_the_cut_is_the_originals(q, expected):
    cut = round(1000 * trust.otsu_split(q).threshold)
    assert score_of(q, cut) == pytest.approx(expected, rel=1e-5)


def test_edges_of_the_histogram():
    # 0.001 belongs to bin 1 and 1.0 to bin 999: the classes' means are these.
    split = trust.otsu_split([0.0, 0.001, 0.9995, 1.0 + 1e-7])
    assert split.lower_mean == pytest.approx(0.0005)
    assert split.upper_mean == pytest.approx(0.999)
    assert split.threshold == pytest.approx(0.002)


@pytest.mark.parametrize("criterion", trust.CRITERIA)
@pytest.mark.parametrize(
    "q",
    [
        np.full(50, 0.4321),
        np.zeros(3),
        np.ones(3),
        [0.7],
        # Two values within one bin.
        [0.5001, 0.5003],
    ],
)
def test_what_cannot_be_cut_is_trusted(q, criterion):
    split = trust.otsu_split(q, criterion)
    np.testing.assert_array_equal(trust.trust_groups(q, split), 1)


@pytest.mark.parametrize("q", [[0.0, 0.0015], [0.9985, 1.0]])
def test_the_released_cuts_keep_off_the_ends(q):
    assert trust.otsu_split(q) == trust.Split(0.0, 0.0, 0.0)
    groups = trust.trust_groups(q, trust.otsu_split(q, "textbook"))
    np.testing.assert_array_equal(groups, [3, 1])


def test_groups_partition_and_follow_a_permutation():
    rng = np.random.default_rng(0)
    q = np.concatenate([rng.beta(1, 8, 400), rng.beta(9, 2, 600)])
    q = q.astype(np.float32)
    groups = trust.trust_groups(q, trust.otsu_split(q))
    assert set(groups) == {1, 2, 3, 4}
    assert (np.diff(groups[np.argsort(q)]) <= 0).all()
    order = rng.permutation(1000)
    np.testing.assert_array_equal(
        trust.trust_groups(q[order], trust.otsu_split(q[order])), groups[order]
    )


def test_bounds_belong_to_the_upper_group():
    split = trust.Split(0.5, 0.25, 0.75)
    q = [0.2, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9]
    np.testing.assert_array_equal(
        trust.trust_groups(q, split), [4, 3, 3, 2, 2, 1, 1]
    )


@pytest.mark.parametrize("q", [[0.5, np.nan], [-0.1, 0.5], [0.5, 1.1]])
def test_values_that_are_no_agreements(q):
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        trust.otsu_split(q)


def test_an_unknown_criterion():
    with pytest.raises(errors.UserError, match="--otsu=otsu.*released"):
        trust.otsu_split([0.1, 0.9], "otsu")


# Wrong labels of CIFAR-N in all and among the first 25 000; what flagging
# just the latter scores, and the F1 of flagging everything.
