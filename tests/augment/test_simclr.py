"""SimCLR's view beside Pillow, which torchvision's is made of."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

import pictures
from tfnoisy.augment import crops, simclr, standard

CROP = crops.RANDOM_RESIZED_CROP_DRAWS
_ENHANCERS = (
    ImageEnhance.Brightness,
    ImageEnhance.Contrast,
    ImageEnhance.Color,
)


def turned(image, turn):
    """torchvision's adjust_hue of an image of bytes."""
    hue, saturation, value = Image.fromarray(image).convert("HSV").split()
    shifted = np.asarray(hue).astype(int) + round(255 * turn)
    hue = Image.fromarray((shifted % 256).astype(np.uint8))
    merged = Image.merge("HSV", (hue, saturation, value))
    return np.asarray(merged.convert("RGB"))


def by_pillow(image, draws, order):
    for change in order:
        if change == 3:
            image = turned(image, 0.1 * (2 * draws[3] - 1))
        else:
            factor = 0.6 + 0.8 * draws[change]
            enhancer = _ENHANCERS[change](Image.fromarray(image))
            image = np.asarray(enhancer.enhance(factor))
    return image


def test_colour_jitter_is_torchvisions_in_every_order():
    orders = list(itertools.permutations(range(4)))
    images = pictures.random_images(len(orders), 12, 12)
    draws = pictures.draws_of(len(orders), 4).numpy()
    found = simclr.colour_jitter(
        tf.constant(images / 255, tf.float32), draws, tf.constant(orders)
    )
    for image, row, order, view in zip(images, draws, orders, found):
        difference = np.abs(255 * view - by_pillow(image, row, order))
        # Pillow rounds after each change, and hues to one of 256.
        assert difference.mean() < 2 and difference.max() < 16


@pytest.mark.parametrize("change", range(3))
def test_one_change_is_pillows_but_for_its_rounding(change):
    images = pictures.random_images(8, 12, 12)
    draws = np.full((8, 4), 0.5, np.float32)  # Nothing else changes.
    draws[:, change] = np.linspace(0, 0.99, 8)
    order = np.tile([0, 1, 2, 3], (8, 1))
    found = simclr.colour_jitter(
        tf.constant(images / 255, tf.float32), draws, tf.constant(order)
    )
    for image, row, view in zip(images, draws, found):
        expected = by_pillow(image, row, [change])
        np.testing.assert_allclose(255 * view, expected, atol=1.5)


def test_the_mean_grey_of_a_grey_image_is_its_mean():
    images = np.linspace(0.2, 0.6, 16, dtype=np.float32).reshape(1, 4, 4, 1)
    draws = np.array([[0.5, 0.0, 0.9, 0.9]], np.float32)
    found = simclr.colour_jitter(images, draws, tf.constant([[3, 2, 1, 0]]))
    np.testing.assert_allclose(found, 0.6 * images + 0.4 * 0.4, atol=1e-6)


def test_shares_of_jittered_and_grey_images():
    images = pictures.random_images(4000, 4, 4) / np.float32(255)
    draws = pictures.draws_of(4000, 10)
    found = simclr.recoloured(tf.constant(images), draws).numpy()
    grey = np.ptp(found, axis=-1).max((1, 2)) < 1e-6
    same = np.abs(found - images).max((1, 2, 3)) == 0
    assert abs(grey.mean() - 0.2) < 0.025
    assert abs(same.mean() - 0.2 * 0.8) < 0.025
    assert found.min() >= 0 and found.max() <= 1


@pytest.mark.parametrize(
    "shape, least_area",
    [((16, 16, 3), 0.2), ((16, 16, 3), 0.9), ((12, 20, 1), 0.3)],
)
def test_a_part_is_seen_at_the_size_of_the_view(shape, least_area):
    base = standard.get("standard", shape)
    view = simclr.over(base, mirror=False, least_area=least_area)
    assert view.view_shape == shape and view.statistics == base.statistics
    images = tf.constant(pictures.random_images(200, *shape))
    draws = pictures.draws_of(200, view.num_draws)
    assert view.train(images, draws).shape == images.shape
    np.testing.assert_array_equal(view.evaluate(images), base.evaluate(images))
    _, _, height, width = crops.windows(draws[:, :CROP], shape[:2], least_area)
    shares = height * width / (shape[0] * shape[1])
    assert shares.numpy().min() > least_area - 0.1
    expected = crops.random_resized_crop(
        images, draws[:, :CROP], shape[:2], False, least_area
    )
    np.testing.assert_array_equal(view.move(images, draws), expected)
