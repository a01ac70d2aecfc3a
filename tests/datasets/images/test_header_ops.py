import io
import struct
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

import image_kinds
import pictures
from tfnoisy.datasets.images import decoding, header_ops, headers

PIXELS = pictures.photograph(24, 40)
FILE = tf.TensorSpec([], tf.string)
JPEG_START = 2


@pytest.fixture(scope="module")
def check_size():
    return tf.function(header_ops.check_size, input_signature=[FILE])


@pytest.fixture(scope="module")
def orientation():
    return tf.function(header_ops.orientation, input_signature=[FILE])


def turned(orientation, byte_order="<"):
    """A JPEG file with this orientation in its EXIF."""
    exif = Image.Exif()
    exif.endian = byte_order
    exif[0x010F] = "the maker, whose tag comes first"
    exif[0x0112] = orientation
    return pictures.file_of(Image.fromarray(PIXELS), "JPEG", exif=exif)


@pytest.mark.parametrize("number", range(1, 9))
@pytest.mark.parametrize("byte_order", "<>")
def test_turning_is_pillows_bit_for_bit(number, byte_order):
    contents = turned(number, byte_order)
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(contents)))
    shape = (*expected.size[::-1], 3)
    assert shape == ((24, 40, 3) if number < 5 else (40, 24, 3))
    found = decoding.decode(tf.constant(contents), shape)
    np.testing.assert_array_equal(found, np.asarray(expected))


def with_segments(contents, *segments):
    """Puts segments of other applications before those that are there."""
    return (
        contents[:JPEG_START]
        + b"".join(
            bytes([0xFF, marker]) + struct.pack(">H", 2 + len(data)) + data
            for marker, data in segments
        )
        + contents[JPEG_START:]
    )


def test_exif_is_found_behind_other_segments(orientation):
    contents = with_segments(
        turned(6),
        (0xE2, bytes(65_000)),
        (0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
        (0xED, b"Photoshop 3.0\0"),
    )
    assert orientation(contents) == 6
    with_exif_first = turned(6)
    cut = with_exif_first.index(b"\xff\xe1")
    without_jfif = with_exif_first[:JPEG_START] + with_exif_first[cut:]
    assert orientation(without_jfif) == 6
    shape = (40, 24, 3)
    np.testing.assert_array_equal(
        decoding.decode(tf.constant(without_jfif), shape),
        decoding.decode(tf.constant(with_exif_first), shape),
    )


@pytest.mark.parametrize("number", [0, 9, 60_000])
def test_no_such_orientation_is_none(orientation, number):
    assert orientation(turned(number)) == 1


def test_damaged_exif_turns_nothing_and_breaks_nothing(orientation):
    contents = turned(6)
    start = contents.index(b"Exif")
    for cut in range(start, start + 40):
        assert orientation(contents[:cut]) in (1, 6)
    for position in range(start, start + 60):
        damaged = bytearray(contents)
        damaged[position] ^= 0xFF
        assert 1 <= orientation(bytes(damaged)) <= 8
    endless = with_segments(contents, *[(0xE2, b"")] * 100)
    assert orientation(endless) == 1


@pytest.mark.parametrize("contents", [b"", b"\xff\xd8\xff", b"\x89PNG"])
def test_short_files_are_left_to_the_decoder(contents):
    image = np.zeros([3, 2, 3], np.uint8)
    found = header_ops.upright(tf.constant(image), tf.constant(contents))
    assert found.shape == image.shape


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_what_may_be_decoded_passes(check_size, kind):
    contents = pictures.file_of(Image.fromarray(PIXELS), kind)
    assert check_size(contents) == contents


def test_a_bomb_is_refused_before_it_is_decoded(check_size):
    small, bomb = (pictures.black_png(size, size) for size in (9_000, 20_000))
    assert 9_000**2 <= headers.MAX_PIXELS < 20_000**2
    assert check_size(small) == small
    start = time.perf_counter()
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        check_size(bomb)
    assert time.perf_counter() - start < 1
    assert "89478485" in str(caught.value) and "20000" in str(caught.value)


def test_a_large_jpeg_is_refused_by_its_header(check_size):
    contents = bytearray(pictures.file_of(Image.fromarray(PIXELS), "JPEG"))
    frame = contents.index(b"\xff\xc0")
    contents[frame + 5 : frame + 9] = struct.pack(">HH", 20_000, 30_000)
    with pytest.raises(tf.errors.InvalidArgumentError, match="20000 30000"):
        check_size(bytes(contents))


@pytest.mark.parametrize("contents", [b"", b"GIF89a", b"<html>"])
def test_other_kinds_are_refused(check_size, contents):
    with pytest.raises(tf.errors.InvalidArgumentError, match="neither PNG nor"):
        check_size(contents)


def test_orientation_of_png_files():
    files = image_kinds.files()
    for number in range(1, 9):
        contents = files[f"PNG.turned{number}"]
        assert header_ops.png_orientation(contents) == number
    for contents in (files["PNG.RGB"], files["PNG.late"], b""):
        assert header_ops.png_orientation(contents) == 1
    assert header_ops.png_orientation(files["PNG.late"][:50]) == 1
