"""FMix's masks: how large, how smooth, and drawn by the seed alone."""

import numpy as np
import pytest
import tensorflow as tf

import golden
from tfnoisy.methods.promix import fmix

GOLDEN = golden.read("promix_steps")["fmix"]
NOISE = tf.random.stateless_normal([32, 32], [1, 2])


@pytest.mark.parametrize(
    "coin, count, mean", [(0.2, 307, 0.299805), (0.7, 308, 0.300781)]
)
def test_the_number_of_pixels(coin, count, mean):
    ones = fmix.mask(NOISE, tf.constant(0.3), coin).numpy()
    assert ones.sum() == count
    assert ones.mean() == pytest.approx(mean, abs=1e-6)
    # The largest ones.
    assert NOISE.numpy()[ones > 0].min() > NOISE.numpy()[ones == 0].max()


def test_the_amplitudes_fall_with_the_third_power():
    found = fmix.amplitudes(32, 32)
    assert found.shape == (2, 17)
    # Frequencies of 0 and 1 cycle in a picture count as 1 of 32.
    assert found[0, 0] == found[0, 1] == found[1, 0] == pytest.approx(32.0**3)
    assert found[0, 16] == pytest.approx(8.0)
    assert found[1, 3] == pytest.approx(np.hypot(3, 1) ** -3 * 32**3, rel=1e-5)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: str(case["shape"]))
def test_the_masks_are_the_authors(case):
    height, width = case["shape"]
    count = fmix.amplitudes(height, width).shape[1]
    # The code draws more than it takes.
    normal = golden.wave((height, count, 2), 0.3)[:2]
    grey = fmix.grey(tf.constant(normal), height, width).numpy()
    if "grey" in case:
        found = (grey - grey.min()) / np.ptp(grey)
        np.testing.assert_allclose(found.ravel(), case["grey"], atol=2e-6)
    for coin, name in ((0.2, "down"), (0.7, "up")):
        ones = fmix.mask(tf.constant(grey), tf.constant(0.3), coin).numpy()
        rows = ["".join(map(str, row)) for row in ones.astype(int)]
        assert rows == case[name]


def test_masks_are_smooth_and_of_any_share():
    drawn = [fmix.draw([7, n], 32, 32) for n in range(200)]
    masks = np.stack([ones.numpy() for ones, _ in drawn])
    shares = np.array([float(share) for _, share in drawn])
    assert set(np.unique(masks)) == {0.0, 1.0}
    assert np.abs(masks.mean((1, 2)) - shares).max() <= 1 / 1024
    assert shares.mean() == pytest.approx(0.5, abs=0.06)
    # Neighbours of white noise with these shares differ three times in ten.
    assert np.abs(np.diff(masks, axis=2)).mean() < 0.1
    assert np.ptp(masks.mean(0)) < 0.3
    assert (masks[0] != masks[1]).any()
    np.testing.assert_array_equal(fmix.draw([7, 0], 32, 32)[0], masks[0])


@pytest.mark.parametrize(
    "height, width", [(8, 8), (7, 5), (6, 9), (5, 1), (1, 5)]
)
def test_pictures_of_any_shape(height, width):
    ones, share = fmix.draw([1, 1], height, width)
    assert ones.shape == (height, width)
    assert abs(float(tf.reduce_sum(ones) - share * height * width)) < 1


def test_images_and_losses_are_of_both():
    images = tf.random.stateless_normal([3, 4, 4, 2], [1, 1])
    ones = tf.cast(
        tf.random.stateless_uniform([4, 4], [2, 2]) < 0.5, tf.float32
    )
    partners = tf.constant([2, 0, 1])
    found = fmix.mix(images, partners, ones).numpy()
    for b, other in enumerate((2, 0, 1)):
        for at in np.ndindex(4, 4):
            source = b if ones[at] else other
            np.testing.assert_array_equal(found[b][at], images[source][at])
    logits = tf.constant([[2.0, 0], [0.5, 1], [0, 3]])
    labels = tf.one_hot([0, 1, 1], 2)
    log_p = np.log(tf.nn.softmax(logits).numpy())
    expected = [
        -(0.3 * log_p[0, 0] + 0.7 * log_p[0, 1]),
        -(0.3 * log_p[1, 1] + 0.7 * log_p[1, 0]),
        -log_p[2, 1],
    ]
    np.testing.assert_allclose(
        fmix.loss(labels, logits, partners, 0.3), expected, rtol=1e-5
    )
