"""Looks at the batches of a user's `tf.data.Dataset`, on the host.

So labels out of range, images with NaN and examples that change their places
are found whatever device trains, and whether XLA compiles the step.
"""

import zlib

import numpy as np
import tensorflow as tf

from tfnoisy.methods.fitting import checks

# How many values of an image its fingerprint is of.
_SAMPLED = 64
# In place of a label and a fingerprint that have not been seen.
_UNSEEN = -1
REMEDY = (
    "give `fit` arrays; or number the examples before they are shuffled and "
    "let the data set give {images, labels, ids}; or do not shuffle it"
)


class Watch:
    """Checks each batch, and that an id stays with its example.

    Attributes:
        problems: the lines of what is wrong, empty while nothing is.
        shuffled: whether the examples have changed their places.
        views_change: whether images differ from one pass to the next, as
            under random augmentation.
    """

    def __init__(self, num_classes, compare=None, num_ids=None):
        """Prepares the checks.

        Args:
            num_classes: C.
            compare: `ids` to check that an id keeps its label; `positions`
                that the examples keep their places, which their ids are; None
                for neither.
            num_ids: ids lie below it; None for any.
        """
        self.problems = []
        self.shuffled = self.views_change = False
        self._num_classes = num_classes
        self._by = compare
        self._num_ids = num_ids
        self._labels = np.full(0, _UNSEEN, np.int64)
        self._prints = np.full(0, _UNSEEN, np.int64)
        # Of the passes before, sorted.
        self._known = self._prints

    def map(self, batch):
        """Returns the batch once it has been looked at; for `Dataset.map`.

        Args:
            batch: {images, labels, ids, ...}.
        """
        images = batch["images"]
        flat = tf.reshape(images, [tf.shape(images)[0], -1])
        finite = tf.ones(tf.shape(flat)[:1], tf.bool)
        if images.dtype.is_floating:
            finite = tf.reduce_all(tf.math.is_finite(flat), 1)
        width = tf.shape(flat)[1]
        columns = tf.range(_SAMPLED) * tf.maximum(width // _SAMPLED, 1)
        sampled = tf.gather(flat, tf.minimum(columns, width - 1), axis=1)
        seen = tf.numpy_function(
            self._look, [batch["labels"], batch["ids"], finite, sampled], "bool"
        )
        with tf.control_dependencies([seen]):
            return {**batch, "images": tf.identity(images)}

    def raise_problems(self):
        """Raises an `ArgumentError` of what was found, if anything was."""
        checks.refuse(self.problems)

    def _look(self, labels, ids, finite, sampled):
        found = self._problems(labels, ids, finite, sampled)
        if found:
            # The first ones: batches are read ahead.
            self.problems = self.problems or found
            raise ValueError("; ".join(found))
        return np.True_

    def _problems(self, labels, ids, finite, sampled):
        labels, problems = checks.labels(labels, self._num_classes)
        if problems:
            first = f"in the batch of examples {ids[0]} to {ids[-1]}: "
            return [first + line for line in problems]
        (bad,) = np.nonzero(~finite)
        if len(bad):
            return [
                "images with values that are not finite (NaN or infinity): "
                + ", ".join(f"example {ids[row]}" for row in bad[:5])
            ]
        outside = (ids < 0) | (
            ids >= (np.inf if self._num_ids is None else self._num_ids)
        )
        if outside.any():
            return [
                f"the id {ids[outside][0]} is outside 0...num_ids - 1 = "
                f"{self._num_ids - 1}"
                if self._num_ids
                else f"the id {ids[outside][0]} is negative"
            ]
        if labels.ndim == 2:
            labels = labels.argmax(1)
        if self._by is None:
            return []
        prints = np.array(
            [zlib.crc32(np.ascontiguousarray(row).tobytes()) for row in sampled]
        )
        return self._compare(ids, labels, prints)

    def _compare(self, ids, labels, prints):
        """Compares with what was seen under these ids before."""
        missing = int(ids.max()) + 1 - len(self._labels)
        if missing > 0:
            # Twice as long, so that it seldom grows.
            missing += len(self._labels)
            unseen = np.full(missing, _UNSEEN, np.int64)
            self._labels = np.append(self._labels, unseen)
            self._prints = np.append(self._prints, unseen)
        if ids[0] == 0:
            self._known = np.sort(self._prints)
        before, prints_before = self._labels[ids], self._prints[ids]
        again = before != _UNSEEN
        relabelled = again & (before != labels)
        changed = again & (prints_before != prints)
        # What is new at its place, but was seen at another one.
        moved = changed & self._is_known(prints)
        if self._by == "positions" and (relabelled | moved).any():
            row = np.flatnonzero(relabelled | moved)[0]
            self.shuffled = True
            return [
                f"example {ids[row]} of the data set is another one than in "
                "the pass before: it is shuffled, and without ids a label "
                f"cannot be told from another one's; {REMEDY}"
            ]
        if relabelled.any():
            row = np.flatnonzero(relabelled)[0]
            return [
                f"the example with the id {ids[row]} had the label "
                f"{before[row]} and has {labels[row]} now"
            ]
        self.views_change |= bool(changed.any())
        self._labels[ids] = labels
        self._prints[ids] = prints
        return []

    def _is_known(self, prints):
        """Returns which fingerprints were there before, bool [B]."""
        if not len(self._known):
            return np.zeros(len(prints), bool)
        places = np.searchsorted(self._known, prints)
        return self._known[np.minimum(places, len(self._known) - 1)] == prints


def numbered(batches):
    """Adds ids, the positions in a pass, to batches that have none."""
    if "ids" in batches.element_spec:
        return batches

    def number(position, batch):
        size = tf.shape(batch["labels"], tf.int64)[0]
        ids = position + tf.range(size)
        return position + size, {**batch, "ids": ids}

    return batches.scan(tf.constant(0, tf.int64), number)


def begins_alike(batches, num_classes):
    """Returns whether two passes over batches begin with the same examples.

    Args:
        batches: a `tf.data.Dataset` of {images, labels, ids}, the ids being
            positions.
        num_classes: C.

    Raises:
        ArgumentError: for labels or images that a method cannot take.
    """
    watch = Watch(num_classes, "positions")
    watched = batches.take(1).map(watch.map)
    try:
        for _ in range(2):
            for _ in watched:
                pass
    except tf.errors.OpError:
        if watch.shuffled:
            return False
        watch.raise_problems()
        raise
    return True
