"""What all methods share: a student, one way to update it, one to judge it."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness
from tfnoisy.methods import (
    batches,
    configuration,
    keras_files,
    keras_fit,
    state,
    student_weights,
    students,
)
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.fitting import checks
from tfnoisy.nets import weight_decay as decay

# What a step takes: {images [B, H, W, C], labels [B] or [B, C], ids [B], ...},
# or a pair (images, labels).
Batch = Mapping[str, Any] | tuple[Any, Any]
# What it returns: {name: scalar tensor}.
Logs = dict[str, tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stretch of training that draws from one stream of batches.

    Attributes:
        first_step: the step at which the stream begins.
        last_step: the step before which it ends.
        batches: (first batch of the stream, `tf.distribute.InputContext`) ->
            `tf.data.Dataset`, as `pipeline.TrainingData.batches`.
        train_step: one replica's step, batch -> {name: scalar}.
        evaluate: whether the method is judged at its end.
        ends_epoch: whether an epoch ends with it, if the method
            `trains_in_epochs`.
    """

    first_step: int
    last_step: int
    batches: Callable[..., tf.data.Dataset]
    train_step: Callable[[Batch], Logs]
    evaluate: bool = False
    ends_epoch: bool = True


class Method(
    keras_files.Files,
    keras_fit.Fitting,
    state.State,
    student_weights.Student,
    keras.Model,
):
    """A Keras model whose `train_step` is one step of a published method.

    A subclass is one file that reads like its paper.  Its `train_step` is
    written for one replica and takes a batch {images, labels, ids}, or any
    (images, labels) pair; the same step serves `fit` and the scripts' loop
    (`tfnoisy.training.loop`).  Both call it without AutoGraph: what hangs on
    a tensor's value is said by `tf.cond` or `tf.where`, not by `if`.

    The student may compute in half precision (`nets.precision`), with an
    optimiser that scales the loss where that is float16; all that a method
    computes of its logits, and the averages of its weights, are in float32.

    Attributes:
        mean_weights: a `mean_weights.MeanWeights` if the method weighs
            examples, else None.
        needs_ids: whether it cannot train on examples without ids, where others
            only keep no evidence.
        leaves_learning_rate: whether a method with a learning rate of its own
            leaves that of the optimiser alone: in `fit`, where none was given
            to the constructor, it belongs to `compile` and to callbacks.
        training_accuracy_of: of what the steps' `accuracy` is the share.
    """

    training_accuracy_of = "accuracy on given labels"
    mean_weights = None
    leaves_learning_rate = False
    needs_ids = False

    def __init__(
        self,
        student,
        *,
        seed=0,
        weight_decay=0.0,
        decayed=None,
        ema_decay=0.0,
        ema_before_update=False,
        name=None,
    ):
        """Makes the method around a student.

        Args:
            student: a `keras.Model` that gives logits [B, C]; one that is not
                built is built by `fit`.
            seed: all draws of the method depend on it.
            weight_decay: the factor of sum(w^2) / 2 in the loss.
            decayed: the variables that decay, a list or a function of the
                student to one; its kernels (of convolutions and the final
                matrix) if None.
            ema_decay: the largest decay of the moving average of the weights,
                with which the model is then judged; 0 for none.
            ema_before_update: whether the moving average takes the weights
                before each update, and its warm-up counts the updates made
                until then; else those after it, and the warm-up counts it.
            name: the Keras model's name.

        Raises:
            ArgumentError: for a student that it cannot train, and for numbers
                that are out of range.
        """
        checks.refuse(checks.of_method(seed, weight_decay, ema_decay))
        super().__init__(name=name, dtype=students.variable_dtype(student))
        self.seed = seed
        self.weight_decay = weight_decay
        self._decayed_given = configuration.Hidden(
            decay.kernels if decayed is None else decayed
        )
        self.ema_decay = ema_decay
        self.ema_before_update = ema_before_update
        self.take_student(student)

    @property
    def step(self):
        """The number of updates made so far, an integer variable."""
        return self.optimizer.iterations

    def steps_made(self):
        """Returns the number of updates made so far, an int."""
        return int(value_of(self.step))

    def was_given(self, name):
        """Returns whether the constructor was given this argument."""
        return self._arguments.get(name) is not None

    def settle_length(self, num_steps):
        """Learns how long `fit` trains, where the constructor did not say.

        Args:
            num_steps: T, the updates that there will have been at its end;
                None if that is not known.

        Raises:
            ArgumentError: if the method needs it and it is not known.
        """
        if not hasattr(self, "num_steps") or self.was_given("num_steps"):
            return
        if num_steps is None:
            raise errors.ArgumentError(
                f"give {type(self).__name__} num_steps, the number of updates "
                "in all: it is not known from the data"
            )
        if self.num_steps != num_steps:
            self.num_steps = num_steps
            # The number is part of the compiled step.
            self.executions.clear()

    @property
    def remembers(self):
        """Whether the method remembers something of each example by its id."""
        return self.mean_weights is not None

    @property
    def num_ids(self):
        """The largest id that is remembered plus one, None while none is."""
        return None if self.mean_weights is None else self.mean_weights.num_ids

    def keep_ids(self, num_ids):
        """Makes room for what the method remembers of each example.

        Args:
            num_ids: the largest id plus one.
        """
        with self.distribute_strategy.scope():
            self.mean_weights.keep_ids(num_ids)

    def stage(self, step: int, data: Any, num_steps: int) -> Stage | None:
        """Returns the stage that contains this step.

        The loop asks for it at the start, after a resume, and whenever the
        last one has ended, until there is none.  Methods that work epoch by
        epoch override it: they look at all of the data at an epoch's first
        step, keep what they decide in variables, and return that epoch.

        Args:
            step: int, the updates made so far.
            data: a `pipeline.TrainingData`.
            num_steps: T, the most updates that may be made.

        Returns:
            A `Stage`, or None after the last one; here one for the whole
            training.
        """
        if step >= num_steps:
            return None
        return Stage(0, num_steps, data.batches, self.train_step)

    def check_data(self, data: Any) -> None:
        """Refuses data that the method cannot be trained on; here none.

        A run calls it before anything is written.

        Args:
            data: a `pipeline.TrainingData`.

        Raises:
            UserError: with the remedy.
        """

    def before_evaluation(self, data: Any) -> None:
        """Makes ready for being judged; here there is nothing to do.

        The loop calls it before each evaluation.  What it changes must be a
        function of what the checkpoint holds and of the data.

        Args:
            data: a `pipeline.TrainingData`.
        """

    @property
    def evidence_variables(self):
        """What is kept for `evidence` alone and decides nothing, a list."""
        return [] if self.mean_weights is None else self.mean_weights.variables

    def evidence(self) -> dict[str, np.ndarray] | None:
        """Returns what the method found out about the labels, or None.

        Returns:
            {ids: int64 [N], ascending; is_label_issue: bool [N], the labels
            taken for wrong; and a score, clean_probability, agreement or
            label_score: float32 [N] in [0, 1], high where a label is
            trusted}; there may be more arrays [N].
        """
        return None

    def method_metrics(self) -> dict[str, Any]:
        """Returns the method's own metrics, for results.json.

        Returns:
            {name: numbers, lists or dictionaries of them}; here nothing.
        """
        return {}

    def checkpoint(self, evaluation_only=False, evidence=True):
        """Returns a `tf.train.Checkpoint` of all that decides what follows.

        Keras's own tracking passes over variables kept in lists, so the
        variables are named here: the step, the student's, the averages,
        whatever else the method created, and the optimiser's.

        Args:
            evaluation_only: leave out what only training needs.
            evidence: with the mean weights, if the method keeps any; without
                them it restores what was saved before it did.
        """
        groups = {
            "step": [self.step],
            "student": self.student.variables,
            "averages": self.averages or [],
        }
        if not evaluation_only:
            kept = self.evidence_variables
            named = {id(v) for group in [*groups.values(), kept] for v in group}
            groups["state"], groups["optimizer"] = (
                [v for v in variables if id(v) not in named]
                for variables in (self.variables, self.optimizer.variables)
            )
            if kept and evidence:
                groups["evidence"] = kept
        return tf.train.Checkpoint(
            **{name: [v.value for v in group] for name, group in groups.items()}
        )

    def call(self, images, training=False):
        """Returns the student's logits [B, C], with the raw weights."""
        return self.student(images, training=training)

    def unpack(self, batch):
        """Returns images [B, H, W, C] and one-hot given labels [B, C].

        Labels may come as [B], [B, 1] or [B, C].  The row of a label that is
        out of range is NaN, and so is the loss, on every device.

        Raises:
            ArgumentError: for labels of any other shape, and for weights of
                examples if the method has no place for them.
        """
        images, labels = (batches.part(batch, i) for i in ("images", "labels"))
        if batches.part(batch, "sample_weight") is not None:
            self.refuse_weights("sample_weight")
        images = self.as_inputs(images)
        if labels.shape.rank == 2 and labels.shape[1] == 1:
            labels = labels[:, 0]
        if labels.shape.rank == 1:
            labels = losses_lib.one_hot(labels, self.num_classes)
        if labels.shape.rank != 2 or labels.shape[1] != self.num_classes:
            raise errors.ArgumentError(
                f"labels of shape {labels.shape} for {self.num_classes} "
                "classes: [B] integers or [B, C] probabilities are wanted"
            )
        return images, tf.cast(labels, tf.float32)

    def draw_beta(self, batch):
        """Returns the step's random draws from a Beta distribution, or None.

        A method that mixes examples overrides it; its step calls
        `beta_draws`.

        Args:
            batch: as for `train_step`.
        """
        return None

    def prepare(self, batch):
        """Returns the batch, a dictionary, with `draw_beta` in it.

        XLA has no kernel for draws from Beta distributions: where it compiles
        the step, this is called before it.

        Args:
            batch: as for `train_step`.
        """
        draws = self.draw_beta(batch)
        return batch if draws is None else {**batch, "beta_draws": draws}

    def beta_draws(self, batch):
        """Returns `draw_beta`, from the batch if `prepare` has put it there.

        Args:
            batch: as for `train_step`.
        """
        if isinstance(batch, dict) and "beta_draws" in batch:
            return batch["beta_draws"]
        return self.draw_beta(batch)

    def draw_seed(self, stream, *counters):
        """Returns a seed [2] of this stream, step and replica.

        Args:
            stream: as for `randomness.stream_seed`.
            *counters: integers, for several draws in a step.
        """
        replica = tf.distribute.get_replica_context()
        replica_id = replica.replica_id_in_sync_group if replica else 0
        return randomness.stream_seed(
            self.seed, stream, self.step, replica_id, *counters
        )

    def forward_untracked(self, images):
        """A training-mode pass that leaves the moving statistics alone.

        Batch normalisation uses the batch's own moments, and what it would
        have stored is dropped; so is the count of a dropout layer, which drops
        in the tracked pass of the same step what it drops here.

        Args:
            images: [B, H, W, C].

        Returns:
            Logits [B, C].
        """
        logits, _ = self.student.stateless_call(
            self.student.trainable_variables,
            self.student.non_trainable_variables,
            images,
            training=True,
        )
        return logits

    def minimize(self, loss, tape, variables=None):
        """Updates the student, or a part of it, and the moving averages.

        Keras's optimiser sums gradients over replicas, so each replica gives
        its share.  It may scale the loss, to divide the gradients again.

        Args:
            loss: this replica's mean loss, recorded by `tape`.
            tape: a `tf.GradientTape`.
            variables: the trainable variables to update; all if None.  A
                moving average is of all.
        """
        if variables is None:
            variables = self.student.trainable_variables
        self.update(self.scaled_gradients(loss, tape, variables), variables)

    def scaled_gradients(self, loss, tape, variables):
        """Returns the gradients of the loss as the optimiser wants it scaled.

        Args:
            loss: this replica's mean loss, recorded by `tape`, or a term of it.
            tape: a `tf.GradientTape`.
            variables: a list of trainable variables.
        """
        return tape.gradient(
            loss,
            variables,
            output_gradients=self.optimizer.scale_loss(tf.ones_like(loss)),
        )

    def update(self, gradients, variables):
        """Updates the student, or a part of it, and the moving averages.

        Args:
            gradients: `scaled_gradients` of this replica's mean loss.
            variables: the trainable variables that they are for.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if replicas > 1:
            gradients = [None if g is None else g / replicas for g in gradients]
        n = self.step + 1
        if self.ema_before_update:
            self.update_averages(tf.cast(n, tf.float32) - 1.0)
        self.optimizer.apply(gradients, variables)
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            # It does not count an update that it leaves out, but the draws
            # and the batch of a step are known by its number.
            self.step.assign(n)
        if not self.ema_before_update:
            self.update_averages(tf.cast(n, tf.float32))


def value_of(variable):
    """Returns a variable's value as an array of its own.

    Args:
        variable: a `keras.Variable`, perhaps mirrored over devices.
    """
    return np.array(tf.convert_to_tensor(variable.value))


def dropped(learning_rate, factor, drop_epochs, epoch):
    """Returns the learning rate of an epoch, a float.

    Args:
        learning_rate: that of the first epoch.
        factor: what each drop multiplies by.
        drop_epochs: the epochs from which on it is lower, counted from 0.
        epoch: int.
    """
    return learning_rate * factor ** sum(epoch >= e for e in drop_epochs)
