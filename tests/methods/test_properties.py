"""What holds for the formulas of the methods, whatever the numbers."""

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from tfnoisy.methods import mixup
from tfnoisy.methods.bkd import trust
from tfnoisy.methods.dividemix import mixture

_SHARES = st.floats(0, 1, width=32)
_VECTORS = arrays_of.arrays(
    np.float64, st.integers(1, 60), elements=st.floats(0, 1)
)
_LOSSES = arrays_of.arrays(
    np.float64, st.integers(2, 60), elements=st.floats(0, 20)
)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 8))
def test_mixing(data, count):
    images = data.draw(
        arrays_of.arrays(
            np.float32,
            (count, 2),
            # Processors flush the tiniest numbers to 0.
            elements=st.floats(-1, 1, width=32, allow_subnormal=False),
        )
    )
    labels = np.eye(3, dtype=np.float32)[np.arange(count) % 3]
    share = data.draw(arrays_of.arrays(np.float32, count, elements=_SHARES))
    partners = np.array(data.draw(st.permutations(range(count))))
    mixed, targets = mixup.mix(
        tf.constant(images), tf.constant(labels), partners, tf.constant(share)
    )
    low, high = (
        pick(images, images[partners]) for pick in (np.minimum, np.maximum)
    )
    assert np.all(mixed >= low - 1e-6) and np.all(mixed <= high + 1e-6)
    np.testing.assert_allclose(np.sum(targets, -1), 1, atol=1e-6)
    # A coefficient of 1 is the image itself, one of 0 its partner.
    for share, wanted in ((1.0, images), (0.0, images[partners])):
        alone, _ = mixup.mix(
            tf.constant(images),
            tf.constant(labels),
            partners,
            tf.fill([count], share),
        )
        np.testing.assert_array_equal(alone, wanted)


@settings(max_examples=60, deadline=None)
@given(
    arrays_of.arrays(np.float64, (4, 5), elements=st.floats(0.001, 1)),
    st.floats(0.1, 1),
)
def test_sharpening(weights, temperature):
    before = weights / weights.sum(-1, keepdims=True)
    after = mixup.sharpen(tf.constant(before), temperature).numpy()
    np.testing.assert_allclose(after.sum(-1), 1, atol=1e-6)
    assert np.all(after.max(-1) >= before.max(-1) - 1e-9)
    np.testing.assert_allclose(
        mixup.sharpen(tf.constant(before), 1.0), before, rtol=1e-6
    )


@settings(max_examples=100, deadline=None)
@given(_VECTORS, st.sampled_from(trust.CRITERIA))
def test_otsu(values, criterion):
    split = trust.otsu_split(values, criterion)
    numbers = (split.threshold, split.lower_mean, split.upper_mean)
    assert np.all(np.isfinite(numbers)) and min(numbers) >= 0
    assert max(numbers) <= 1
    groups = trust.trust_groups(values, split)
    assert np.all((groups >= 1) & (groups <= 4))
    # Who agrees more is trusted more; the order of the examples is nothing.
    assert np.all(np.diff(groups[np.argsort(values, kind="stable")]) <= 0)
    assert trust.otsu_split(values[::-1], criterion) == split
    if split.upper_mean > split.lower_mean:
        assert split.lower_mean < split.threshold <= split.upper_mean + 1e-12


@settings(max_examples=60, deadline=None)
@given(_LOSSES, st.integers(0, 2**31 - 1))
def test_the_mixture_of_losses(losses, seed):
    normalised = mixture.normalise_losses(losses)
    assert normalised.min() == 0 and normalised.max() <= 1
    clean = mixture.clean_probability(normalised, seed)
    assert clean.shape == losses.shape
    assert np.all((clean >= 0) & (clean <= 1))
    if np.ptp(normalised):
        fitted = mixture.fit(normalised, seed)
        assert np.isclose(fitted.weights.sum(), 1)
        assert np.all(fitted.variances > 0)
    else:
        assert np.all(clean == 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=30))
def test_a_tipping_point_is_a_peak(confidence):
    peak = trust.tipping_point(confidence)
    if peak is not None:
        assert 2 <= peak <= len(confidence) - 3
        around = confidence[peak - 2 : peak] + confidence[peak + 1 : peak + 3]
        assert confidence[peak] > max(around)
    # What was found stays found as the curve goes on.
    assert peak is None or trust.tipping_point([*confidence, 0.5]) == peak
