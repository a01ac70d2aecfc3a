"""The epochs of PES and PES (semi): what each trains, and on which labels.

Bai, Yang, Han, Yang, Li, Mao, Niu, Liu, NeurIPS 2021 (arXiv 2106.15853); the
code followed is tmllab/PES at 5466238.  See `pes`, `pes_semi`:

    e < T1    plain training on all labels
    e = T1    `refinement`: the last layers begin anew and are trained alone
    then      `division` at the start of each epoch, which is the subclass's

A plain epoch and a pass of the refinement have floor(N / B) full batches.  A
stage of the training loop is one of them.
"""

import functools
import math

import tensorflow as tf

from tfnoisy.methods import ranges
from tfnoisy.methods.pes import division, refinement, stages, steps
from tfnoisy.nets import weight_decay as decay

# Classes, up to which the authors' numbers of CIFAR-10 are taken.
_FEW = 10


class RefiningMethod(stages.Stages, steps.Steps, division.DividingMethod):
    """A network whose last layers begin anew, and which then divides.

    A subclass gives `refinements`, `rate`, `divided_step`, `divided_batches`
    and `divided_steps`.

    Attributes:
        epoch: int64 scalar, the epoch under way.
        usual_T1: T1 for at most ten classes, and for more.
        refining_epoch: whether the refinement is epoch T1, and divided ones
            begin with T1 + 1; else it comes before epoch T1.
    """

    epoch_passes = 1
    usual_T1 = (20, 35)
    refining_epoch = False

    def __init__(
        self,
        student,
        *,
        T1=0,
        PES_lr=1e-4,
        train_new_layers=False,
        num_epochs=300,
        lr: float | None = None,
        weight_decay=5e-4,
        **kwargs,
    ):
        """Makes the method; a subclass then calls `keep_ids`, if it can.

        Args:
            student: a built `keras.Model`, images -> logits, whose last layer
                is a `keras.layers.Dense`.
            T1: the epochs of plain training; 0 for the authors' number, of
                CIFAR-10 for at most ten classes, else of CIFAR-100.
            PES_lr: Adam's learning rate in the refinement; on CIFAR five
                passes have 1,950 steps, fewer need more for a layer that begins
                anew.
            train_new_layers: whether layers that began anew go on to be
                trained after the refinement.
            num_epochs: how many there are, T1 and those after it.  0 for as
                many as the steps allow; `fit` may end before.
            lr: the learning rate of the first epoch, which then falls as the
                method says; the optimiser's own if it is not given.
            weight_decay: the factor of sum(w^2) / 2 over all variables that
                are trained.
            **kwargs: as for `base.Method`.

        Raises:
            UserError: for values that are out of range.
        """
        ranges.non_negative(
            T1=T1, PES_lr=PES_lr, num_epochs=num_epochs, lr=lr or 0
        )
        super().__init__(
            student,
            weight_decay=weight_decay,
            **{"decayed": decay.all_trainable, **kwargs},
        )
        self.T1 = T1
        self.PES_lr = PES_lr
        self.train_new_layers = train_new_layers
        self.num_epochs = math.ceil(num_epochs)
        self.lr = lr
        # The same function in every pass, so that it is traced once.
        self._refine_steps = {
            n: functools.partial(self.refine_step, n) for n in (0, 1)
        }

    @property
    def plain_epochs(self):
        """T1, or where that is 0 the authors' number of plain epochs."""
        return self.T1 or self.usual_T1[self.num_classes > _FEW]

    @property
    def refinements(self):
        """(stages before the final layer, passes above 0), a list."""
        raise NotImplementedError

    def rate(self, epoch, num_epochs):
        """Returns the learning rate of an epoch, a float, where `lr` is given.

        Args:
            epoch: from 0, an int.
            num_epochs: how many there are.
        """
        raise NotImplementedError

    def begin_epoch(self, epoch, num_epochs):
        """Sets what an epoch has of its own: its number, the learning rate.

        Args:
            epoch: from 0, an int.
            num_epochs: how many there are.
        """
        self.epoch.assign(epoch)
        if self.lr and not self.leaves_learning_rate:
            self.optimizer.learning_rate = self.rate(epoch, num_epochs)

    def divided_step(self, batch):
        """One step of an epoch after a division."""
        raise NotImplementedError

    def divided_batches(self, data, epoch):
        """Returns `base.Stage.batches` of an epoch after a division."""
        raise NotImplementedError

    def divided_steps(self, data, examples):
        """Returns the steps of such an epoch, at least 1.

        Args:
            data: a `pipeline.TrainingData`.
            examples: of a step, of all replicas.
        """
        raise NotImplementedError

    @classmethod
    def steps_of_run(cls, num_epochs, num_examples, batch_size, arguments):
        """Returns the most steps of so many epochs and of the refinement.

        Args:
            num_epochs: an int.
            num_examples: N.
            batch_size: examples of a step, of all replicas.
            arguments: {T1, T2, ...}, as of the constructor.
        """
        passes = num_epochs
        if num_epochs > (arguments["T1"] or cls.usual_T1[0]):
            passes += arguments["T2"] + arguments.get("T3", 0)
            passes -= cls.refining_epoch
        return passes * max(num_examples // batch_size, 1)

    def keep_ids(self, num_ids):
        """Makes room for what is known of each example, and Adam's moments.

        Args:
            num_ids: the largest example id plus one.
        """
        super().keep_ids(num_ids)
        with self.distribute_strategy.scope():
            self.epoch = self.add_state("epoch", -1)
            # Of the epoch, or of the refinement; and the steps of an epoch.
            self.first_step = self.add_state("first_step", 0)
            self.last_step = self.add_state("last_step", 0)
            self._adam = refinement.Adam(self.PES_lr, self.new_variables)

    def epoch_now(self):
        """Returns e + k / K of step k of K in the epoch, a float32 scalar."""
        made = tf.cast(self.step, tf.int64) - self.first_step
        # A step by itself, of no stage, has an epoch of its own.
        steps = tf.maximum(self.last_step.value - self.first_step.value, 1)
        fraction = tf.cast(made / steps, tf.float32)
        return tf.cast(self.epoch, tf.float32) + fraction
