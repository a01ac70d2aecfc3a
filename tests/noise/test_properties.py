"""What holds for noise of any rate, on any labels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tfnoisy import errors
from tfnoisy.noise import class_maps, flips, models, spec

_RATES = st.floats(0, 1)
_SEEDS = st.integers(0, 2**63 - 1)
_FLIPS = {
    "symmetric": flips.symmetric,
    "symmetric_exclusive": flips.symmetric_exclusive,
    "pairflip": lambda labels, count, rate, draws: flips.mapped(
        labels, class_maps.ring(count), rate, draws
    ),
}


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(_FLIPS)),
    st.integers(2, 20),
    st.integers(1, 300),
    _RATES,
    _SEEDS,
)
def test_flips(kind, num_classes, count, rate, seed):
    ids = np.arange(count)
    labels = ids % num_classes
    flip, draws = _FLIPS[kind], models.uniforms(seed, ids)
    noisy = flip(labels, num_classes, rate, draws)
    assert np.all((noisy >= 0) & (noisy < num_classes))
    # An example's label depends on its own id alone.
    some = ids[:: max(1, count // 7)][::-1]
    part = flip(labels[some], num_classes, rate, models.uniforms(seed, some))
    np.testing.assert_array_equal(part, noisy[some])
    # Who is chosen at a rate is chosen at each higher one.
    more = flip(labels, num_classes, min(1.0, rate + 0.2), draws)
    np.testing.assert_array_equal(more[noisy != labels], noisy[noisy != labels])
    np.testing.assert_array_equal(flip(labels, num_classes, 0.0, draws), labels)
    if kind != "symmetric":
        assert np.all(flip(labels, num_classes, 1.0, draws) != labels)


@settings(max_examples=20, deadline=None)
@given(_RATES, _SEEDS)
def test_the_share_of_wrong_labels_is_the_rate(rate, seed):
    count = 20_000
    labels = np.arange(count) % 10
    draws = models.uniforms(seed, np.arange(count))
    wrong = flips.symmetric_exclusive(labels, 10, rate, draws) != labels
    assert abs(wrong.mean() - rate) < 6 * (0.25 / count) ** 0.5


@settings(max_examples=300, deadline=None)
@given(st.text() | st.from_regex(r"[a-z_]{3,12}(:[0-9.einf+-]{0,6}){0,3}"))
def test_any_text_is_a_spec_or_refused(text):
    try:
        parsed = spec.parse(text)
    except errors.UserError as error:
        assert "noise" in str(error)
        return
    assert parsed.rate is None or 0 <= parsed.rate <= 1
    assert spec.parse(str(parsed)) == parsed
