"""Images too many for the memory: they are read when a batch wants them.

An `ImageDataset` has its images either as an array or as `StreamedImages`,
which look like one.  Rows are read in whatever order they are asked for.  So
the order of the examples, their draws and the batch at which a run goes on
are those of images in memory, bit for bit, and need no shuffle buffer.
"""

import concurrent.futures
import contextlib
import functools
import math
import os
import sys
from collections.abc import Callable
from typing import Protocol

import numpy as np
import tensorflow as tf

from tfnoisy import choices, errors
from tfnoisy.datasets import problems as problems_lib
from tfnoisy.datasets.images import decoding

# Images of a split that take no more than this are held in memory.
CACHE_MIB = choices.CACHE_MIB

# How many bytes of pixels one step of reading into an array has, and at most
# how many images.
_CHUNK_BYTES, _CHUNK_IMAGES = 2**22, 64


class BrokenImages(errors.UserError):
    """Images that could not be read when a batch wanted them."""


class ImageSource(Protocol):
    """Where the pixels of images come from, row by row.

    Attributes:
        name: what a message calls all of them.
        fault: what it says of one that cannot be read.
        image_shape: (H, W, C).
    """

    name: str
    fault: str
    image_shape: tuple[int, int, int]

    def __len__(self) -> int:
        """Returns the number of images."""

    def reader(self) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns a function of rows, int [b], to uint8 [b, H, W, C].

        It is made of TensorFlow's operations.
        """

    def where(self, row: int) -> str:
        """Returns what a message calls an image."""


class StreamedImages:
    """Looks like an array uint8 [N, H, W, C], but is read piece by piece.

    Indexing reads.  `take` does not: it makes a smaller one of the same
    source.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self, source: ImageSource, rows: np.ndarray | None = None
    ) -> None:
        """Makes the images of some rows of a source; of all if None."""
        self._source = source
        self._rows = np.arange(len(source)) if rows is None else rows

    def __len__(self):
        return len(self._rows)

    @property
    def shape(self):
        """(N, H, W, C)."""
        return (len(self), *self._source.image_shape)

    @property
    def nbytes(self):
        """How many bytes the pixels would take in memory."""
        return math.prod(self.shape)

    def take(self, rows):
        """Returns the images of these rows, unread: indices or a mask."""
        return StreamedImages(self._source, self._rows[rows])

    def reader(self):
        """Returns a function of rows, int [b], to their pixels as a tensor.

        What it needs to know of all images is put into tensors now, and not
        in each of the graphs that call it.
        """
        read = self._source.reader()
        with tf.device("CPU:0"):
            at = tf.constant(self._rows)
        return lambda rows: read(tf.gather(at, rows))

    def __getitem__(self, rows):
        """Reads: an integer gives [H, W, C], anything else [M, H, W, C].

        Raises:
            BrokenImages: one line that names up to ten.
            UserError: if there is not enough memory.
        """
        picked = self._rows[rows]
        return self._read(picked) if np.ndim(picked) else self._one(picked)

    def __iter__(self):
        for first in range(0, len(self), self._chunk):
            yield from self[first : first + self._chunk]

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("images that are streamed have to be read")
        return self[:].astype(dtype or self.dtype, copy=False)

    @property
    def _chunk(self):
        one = max(math.prod(self._source.image_shape), 1)
        return min(max(_CHUNK_BYTES // one, 1), _CHUNK_IMAGES)

    def _one(self, row):
        try:
            with decoding.without_messages(), tf.device("CPU:0"):
                return self._source.reader()(row[np.newaxis])[0].numpy()
        except tf.errors.OpError:
            raise BrokenImages(f"{self.name}: {self._line_of(row)}") from None

    def _line_of(self, row):
        return f"{self._source.where(row)}: {self._source.fault}"

    def _read(self, rows):
        shape = (len(rows), *self._source.image_shape)
        try:
            images = np.empty(shape, np.uint8)
        except MemoryError:
            raise errors.UserError(
                f"{self.name}: {len(rows)} images of {shape[2]}x"
                f"{shape[1]} pixels are {math.prod(shape) / 2**30:.1f} GiB, "
                "more than there is memory: lower --cache_mib, and they are "
                "read as they are needed"
            ) from None
        with tf.device("CPU:0"):
            pixels = (
                tf.data.Dataset.from_tensor_slices(rows)
                .batch(self._chunk)
                .map(
                    tf.autograph.experimental.do_not_convert(
                        self._source.reader()
                    ),
                    num_parallel_calls=tf.data.AUTOTUNE,
                    deterministic=True,
                )
            )
        first = 0
        with (
            naming_broken(StreamedImages(self._source, rows)),
            decoding.without_messages(),
        ):
            for part in pixels.as_numpy_iterator():
                images[first : first + len(part)] = part
                first += len(part)
        return images

    def broken(self):
        """Reads all images again and returns a line for each that is broken."""
        return [self._line_of(self._rows[k]) for k in self.broken_rows()]

    def broken_rows(self):
        """Reads all images again and returns which are broken, a list."""
        read = tf.function(
            self._source.reader(),
            input_signature=[tf.TensorSpec([None], tf.int64)],
            autograph=False,
        )

        def is_broken(row):
            try:
                with tf.device("CPU:0"):
                    read(row[np.newaxis])
            except tf.errors.OpError:
                return True
            return False

        with (
            decoding.without_messages(),
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
        ):
            return np.flatnonzero(
                list(pool.map(is_broken, self._rows))
            ).tolist()

    @property
    def name(self):
        """What a message calls them."""
        return self._source.name


def held(images, cache_mib):
    """Reads images into memory if they are few enough.

    Args:
        images: `StreamedImages`.
        cache_mib: how many MiB of pixels are few enough.

    Returns:
        An array uint8 [N, H, W, C], or the images as they came.

    Raises:
        UserError: as indexing does.
    """
    return images[:] if images.nbytes <= cache_mib * 2**20 else images


def take(images, rows):
    """Returns some rows of an array, or of `StreamedImages`, unread."""
    streamed = isinstance(images, StreamedImages)
    return images.take(rows) if streamed else images[rows]


def reader(images):
    """Returns a function of rows, an int tensor [b], to pixels.

    Args:
        images: an array uint8 [N, H, W, C], or `StreamedImages`.

    Returns:
        int [b] -> uint8 [b, H, W, C], tensors in the host's memory.
    """
    if isinstance(images, StreamedImages):
        return images.reader()
    with tf.device("CPU:0"):
        return functools.partial(tf.gather, tf.constant(images))


@contextlib.contextmanager
def naming_broken(*several):
    """Turns TensorFlow's error on an image into a line that names it.

    Which of the images it was TensorFlow does not say.  So all are read once
    more, and all that are broken are named, which may take as long as a pass
    over the data.

    Args:
        *several: whatever images the body iterates over: arrays, in which
            nothing is broken, or `StreamedImages`.

    Raises:
        BrokenImages: one line that names up to ten.
    """
    try:
        yield
    except tf.errors.OpError as error:
        streams = [s for s in several if isinstance(s, StreamedImages)]
        # Where it was read, and not what was done with it on a device.
        if not streams or "IteratorGetNext" not in str(error):
            raise
        for stream in streams:
            if len(stream) > _CHUNK_IMAGES:
                print(
                    f"{stream.name}: an image cannot be read; looking through "
                    f"{len(stream)} for it",
                    file=sys.stderr,
                )
            found = stream.broken()
            if found:
                raise BrokenImages(
                    problems_lib.describe(stream.name, found)
                ) from None
        first_line = error.message.strip().splitlines()[0]
        raise BrokenImages(
            f"{streams[0].name}: an image could not be read, and now all can: "
            f"{first_line}"
        ) from None
