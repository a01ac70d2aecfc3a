"""Files of every kind that is read, made by Pillow from the same pixels."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

import pictures

_ORIENTATION = 0x0112


def exif_of(orientation, endian="<"):
    """A TIFF file whose first directory says how the image is turned."""
    exif = Image.Exif()
    exif.endian = endian
    exif[0x0110] = "a camera"
    exif[_ORIENTATION] = orientation
    return exif.tobytes()


def turned(kind, orientation, height=12, width=17, **options):
    """The bytes of a file whose pixels lie as EXIF says, not upright."""
    image = Image.fromarray(pictures.photograph(height, width))
    return pictures.file_of(image, kind, exif=exif_of(orientation), **options)


def with_transparency(mode, height=9, width=13, seed=0):
    """An image of which some pixels are transparent, some half."""
    rng = np.random.default_rng(seed)
    rgba = rng.integers(0, 256, (height, width, 4), np.uint8)
    image = Image.fromarray(rgba)
    if mode == "P":
        palette = image.convert("RGB").convert("P", colors=16)
        palette.info["transparency"] = int(np.asarray(palette)[0, 0])
        return palette
    return image.convert(mode)


def files():
    """{name: bytes}: a small file of every kind, mode and oddity."""
    rgb = Image.fromarray(pictures.photograph(12, 17))
    rng = np.random.default_rng(3)
    deep = Image.fromarray(rng.integers(0, 65536, (12, 17), np.uint16))
    frames = [rgb.convert("P"), rgb.rotate(180).convert("P")]
    made = {
        f"{kind}.{mode}": pictures.file_of(rgb.convert(mode), kind)
        for kind, modes in {
            "PNG": ("RGB", "L", "P", "1"),
            "JPEG": ("RGB", "L", "CMYK"),
            "BMP": ("RGB", "L", "P", "1"),
            "GIF": ("P", "L"),
            "WEBP": ("RGB",),
            "TIFF": ("RGB", "L", "P", "1", "CMYK"),
            "PPM": ("RGB", "L", "1"),
        }.items()
        for mode in modes
    }
    made["JPEG.progressive"] = pictures.file_of(rgb, "JPEG", progressive=True)
    for kind in ("PNG", "TIFF"):
        made[f"{kind}.16"] = pictures.file_of(deep, kind)
    for kind, modes in {
        "PNG": ("RGBA", "LA", "P"),
        "WEBP": ("RGBA",),
        "TIFF": ("RGBA",),
        "GIF": ("RGBA",),
    }.items():
        for mode in modes:
            image = with_transparency(mode)
            made[f"{kind}.{mode}.transparent"] = pictures.file_of(image, kind)
    for kind in ("PNG", "JPEG", "WEBP", "TIFF"):
        for orientation in range(1, 9):
            made[f"{kind}.turned{orientation}"] = turned(kind, orientation)
    made["GIF.animated"] = pictures.file_of(
        frames[0], "GIF", save_all=True, append_images=frames[1:]
    )
    made["PNG.RGB.key"] = pictures.file_of(rgb, "PNG", transparency=(0, 0, 0))
    made["PNG.late"] = with_chunk(made["PNG.RGB"], b"gAMA", b"\0\0\xb1\x8f")
    made["JPEG.comment"] = pictures.file_of(rgb, "JPEG", comment=b"x" * 300)
    return made


def with_chunk(png, name, data):
    """A PNG file with one more chunk before its pixels."""
    chunk = name + data
    chunk = struct.pack(">I", len(data)) + chunk
    chunk += struct.pack(">I", zlib.crc32(name + data))
    return png[:33] + chunk + png[33:]


def bombs():
    """{kind: bytes} of small files that promise far too many pixels."""
    made = {"PNG": pictures.black_png(20_000, 20_000)}
    for kind, patch in {
        "GIF": lambda head: head[:6] + struct.pack("<HH", 65535, 65535),
        "BMP": lambda head: head[:18] + struct.pack("<ii", 40000, 40000),
    }.items():
        contents = pictures.file_of(Image.new("P", (4, 4)), kind)
        head = patch(contents)
        made[kind] = head + contents[len(head) :]
    contents = pictures.file_of(Image.new("RGB", (4, 4)), "JPEG")
    at = contents.index(b"\xff\xc0")
    size = struct.pack(">HH", 65000, 65000)
    made["JPEG"] = contents[: at + 5] + size + contents[at + 9 :]
    return made


def pillows(contents):
    """What Pillow makes of a file, by its own words: uint8 [H, W, 3]."""
    from PIL import ImageOps

    image = Image.open(io.BytesIO(contents))
    image.seek(0)
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert("RGB"))
