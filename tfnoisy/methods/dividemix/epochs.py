"""The epochs of DivideMix: which network trains when, on which data.

Li, Socher, Hoi, ICLR 2020, algorithm 1, as in the original code's
`Train_cifar.py`, `Train_clothing1M.py` and `Train_webvision.py`:

    warm-up     an epoch of network 1, then one of network 2, and so on
    divide      both networks divide the data, see `division`
    train       an epoch of network 1 on the division by network 2, then one
                of network 2 on that by network 1, both made before either

An epoch is one pass over the labelled subset; the unlabelled one is begun anew
whenever it ends.  Short batches are used as they are.

A stage of the training loop is an epoch of one network.
"""

import functools

import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness
from tfnoisy.methods import base
from tfnoisy.methods.dividemix import division

# What random orders and views in an epoch are for; each draws by itself.
_LABELLED, _UNLABELLED, _SAMPLE = range(3)


class CoDivideMethod(division.DividingMethod):
    """A pair of networks, trained an epoch of one at a time.

    A subclass gives `warm_up_iteration` and `train_iteration`.
    """

    def __init__(
        self,
        student,
        *,
        lr=0.02,
        lr_drop_epochs=(150,),
        lr_drop_factor=0.1,
        warm_up=10,
        num_epochs=300,
        batch_size=64,
        average_last=1,
        num_batches=0,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's, of CIFAR.

        Args:
            student: as for `division.DividingMethod`.
            lr: the learning rate, in place of the optimiser's own; `fit` takes
                that one unless this is given.
            lr_drop_epochs: the epochs, counted from 0, from which on the
                learning rate is multiplied once more by `lr_drop_factor`.
            lr_drop_factor: 0.1 in the original.
            warm_up: epochs; 30 for CIFAR-100, 1 for Clothing1M.
            num_epochs: the *last* epoch, counted from 0.
            batch_size: B, of either subset, per replica; twice that in the
                warm-up.
            average_last: as for `division.DividingMethod`.
            num_batches: each epoch of each network draws from a new
                class-balanced sample of num_batches * B images, twice as many
                in the warm-up (1000 for Clothing1M); 0 for all images.
            **kwargs: as for `division.DividingMethod`.

        Raises:
            UserError: for a value out of its range.
        """
        if num_batches and average_last > 1:
            raise errors.UserError(
                f"--average_last={average_last} must be 1 with --num_batches, "
                "because each sample has other images"
            )
        super().__init__(
            student, batch_size=batch_size, average_last=average_last, **kwargs
        )
        self.lr = lr
        self.lr_drop_epochs = tuple(lr_drop_epochs)
        self.lr_drop_factor = lr_drop_factor
        self.warm_up = warm_up
        self.num_epochs = num_epochs
        self.num_batches = num_batches
        # The same functions in every epoch, so that each is traced once.
        self._warm_up_steps, self._train_steps = (
            [functools.partial(step, k) for k in (0, 1)]
            for step in (self.warm_up_iteration, self.train_iteration)
        )

    def create_state(self, num_ids):
        """Creates the state: what is known of each example, and the stage."""
        super().create_state(num_ids)
        # The stage under way: 2 * epoch + network, -1 before the first; from
        # which step to which; and the number of its (labelled) examples.
        self.stage_index = self.add_state("stage_index", -1)
        self.first_step = self.add_state("first_step", 0)
        self.last_step = self.add_state("last_step", 0)
        self.num_labelled = self.add_state("num_labelled", 0)

    def warm_up_iteration(self, k, batch):
        """One step of network k on a batch {images, labels}."""
        raise NotImplementedError

    def train_iteration(self, k, batch):
        """One step of network k on a batch of its peer's division.

        Args:
            k: which network, 0 or 1.
            batch: {labelled: {images [Bx, 2, H, W, C], labels [Bx],
                clean_probability [Bx]}, unlabelled: {images [Bu, 2, H, W,
                C]}}; without unlabelled if that subset is empty.
        """
        raise NotImplementedError

    def epoch_now(self):
        """Returns e + it / (floor(n / B) + 1), a float32 scalar.

        e is the epoch, it the iteration of n labelled examples, from 0.
        """
        steps = tf.cast(self.step, tf.int64) - self.first_step
        batches = steps * tf.distribute.get_strategy().num_replicas_in_sync
        fraction = batches / (self.num_labelled // self.batch_size + 1)
        epoch = tf.cast(self.stage_index // 2, tf.float32)
        return epoch + tf.cast(fraction, tf.float32)

    def stage(self, step, data, num_steps):
        """Returns the epoch of one network that contains this step.

        At an epoch's first step both networks divide the data.

        Args:
            step: int, the updates made so far.
            data: a `pipeline.TrainingData`.
            num_steps: the most updates that may be made.

        Returns:
            A `base.Stage`, evaluated at its end if it is the second network's;
            None after the last epoch.

        Raises:
            TrainingError: if a loss is not finite.
        """
        begins = bool(step >= base.value_of(self.last_step))
        index = int(base.value_of(self.stage_index)) + begins
        epoch, k = divmod(index, 2)
        if step >= num_steps or epoch > self.num_epochs:
            return None
        if begins and k == 0 and not self._is_warm_up(epoch):
            samples = [self._sample(data, epoch, network) for network in (0, 1)]
            self.divide(data, samples, epoch - self.warm_up, epoch)
        if self._is_warm_up(epoch):
            rows = self._sample(data, epoch, k)
            batches = self._warm_up_batches(data, epoch, k, rows)
            train_step = self._warm_up_steps[k]
        else:
            rows, others = self.division_for(k, data)
            batches = self._training_batches(data, epoch, k, rows, others)
            train_step = self._train_steps[k]
        if begins:
            self._begin_stage(index, step, len(rows))
        return base.Stage(
            int(base.value_of(self.first_step)),
            int(base.value_of(self.last_step)),
            batches,
            train_step,
            evaluate=k == 1,
            ends_epoch=k == 1,
        )

    def _is_warm_up(self, epoch):
        return epoch < self.warm_up

    def _batch_size_in(self, epoch):
        return self.batch_size * (2 if self._is_warm_up(epoch) else 1)

    def _begin_stage(self, index, step, count):
        """Keeps what the stage is; sets the learning rate.

        Args:
            index: of the stage.
            step: its first step.
            count: its (labelled) examples.
        """
        epoch = index // 2
        num_replicas = self.distribute_strategy.num_replicas_in_sync
        examples = self._batch_size_in(epoch) * num_replicas
        self.stage_index.assign(index)
        self.first_step.assign(step)
        self.last_step.assign(step - (-count // examples))
        self.num_labelled.assign(count)
        if not self.leaves_learning_rate:
            self.optimizer.learning_rate = base.dropped(
                self.lr, self.lr_drop_factor, self.lr_drop_epochs, epoch
            )

    def _warm_up_batches(self, data, epoch, k, rows):
        """Returns `base.Stage.batches` of plain batches of these rows."""

        def batches(first_batch=0, input_context=None):
            return data.epoch_batches(
                (epoch, k, _LABELLED),
                rows,
                batch_size=self._batch_size_in(epoch),
                # The last step of several replicas may want some more.
                repeat=True,
                first_batch=first_batch,
                input_context=input_context,
            )

        return batches

    def _training_batches(self, data, epoch, k, labelled, unlabelled):
        """Returns `base.Stage.batches` of two views of both subsets' rows."""
        w = self.peer_probability(k, data)
        subsets = {
            "labelled": (_LABELLED, labelled),
            "unlabelled": (_UNLABELLED, unlabelled),
        }

        def batches(first_batch=0, input_context=None):
            streams = {
                name: data.epoch_batches(
                    (epoch, k, number),
                    rows,
                    batch_size=self.batch_size,
                    num_views=2,
                    values={"clean_probability": w},
                    repeat=True,
                    first_batch=first_batch,
                    input_context=input_context,
                )
                for name, (number, rows) in subsets.items()
                if len(rows)
            }
            return tf.data.Dataset.zip(streams)

        return batches

    def _sample(self, data, epoch, k):
        """Returns the rows that network k looks at in an epoch."""
        if not self.num_batches:
            return np.arange(len(data.dataset))
        keys = randomness.uniform_by_id(
            self.seed, "shuffle", data.dataset.num_ids, 1, epoch, k, _SAMPLE
        )
        return division.class_balanced_rows(
            data.dataset.given_labels,
            self.num_batches * self._batch_size_in(epoch),
            self.num_classes,
            np.argsort(keys.numpy()[data.dataset.ids, 0], kind="stable"),
        )
