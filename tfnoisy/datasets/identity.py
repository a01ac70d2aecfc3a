"""Which example is which after a folder of images has changed.

An example is known by its key, the path of its image, and by the SHA-256 of
the image's file.  What was remembered of an image that was renamed or moved
follows its contents; what was remembered of one that was replaced by another
under the same name is not the other's.
"""

import collections
import dataclasses

import numpy as np

_SEPARATOR = "\0"


@dataclasses.dataclass(frozen=True)
class Match:
    """Present examples beside remembered ones.

    Attributes:
        rows: int64 [N], of each present example its row among the
            remembered; -1 where it is not among them.
        renamed: bool [N], those found by their contents, under another name.
        replaced: bool [N], those whose name was remembered with other
            contents.
        gone: int64 [K], rows of the remembered examples that are not there.
    """

    rows: np.ndarray
    renamed: np.ndarray
    replaced: np.ndarray
    gone: np.ndarray

    @property
    def new(self):
        """Bool [N], present examples that were not remembered."""
        return self.rows < 0

    @property
    def is_whole(self):
        """Whether all are there under their names and there are no others."""
        return not (self.new.any() or self.renamed.any() or len(self.gone) > 0)

    def describe(self, keys_before, keys_now):
        """Returns the differences with their counts and an example each.

        Args:
            keys_before: the keys of the remembered examples.
            keys_now: the keys of the present ones.
        """
        found = [
            (self.gone, "gone", keys_before),
            (np.flatnonzero(self.renamed), "renamed", keys_now),
            (np.flatnonzero(self.replaced & self.new), "replaced", keys_now),
            (np.flatnonzero(self.new & ~self.replaced), "new", keys_now),
        ]
        return ", ".join(
            f"{len(rows):,} {'is' if len(rows) == 1 else 'are'} {what} "
            f"(e.g. {keys[rows[0]]})"
            for rows, what, keys in found
            if len(rows)
        )


def match(keys_before, digests_before, keys_now, digests_now):
    """Finds the present examples among those that are remembered.

    Args:
        keys_before: M texts, each once.
        digests_before: uint8 [M, 32], or None if they are not known.
        keys_now: N texts, each once.
        digests_now: uint8 [N, 32], or None.

    Returns:
        A `Match`.
    """
    row_of = {key: row for row, key in enumerate(keys_before)}
    rows = np.array([row_of.get(key, -1) for key in keys_now], np.int64)
    replaced = np.zeros(len(rows), bool)
    renamed = np.zeros(len(rows), bool)
    if digests_before is not None and digests_now is not None:
        named = np.flatnonzero(rows >= 0)
        differing = (digests_before[rows[named]] != digests_now[named]).any(1)
        replaced[named[differing]] = True
        rows[replaced] = -1
        _match_contents(rows, renamed, digests_before, digests_now)
    here = np.zeros(len(keys_before), bool)
    here[rows[rows >= 0]] = True
    return Match(rows, renamed, replaced, np.flatnonzero(~here))


def _match_contents(rows, renamed, digests_before, digests_now):
    """Completes rows by the contents of what has no row yet."""
    taken = np.zeros(len(digests_before), bool)
    taken[rows[rows >= 0]] = True
    waiting = collections.defaultdict(collections.deque)
    for row in np.flatnonzero(~taken):
        waiting[digests_before[row].tobytes()].append(row)
    for k in np.flatnonzero(rows < 0):
        same = waiting.get(digests_now[k].tobytes())
        if same:
            rows[k] = same.popleft()
            renamed[k] = True


def to_array(keys):
    """Returns texts as one array uint8, which `from_array` reads.

    Args:
        keys: texts without NUL characters, names of files among them.
    """
    text = _SEPARATOR.join(keys)
    return np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)


def from_array(array):
    """Returns the tuple of texts that `to_array` was given.

    Raises:
        ValueError: if the array is of something else.
    """
    if array.dtype != np.uint8 or array.ndim != 1:
        raise ValueError("texts are an array of bytes")
    text = array.tobytes().decode("utf-8", "surrogateescape")
    return tuple(text.split(_SEPARATOR))
