"""Where images lie among each other: what the rule needs of their features.

None of it depends on the labels, so it is computed once.

The neighbours of an image are found by cosine, after the mean over all images
has been subtracted.  Two of one group, i.e. near duplicates, are never
neighbours: they would confirm each other's label.
"""

import dataclasses

import numpy as np
from scipy import linalg, sparse

from tfnoisy import errors

# Rows that are in memory a second time, at a time.
_BLOCK = 1000
# Cosines that are in memory at a time, with as many row numbers of 8 bytes.
_COSINES = 2**24
# So many more are looked up as vote, for some may be duplicates.
_SPARE = 10
# Of a neighbour's weight exp((cosine - largest cosine) / temperature).
_TEMPERATURE = 0.1
# Eigenvalues below this share of the largest are rounding.
_LEAST_EIGENVALUE = 1e-10


@dataclasses.dataclass(frozen=True, eq=False)
class Geometry:
    """What the rule needs to know of N images.

    Attributes:
        unit: float32 [N, D], centred features of length 1.
        mean: float64 [D], what was subtracted.
        near: int32 [N, K], rows of the nearest images, nearest first,
            duplicates among them.
        near_cosines: float32 [N, K], their cosines.
        neighbours: int32 [N, k], rows of the nearest images outside of the
            own group, nearest first; -1 where there are not so many.
        cosines: float32 [N, k], of the neighbours; -inf beside a -1.
        eigenvalues: float64 [R], of the Gram matrix of `unit` less its mean.
        right: float64 [D, R], its eigenvectors.
        left: float64 [N, R], `unit` less its mean, times the eigenvectors,
            over sqrt(eigenvalues).
        groups: int64 [N], equal for near duplicates.
    """

    unit: np.ndarray
    mean: np.ndarray
    near: np.ndarray
    near_cosines: np.ndarray
    neighbours: np.ndarray
    cosines: np.ndarray
    eigenvalues: np.ndarray
    right: np.ndarray
    left: np.ndarray
    groups: np.ndarray

    def __len__(self):
        return len(self.unit)

    def with_groups(self, groups):
        """Returns the geometry where images of one group are no neighbours.

        Args:
            groups: int [N], equal for near duplicates.

        Raises:
            UserError: if there are not N.
        """
        groups = np.asarray(groups)
        if groups.shape != (len(self),):
            raise errors.UserError(
                f"groups of shape {list(groups.shape)} for {len(self)} images"
            )
        k = num_neighbours(len(self))
        others = groups[self.near] != groups[:, np.newaxis]
        # Others first; the sort is stable, so nearest first.
        order = np.argsort(~others, axis=1, kind="stable")[:, :k]
        neighbours = np.take_along_axis(self.near, order, axis=1)
        cosines = np.take_along_axis(self.near_cosines, order, axis=1)
        short = np.flatnonzero(others.sum(axis=1) < k)
        if short.size:
            neighbours[short], cosines[short] = nearest(
                self.unit[short],
                self.unit,
                k,
                lambda number: groups == groups[short[number]],
            )
        return dataclasses.replace(
            self, neighbours=neighbours, cosines=cosines, groups=groups
        )

    def vote_weights(self):
        """Returns a sparse [N, N] matrix; rows sum to 1, or to 0 if alone."""
        known = self.neighbours >= 0
        largest = np.where(known[:, :1], self.cosines[:, :1], 0)
        weights = np.exp(
            np.where(known, self.cosines - largest, -np.inf).astype(np.float64)
            / _TEMPERATURE
        )
        weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-300)
        rows = np.broadcast_to(np.arange(len(self))[:, np.newaxis], known.shape)
        return sparse.csr_array(
            (weights[known], (rows[known], self.neighbours[known])),
            shape=(len(self), len(self)),
        )


def measure(features, groups=None):
    """Returns the `Geometry` of features.

    Args:
        features: floats [N, D], finite, N at least 3.
        groups: int [N], equal for near duplicates; None if there are none.

    Raises:
        UserError: if the features are not finite, or all alike.
    """
    features = check_features(features)
    count = len(features)
    mean = features.mean(axis=0, dtype=np.float64)
    unit = unit_vectors(features, mean)
    k = num_neighbours(count)
    near, cosines = nearest(
        unit, unit, min(k + _SPARE, count - 1), lambda row: row
    )
    eigenvalues, right, left = _spectrum(unit)
    measured = Geometry(
        unit=unit,
        mean=mean,
        near=near,
        near_cosines=cosines,
        neighbours=near[:, :k],
        cosines=cosines[:, :k],
        eigenvalues=eigenvalues,
        right=right,
        left=left,
        groups=np.arange(count),
    )
    return measured if groups is None else measured.with_groups(groups)


def num_neighbours(count):
    """Returns how many neighbours vote among `count` images."""
    return min(50, max(5, count // 10), count - 1)


def check_features(features, count=None):
    """Returns features as an array of floats [N, D] if that is what they are.

    Args:
        features: what is to be checked.
        count: N, or None for any number from 3 on.

    Raises:
        UserError: for another shape or type, for numbers that are not finite,
            and for features that are the same for all images.
    """
    features = np.asarray(features)
    if features.ndim != 2 or not features.size:
        raise errors.UserError(
            f"features of shape {list(features.shape)}: [N, D] is wanted, a "
            "row of numbers for each image"
        )
    if features.dtype.kind not in "fiub":
        raise errors.UserError(
            f"features are of type {features.dtype}; real numbers are wanted"
        )
    if count is not None and len(features) != count:
        raise errors.UserError(
            f"there are {len(features)} rows of features for {count} labels"
        )
    if len(features) < 3:
        raise errors.UserError(
            f"{len(features)} images are too few to compare; at least 3 are "
            "needed"
        )
    if features.dtype not in (np.float32, np.float64):
        features = features.astype(np.float32)
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise errors.UserError(
            f"the features of {bad.size} of {len(features)} images are not "
            f"finite numbers, the first in row {bad[0]}"
        )
    if (features == features[0]).all():
        raise errors.UserError(
            f"the features of all {len(features)} images are the same: they "
            "do not tell images apart"
        )
    return features


def unit_vectors(features, mean):
    """Returns centred features of length 1, float32 [N, D].

    A row that equals the mean stays 0: its cosine to every other is 0.

    Args:
        features: floats [N, D].
        mean: [D].
    """
    unit = np.empty(features.shape, np.float32)
    for first in range(0, len(features), _BLOCK):
        centred = features[first : first + _BLOCK] - mean
        # Features of any scale: squares must neither overflow nor vanish.
        centred /= np.maximum(
            np.abs(centred).max(axis=1, keepdims=True), np.finfo(float).tiny
        )
        lengths = np.sqrt(np.einsum("nd,nd->n", centred, centred))
        unit[first : first + _BLOCK] = (
            centred / np.where(lengths > 0, lengths, 1)[:, np.newaxis]
        )
    return unit


def nearest(queries, among, k, excluded=None):
    """Returns the k nearest of each row by cosine.

    Args:
        queries: float32 [M, D], rows of length 1.
        among: float32 [N, D], likewise, where to look.
        k: how many.
        excluded: a function of a row's number in `queries` to the rows of
            `among` (numbers or a mask) that are none of its neighbours.

    Returns:
        (int32 [M, k], float32 [M, k]): rows and cosines, nearest first; -1
        and -inf where there are fewer than k.
    """
    k = min(k, len(among))
    rows = np.empty([len(queries), k], np.int32)
    cosines = np.empty([len(queries), k], np.float32)
    step = block_size(len(among))
    for first in range(0, len(queries), step):
        here = slice(first, first + step)
        block = queries[here] @ among.T
        if excluded is not None:
            for number, line in enumerate(block):
                line[excluded(first + number)] = -np.inf
        picked = np.argpartition(block, -k, axis=1)[:, -k:]
        values = np.take_along_axis(block, picked, axis=1)
        # By cosine downwards; equal ones by row.
        order = np.lexsort((picked, -values), axis=1)
        rows[here] = np.take_along_axis(picked, order, axis=1)
        cosines[here] = np.take_along_axis(values, order, axis=1)
    rows[np.isneginf(cosines)] = -1
    return rows, cosines


def block_size(count):
    """Returns how many rows are compared with `count` others at a time."""
    return min(_BLOCK, max(16, _COSINES // count))


def rows_of_groups(groups):
    """Yields (group, rows of it), groups in ascending order."""
    order = np.argsort(groups, kind="stable")
    names, firsts = np.unique(np.asarray(groups)[order], return_index=True)
    yield from zip(names.tolist(), np.split(order, firsts[1:]))


def _spectrum(unit):
    """Returns eigenvalues [R], eigenvectors [D, R] and left vectors [N, R]."""
    count, size = unit.shape
    mean = unit.mean(axis=0, dtype=np.float64)
    gram = np.zeros([size, size])
    for first in range(0, count, _BLOCK):
        centred = unit[first : first + _BLOCK] - mean
        gram += centred.T @ centred
    values, vectors = linalg.eigh(gram, overwrite_a=True, check_finite=False)
    kept = values > _LEAST_EIGENVALUE * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    left = np.empty([count, len(values)])
    for first in range(0, count, _BLOCK):
        centred = unit[first : first + _BLOCK] - mean
        left[first : first + _BLOCK] = centred @ vectors
    left /= np.sqrt(values)
    return values, vectors, left
