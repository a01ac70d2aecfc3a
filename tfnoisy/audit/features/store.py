"""Features on disk, found again by what an image looks like.

A store holds the features of one network.  Its file is a sequence of records
of one size: the SHA-256 of an image's pixels, its features, a checksum.  New
records go to the end, so that a computation that was stopped goes on where it
stopped, and images that are added to a data set cost what is new of them.
"""

import fcntl
import hashlib
import os
import pathlib
import sys
import zlib

import numpy as np


def default_folder():
    """Returns the folder for computed features: the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return pathlib.Path(base).expanduser() / "tfnoisy" / "features"


def key_of(image):
    """Returns the 32 bytes by which an image is found again.

    Args:
        image: uint8 [H, W, channels].
    """
    digest = hashlib.sha256(str(image.shape).encode())
    digest.update(np.ascontiguousarray(image))
    return digest.digest()


class FeatureStore:
    """The features that one network has computed so far.

    Where the disk cannot be written, they are kept in memory and a line on
    stderr says so.

    Attributes:
        path: the file, or None once it cannot be written.
    """

    def __init__(self, folder, fingerprint, size):
        """Opens a store, and makes it if need be.

        Args:
            folder: a path; None for `default_folder()`.
            fingerprint: what the features depend on but for the image, see
                `networks.Extractor`.
            size: D, numbers for each image.
        """
        folder = default_folder() if folder is None else pathlib.Path(folder)
        self.path = folder.expanduser() / f"{fingerprint[:32]}.features"
        self._record = np.dtype(
            [("key", "V32"), ("values", "<f4", (size,)), ("check", "<u4")]
        )
        self._file = None
        self._places = {}  # Of records in the file, by key.
        self._in_memory = {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Unbuffered: what cannot be written is not kept back.
            self._file = self.path.open("a+b", buffering=0)
            self._look_up()
        except OSError as error:
            self._go_on_in_memory(error)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._file is not None:
            self._file.close()

    def __contains__(self, key):
        return key in self._places or key in self._in_memory

    def __len__(self):
        return len(self._places) + len(self._in_memory)

    def append(self, keys, values):
        """Adds images that are not there yet.

        Args:
            keys: B times 32 bytes, see `key_of`.
            values: float32 [B, D].
        """
        if self.path is not None:
            try:
                self._write(keys, values)
                return
            except OSError as error:
                self._go_on_in_memory(error)
        self._in_memory |= dict(zip(keys, values))

    def values(self, keys):
        """Returns the features float32 [N, D] of images that are there.

        Args:
            keys: N times 32 bytes.
        """
        found = np.empty([len(keys), *self._record["values"].shape], "<f4")
        records = self._records()
        places = np.array([self._places.get(key, -1) for key in keys], np.int64)
        # In the order of the file.
        for row in np.argsort(places, kind="stable"):
            if places[row] < 0:
                found[row] = self._in_memory[keys[row]]
            else:
                found[row] = records[places[row]]["values"]
        return found

    def _records(self):
        """Returns the whole records of the file, mapped into memory."""
        size = 0
        if self._file is not None:
            size = os.fstat(self._file.fileno()).st_size
        count = size // self._record.itemsize
        if not count:
            return np.empty(0, self._record)
        return np.memmap(self._file, self._record, "r", shape=(count,))

    def _look_up(self):
        """Finds out which images are there; passes over damaged records."""
        records = self._records()
        for place in range(len(records)):
            record = records[place]
            if _checksum(record) == record["check"]:
                self._places[record["key"].tobytes()] = place

    def _write(self, keys, values):
        records = np.zeros(len(keys), self._record)
        records["key"] = [np.void(key) for key in keys]
        records["values"] = values
        records["check"] = [_checksum(record) for record in records]
        size = self._record.itemsize
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            end = os.fstat(self._file.fileno()).st_size
            # A part of a record is what a writer left that was killed.
            end -= end % size
            self._file.truncate(end)
            written = self._file.write(records.tobytes())
            if written < records.nbytes:
                self._file.truncate(end)
                raise OSError(0, "the disk is full")
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        for number, key in enumerate(keys):
            self._places[key] = end // size + number

    def _go_on_in_memory(self, error):
        print(
            f"features are not kept for the next time: {self.path}: "
            f"{error.strerror}",
            file=sys.stderr,
        )
        self.path = None


def _checksum(record):
    return zlib.crc32(record["values"].tobytes(), zlib.crc32(record["key"]))
