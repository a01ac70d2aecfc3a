import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

import pictures
from tfnoisy.datasets.images import decoding


def pillow(contents, mode):
    """What Pillow reads, int [H, W, C]."""
    pixels = np.asarray(Image.open(io.BytesIO(contents)).convert(mode), int)
    return pixels[..., None] if mode == "L" else pixels


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "stored, kind, options",
    [
        *((mode, "PNG", {}) for mode in ("RGB", "L", "P", "RGBA", "LA", "1")),
        ("RGB", "JPEG", {"quality": 75}),
        ("RGB", "JPEG", {"quality": 95, "subsampling": 0}),
        ("RGB", "JPEG", {"quality": 90, "progressive": True}),
        ("L", "JPEG", {"quality": 75}),
    ],
)
def test_decoding_is_pillows_bit_for_bit(mode, stored, kind, options):
    image = Image.fromarray(pictures.photograph(45, 61)).convert(stored)
    contents = pictures.file_of(image, kind, **options)
    shape = (45, 61, len(mode))
    decoded = decoding.decode(tf.constant(contents), shape)
    assert decoded.dtype == tf.uint8
    np.testing.assert_array_equal(decoded, pillow(contents, mode))


@pytest.mark.parametrize("size", [(100, 80), (33, 31), (20, 24), (300, 200)])
def test_resizing_is_tensorflows_and_pillows_but_for_rounding(size):
    image = pictures.photograph(*size)
    found = decoding.decode(
        pictures.file_of(Image.fromarray(image)), (32, 48, 3)
    )
    resized = tf.image.resize(image, [32, 48], antialias=True)
    np.testing.assert_array_equal(found, tf.cast(tf.round(resized), tf.uint8))
    expected = Image.fromarray(image).resize(
        (48, 32), Image.Resampling.BILINEAR
    )
    difference = np.abs(np.asarray(found, int) - np.asarray(expected, int))
    assert difference.max() <= 1
    assert 0 < (difference > 0).mean() < 0.3


@pytest.mark.parametrize("size", [(100, 80), (33, 64), (20, 25)])
def test_cropping_keeps_proportions_as_pillows_fit(size):
    image = pictures.photograph(*size)
    found = decoding.decode(
        pictures.file_of(Image.fromarray(image)), (32, 32, 3), crop=True
    )
    expected = ImageOps.fit(
        Image.fromarray(image), (32, 32), Image.Resampling.BILINEAR
    )
    difference = np.abs(np.asarray(found, int) - np.asarray(expected, int))
    assert difference.max() <= 1


def test_what_files_begin_with():
    assert decoding.is_image(
        pictures.file_of(Image.new("L", (2, 2)), "PNG")[:8]
    )
    assert decoding.is_image(
        pictures.file_of(Image.new("L", (2, 2)), "JPEG")[:8]
    )
    assert decoding.is_image(
        pictures.file_of(Image.new("P", (2, 2)), "GIF")[:8]
    )
    for text in (b"", b"<html>", b"RIFF1234"):
        assert not decoding.is_image(text)


@pytest.mark.parametrize("kind", ["BMP", "WEBP", "TIFF"])
def test_other_formats_are_refused(kind):
    contents = pictures.file_of(
        Image.fromarray(pictures.photograph(8, 8)), kind
    )
    assert not decoding.is_image(contents[:8])
    with pytest.raises(tf.errors.OpError):
        decoding.decode(tf.constant(contents), (4, 4, 3))
