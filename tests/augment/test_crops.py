import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import pictures
from tfnoisy.augment import crops

# The largest draw of `stateless_uniform`.
ALMOST_ONE = np.float32(1.0 - 2.0**-23)


# Padded crops.


def padded_by_hand(image, padding):
    return np.pad(image, [[padding] * 2, [padding] * 2, [0, 0]])


@pytest.mark.parametrize("shape", [(8, 8, 1), (6, 9, 3)])
@pytest.mark.parametrize("mirror", [True, False])
def test_every_offset_and_flip_is_numpys_crop(shape, mirror):
    padding = 2
    height, width, _ = shape
    draws, expected = [], []
    image = pictures.random_images(1, *shape)[0]
    for y in range(2 * padding + 1):
        for x in range(2 * padding + 1):
            for flip in (0.0, 0.4999, 0.5, ALMOST_ONE):
                draws.append([(y + 0.5) / 5, (x + 0.5) / 5, flip])
                crop = padded_by_hand(image, padding)
                crop = crop[y : y + height, x : x + width]
                flipped = mirror and flip < 0.5
                expected.append(crop[:, ::-1] if flipped else crop)
    found = crops.crop_and_flip(
        tf.constant(np.stack([image] * len(draws))),
        tf.constant(draws, tf.float32),
        padding,
        mirror,
    )
    assert found.dtype == tf.uint8
    assert found.shape == (len(draws), *shape)
    np.testing.assert_array_equal(found, expected)


def offsets_of(draws, padding):
    """The (y, x) at which each draw crops, found with a single bright pixel."""
    side = 2 * padding + 1
    image = np.zeros((1, side, side, 1), np.uint8)
    image[0, padding, padding] = 1
    cropped = crops.crop_and_flip(
        tf.repeat(tf.constant(image), len(draws), 0), draws, padding, False
    )
    found, y, x, _ = np.nonzero(cropped.numpy())
    assert len(found) == len(draws)
    return 2 * padding - y, 2 * padding - x


@pytest.mark.parametrize("padding", [1, 2, 4, 8])
def test_offsets_are_uniform_and_all_reached(padding):
    side = 2 * padding + 1
    edges = np.arange(side * 40, dtype=np.float32) / (side * 40)
    grid = np.stack([edges + 1e-6, edges[::-1] + 1e-6, edges], axis=1)
    for offsets in offsets_of(tf.constant(grid), padding):
        np.testing.assert_array_equal(np.bincount(offsets), [40] * side)

    count = 4000
    y, x = offsets_of(pictures.draws_of(count, 3), padding)
    for offsets in (y, x):
        share = np.bincount(offsets, minlength=side) / count
        spread = np.sqrt((1 - 1 / side) / side / count)
        np.testing.assert_allclose(share, 1 / side, atol=4.5 * spread)
    assert abs(np.corrcoef(y, x)[0, 1]) < 0.07


@pytest.mark.parametrize("padding", [1, 2, 4, 8, 28])
def test_the_largest_draw_gives_the_last_offset(padding):
    draws = tf.fill([1, 3], ALMOST_ONE)
    y, x = offsets_of(draws, padding)
    assert (y[0], x[0]) == (2 * padding, 2 * padding)


# Parts of images.


def test_the_middle():
    image = pictures.random_images(1, 9, 10)
    found = crops.central_crop(tf.constant(image), 7)
    # torchvision's CenterCrop rounds half to even: (10 - 7) / 2 is 2 here.
    np.testing.assert_array_equal(found, image[:, 1:8, 2:9])


@pytest.mark.parametrize("mirror", [True, False])
def test_a_crop_from_anywhere(mirror):
    image = pictures.random_images(1, 9, 11)[0]
    draws, expected = [], []
    for y in range(4):
        for x in range(6):
            for flip in (0.4999, 0.5):
                draws.append([(y + 0.5) / 4, (x + 0.5) / 6, flip])
                crop = image[y : y + 6, x : x + 6]
                flipped = mirror and flip < 0.5
                expected.append(crop[:, ::-1] if flipped else crop)
    draws.append([ALMOST_ONE] * 3)
    expected.append(image[3:, 5:])
    images = tf.constant(np.stack([image] * len(draws)))
    draws = tf.constant(draws, tf.float32)
    found = crops.random_crop(images, draws, 6, mirror)
    assert found.dtype == tf.uint8
    np.testing.assert_array_equal(found, expected)


def windows_by_hand(draws, height, width):
    """torchvision's RandomResizedCrop.get_params, with given draws."""
    for area, aspect in zip(draws[:10], draws[10:20]):
        target = height * width * (0.08 + 0.92 * area)
        low, high = np.log(3 / 4), np.log(4 / 3)
        ratio = np.exp(low + (high - low) * aspect)
        w = round(np.sqrt(target * ratio))
        h = round(np.sqrt(target / ratio))
        if 0 < w <= width and 0 < h <= height:
            top = int(draws[20] * (height - h + 1))
            return top, int(draws[21] * (width - w + 1)), h, w
    w, h = width, height
    if width / height < 3 / 4:
        h = round(width / (3 / 4))
    elif width / height > 4 / 3:
        w = round(height * (4 / 3))
    return (height - h) // 2, (width - w) // 2, h, w


@pytest.mark.parametrize("size", [(64, 64), (40, 90), (90, 40)])
def test_windows_are_torchvisions(size):
    draws = pictures.draws_of(500, crops.RANDOM_RESIZED_CROP_DRAWS).numpy()
    draws[:9, :20] = 1.0  # All of the area, but 4:3: none of the ten fits.
    found = np.stack(crops.windows(tf.constant(draws), size), axis=1)
    expected = [windows_by_hand(row, *size) for row in draws]
    # Single precision may round one of many to the other side.
    assert np.mean(np.all(found == expected, axis=1)) > 0.99
    top, left, height, width = found.T
    assert np.all(top + height <= size[0]) and np.all(left + width <= size[1])
    assert np.all(found[:, :2] >= 0) and np.all(found[:, 2:] > 0)
    free = [size[0] - found[0, 2], size[1] - found[0, 3]]
    assert min(free) == 0
    np.testing.assert_array_equal(found[:9, :2], [[n // 2 for n in free]] * 9)


@pytest.mark.parametrize("mirror", [True, False])
def test_a_part_is_resized_as_pillow_does(mirror):
    size, side = (48, 48), 45
    count = 40
    images = pictures.random_images(count, *size)
    draws = pictures.draws_of(count, crops.RANDOM_RESIZED_CROP_DRAWS, seed=3)
    found = crops.random_resized_crop(images, draws, side, mirror).numpy()
    assert found.dtype == np.uint8
    flips = 0
    for image, row, view in zip(images, draws.numpy(), found):
        top, left, height, width = windows_by_hand(row, *size)
        if max(height, width) > side:
            continue  # There Pillow smoothes a little.
        part = Image.fromarray(image).crop(
            (left, top, left + width, top + height)
        )
        expected = np.asarray(
            part.resize((side, side), Image.Resampling.BILINEAR)
        )
        if mirror and row[22] < 0.5:
            expected, flips = expected[:, ::-1], flips + 1
        # Pillow rounds between the two directions.
        assert np.abs(view.astype(int) - expected).max() <= 1
    assert (flips > 5) == mirror


def test_a_whole_image_of_the_same_size_stays():
    image = pictures.random_images(1, 16, 16)
    draws = np.full([1, 23], 0.5, np.float32)
    draws[:, :10] = ALMOST_ONE
    found = crops.random_resized_crop(image, tf.constant(draws), 16)
    np.testing.assert_array_equal(found, image)
