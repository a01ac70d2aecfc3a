"""Pictures, files of them, and draws, for tests of several folders."""

import base64
import io
import struct
import zlib

import numpy as np
from PIL import Image

from tfnoisy import randomness


def random_images(count, height=8, width=8, channels=3, seed=0):
    """Pixels without any structure; uint8 [N, H, W, C]."""
    generator = np.random.default_rng(seed)
    shape = (count, height, width, channels)
    return generator.integers(0, 256, shape, np.uint8)


def photograph(height, width, channels=3, seed=0):
    """Waves of several lengths, and noise; uint8 [H, W, C]."""
    y, x = np.mgrid[:height, :width]
    waves = [
        128 + 90 * np.sin(x / (7 + 5 * i) + y / (11 + 3 * i))
        for i in range(channels)
    ]
    noise = np.random.default_rng(seed).normal(0, 25, (height, width, channels))
    pixels = np.stack(waves, axis=-1) + noise
    return np.clip(pixels, 0, 255).astype(np.uint8)


def file_of(image, kind="PNG", **options):
    """The bytes of a file of Pillow's image."""
    contents = io.BytesIO()
    image.save(contents, kind, **options)
    return contents.getvalue()


def black_png(width, height):
    """A PNG file of one bit a pixel: 400 million of them take 49 kB."""

    def chunk(name, data):
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 + (width + 7) // 8) * height, 9)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", rows)
        + chunk(b"IEND", b"")
    )


def base64_of(contents):
    """A file as TensorFlow Serving's JSON has it."""
    return {"b64": base64.b64encode(contents).decode()}


def save_image(path, value, size=(12, 10)):
    """Saves a picture of one colour, whose red value this is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 255 - value, 0)).save(path)


def write_lines(path, lines):
    """Writes a file of lists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def draws_of(count, columns, seed=0):
    """What the pipeline draws for so many examples, [N, columns]."""
    return randomness.uniform_by_id(seed, "augment", count, columns)
