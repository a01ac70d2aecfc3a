"""Images in TFRecord files, each found by where its record begins.

A TFRecord file is read from its beginning on, and so its records can be
shuffled no better than a buffer is large.  Here the heads of all records are
read once (16 bytes of each record are not its data: the length, its checksum,
and behind the data theirs), and from then on any record by itself, in the
order that a run draws.

TensorFlow has no operation that reads a piece of a file, save in a data set's
iterator, and a map with an iterator in it is not run in parallel where
determinism is asked for.  So a batch's records are read by Python, which takes
a fiftieth of what decoding them takes, most of it without the interpreter's
lock.
"""

import concurrent.futures
import dataclasses
import os
import struct

import numpy as np
import tensorflow as tf

from tfnoisy import errors

# uint64 length, uint32 checksum; data; uint32 checksum.
_LENGTH, _HEAD, _TAIL = struct.Struct("<Q"), 12, 4


@dataclasses.dataclass(frozen=True, eq=False)
class Index:
    """Where the records of some files are, file by file.

    Attributes:
        files: the paths.
        file_of: int32 [N], the file that a record is in.
        offsets: int64 [N], where its data begin.
        lengths: int64 [N], in bytes.
        numbers: int64 [N], its number in the file, from 1 on.
    """

    files: tuple[str, ...]
    file_of: np.ndarray
    offsets: np.ndarray
    lengths: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, files):
        """Reads the heads of all records.

        Args:
            files: paths of TFRecord files that are not compressed.

        Raises:
            UserError: for a file that ends within a record.
        """
        files = tuple(map(str, files))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            offsets, lengths = zip(*pool.map(_scan, files))
        counts = [len(part) for part in offsets]
        return cls(
            files,
            np.repeat(np.arange(len(files), dtype=np.int32), counts),
            np.concatenate(offsets),
            np.concatenate(lengths),
            np.concatenate([np.arange(1, count + 1) for count in counts]),
        )

    def __len__(self):
        return len(self.offsets)

    def take(self, rows):
        """Returns the index of these rows."""
        columns = ("file_of", "offsets", "lengths", "numbers")
        return dataclasses.replace(
            self, **{name: getattr(self, name)[rows] for name in columns}
        )

    def read(self, rows):
        """Returns the data of these records, bytes, in an object array.

        Args:
            rows: int [M].
        """
        data = np.empty(len(rows), object)
        for place, row in enumerate(rows):
            path = self.files[self.file_of[row]]
            # Opened anew: a data set may have more files than a process may
            # hold open.
            file = os.open(path, os.O_RDONLY)
            try:
                data[place] = os.pread(
                    file, self.lengths[row], self.offsets[row]
                )
            finally:
                os.close(file)
        return data


def _scan(path):
    """Returns where the records of a file begin and how long they are."""
    offsets, lengths = [], []
    size = os.path.getsize(path)
    begin = 0
    file = os.open(path, os.O_RDONLY)
    try:
        while begin < size:
            head = os.pread(file, _LENGTH.size, begin)
            length = _LENGTH.unpack(head)[0] if len(head) == 8 else size
            end = begin + _HEAD + length + _TAIL
            if end > size:
                raise errors.UserError(
                    f"{path}: damaged after record {len(offsets)}"
                )
            offsets.append(begin + _HEAD)
            lengths.append(length)
            begin = end
    finally:
        os.close(file)
    return np.array(offsets, np.int64), np.array(lengths, np.int64)


class RecordImages:
    """A source of `streamed.StreamedImages`: records with an image each."""

    def __init__(self, name, index, decode, image_shape):
        """Names the records; nothing is read yet.

        Args:
            name: what a message calls all of them.
            index: an `Index`.
            decode: a record, a scalar string, to uint8 [H, W, C], by
                TensorFlow's operations.
            image_shape: (H, W, C).
        """
        self.name = name
        self.image_shape = tuple(image_shape)
        height, width, channels = self.image_shape
        # Files may end with an image of another size: nobody has looked.
        self.fault = (
            f"broken image, or not of {width}x{height} pixels and {channels} "
            "channels (--image_size makes the sizes equal)"
        )
        self._index = index
        self._decode = decode

    def __len__(self):
        return len(self._index)

    def reader(self):
        """Returns a function of rows, int [b], to uint8 [b, H, W, C]."""
        spec = tf.TensorSpec(self.image_shape, tf.uint8)

        def decode(record):
            return tf.ensure_shape(self._decode(record), self.image_shape)

        def read(rows):
            # Not stateful: nothing but the files decides what it returns.
            records = tf.numpy_function(
                self._index.read, [rows], tf.string, stateful=False
            )
            records = tf.ensure_shape(records, [None])
            return tf.map_fn(decode, records, fn_output_signature=spec)

        return read

    def where(self, row):
        """Returns what a message calls a record."""
        path = self._index.files[self._index.file_of[row]]
        return f"{path}: record {self._index.numbers[row]}"
