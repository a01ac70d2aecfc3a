"""The epochs of DivideMix: two networks divide the data for each other.

Li, Socher, Hoi, ICLR 2020, algorithm 1, lines 1 to 9, as in the original
code's `Train_cifar.py`, `Train_clothing1M.py` and `Train_webvision.py`:

    warm-up     an epoch of network 1, then one of network 2, and so on
    divide      w_k = clean probability of all labels by network k, k = 1, 2;
                labelled: w_k > tau, unlabelled: the rest
    train       an epoch of network 1 on the division by network 2, then one
                of network 2 on that by network 1, both made before either

An epoch is one pass over the labelled part; the unlabelled one is begun anew
as often as need be.  Short batches are used as they are.

Where a part is empty or all losses are equal the original stops; here training
goes on with a warning.  What an epoch is made of is kept in variables by
example id, so that a resumed run goes on in its middle.
"""

import dataclasses
import functools
import warnings

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness, replicas
from tfnoisy.methods import base
from tfnoisy.methods.dividemix import mixture
from tfnoisy.nets import weight_decay as decay

# The parts of an epoch: their orders and views are drawn apart.
_LABELLED, _UNLABELLED, _SAMPLE = range(3)


def co_divide(probability, p_threshold, at_least):
    """Divides the rows into labelled and unlabelled ones.

    Labelled is what lies strictly above the threshold (the paper: at or
    above).  Where nothing does, the largest probabilities are taken, of equal
    ones the first.

    Args:
        probability: w, [N]; below 0 for rows that are in neither part.
        p_threshold: tau, in [0, 1).
        at_least: how many rows are labelled where none is above tau.

    Returns:
        (labelled, unlabelled), int arrays of rows, each in order.
    """
    divided = probability >= 0
    labelled = probability > p_threshold
    if not labelled.any():
        labelled[np.argsort(-probability, kind="stable")[:at_least]] = True
    return (
        np.flatnonzero(divided & labelled),
        np.flatnonzero(divided & ~labelled),
    )


def class_balanced_rows(labels, num_rows, num_classes, order):
    """Returns rows of which the given labels are as even as can be.

    The original's sampling for Clothing1M: go through the shuffled list and
    take an image while its class has fewer than num_rows / C and all together
    fewer than num_rows.

    Args:
        labels: int [N].
        num_rows: how many rows are wanted.
        num_classes: C.
        order: int [N], the shuffled rows.

    Returns:
        int [M] of rows, in order; M < num_rows where a class is too small.
    """
    shuffled = np.asarray(labels)[order]
    by_class = np.argsort(shuffled, kind="stable")
    counts = np.bincount(shuffled, minlength=num_classes)
    first = np.cumsum(counts) - counts
    seen = np.empty(len(order), np.int64)
    seen[by_class] = np.arange(len(order)) - first[shuffled[by_class]]
    return np.sort(np.asarray(order)[seen < num_rows / num_classes][:num_rows])


class CoDivideMethod(base.Method):
    """A pair of networks, trained an epoch of one at a time.

    A subclass gives `warm_up_iteration` and `train_iteration`.

    Attributes:
        clean_probability: float32 [2, num_ids], by network and id: w of the
            last division; -1 for ids that were not in it.
        loss_history: float32 [2, average_last, num_ids]: the normalised
            losses of the last divisions, the n-th in place n mod average_last.
    """

    def __init__(
        self,
        student,
        *,
        num_ids,
        lr=0.02,
        lr_drop_epochs=(150,),
        lr_drop_factor=0.1,
        warm_up=10,
        num_epochs=300,
        batch_size=64,
        p_threshold=0.5,
        average_last=1,
        reg_covar=5e-4,
        num_batches=0,
        weight_decay=5e-4,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's, of CIFAR.

        Args:
            student: a `nets.pair.Pair`.
            num_ids: the largest id of the training data plus one.
            lr: the learning rate, in place of the optimiser's own.
            lr_drop_epochs: from each of these epochs on, counted from 0, the
                learning rate is multiplied once more by
            lr_drop_factor: 0.1 in the original.
            warm_up: epochs; 30 for CIFAR-100, 1 for Clothing1M.
            num_epochs: the *last* epoch, counted from 0.
            batch_size: B, of either part, per replica; twice that in the
                warm-up.
            p_threshold: tau, in [0, 1).
            average_last: the mixture is fitted to the mean losses of the last
                divisions, at most so many; the original takes 5 at a noise
                ratio of exactly 0.9, else 1.
            reg_covar: of the mixture.
            num_batches: each epoch of each network draws from a new
                class-balanced sample of num_batches * B images, twice as many
                in the warm-up (1000 for Clothing1M); 0 for all images.
            weight_decay: the factor of sum(w^2) / 2 over all trainable
                variables.
            **kwargs: as for `base.Method`.

        Raises:
            UserError: for a value out of its range.
        """
        if not 0.0 <= p_threshold < 1.0:
            raise errors.UserError(
                f"--p_threshold={p_threshold} must be at least 0 and below 1"
            )
        counts = {"batch_size": batch_size, "average_last": average_last}
        for name, value in counts.items():
            if value < 1:
                raise errors.UserError(f"--{name}={value} must be at least 1")
        if num_batches and average_last > 1:
            raise errors.UserError(
                f"--average_last={average_last} must be 1 with --num_batches, "
                "of which each sample is of other images"
            )
        super().__init__(
            student,
            weight_decay=weight_decay,
            decayed=decay.all_trainable(student),
            **kwargs,
        )
        self.lr = lr
        self.lr_drop_epochs = tuple(lr_drop_epochs)
        self.lr_drop_factor = lr_drop_factor
        self.warm_up = warm_up
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.p_threshold = p_threshold
        self.average_last = average_last
        self.reg_covar = reg_covar
        self.num_batches = num_batches

        def state(name, value, shape=(), dtype="int64"):
            return self.add_weight(
                shape=shape,
                dtype=dtype,
                initializer=keras.initializers.Constant(value),
                trainable=False,
                aggregation="only_first_replica",
                name=name,
            )

        self.clean_probability = state(
            "clean_probability", -1, (2, num_ids), "float32"
        )
        self.loss_history = state(
            "loss_history", 0, (2, average_last, num_ids), "float32"
        )
        # The stage under way: 2 * epoch + network, and its steps.
        self.turn = state("turn", -1)
        self.first_step = state("first_step", 0)
        self.last_step = state("last_step", 0)
        self.num_labelled = state("num_labelled", 0)
        # The same functions in every epoch, so that each is traced once.
        self._warm_up_steps, self._train_steps = (
            [functools.partial(step, k) for k in (0, 1)]
            for step in (self.warm_up_iteration, self.train_iteration)
        )
        self._losses = [
            replicas.Pass(
                self.distribute_strategy,
                functools.partial(_example_losses, network),
            )
            for network in student.networks
        ]

    def warm_up_iteration(self, k, batch):
        """One step of network k on a batch {images, labels}."""
        raise NotImplementedError

    def train_iteration(self, k, batch):
        """One step of network k on a batch of its peer's division.

        Args:
            k: which network, 0 or 1.
            batch: {labelled: {images [Bx, 2, H, W, C], labels [Bx],
                clean_probability [Bx]}, unlabelled: {images [Bu, 2, H, W,
                C]}}; unlabelled is absent where that part is empty.
        """
        raise NotImplementedError

    def train_step(self, batch):
        """Refuses Keras's `fit`, which knows no stages.

        Raises:
            UserError: always.
        """
        raise errors.UserError(
            f"{type(self).__name__} trains stage by stage: use the loop of "
            "tfnoisy.training, not fit"
        )

    def epoch_now(self):
        """Returns e + it / (floor(n / B) + 1), a float32 scalar.

        e is the epoch, it the iteration of n labelled examples, from 0.
        """
        steps = tf.cast(self.step, tf.int64) - self.first_step
        batches = steps * tf.distribute.get_strategy().num_replicas_in_sync
        fraction = batches / (self.num_labelled // self.batch_size + 1)
        return tf.cast(self.turn // 2, tf.float32) + tf.cast(
            fraction, tf.float32
        )

    def stage(self, step, data, num_steps):
        """Returns the epoch of one network that contains this step.

        At an epoch's first step both networks divide the data.

        Args:
            step: int, the updates made so far.
            data: a `pipeline.TrainingData`.
            num_steps: the most updates that may be made.

        Returns:
            A `base.Stage`, judged at its end if it is the second network's;
            None after the last epoch.

        Raises:
            TrainingError: if a loss is not finite.
        """
        begins = bool(step >= base.value_of(self.last_step))
        turn = int(base.value_of(self.turn)) + begins
        epoch, k = divmod(turn, 2)
        if step >= num_steps or epoch > self.num_epochs:
            return None
        warming_up = epoch < self.warm_up
        if begins and k == 0 and not warming_up:
            self._divide(data, epoch, step)
        parts = self._parts(data, epoch, k)
        batch_size = self.batch_size * (2 if warming_up else 1)
        if begins:
            strategy = self.distribute_strategy
            places = batch_size * strategy.num_replicas_in_sync
            length = -(-len(parts[0]) // places)
            self.turn.assign(turn)
            self.first_step.assign(step)
            self.last_step.assign(step + length)
            self.num_labelled.assign(len(parts[0]))
            self.optimizer.learning_rate = base.dropped(
                self.lr, self.lr_drop_factor, self.lr_drop_epochs, epoch
            )

        kwargs = {"batch_size": batch_size}
        if not warming_up:
            w = base.value_of(self.clean_probability)[1 - k, data.dataset.ids]
            kwargs |= {"num_views": 2, "values": {"clean_probability": w}}

        def batches(first_batch=0, input_context=None):
            streams = [
                data.epoch_batches(
                    (epoch, k, number),
                    rows,
                    # The last step of several replicas may want some more.
                    repeat=True,
                    first_batch=first_batch,
                    input_context=input_context,
                    **kwargs,
                )
                for number, rows in enumerate(parts)
                if len(rows)
            ]
            if warming_up:
                return streams[0]
            # Without the second name where nothing is unlabelled.
            names = ("labelled", "unlabelled")
            return tf.data.Dataset.zip(dict(zip(names, streams)))

        steps = self._warm_up_steps if warming_up else self._train_steps
        return base.Stage(
            int(base.value_of(self.first_step)),
            int(base.value_of(self.last_step)),
            batches,
            steps[k],
            evaluate=k == 1,
        )

    def _parts(self, data, epoch, k):
        """Returns the rows of an epoch of network k: labelled, unlabelled."""
        if epoch < self.warm_up:
            return self._sample(data, epoch, k), ()
        probability = base.value_of(self.clean_probability)
        return co_divide(
            probability[1 - k, data.dataset.ids],
            self.p_threshold,
            self.batch_size,
        )

    def _sample(self, data, epoch, k):
        """Returns the rows that are looked at in an epoch, for network k."""
        if not self.num_batches:
            return np.arange(len(data.dataset))
        batch_size = self.batch_size * (2 if epoch < self.warm_up else 1)
        keys = randomness.uniform_by_id(
            self.seed, "shuffle", data.dataset.num_ids, 1, epoch, k, _SAMPLE
        )
        return class_balanced_rows(
            data.dataset.given_labels,
            self.num_batches * batch_size,
            self.num_classes,
            np.argsort(keys.numpy()[data.dataset.ids, 0], kind="stable"),
        )

    def _divide(self, data, epoch, step):
        """Both networks judge the labels, before either is trained."""
        probability = np.full(self.clean_probability.shape, -1, np.float32)
        history = base.value_of(self.loss_history)
        number = epoch - self.warm_up
        for k in (0, 1):
            rows = self._sample(data, epoch, k)
            ids = data.dataset.ids[rows]
            losses = self.example_losses(k, data, rows)
            if not np.isfinite(losses).all():
                raise errors.TrainingError(
                    f"network {k + 1} has losses that are not finite at step "
                    f"{step}; a smaller --lr, with --overwrite, usually helps"
                )
            place = number % self.average_last
            history[k, place, ids] = mixture.normalise_losses(losses)
            losses = history[k][: number + 1, ids].mean(0, dtype=np.float64)
            key = randomness.stream_seed(self.seed, "evaluation", epoch, k)
            w = mixture.clean_probability(
                losses, int(key[0]) & 0x7FFFFFFF, self.reg_covar
            )
            # All workers must divide alike.
            w = replicas.of_chief(self.distribute_strategy, w)
            probability[k, ids] = w
            self._warn(w, losses, f"epoch {epoch}, network {k + 1}")
        self.clean_probability.assign(probability)
        self.loss_history.assign(history)

    def _warn(self, w, losses, where):
        """Says where the original would have stopped, and what is done."""
        above = np.mean(w > self.p_threshold)
        what = None
        if np.ptp(losses) == 0:
            what = "all losses are equal: every label counts as clean"
        elif above == 0:
            what = (
                f"no label is clean with more than {self.p_threshold}: the "
                f"likeliest {min(self.batch_size, len(w))} count as clean"
            )
        elif above == 1:
            what = (
                f"all labels are clean with more than {self.p_threshold}: "
                "nothing is unlabelled"
            )
        if what:
            warnings.warn(f"{where}: {what}", stacklevel=4)

    def evidence(self):
        """Returns what is said of the labels, None before the first division.

        Returns:
            {ids: int64 [N], ascending; clean_probability: float32 [N], the
            mean of the networks that judged the example last;
            is_label_issue: bool [N], not above `p_threshold`}.
        """
        w = base.value_of(self.clean_probability)
        judges = np.sum(w >= 0, axis=0)
        ids = np.flatnonzero(judges)
        if not len(ids):
            return None
        w = np.sum(np.maximum(w, 0), axis=0)[ids] / judges[ids]
        return {
            "ids": ids,
            "clean_probability": w.astype(np.float32),
            "is_label_issue": ~(w > self.p_threshold),
        }

    def example_losses(self, k, data, rows):
        """Returns the losses of network k in evaluation mode, [M].

        Args:
            k: which network, 0 or 1.
            data: a `pipeline.TrainingData`.
            rows: int [M], of its data set.
        """
        if len(rows) < len(data.dataset):
            data = dataclasses.replace(data, dataset=data.dataset.take(rows))
        batches = functools.partial(
            data.evaluation_batches, 4 * self.batch_size
        )
        return self._losses[k](batches, len(rows))


def _example_losses(network, batch):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        batch["labels"], network(batch["images"], training=False)
    )
