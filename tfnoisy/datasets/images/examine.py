"""Looks at image files one by one: what they are, and whether they are sound.

Each file is read once, and only headers and ends are looked at: pixels are
decoded where those are suspicious, or where a kind has no way to tell.
Imports no TensorFlow.
"""

import concurrent.futures
import dataclasses
import functools
import hashlib
import os
import stat
import struct
import zlib

from tfnoisy import progress
from tfnoisy.datasets.images import headers, pillow_images

# Files that one task of a thread looks at.
_FILES_AT_ONCE = 64
# No image of `headers.MAX_PIXELS` needs more.
_MAX_BYTES = 2**30
_REMEMBERED = 2**18


@dataclasses.dataclass(frozen=True)
class Finding:
    """What was found in a file.

    Attributes:
        fault: why it cannot be used, or empty.
        look: a `pillow_images.Look`, None where there is a fault.
        digest: the SHA-256 of its contents, 32 bytes; empty if it cannot be
            read.
        size: in bytes.
    """

    fault: str = ""
    look: pillow_images.Look | None = None
    digest: bytes = b""
    size: int = 0


def examine(paths):
    """Examines files, several at a time.

    Args:
        paths: N paths.

    Returns:
        A list of N `Finding`s.
    """
    parts = [
        paths[k : k + _FILES_AT_ONCE]
        for k in range(0, len(paths), _FILES_AT_ONCE)
    ]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda part: list(map(examine_file, part)), parts)
        ones = (one for part in found for one in part)
        return list(
            progress.over(ones, "looking at files", len(paths), "files")
        )


def examine_file(path):
    """Examines a file; one that has not changed since is not read again.

    Args:
        path: the file.

    Returns:
        A `Finding`.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        return Finding(_unreadable(error))
    if not stat.S_ISREG(status.st_mode):
        return Finding("not a file")
    if status.st_size > _MAX_BYTES:
        return Finding(f"{status.st_size / 2**30:.1f} GiB, not an image")
    return _examined(
        os.fspath(path), status.st_ino, status.st_mtime_ns, status.st_size
    )


@functools.lru_cache(_REMEMBERED)
def _examined(path, *_):
    try:
        with open(path, "rb") as file:
            contents = file.read()
    except OSError as error:
        return Finding(_unreadable(error))
    return examine_contents(contents)


def _unreadable(error):
    if isinstance(error, FileNotFoundError):
        return "no such image"
    return f"cannot be read: {error.strerror}"


def examine_contents(contents):
    """Examines the contents of a file.

    Args:
        contents: bytes.

    Returns:
        A `Finding`.
    """
    digest = hashlib.sha256(contents).digest()
    try:
        found = pillow_images.look(contents)
        if not _ends_well(contents, found.kind):
            pillow_images.pixels(contents)
    except headers.ImageFault as fault:
        return Finding(_worded(fault), None, digest, len(contents))
    return Finding("", found, digest, len(contents))


def _worded(fault):
    """Returns what follows a file's name in a list of problems."""
    text = str(fault)
    if text == "it is empty":
        return "empty file"
    if text == "it is truncated":
        return "truncated image"
    if text.startswith("it has "):
        return text.removeprefix("it has ")
    if text.startswith("it does not begin"):
        return "not an image, whatever its name"
    return f"broken image: {text}"


def _ends_well(contents, kind):
    """Returns whether an image's container is whole.

    Where it does not look so the image may still be sound: some cameras leave
    out the last marker, and others write more behind it.
    """
    if kind == "PNG":
        return _is_whole_png(contents)
    if kind == "JPEG":
        return _is_whole_jpeg(contents)
    if kind == "GIF":
        return contents.endswith(b"\0;")
    if kind == "WEBP":
        (length,) = struct.unpack_from("<I", contents, 4)
        return len(contents) >= length + 8
    # These kinds say nothing of themselves that would tell.
    return False


def _is_whole_png(contents):
    position = 8
    while position + 12 <= len(contents):
        (length,) = struct.unpack_from(">I", contents, position)
        end = position + 8 + length
        name = contents[position + 4 : position + 8]
        if end + 4 > len(contents):
            return False
        checksum = zlib.crc32(memoryview(contents)[position + 4 : end])
        if contents[end : end + 4] != struct.pack(">I", checksum):
            return False
        if name == b"IEND":
            return True
        position = end + 4
    return False


def _is_whole_jpeg(contents):
    # Pictures within EXIF have ends of their own: look behind the scan's start.
    position = 2
    while position + 4 <= len(contents):
        start, marker, length = struct.unpack_from(">BBH", contents, position)
        if start != 0xFF:
            return False
        if marker == 0xDA:
            return contents.rfind(b"\xff\xd9", position) >= 0
        position += 2 + length
    return False
