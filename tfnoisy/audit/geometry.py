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

# Rows whose cosines to all others are in memory at a time.
_BLOCK = 1000
# Of a neighbour's weight exp((cosine - largest cosine) / temperature).
_TEMPERATURE = 0.1
# Eigenvalues below this share of the largest are rounding.
_LEAST_EIGENVALUE = 1e-10


@dataclasses.dataclass(frozen=True, eq=False)
class Geometry:
    """What the rule needs to know of N images.

    Attributes:
        neighbours: int32 [N, k], rows of the nearest images, nearest first;
            -1 where there are not so many outside of the image's own group.
        cosines: float32 [N, k], of the neighbours; -inf beside a -1.
        eigenvalues: float64 [R], of the Gram matrix of the centred features.
        left: float64 [N, R], the left singular vectors: centred features
            times the Gram matrix's eigenvectors over sqrt(eigenvalues).
        right: float64 [D, R], the eigenvectors.
        mean: float64 [D], the mean of the features.
        groups: int64 [N], equal for near duplicates.
    """

    neighbours: np.ndarray
    cosines: np.ndarray
    eigenvalues: np.ndarray
    left: np.ndarray
    right: np.ndarray
    mean: np.ndarray
    groups: np.ndarray

    def __len__(self):
        return len(self.neighbours)

    def vote_weights(self):
        """Returns a sparse [N, N] matrix; rows sum to 1, or to 0 if alone."""
        known = self.neighbours >= 0
        weights = np.exp(
            (self.cosines.astype(np.float64) - self.cosines[:, :1].clip(-2))
            / _TEMPERATURE,
            where=known,
            out=np.zeros(known.shape),
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
    if groups is None:
        groups = np.arange(count)
    mean = features.mean(axis=0, dtype=np.float64)
    unit = unit_vectors(features, mean)
    neighbours, cosines = nearest(unit, num_neighbours(count), groups)
    eigenvalues, right, left = _spectrum(unit)
    return Geometry(
        neighbours=neighbours,
        cosines=cosines,
        eigenvalues=eigenvalues,
        left=left,
        right=right,
        mean=mean,
        groups=np.asarray(groups),
    )


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


def nearest(unit, k, groups=None, others=None):
    """Returns the k nearest of each row by cosine.

    Args:
        unit: float32 [N, D], rows of length 1.
        k: how many.
        groups: int [N]; rows of one group are never neighbours.  By default
            only a row and itself are not.
        others: float32 [M, D], where to look for neighbours in place of `unit`
            itself; then there are no groups.

    Returns:
        (int32 [N, k], float32 [N, k]): rows and cosines, nearest first; -1
        and -inf where there are fewer than k.
    """
    among = unit if others is None else others
    k = min(k, len(among))
    rows = np.full([len(unit), k], -1, np.int32)
    cosines = np.full([len(unit), k], -np.inf, np.float32)
    same_group = None if others is not None else _same_group(groups, len(unit))
    for first in range(0, len(unit), _BLOCK):
        here = slice(first, min(first + _BLOCK, len(unit)))
        block = unit[here] @ among.T
        if same_group is not None:
            for row in range(here.start, here.stop):
                block[row - first, same_group(row)] = -np.inf
        picked = np.argpartition(block, -k, axis=1)[:, -k:]
        values = np.take_along_axis(block, picked, axis=1)
        # By cosine downwards; equal ones by row.
        order = np.lexsort((picked, -values), axis=1)
        rows[here] = np.take_along_axis(picked, order, axis=1)
        cosines[here] = np.take_along_axis(values, order, axis=1)
    rows[np.isneginf(cosines)] = -1
    return rows, cosines


def _same_group(groups, count):
    """Returns a function of a row to all rows of its group."""
    if groups is None:
        return lambda row: row
    members = {
        group: rows for group, rows in rows_of_groups(groups) if len(rows) > 1
    }
    groups = np.asarray(groups)
    if len(groups) != count:
        raise errors.UserError(
            f"there are {len(groups)} groups for {count} images"
        )
    return lambda row: members.get(groups[row], row)


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
