"""A folder for each class: what lies in it, images and other files."""

import collections
import dataclasses
import os
import pathlib

from tfnoisy.datasets.images import headers

# Kinds that are images by their first bytes whatever the file is called.  A
# TIFF file may be a camera's raw data, and text may begin like BMP or PPM.
_CERTAIN = {"PNG", "JPEG", "GIF", "WEBP"}


@dataclasses.dataclass
class Contents:
    """What a folder and the folders below it hold.

    Attributes:
        images: paths relative to the folder, with slashes, sorted.
        others: how many files are not images, by kind: `.txt`, `.DS_Store`.
        faults: a line for each folder that cannot be read.
    """

    images: list[str] = dataclasses.field(default_factory=list)
    others: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    faults: list[str] = dataclasses.field(default_factory=list)


def contents_of(directory):
    """Looks through a folder and those below it.

    Args:
        directory: a path.

    Returns:
        `Contents`.
    """
    found = Contents()
    _walk(os.fspath(directory), "", found, set())
    found.images.sort(key=lambda path: path.split("/"))
    return found


def subfolders(directory):
    """Returns the names of the visible folders in a folder, sorted.

    Names that are all numbers are sorted as numbers.
    """
    directory = pathlib.Path(directory)
    if not directory.is_dir():
        return ()
    names = [
        entry.name
        for entry in os.scandir(directory)
        if entry.is_dir() and not _passed_over(entry, directory)
    ]
    numeric = all(name.isdecimal() for name in names)
    return tuple(sorted(names, key=int if numeric else None))


def loose(directory):
    """Looks at a folder that has folders of classes.

    Args:
        directory: a path.

    Returns:
        `Contents`: the images in the folder itself, sorted, and what else is
        in it but the folders that `subfolders` names.
    """
    found = Contents()
    for entry in os.scandir(directory):
        if entry.is_dir():
            reason = _passed_over(entry, directory)
            if reason:
                found.others[reason] += 1
        elif _is_image(entry):
            if entry.is_file():
                found.images.append(entry.name)
        else:
            found.others[_kind(entry.name)] += 1
    found.images.sort()
    return found


def _walk(directory, prefix, found, seen):
    try:
        status = os.stat(directory)
        with os.scandir(directory) as scan:
            entries = list(scan)
    except OSError as error:
        found.faults.append(f"{directory}: {error.strerror}")
        return
    # Links may lead round in circles.
    if (status.st_dev, status.st_ino) in seen:
        return
    seen.add((status.st_dev, status.st_ino))
    for entry in entries:
        if entry.is_dir():
            reason = _passed_over(entry, directory)
            if reason:
                found.others[reason] += 1
            else:
                _walk(entry.path, f"{prefix}{entry.name}/", found, seen)
        elif _is_image(entry):
            found.images.append(prefix + entry.name)
        else:
            found.others[_kind(entry.name)] += 1


def _passed_over(entry, directory):
    """Returns why a folder is not looked into, "" if it is."""
    if _is_hidden(entry.name):
        return "hidden folder"
    if entry.is_symlink():
        # What is above belongs to other classes, or has been read already.
        above = pathlib.Path(os.path.realpath(entry.path))
        held = pathlib.Path(os.path.realpath(directory))
        if above == held or above in held.parents:
            return "link to a folder above"
    return ""


def _is_hidden(name):
    return name.startswith(".") or name == "__MACOSX"


def _is_image(entry):
    """Whether an entry of a folder is meant to be an image."""
    if entry.name.startswith("."):
        return False
    suffix = os.path.splitext(entry.name)[1].lower()
    if suffix in headers.SUFFIXES:
        return True
    try:
        # Not a pipe, which would wait for somebody to write into it.
        if not entry.is_file():
            return False
        with open(entry.path, "rb", buffering=0) as file:
            return headers.kind_of(file.read(headers.KIND_BYTES)) in _CERTAIN
    except OSError:
        return False


def _kind(name):
    """Returns what a file that is no image is counted as."""
    if name.startswith("._"):
        # macOS keeps there what other file systems have no place for.
        return "._*"
    if name.startswith("."):
        return name
    return os.path.splitext(name)[1].lower() or "without a suffix"


def describe_others(others):
    """Returns `7 files are not images: 3 .txt, 2 .DS_Store`, or nothing.

    Args:
        others: a `collections.Counter` by kind.
    """
    if not others:
        return ""
    total = sum(others.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in others.most_common())
    if total == 1:
        return f"1 file is not an image and is left out: {kinds}"
    return f"{total} files are not images and are left out: {kinds}"
