"""Images that are nearly the same, and test images that are in training.

Five rules; each finds what the others miss:

    same pixels   the images are equal
    pixels        thumbnails of 16 x 16 pixels, plain or mirrored, correlate
                  by 0.95, or without colour by 0.98: re-encoded, mirrored,
                  brighter
    crop          one is like a part of the other, of three quarters of its
                  side or more, by 0.96
    gap           the nearest image is nearer than the second nearest by 0.2
                  in cosine: what else leaves a picture itself
    features      cosine 0.9 and thumbnails 0.8: where there are several copies
                  and hence no gap
"""

import dataclasses

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from tfnoisy.audit import geometry

SAME_PIXELS, PIXELS, CROP, GAP, FEATURES = RULES = (
    "same pixels",
    "pixels",
    "crop",
    "gap",
    "features",
)
_PIXEL_CORRELATION, _LEAST_COSINE, _LUMA_CORRELATION = 0.95, 0.3, 0.98
_CROP_CORRELATION, _CROP_COSINE, _CROP_SCREEN = 0.96, 0.6, 0.9
# So many of the nearest images are looked at for crops.
_NEAREST = 2
_GAP = 0.2
_NEAR_COSINE, _NEAR_CORRELATION = 0.9, 0.8
# Fewer images lie so far apart that gaps say nothing.
_LEAST_FOR_GAPS = 1000


@dataclasses.dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of images that are nearly the same, the nearest first.

    Attributes:
        first: int64 [P], rows.
        second: int64 [P], rows; of the other set, where there are two.
        rules: P of `RULES`: the first one that applies.
        cosines: float32 [P], of the features.
        correlations: float32 [P], of the thumbnails: the larger of plain and
            mirrored.
    """

    first: np.ndarray
    second: np.ndarray
    rules: tuple[str, ...]
    cosines: np.ndarray
    correlations: np.ndarray

    def __len__(self):
        return len(self.first)

    def groups(self, count, also=((), ())):
        """Returns int64 [count], equal for images that pairs connect.

        A group's number is the row of its first image.

        Args:
            count: N, of one set of images.
            also: two int arrays of equal lengths, further pairs of rows.
        """
        first = np.concatenate([self.first, np.asarray(also[0], np.int64)])
        second = np.concatenate([self.second, np.asarray(also[1], np.int64)])
        links = sparse.coo_array(
            (np.ones(len(first)), (first, second)), shape=(count, count)
        )
        _, parts = csgraph.connected_components(links, directed=False)
        _, firsts = np.unique(parts, return_index=True)
        return firsts[parts]


def find(measured, pixels):
    """Finds the near duplicates among images.

    Args:
        measured: a `geometry.Geometry`.
        pixels: their `thumbnails.Thumbnails`.

    Returns:
        `Pairs` of rows, first < second.
    """
    found = _Found(measured.unit, pixels, measured.unit, pixels)
    found.add(SAME_PIXELS, *_equal(pixels.digests, pixels.digests))
    found.add_pixels(*_alike(pixels))
    found.add_nearest(measured.near, measured.near_cosines, len(measured))
    rows, places = np.nonzero(measured.near_cosines >= _NEAR_COSINE)
    others = measured.near[rows, places]
    alike = pixels.correlations(rows, pixels, others) >= _NEAR_CORRELATION
    found.add(FEATURES, rows[alike], others[alike])
    return found.pairs(ordered=True)


def find_leaks(test_unit, train_unit, test_pixels, train_pixels):
    """Finds test images that are nearly the same as a training image.

    Thumbnails are compared all with all, for saving a picture again can move
    its features far away; parts, gaps and features with the two nearest
    training images.

    Args:
        test_unit: float32 [M, D], features centred by the training mean, of
            length 1.
        train_unit: float32 [N, D], likewise.
        test_pixels: `thumbnails.Thumbnails` of the test images.
        train_pixels: those of the training images.

    Returns:
        `Pairs`, first a row of the test images, second of the training images.
    """
    near, cosines = geometry.nearest(test_unit, train_unit, 2)
    found = _Found(test_unit, test_pixels, train_unit, train_pixels)
    found.add(SAME_PIXELS, *_equal(test_pixels.digests, train_pixels.digests))
    found.add_pixels(*_alike(test_pixels, train_pixels))
    found.add_nearest(near, cosines, len(train_unit))
    rows, places = np.nonzero(cosines >= _NEAR_COSINE)
    found.add(FEATURES, rows, near[rows, places])
    return found.pairs(ordered=False)


def find_equal(unit, pixels):
    """Finds images of equal pixels alone, as `find` finds near duplicates.

    Args:
        unit: float32 [N, D], features of length 1.
        pixels: a `thumbnails.Thumbnails` of the images.
    """
    found = _Found(unit, pixels, unit, pixels)
    found.add(SAME_PIXELS, *_equal(pixels.digests, pixels.digests))
    return found.pairs(ordered=True)


def find_equal_leaks(test_pixels, train_pixels):
    """Finds test images with the pixels of a training image.

    Args:
        test_pixels: a `thumbnails.Thumbnails` of M images.
        train_pixels: those of N images.

    Returns:
        `Pairs` as of `find_leaks`, with cosines of 1.
    """
    ones = [
        np.ones([len(p), 1], np.float32) for p in (test_pixels, train_pixels)
    ]
    found = _Found(ones[0], test_pixels, ones[1], train_pixels)
    found.add(SAME_PIXELS, *_equal(test_pixels.digests, train_pixels.digests))
    return found.pairs(ordered=False)


class _Found:
    """Collects pairs rule by rule."""

    def __init__(self, unit, pixels, other_unit, other_pixels):
        self._unit, self._pixels = unit, pixels
        self._other_unit, self._other_pixels = other_unit, other_pixels
        self._parts = []

    def add(self, rule, rows, others):
        """Adds pairs."""
        self._parts.append(
            (rule, np.asarray(rows, np.int64), np.asarray(others, np.int64))
        )

    def add_pixels(self, rows, others):
        """Adds those of the pairs of like thumbnails that are the same."""
        same = self._cosines(rows, others) >= _LEAST_COSINE
        # A strong compression can move the features far away.
        same |= (
            self._pixels.luma_correlations(rows, self._other_pixels, others)
            >= _LUMA_CORRELATION
        )
        self.add(PIXELS, rows[same], others[same])

    def add_nearest(self, near, cosines, count):
        """Adds crops and gaps.

        Args:
            near: int [N, K], the nearest images of each row.
            cosines: float32 [N, K], of these.
            count: among how many images they are the nearest.
        """
        rows, places = np.nonzero(cosines[:, :_NEAREST] >= _CROP_COSINE)
        others = near[rows, places]
        if self._pixels is self._other_pixels:
            # Most of the nearest are so mutually: look at each pair once.
            rows, others = np.unique(
                np.sort(np.stack([rows, others]), axis=0), axis=1
            )
        crops = (
            self._pixels.crop_correlations(
                rows, self._other_pixels, others, _CROP_SCREEN
            )
            >= _CROP_CORRELATION
        )
        self.add(CROP, rows[crops], others[crops])
        if count >= _LEAST_FOR_GAPS:
            rows = np.flatnonzero(cosines[:, 0] - cosines[:, 1] >= _GAP)
            self.add(GAP, rows, near[rows, 0])

    def _cosines(self, rows, others):
        return np.einsum("pd,pd->p", self._unit[rows], self._other_unit[others])

    def pairs(self, ordered):
        """Returns the `Pairs`; each once, with the first rule that found it.

        Args:
            ordered: whether (a, b) and (b, a) are the same pair.
        """
        names = [rule for rule, rows, _ in self._parts for _ in rows]
        rows = np.concatenate([part[1] for part in self._parts])
        others = np.concatenate([part[2] for part in self._parts])
        if ordered:
            rows, others = np.minimum(rows, others), np.maximum(rows, others)
        _, firsts = np.unique(
            np.stack([rows, others]), axis=1, return_index=True
        )
        firsts.sort()
        rows, others = rows[firsts], others[firsts]
        cosines = self._cosines(rows, others)
        order = np.argsort(-cosines, kind="stable")
        return Pairs(
            rows[order],
            others[order],
            tuple(names[place] for place in firsts[order]),
            cosines[order],
            self._pixels.correlations(
                rows[order], self._other_pixels, others[order]
            ),
        )


def _equal(digests, others):
    """Returns pairs of rows of equal digests: each with the first such one."""
    first_of = {}
    for row, digest in reversed(list(enumerate(others))):
        first_of[digest] = row
    within = digests is others
    pairs = [
        (row, first_of[digest])
        for row, digest in enumerate(digests)
        if digest in first_of and not (within and first_of[digest] == row)
    ]
    return np.array(pairs, np.int64).reshape(-1, 2).T


def _alike(pixels, others=None):
    """Returns all pairs of rows whose thumbnails correlate enough.

    Args:
        pixels: a `thumbnails.Thumbnails`.
        others: what to compare them with; None for themselves, each pair once.
    """
    found = [np.empty([2, 0], np.int64)]
    step = geometry.block_size(len(pixels if others is None else others))
    for first in range(0, len(pixels), step):
        here = slice(first, first + step)
        start = first if others is None else 0
        rest = (pixels if others is None else others).plain[start:].T
        for part in (pixels.plain[here], pixels.mirrored[here]):
            rows, places = np.nonzero(part @ rest >= _PIXEL_CORRELATION)
            pairs = np.stack([rows + first, places + start])
            if others is None:
                pairs = pairs[:, pairs[0] < pairs[1]]
            found.append(pairs)
    return np.concatenate(found, axis=1)
