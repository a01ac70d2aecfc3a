import functools
import io
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

import image_kinds
import pictures
from tfnoisy.datasets.images import decoding, pillow_images


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


@pytest.fixture(scope="module")
def files():
    return image_kinds.files()


def decoded(contents, decoder, shape=None):
    """What a pipeline's graph makes of a file."""
    if shape is not None:
        return decoding.decode(tf.constant(contents), shape, decoder=decoder)
    return _graph(decoder)(tf.constant(contents))


@functools.cache
def _graph(decoder):
    spec = tf.TensorSpec([], tf.string)
    return tf.function(decoder, autograph=False, input_signature=[spec])


def test_every_kind_is_read_as_by_pillow_alone(files):
    for name, contents in files.items():
        found = decoded(contents, decoding.all_kinds)
        expected = pillow_images.pixels(contents)
        np.testing.assert_array_equal(found, expected, err_msg=name)


def test_without_pillow_the_same_is_read(files):
    for name, contents in files.items():
        if name.startswith(("PNG", "JPEG")):
            found = decoded(contents, decoding.png_jpeg)
            expected = pillow_images.pixels(contents)
            np.testing.assert_array_equal(found, expected, err_msg=name)
        else:
            with pytest.raises(tf.errors.OpError, match="neither PNG nor JPEG"):
                decoded(contents, decoding.png_jpeg)


def test_plain_files_need_no_care(files):
    for name, contents in files.items():
        if pillow_images.look(contents).is_plain:
            found = decoded(contents, decoding.plain)
            expected = pillow_images.pixels(contents)
            np.testing.assert_array_equal(found, expected, err_msg=name)


def test_a_turned_image_is_resized_upright(files):
    contents = files["JPEG.turned6"]
    found = decoded(contents, decoding.png_jpeg, (8, 6, 1))
    upright = pictures.file_of(
        Image.fromarray(image_kinds.pillows(contents)), "PNG"
    )
    expected = decoded(upright, decoding.plain, (8, 6, 1))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("decoder", ["all_kinds", "png_jpeg"])
def test_bombs_are_refused_before_they_are_decoded(decoder):
    kinds = {"png_jpeg": ("PNG", "JPEG")}
    for kind, contents in image_kinds.bombs().items():
        if kind in kinds.get(decoder, (kind,)):
            started = time.process_time()
            with pytest.raises(tf.errors.OpError, match="89,?478,?485"):
                decoded(contents, getattr(decoding, decoder))
            assert time.process_time() - started < 2
