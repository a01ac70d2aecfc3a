import contextlib
import io

import numpy as np
import pytest
from PIL import Image

import image_kinds
import pictures
from tfnoisy.datasets.images import headers, pillow_images


@pytest.fixture(scope="module")
def files():
    return image_kinds.files()


def test_pixels_are_upright_opaque_and_of_eight_bits(files):
    for name, contents in files.items():
        found = pillow_images.pixels(contents)
        expected = image_kinds.pillows(contents)
        assert found.dtype == np.uint8 and found.shape == expected.shape, name
        # Pillow rounds transparency otherwise.
        bound = 1 if name.endswith(("transparent", "key")) else 0
        gap = np.abs(found.astype(int) - expected)
        assert gap.max() <= bound, name


def test_transparent_pixels_lie_over_white():
    rgba = np.array([[[0, 0, 0, 0], [10, 20, 30, 255], [0, 100, 200, 128]]])
    found = pillow_images.over_white(rgba.astype(np.uint8))
    assert found.tolist() == [[[255] * 3, [10, 20, 30], [127, 177, 227]]]


@pytest.mark.parametrize(
    "name, change, fault",
    [
        ("PNG.RGB", lambda whole: whole[:-40], "^it is truncated$"),
        ("JPEG.RGB", lambda whole: whole[:-60], "^it is truncated$"),
        ("BMP.RGB", lambda whole: whole[:-60], "^it is truncated$"),
        ("GIF.P", lambda whole: whole[:-60], "^it is truncated$"),
        ("WEBP.RGB", lambda whole: whole[:-60], r"damaged \("),
        ("TIFF.RGB", lambda whole: whole[:-60], "damaged$|truncated$"),
        ("PPM.RGB", lambda whole: whole[:-60], "truncated$|damaged"),
        ("PNG.RGB", lambda _: b"", "^it is empty$"),
        ("PNG.RGB", lambda _: b"<html>", "does not begin as an image does"),
    ],
)
def test_faults(files, name, change, fault):
    with pytest.raises(headers.ImageFault, match=fault):
        pillow_images.pixels(change(files[name]))


def test_more_than_16_bits_are_refused():
    deep = Image.fromarray(np.zeros([3, 3], np.float32))
    with pytest.raises(headers.ImageFault, match="^it has 32 bits a channel"):
        pillow_images.look(pictures.file_of(deep, "TIFF"))


def test_bombs_are_refused():
    for contents in image_kinds.bombs().values():
        assert len(contents) < 60_000
        for function in (pillow_images.look, pillow_images.pixels):
            with pytest.raises(headers.HeaderError, match="89,478,485"):
                function(contents)


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_faults_and_no_other_errors(files):
    rng = np.random.default_rng(0)
    for contents in files.values():
        for _ in range(3):
            damaged = np.frombuffer(contents, np.uint8).copy()
            places = rng.integers(0, len(damaged), 6)
            damaged[places] = rng.integers(0, 256, 6)
            with contextlib.suppress(headers.ImageFault):
                pillow_images.pixels(damaged.tobytes())


def test_a_look_has_the_size_of_the_upright_image(files):
    for name, contents in files.items():
        found = pillow_images.look(contents)
        height, width = image_kinds.pillows(contents).shape[:2]
        assert found.size == (width, height), name
        assert found.kind == name.split(".")[0]
        transparent = name.endswith((".transparent", ".key"))
        assert found.transparent == transparent, name
        assert found.deep == name.endswith(".16")
    assert pillow_images.look(files["JPEG.turned6"]).orientation == 6
    assert pillow_images.look(files["PNG.turned8"]).orientation == 8
    assert pillow_images.look(files["PNG.L"]).grey
    assert not pillow_images.look(files["PNG.P"]).grey
    assert pillow_images.look(files["JPEG.CMYK"]).mode == "CMYK"


def test_plain_by_the_first_bytes_is_plain(files):
    plain = {
        name
        for name, contents in files.items()
        if headers.is_plain(contents[: headers.PLAIN_BYTES])
    }
    assert all(pillow_images.look(files[name]).is_plain for name in plain)
    # Others are read by the careful way, which is right for all.
    assert plain == {
        *("PNG.RGB", "PNG.1", "PNG.L", "PNG.16"),
        *("JPEG.RGB", "JPEG.L", "JPEG.CMYK", "JPEG.progressive"),
        "JPEG.comment",
    }
    for contents in image_kinds.bombs().values():
        assert not headers.is_plain(contents)


def test_thumbnails_are_small_and_upright(files):
    for name, contents in files.items():
        picture = pillow_images.thumbnail(contents, 8)
        assert picture.mode == "RGB" and max(picture.size) == 8
        size = pillow_images.look(contents).size
        assert (size[0] > size[1]) == (picture.width > picture.height), name


@pytest.mark.parametrize("size, small", [((3000, 2), (8, 1)), ((1, 1), (8, 8))])
def test_a_very_thin_picture_does_not_vanish(size, small):
    contents = io.BytesIO()
    Image.new("RGB", size).save(contents, "PNG")
    assert pillow_images.thumbnail(contents.getvalue(), 8).size == small
