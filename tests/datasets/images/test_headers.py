import io
import struct

import hypothesis
import pytest
from hypothesis import strategies
from PIL import Image

import image_kinds
import pictures
from tfnoisy.datasets.images import headers

KINDS = ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF"]


def read(contents):
    return headers.read(io.BytesIO(contents))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (61, 45), (300, 7)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_sizes_are_pillows(kind, size, mode):
    contents = pictures.file_of(Image.new(mode, size), kind)
    assert read(contents) == (kind, *size)


@pytest.mark.parametrize(
    "kind, options",
    [
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0"}),
        ("JPEG", {"progressive": True, "exif": b"Exif\0\0" + bytes(60_000)}),
        ("JPEG", {"icc_profile": bytes(200_000)}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ],
)
def test_variants_of_the_formats(kind, options):
    contents = pictures.file_of(Image.new("RGB", (61, 45)), kind, **options)
    assert read(contents) == (kind, 61, 45)


def test_other_byte_orders():
    core = struct.pack("<IHHHH", 12, 61, 45, 1, 24)
    assert read(b"BM" + bytes(12) + core) == ("BMP", 61, 45)
    top_down = struct.pack("<Iii", 40, 61, -45)
    assert read(b"BM" + bytes(12) + top_down) == ("BMP", 61, 45)
    entries = struct.pack(">HHIIHHIHH", 256, 4, 1, 61, 257, 3, 1, 45, 0)
    directory = struct.pack(">IH", 8, 2) + entries
    assert read(b"MM\0*" + directory) == ("TIFF", 61, 45)


def test_a_bomb_is_refused_by_its_first_bytes():
    bomb = pictures.black_png(20_000, 20_000)
    assert len(bomb) < 60_000
    with pytest.raises(headers.HeaderError, match=r"20,000 x 20,000 pixels"):
        read(bomb[:32])


@pytest.mark.parametrize(
    "kind, contents",
    [
        ("PNG", pictures.black_png(0, 3)),
        ("GIF", b"GIF89a" + struct.pack("<HH", 60_000, 60_000)),
        ("GIF", b"GIF89a" + bytes(26)),
        ("BMP", b"BM" + bytes(12) + struct.pack("<Iii", 40, -3, 3)),
        ("BMP", b"BM" + bytes(12) + struct.pack("<Iii", 40, 1 << 30, 1 << 30)),
        ("WEBP", b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\xff" * 6),
        ("JPEG", b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff"),
    ],
)
def test_sizes_that_are_not_decoded(kind, contents):
    with pytest.raises(headers.HeaderError, match=f"pixels,|{kind} header"):
        read(contents)


@pytest.mark.parametrize(
    "contents, words",
    [
        (b"", "it is empty"),
        (b"<html>", "does not begin as an image does"),
        (b"\x89PNG\r\n\x1a\n", "its PNG header is damaged"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "its JPEG header is damaged"),
        (b"\xff\xd8\xff\xe0\0\0" * 9, "its JPEG header is damaged"),
        (b"RIFF\0\0\0\0WEBPVP9 ", "its WEBP header is damaged"),
        (b"II*\0\xff\xff\xff\xff", "its TIFF header is damaged"),
    ],
)
def test_what_is_no_image_says_why(contents, words):
    with pytest.raises(headers.HeaderError, match=words):
        read(contents)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
    strategies.sampled_from(KINDS),
    strategies.integers(0, 400),
    strategies.lists(
        strategies.tuples(
            strategies.integers(0, 399), strategies.integers(0, 255)
        ),
        max_size=8,
    ),
)
def test_damaged_files_have_a_size_or_are_refused(kind, length, changes):
    contents = bytearray(_FILES[kind][:length])
    for position, value in changes:
        if position < len(contents):
            contents[position] = value
    try:
        found = read(bytes(contents))
    except headers.HeaderError:
        return
    assert 1 <= found.width * found.height <= headers.MAX_PIXELS


_FILES = {
    kind: pictures.file_of(Image.fromarray(pictures.photograph(9, 7)), kind)
    for kind in KINDS
}


def test_every_kind_is_known_by_its_beginning():
    for name, contents in image_kinds.files().items():
        kind = headers.kind_of(contents[: headers.KIND_BYTES])
        assert kind == name.split(".")[0]
    for text in (b"", b"<html>", b"RIFF1234", b"\x89PNG", b"\xff\xd8"):
        assert headers.kind_of(text) is None
