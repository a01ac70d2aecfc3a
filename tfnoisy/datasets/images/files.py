"""Images that are files, one each."""

import concurrent.futures
import functools
import os

import numpy as np
import tensorflow as tf

from tfnoisy.datasets.images import decoding, headers

# Files that one task of a thread looks at: enough that tasks cost nothing.
_FILES_AT_ONCE = 1000


class FileImages:
    """A source of `streamed.StreamedImages`: files of `headers.KINDS`."""

    fault = "broken image"

    def __init__(
        self, name, paths, image_shape, *, where, crop=False, plain=None
    ):
        """Names the files; nothing is read yet.

        Args:
            name: what a message calls all of them.
            paths: N strings.
            image_shape: (H, W, C) to resize to, see `decoding.decode`.
            where: row -> what a message calls an image.
            crop: see `decoding.decode`.
            plain: bool [N], the files for which `decoding.plain` will do, as
                `headers.is_plain` says; looked up where they are needed if
                None.
        """
        self.name = name
        self.image_shape = tuple(image_shape)
        self.where = where
        self._paths = paths
        self._crop = crop
        if plain is not None:
            self._plain = np.asarray(plain, bool)

    def __len__(self):
        return len(self._paths)

    def reader(self):
        """Returns a function of rows, int [b], to uint8 [b, H, W, C]."""
        if self._plain.all():
            return self._read_by(decoding.plain)
        with tf.device("CPU:0"):
            plain = tf.constant(self._plain, tf.int32)
        read = self._read_by(decoding.all_kinds), self._read_by(decoding.plain)

        def read_both(rows):
            """Reads the plain files by themselves: that takes less time."""
            places = tf.dynamic_partition(
                tf.range(tf.size(rows)), tf.gather(plain, rows), 2
            )
            images = [f(tf.gather(rows, k)) for f, k in zip(read, places)]
            images = tf.dynamic_stitch(places, images)
            return tf.ensure_shape(images, [None, *self.image_shape])

        return read_both

    def _read_by(self, decoder):
        paths = self._path_tensor
        spec = tf.TensorSpec(self.image_shape, tf.uint8)

        def read(path):
            return decoding.decode(
                tf.io.read_file(path), self.image_shape, self._crop, decoder
            )

        return lambda rows: tf.map_fn(
            read, tf.gather(paths, rows), fn_output_signature=spec
        )

    @functools.cached_property
    def _path_tensor(self):
        with tf.device("CPU:0"):
            # Not every name of a file is UTF-8.
            return tf.constant([os.fsencode(path) for path in self._paths])

    @property
    def begin_as_images(self):
        """Bool [N], the files whose first bytes are those of an image.

        Most broken files do not: empty ones, or a web server's page in place
        of an image.  One that only ends too early is found out when it is
        read.
        """
        return self._looks[0]

    @functools.cached_property
    def _plain(self):
        return self._looks[1]

    @functools.cached_property
    def _looks(self):
        """Bool [2, N]: files that begin as images do, and plain ones."""

        def looks(paths):
            heads = map(_head, paths)
            return [
                (
                    headers.kind_of(head) is not None,
                    headers.is_plain(head),
                )
                for head in heads
            ]

        parts = [
            self._paths[k : k + _FILES_AT_ONCE]
            for k in range(0, len(self._paths), _FILES_AT_ONCE)
        ]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            found = [look for part in pool.map(looks, parts) for look in part]
        return np.array(found, bool).reshape([-1, 2]).T


def _head(path):
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read(headers.PLAIN_BYTES)
    except OSError:
        return b""
