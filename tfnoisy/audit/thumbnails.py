"""Images made small enough to compare all with all.

Thumbnails are compared by correlation: a change of brightness or contrast
changes nothing.  That of an image and of a part of another finds crops.
"""

import dataclasses
import functools

import numpy as np

from tfnoisy.audit.features import store

SIDE = 32
# All with all are compared at this side, and crops are looked for at it.
_COARSE = 16
# A picture whose values deviate less, in levels of 255, is a plain surface.
_LEAST_DEVIATION = 0.5
# Parts of an image that a crop may be: shares of the side, and places.
_SHARES, _PLACES = (0.94, 0.875, 0.81, 0.75), 5
_BLOCK = 1000
_READ_AT_ONCE = 256
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def of(images):
    """Returns the `Thumbnails` of images, which are read a part at a time.

    Args:
        images: uint8 [N, H, W, C], an array or `streamed.StreamedImages`.
    """
    import tensorflow as tf

    colours = np.empty([len(images), SIDE, SIDE, 3], np.uint8)
    digests = []
    for first in range(0, len(images), _READ_AT_ONCE):
        pixels = images[first : first + _READ_AT_ONCE]
        digests += [store.key_of(image) for image in pixels]
        means = tf.image.resize(pixels, [SIDE, SIDE], "area").numpy()
        colours[first : first + len(pixels)] = np.round(means)
    return Thumbnails(colours, tuple(digests))


@dataclasses.dataclass(frozen=True, eq=False)
class Thumbnails:
    """What is needed of the pixels of N images.

    Attributes:
        colours: uint8 [N, 32, 32, 3], mean colours of parts of each image.
        digests: N times 32 bytes, equal for images of equal pixels.
    """

    colours: np.ndarray
    digests: tuple[bytes, ...]

    def __len__(self):
        return len(self.colours)

    @functools.cached_property
    def plain(self):
        """float32 [N, 768], of length 1: 16 x 16 parts; 0 for a surface."""
        return np.concatenate(
            [
                normalised(_reduced(self.colours[first : first + _BLOCK]))
                for first in range(0, len(self), _BLOCK)
            ]
        )

    @functools.cached_property
    def mirrored(self):
        """float32 [N, 768], the same of the mirrored images."""
        shape = (-1, _COARSE, _COARSE, 3)
        flipped = self.plain.reshape(shape)[:, :, ::-1]
        return flipped.reshape(self.plain.shape)

    def correlations(self, rows, other, other_rows):
        """Returns float32 [P], the larger of plain and mirrored.

        Args:
            rows: int [P].
            other: the `Thumbnails` that `other_rows` are of.
            other_rows: int [P].
        """
        wanted = other.plain[other_rows]
        return np.maximum(
            np.einsum("pd,pd->p", self.plain[rows], wanted),
            np.einsum("pd,pd->p", self.mirrored[rows], wanted),
        )

    def luma_correlations(self, rows, other, other_rows):
        """Returns float32 [P], as `correlations`, without colour."""
        ours = _reduced(self.colours[rows]) @ _LUMA
        wanted = normalised(_reduced(other.colours[other_rows]) @ _LUMA)
        return np.maximum(
            np.einsum("pd,pd->p", normalised(ours), wanted),
            np.einsum("pd,pd->p", normalised(ours[:, :, ::-1]), wanted),
        )

    def crop_correlations(self, rows, other, other_rows, screen):
        """Returns float32 [P], the largest of a whole and a part.

        Either image may be a part of the other, and mirrored.

        Args:
            rows: int [P].
            other: the `Thumbnails` that `other_rows` are of.
            other_rows: int [P].
            screen: what a look at 8 x 8 pixels must give, for a pair to be
                looked at closely.
        """
        rows, other_rows = np.asarray(rows), np.asarray(other_rows)
        found = _crop_scores(
            _reduced(self.colours[rows]), _reduced(other.colours[other_rows])
        )
        close = np.flatnonzero(found >= screen)
        found[close] = _crop_scores(
            self.colours[rows[close]], other.colours[other_rows[close]]
        )
        return found


def normalised(values):
    """Returns centred values of length 1, float32 [N, D]; 0 for a surface.

    Args:
        values: floats [N, ...] in 0..255.
    """
    size = int(np.prod(values.shape[1:]))
    flat = values.reshape(len(values), size).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    lengths = np.sqrt(np.einsum("nd,nd->n", flat, flat))
    flat /= np.maximum(lengths, 1e-6)[:, np.newaxis]
    flat[lengths < _LEAST_DEVIATION * size**0.5] = 0
    return flat


def _reduced(colours):
    """Returns float32 [N, side / 2, side / 2, 3], means of 2 x 2 pixels."""
    count, side = colours.shape[:2]
    parts = colours.reshape(count, side // 2, 2, side // 2, 2, 3)
    return parts.mean(axis=(2, 4), dtype=np.float32)


def _crop_scores(first, second):
    """Returns float32 [P], see `Thumbnails.crop_correlations`.

    Args:
        first: [P, side, side, 3].
        second: likewise.
    """
    best = np.full(len(first), -1, np.float32)
    for start in range(0, len(first), _BLOCK):
        here = slice(start, start + _BLOCK)
        pair = [part[here].astype(np.float32) for part in (first, second)]
        for whole, other in (pair, pair[::-1]):
            small = _reduced(whole)
            wanted = normalised(small), normalised(small[:, :, ::-1])
            for part in _parts(other):
                for view in wanted:
                    score = np.einsum("pd,pd->p", part, view)
                    np.maximum(best[here], score, out=best[here])
    return best


def _parts(images):
    """Yields the parts that a crop may be, float32 [P, D] of length 1.

    Args:
        images: float32 [P, side, side, 3].
    """
    count, side = images.shape[:2]
    for strips in _strips(side):
        # Rows of pixels first, for all strips at once.
        bands = strips.reshape(-1, side) @ images.reshape(count, side, -1)
        for band in np.split(bands, len(strips), axis=1):
            columns = band.reshape(count, side // 2, side, 3).swapaxes(1, 2)
            flat = columns.reshape(count, side, -1)
            for strip in strips:
                yield normalised(
                    # In the order of an image: rows, columns, colours.
                    (strip @ flat)
                    .reshape(count, side // 2, side // 2, 3)
                    .swapaxes(1, 2)
                )


@functools.cache
def _strips(side):
    """Returns, for each share, [places, side / 2, side]: means of a strip."""
    return [
        np.stack(
            [
                _means(share, place, side)
                for place in np.linspace(0, 1 - share, _PLACES)
            ]
        )
        for share in _SHARES
    ]


def _means(share, place, side):
    """Returns [side / 2, side], the means over equal parts of a strip."""
    count = side // 2
    edges = (place + share * np.arange(count + 1) / count) * side
    pixels = np.arange(side)
    upper = np.minimum(edges[1:, np.newaxis], pixels + 1)
    lower = np.maximum(edges[:-1, np.newaxis], pixels)
    overlap = np.maximum(upper - lower, 0)
    return (overlap / overlap.sum(axis=1, keepdims=True)).astype(np.float32)
