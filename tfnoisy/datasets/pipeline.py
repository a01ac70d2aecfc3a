"""From a data set to batches: tf.data, and no Python in its path (but for
records that are streamed, see `record_images`).

The order of the examples and every view of them are functions of (seed,
epoch, example id), so the stream can be entered at any batch: a resumed run
asks for the batch it needs next and gets exactly what it would have got.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from tfnoisy.augment import standard
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import drawing
from tfnoisy.datasets import views as views_lib
from tfnoisy.datasets.images import streamed


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """A training set and how a run draws from it.

    Attributes:
        dataset: an `ImageDataset`.
        augmentation: its training view is used.
        batch_size: examples per batch and replica.
        seed: the run's seed.
        strong: a strong augmentation of the training view, or None.
        probe: an `ImageDataset` of trusted examples, or None.
        shuffle: whether `batches` shuffles the training set in every epoch.
        values: {name: array [N, ...]} that `batches` adds to each batch, by
            row; `labels` there replaces the given labels.
    """

    dataset: dataset_lib.ImageDataset
    augmentation: standard.Augmentation
    batch_size: int
    seed: int
    strong: standard.Augmentation | None = None
    probe: dataset_lib.ImageDataset | None = None
    shuffle: bool = True
    values: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)

    @property
    def images(self):
        """The images of the training set and those of the probe, a list."""
        sets = [self.dataset, self.probe]
        return [data.images for data in sets if data is not None]

    @property
    def batches(self):
        """(first batch, input context) -> `training_batches`, a `Stream`."""

        def batches(first_batch, input_context, in_step):
            return training_batches(
                self.dataset,
                self.augmentation,
                self.batch_size,
                self.seed,
                first_batch,
                input_context,
                strong=self.strong,
                probe=self.probe,
                shuffle=self.shuffle,
                values=self.values,
                in_step=in_step,
            )

        return Stream(batches, self.strong is None and self.probe is None)

    def epoch_batches(
        self,
        counters,
        rows=None,
        *,
        batch_size=None,
        num_views=1,
        strong=False,
        repeat=False,
        full=False,
        values=None,
        first_batch=0,
        input_context=None,
        in_step=None,
    ):
        """Returns a shuffled pass over some of the data, or passes without end.

        A pass ends with a short batch if need be.

        Args:
            counters: a tuple of integers, such as (epoch, network), that key
                the order and the views.
            rows: int [M], of the data set; all if None.
            batch_size: examples per batch and replica; the run's if None.
            num_views: V, independent training views of each image.
            strong: add `images_strong`, the strong view of each image after a
                movement (crop, flip) of its own.
            repeat: begin another pass, shuffled and viewed anew, at the end.
            full: leave out the short batch at the end of a pass.
            values: {name: array [N]} to add to the batches, by row.
            first_batch: how many batches have been used up, of all replicas.
            input_context: as for `training_batches`.
            in_step: likewise, for one view.

        Returns:
            A `tf.data.Dataset` of {images: float32 [b, H, W, C], or
            [b, V, H, W, C] for several views, labels: int32 [b], ids: int64
            [b], and the values}, b at most the batch size.
        """
        if strong and self.strong is None:
            raise ValueError("there is no strong view in these data")
        if rows is None:
            rows = np.arange(len(self.dataset))
        batch_size = batch_size or self.batch_size
        each, first_pass = -(-len(rows) // batch_size), 0
        if full:
            each = len(rows) // batch_size
        if repeat:
            first_pass, first_batch = divmod(first_batch, each)
        rows = tf.constant(rows, tf.int32)
        passes = tf.data.Dataset.range(
            first_pass, drawing.ENDLESS if repeat else first_pass + 1
        )
        drawn = {
            "augment": drawing.Columns.of(self.augmentation, num_views + strong)
        }
        if strong:
            drawn["augment_strong"] = drawing.Columns.of(self.strong)
        random = drawing.ExampleRandomness.of(self.dataset, self.seed)

        def one_pass(k):
            order = random.shuffled(rows, *counters, k)
            used = tf.where(k == first_pass, first_batch * batch_size, 0)
            order = order[used : each * batch_size]
            draws = {
                stream: random.draws(order, stream, columns, *counters, k)
                for stream, columns in drawn.items()
            }
            return _one_element((order, draws)).rebatch(batch_size)

        batches = passes.flat_map(drawing.as_is(one_pass))
        read, labels, ids = self._on_host
        values = _constants(values or {})
        views = views_lib.Views(
            self.augmentation, num_views, self.strong if strong else None
        )

        def load(row, draws):
            seen = (
                in_step.left(read, row, draws)
                if in_step
                else views.of(read(row), draws)
            )
            return {
                **seen,
                "labels": tf.gather(labels, row),
                "ids": tf.gather(ids, row),
                **{name: tf.gather(v, row) for name, v in values.items()},
            }

        return mapped(of_worker(batches, input_context), load)

    def steps_of_pass(self, num_replicas):
        """Returns the steps of a pass, of which the last one may be short."""
        return -(-len(self.dataset) // (self.batch_size * num_replicas))

    def whole_pass(self, counters, num_replicas, strong=False):
        """Returns a pass over all of the data, for `methods.base.Stage`.

        Args:
            counters: as for `epoch_batches`.
            num_replicas: how many replicas share it.
            strong: as for `epoch_batches`.

        Returns:
            (first batch, input context) -> `epoch_batches`, a `Stream`.
        """

        def batches(first_batch, input_context, in_step):
            return self.epoch_batches(
                counters,
                strong=strong,
                # The last step of several replicas may want some more.
                repeat=num_replicas > 1,
                first_batch=first_batch,
                input_context=input_context,
                in_step=in_step,
            )

        return Stream(batches, not strong)

    def full_batches(self, counters, rows=None):
        """Returns passes without end whose short last batch is left out.

        Args:
            counters: as for `epoch_batches`.
            rows: int [M], of the data set, M at least 1; all if None.  Fewer
                than a batch are one batch.

        Returns:
            (first batch, input context) -> `epoch_batches`, a `Stream`.
        """
        count = len(self.dataset) if rows is None else len(rows)

        def batches(first_batch, input_context, in_step):
            return self.epoch_batches(
                counters,
                rows,
                batch_size=min(self.batch_size, count),
                repeat=True,
                full=True,
                first_batch=first_batch,
                input_context=input_context,
                in_step=in_step,
            )

        return Stream(batches)

    def evaluation_batches(self, batch_size, input_context=None):
        """Returns `evaluation_batches` of the training set, given labels."""
        return evaluation_batches(
            self.dataset,
            self.augmentation,
            batch_size,
            input_context=input_context,
        )

    def training_view_batches(self, batch_size, counters, input_context=None):
        """Returns all examples once, in order, in a training view each.

        Args:
            batch_size: as for `evaluation_batches`.
            counters: integers that key the views.
            input_context: as for `evaluation_batches`.

        Returns:
            A `tf.data.Dataset` as that of `evaluation_batches`.
        """
        draws = drawing.ExampleRandomness.of(self.dataset, self.seed).draws(
            tf.range(len(self.dataset)),
            "augment",
            drawing.Columns.of(self.augmentation),
            *counters,
        )

        def view(pixels, row):
            return self.augmentation.train(pixels, tf.gather(draws, row))

        return _in_order(
            self._on_host, len(self.dataset), batch_size, view, input_context
        )

    @functools.cached_property
    def _on_host(self):
        return _on_host(self.dataset, self.dataset.given_labels)


@dataclasses.dataclass(frozen=True)
class Stream:
    """Batches from any of them on, whose views may be left to the step.

    Attributes:
        make: (first batch, input context, `views.InStep` or None) ->
            `tf.data.Dataset`.
        one_view: whether a batch has one view of each image: then the views
            can be left to the step.
    """

    make: Callable[..., tf.data.Dataset]
    one_view: bool = True

    def __call__(self, first_batch=0, input_context=None):
        """Returns the batches from this one on, with their images."""
        return self.make(first_batch, input_context, None)

    def unseen(self, in_step):
        """Returns the stream of batches that the step is to see itself.

        Args:
            in_step: a `views.InStep`, called with each batch by the step.
        """
        if not self.one_view:
            return self
        return lambda first_batch=0, input_context=None: self.make(
            first_batch, input_context, in_step
        )


def training_batches(
    dataset: dataset_lib.ImageDataset,
    augmentation: standard.Augmentation,
    batch_size: int,
    seed: int,
    first_batch: int = 0,
    input_context: tf.distribute.InputContext | None = None,
    *,
    strong: standard.Augmentation | None = None,
    probe: dataset_lib.ImageDataset | None = None,
    shuffle: bool = True,
    values: dict[str, np.ndarray] | None = None,
    in_step: views_lib.InStep | None = None,
) -> tf.data.Dataset:
    """Returns an endless stream of shuffled, augmented training batches.

    The data set is shuffled anew in every epoch.  Batches are full and cross
    the borders of epochs, as the TF1 queues of the original code did.  The
    probe's examples recur in their own order.

    Args:
        dataset: an `ImageDataset`.
        augmentation: an `augment.standard.Augmentation`.
        batch_size: examples per batch and replica.
        seed: the run's seed.
        first_batch: how many batches of the stream (of all replicas together)
            have been used up.
        input_context: a `tf.distribute.InputContext`; batch k goes to replica
            k mod (number of replicas).
        strong: an `Augmentation` that makes a second view, from the first one
            before its colours are touched; or None.
        probe: an `ImageDataset` of trusted examples, of which each batch has
            batch_size too, in the first kind of view; or None.
        shuffle: whether each epoch has an order of its own.
        values: {name: array [N, ...]} to add to the batches, by row.
        in_step: what completes the batches within the step: in place of
            `images` they have `unseen`; None to compute them here.

    Returns:
        A `tf.data.Dataset` of {images: float32 [B, H, W, C], labels: int32
        [B] (the given ones), ids: int64 [B]}, and where asked for
        {images_strong: float32 [B, H, W, C]} and {probe_images: float32
        [B, H, W, C], probe_labels: int32 [B]}.
    """
    drawn = {"augment": drawing.Columns.of(augmentation)}
    if strong is not None:
        drawn["augment_strong"] = drawing.Columns.of(strong)
    entered = (seed, batch_size, first_batch)
    streams = {
        "noisy": drawing.example_batches(dataset, drawn, *entered, shuffle)
    }
    if probe is not None:
        drawn = {"augment_probe": drawing.Columns.of(augmentation)}
        streams["probe"] = drawing.example_batches(
            probe, drawn, *entered, shuffle=False
        )
        read_probe, probe_labels, _ = _on_host(probe, probe.given_labels)
    rows = tf.data.Dataset.zip(streams)
    read, labels, ids = _on_host(dataset, dataset.given_labels)
    values = _constants(values or {})
    views = views_lib.Views(augmentation, strong=strong)

    def load(rows):
        row, draws = rows["noisy"]
        seen = (
            in_step.left(read, row, draws)
            if in_step
            else views.of(read(row), draws)
        )
        batch = {
            **seen,
            "labels": tf.gather(labels, row),
            "ids": tf.gather(ids, row),
            **{name: tf.gather(v, row) for name, v in values.items()},
        }
        if probe is not None:
            row, draws = rows["probe"]
            batch["probe_images"] = augmentation.train(
                read_probe(row), draws["augment_probe"]
            )
            batch["probe_labels"] = tf.gather(probe_labels, row)
        return batch

    return mapped(of_worker(rows, input_context), load)


def evaluation_batches(
    dataset: dataset_lib.ImageDataset,
    augmentation: standard.Augmentation,
    batch_size: int,
    labels: np.ndarray | None = None,
    input_context: tf.distribute.InputContext | None = None,
) -> tf.data.Dataset:
    """Returns the data set once, in order, in batches of one size.

    Args:
        dataset: an `ImageDataset`.
        augmentation: its `evaluate` view is used.
        batch_size: examples per batch; the last one is filled up with
            examples of weight 0.
        labels: int [N] to judge by; the given labels if None.
        input_context: a `tf.distribute.InputContext`: the batches go to the
            replicas in turn, each gets as many, and those of this worker are
            returned, again and again.

    Returns:
        A `tf.data.Dataset` of {images: float32 [B, H, W, C], labels: int32
        [B], ids: int64 [B], mask: float32 [B], 1 for real examples}.
    """
    labels = dataset.given_labels if labels is None else labels

    def view(pixels, _):
        return augmentation.evaluate(pixels)

    tensors = _on_host(dataset, labels)
    return _in_order(tensors, len(dataset), batch_size, view, input_context)


def _in_order(tensors, count, batch_size, view, context):
    read, labels, ids = tensors
    indices = tf.data.Dataset.range(-(-count // batch_size))
    if context is not None:
        replicas = context.num_replicas_in_sync
        steps = -(-count // (batch_size * replicas))
        indices = tf.data.Dataset.range(steps * replicas).repeat()
        indices = of_worker(indices, context)

    def load(index):
        row = tf.cast(index, tf.int32) * batch_size + tf.range(batch_size)
        mask = tf.cast(row < count, tf.float32)
        row = tf.minimum(row, count - 1)
        return {
            "images": view(read(row), row),
            "labels": tf.gather(labels, row),
            "ids": tf.gather(ids, row),
            "mask": mask,
        }

    return mapped(indices, load)


def mapped(batches, load):
    """Returns what `load` makes of each batch, read ahead, in their order.

    Args:
        batches: a `tf.data.Dataset`.
        load: a function of its elements.
    """
    batches = batches.map(
        drawing.as_is(load),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    return untuned(batches.prefetch(4))


def untuned(batches):
    """Returns the data set without TensorFlow's autotuning.

    Its thread may miss the word that an iterator is no longer wanted, and
    whoever drops the iterator waits until it has slept out: for as long as
    the iterator has been running.  Nothing here needs it.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def _constants(values):
    """Keeps arrays in the host's memory."""
    with tf.device("CPU:0"):
        return {name: tf.constant(value) for name, value in values.items()}


def _on_host(dataset, labels):
    """Returns a reader of images; labels and ids in the host's memory."""
    read = streamed.reader(dataset.images)
    with tf.device("CPU:0"):
        return (
            read,
            tf.constant(labels, tf.int32),
            tf.constant(dataset.ids, tf.int64),
        )


def _one_element(tensors):
    """Returns a data set of these tensors, whole, as its one element.

    Cut into batches by `rebatch` they cost nothing for each example.  Not
    `from_tensors`, for which TensorFlow gives up reading ahead where
    determinism is asked for.
    """
    return tf.data.Dataset.from_tensor_slices(
        tf.nest.map_structure(lambda tensor: tensor[tf.newaxis], tensors)
    )


def of_worker(batches, context):
    """Keeps the batches of this worker's replicas, in their order."""
    if context is None or context.num_input_pipelines == 1:
        return batches
    workers = context.num_input_pipelines
    local = context.num_replicas_in_sync // workers

    def is_mine(index, _):
        return (index // local) % workers == context.input_pipeline_id

    return (
        batches.enumerate()
        .filter(drawing.as_is(is_mine))
        .map(drawing.as_is(lambda _, batch: batch))
    )
