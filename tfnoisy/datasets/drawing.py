"""The order of the examples, and the random numbers behind their views.

Both are functions of (seed, epoch, example id).
"""

import dataclasses

import numpy as np
import tensorflow as tf

from tfnoisy import randomness

# AutoGraph has nothing to translate here, and takes seconds for it.
as_is = tf.autograph.experimental.do_not_convert

ENDLESS = np.iinfo(np.int32).max


@dataclasses.dataclass(frozen=True)
class Columns:
    """The random numbers that an example's views take in each visit.

    Attributes:
        count: how many.
        alternating: those that are drawn once for all visits, and move by one
            half from each visit to the next: what happens to an image where
            such a number is below one half happens in every other visit.
    """

    count: int
    alternating: tuple[int, ...] = ()

    @classmethod
    def of(cls, augmentation, num_views=1):
        """Returns those of so many views.

        Args:
            augmentation: an `augment.standard.Augmentation`.
            num_views: how many views of each image, each with its own.
        """
        each = augmentation.num_draws
        return cls(
            num_views * each,
            tuple(
                view * each + column
                for view in range(num_views)
                for column in augmentation.alternating
            ),
        )


@dataclasses.dataclass(frozen=True)
class ExampleRandomness:
    """Random draws for the examples of a data set, by row.

    Attributes:
        ids: int64 [N], a tensor made once: each graph that draws refers to it,
            where a constant in the graph would be as long as the data.
        num_ids: the largest id plus one.
        seed: the run's seed.
    """

    ids: tf.Tensor
    num_ids: int
    seed: int

    @classmethod
    def of(cls, dataset, seed):
        """Returns that of an `ImageDataset`."""
        with tf.device("CPU:0"):
            ids = tf.constant(dataset.ids, tf.int64)
        return cls(ids, dataset.num_ids, seed)

    def shuffled(self, rows, *counters):
        """Returns these rows in the random order that the counters key."""
        keys = self.draws(rows, "shuffle", Columns(1), *counters)
        return tf.gather(rows, tf.argsort(keys[:, 0], stable=True))

    def draws(self, rows, stream, columns, *counters):
        """Returns draws [M, columns.count], uniform in [0, 1), for these rows.

        Args:
            rows: int32 [M].
            stream: a name in `randomness.STREAMS`.
            columns: a `Columns`.
            *counters: integers, the epoch first, that key the draws; the visit
                that alternates is the sum of the first and the last.
        """
        ids = tf.gather(self.ids, rows)

        def drawn(*counters):
            draws = randomness.uniform_by_id(
                self.seed, stream, self.num_ids, columns.count, *counters
            )
            return tf.gather(draws, ids)

        draws = drawn(*counters)
        if not columns.alternating:
            return draws
        epoch, *others = counters
        visit = epoch + (others.pop() if others else 0)
        once = drawn(*[0] * len(counters))
        half = 0.5 * tf.cast(visit % 2, tf.float32)
        alternates = np.isin(range(columns.count), columns.alternating)
        return tf.where(alternates, (once + half) % 1.0, draws)


def example_batches(
    dataset, columns, seed, batch_size, first_batch, shuffle=True
):
    """Returns batches of (row, {stream: draws}), epoch after epoch.

    Args:
        dataset: an `ImageDataset`.
        columns: {stream: `Columns`}.
        seed: the run's seed.
        batch_size: examples per batch.
        first_batch: how many batches have been used up.
        shuffle: whether each epoch has an order of its own.

    Returns:
        A `tf.data.Dataset` of (int32 [batch_size], {stream: float32
        [batch_size, count]}), without end.
    """
    random = ExampleRandomness.of(dataset, seed)
    first_epoch, used_up = divmod(first_batch * batch_size, len(dataset))

    def examples_of(epoch):
        rows = tf.range(len(dataset))
        if shuffle:
            rows = random.shuffled(rows, epoch)
        rows = rows[tf.where(epoch == first_epoch, used_up, 0) :]
        return rows, {
            stream: random.draws(rows, stream, each, epoch)
            for stream, each in columns.items()
        }

    def cut(left_over, epoch):
        """Returns what is left over of this epoch, and the whole batches."""
        examples = tf.nest.map_structure(
            lambda *parts: tf.concat(parts, 0), left_over, examples_of(epoch)
        )
        count = tf.size(examples[0]) // batch_size
        end = count * batch_size

        def batches(tensor):
            shape = [count, batch_size, *tensor.shape[1:]]
            return tf.reshape(tensor[:end], shape)

        return (
            tf.nest.map_structure(lambda tensor: tensor[end:], examples),
            tf.nest.map_structure(batches, examples),
        )

    nothing = (
        tf.zeros([0], tf.int32),
        {stream: tf.zeros([0, each.count]) for stream, each in columns.items()},
    )
    # Not `rebatch`, which would join two epochs too, but with lines of
    # TensorFlow's about it in the log.
    return (
        tf.data.Dataset.range(first_epoch, ENDLESS)
        .scan(nothing, as_is(cut))
        .flat_map(
            as_is(lambda *batches: tf.data.Dataset.from_tensor_slices(batches))
        )
    )
