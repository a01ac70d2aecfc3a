"""A version of a model that is loaded, and what it answers."""

import contextlib
import io
import threading

from tfnoisy import errors
from tfnoisy.datasets.images import headers
from tfnoisy.serving.server import request_error

_DEFAULT_SIGNATURE = "serving_default"
# The input of `serving_bytes`, whose values are image files.
_IMAGE_FILES = "image_bytes"
# Of all images of a request together.  While one is decoded it may take 20
# bytes a pixel, so that requests of many pixels wait for each other.
_MOST_PIXELS = 2 * headers.MAX_PIXELS
_MANY_PIXELS = 1 << 25


class ModelVersion:
    """A version that is loaded; `ServedModel` hands it out.

    Attributes:
        number: an int.
        path: its folder.
        session: the `c_loader.Session`.
    """

    def __init__(self, number, path, session, max_batch_size):
        self.number, self.path, self.session = number, path, session
        self._max_batch_size = max_batch_size
        self._many_pixels = threading.Lock()
        self.requests = 0
        self.retired = False

    def signature(self, name):
        """Returns the name and the `c_loader.Signature` that a request means.

        Args:
            name: empty for the default.

        Raises:
            RequestError: if there is none of this name.
        """
        name = name or _DEFAULT_SIGNATURE
        if name not in self.session.signatures:
            raise request_error.RequestError(
                f'Serving signature name: "{request_error.shortened(name)}" '
                "not found in signature def"
            )
        return name, self.session.signatures[name]

    def check_batch_size(self, size):
        """Refuses a batch of too many rows by a `RequestError`."""
        if size > self._max_batch_size:
            raise request_error.RequestError(
                f"a batch of {size:,} is larger than the "
                f"{self._max_batch_size:,} that are answered at a time"
            )

    def predict(self, signature, inputs, outputs=None):
        """Answers a request.

        Args:
            signature: its name.
            inputs: {name: array}.
            outputs: names of those that are asked for; all if None.

        Returns:
            {name: array}.

        Raises:
            RequestError: if it is refused.
        """
        pixels = 0
        for name, array in inputs.items():
            if array.ndim:
                self.check_batch_size(len(array))
            if name == _IMAGE_FILES:
                pixels += _count_pixels(array.flat)
        many = self._many_pixels if pixels > _MANY_PIXELS else None
        with many or contextlib.nullcontext():
            try:
                return self.session.run(signature, inputs, outputs)
            except errors.UserError as error:
                raise request_error.RequestError(error) from error


def _count_pixels(files):
    """Returns how many pixels image files have, by their headers.

    What is no image at all is left to the model.

    Raises:
        RequestError: if one has too many, or all have together.
    """
    total = 0
    for number, file in enumerate(files):
        try:
            header = headers.read(io.BytesIO(file))
            total += header.width * header.height
        except headers.TooManyPixelsError as error:
            raise request_error.RequestError(
                f"image {number} is refused: {error}"
            ) from error
        except headers.HeaderError:
            pass
    if total > _MOST_PIXELS:
        raise request_error.RequestError(
            f"the images of a request have {total:,} pixels, more than the "
            f"{_MOST_PIXELS:,} that are decoded at a time"
        )
    return total
