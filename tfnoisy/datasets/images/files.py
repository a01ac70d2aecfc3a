"""Images that are files, one each."""

import concurrent.futures
import functools
import os

import tensorflow as tf

from tfnoisy.datasets.images import decoding

# Files that one task of a thread looks at: enough that tasks cost nothing.
_FILES_AT_ONCE = 1000


class FileImages:
    """A source of `streamed.StreamedImages`: PNG, JPEG or GIF files."""

    fault = "broken image"

    def __init__(self, name, paths, image_shape, *, where, crop=False):
        """Names the files; nothing is read yet.

        Args:
            name: what a message calls all of them.
            paths: N strings.
            image_shape: (H, W, C) to resize to, see `decoding.decode`.
            where: row -> what a message calls an image.
            crop: see `decoding.decode`.
        """
        self.name = name
        self.image_shape = tuple(image_shape)
        self.where = where
        self._paths = paths
        self._crop = crop

    def __len__(self):
        return len(self._paths)

    def reader(self):
        """Returns a function of rows, int [b], to uint8 [b, H, W, C]."""
        paths = self._path_tensor
        spec = tf.TensorSpec(self.image_shape, tf.uint8)
        return lambda rows: tf.map_fn(
            self._read, tf.gather(paths, rows), fn_output_signature=spec
        )

    def _read(self, path):
        return decoding.decode(
            tf.io.read_file(path), self.image_shape, self._crop
        )

    @functools.cached_property
    def _path_tensor(self):
        with tf.device("CPU:0"):
            # Not every name of a file is UTF-8.
            return tf.constant([os.fsencode(path) for path in self._paths])

    def check_heads(self, rows, problems):
        """Finds files that do not begin as images do.

        That is what most broken files are: empty ones, or a web server's
        page in place of an image.  One that only ends too early is found out
        when it is read.

        Args:
            rows: int [M].
            problems: a list that gets a line for each thing that is wrong.
        """

        def strange(part):
            return [row for row in part if not self._begins_well(row)]

        parts = [
            rows[k : k + _FILES_AT_ONCE]
            for k in range(0, len(rows), _FILES_AT_ONCE)
        ]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for found in pool.map(strange, parts):
                problems += [f"{self.where(k)}: {self.fault}" for k in found]

    def _begins_well(self, row):
        try:
            with open(self._paths[row], "rb", buffering=0) as file:
                return decoding.is_image(file.read(decoding.HEAD_BYTES))
        except OSError:
            return False
