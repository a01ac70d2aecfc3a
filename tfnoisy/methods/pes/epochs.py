"""The epochs of PES (semi): what each trains on, and how labels are judged.

Bai, Yang, Han, Yang, Li, Mao, Niu, Liu, NeurIPS 2021 (arXiv 2106.15853); the
code followed is tmllab/PES at 5466238, `PES_semi.py`.  See `pes_semi`.
"""

import math
import warnings

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness, replicas
from tfnoisy.methods import base, last_layer
from tfnoisy.nets import weight_decay as decay

_LARGEST_WEIGHT = 3.0
# Of the last learning rate in the first.
_LAST_RATE = 0.01
# What random orders and views in an epoch are for; each draws by itself.
_PLAIN, _REFINE, DIVIDE, _CONFIDENT, _OTHERS = range(5)


def class_weights(counts, largest=_LARGEST_WEIGHT):
    """Returns w_c, float32 [C].

    Args:
        counts: confident examples of each class, [C].
        largest: what they are held to; None for nothing.
    """
    counts = np.asarray(counts, np.float64)
    some = counts > 0
    weights = np.zeros(len(counts))
    if some.any():
        weights[some] = counts[some].mean() / counts[some]
    if largest is not None:
        weights = np.minimum(weights, largest)
    return weights.astype(np.float32)


def batch_sizes(num_confident, num_others, batch_size):
    """Returns (B_x, B_u), of each kind in a batch.

    Args:
        num_confident: |X|, at least 1.
        num_others: |U|.
        batch_size: of both together.
    """
    if num_others > num_confident:
        others = batch_size // 2
    else:
        others = batch_size * num_others // (num_confident + num_others)
    return batch_size - others, others


def cosine_rate(learning_rate, epoch, num_epochs):
    """Returns an epoch's learning rate: half a cosine to a hundredth.

    Args:
        learning_rate: of the first epoch.
        epoch: from 0, an int.
        num_epochs: how many there are.
    """
    last = _LAST_RATE * learning_rate
    wave = 1.0 + math.cos(math.pi * epoch / max(num_epochs, 1))
    return last + (learning_rate - last) * wave / 2.0


def _steps_of_epochs(num_examples, examples):
    """Returns a whole pass's steps, and those of an epoch of MixMatch."""
    return -(-num_examples // examples), max(num_examples // examples, 1)


class RefiningMethod(base.Method):
    """A network whose last layer is begun anew, and which then divides.

    A subclass gives `plain_step`, `refine_step` and `mixmatch_step`.

    Attributes:
        judged: float32 [num_ids, 3]: the probability of the given label, the
            class that is predicted, and 1 where that is the label, of the last
            division; -1 where there is no judgement.
        epoch: int64 scalar, the epoch under way.
        class_weights: float32 [C], w of the last division.
    """

    trains_in_epochs = True
    epoch_passes = 1
    remembers = True
    needs_ids = True
    sees_one_view = False
    takes_sample_weights = False
    judged = None

    def __init__(
        self,
        student,
        *,
        T1=20,
        T2=5,
        lambda_u=5.0,
        refine_lr=1e-4,
        train_new_layers=False,
        num_epochs=300,
        lr: float | None = None,
        weight_decay=5e-4,
        num_ids=None,
        **kwargs,
    ):
        """Makes the method; names and defaults are those of CIFAR-10N.

        Args:
            student: a built `keras.Model`, images -> logits, whose last layer
                is a `keras.layers.Dense`.
            T1: the epochs of plain training; 35 for CIFAR-100.
            T2: the passes in which the new last layer is trained alone.
            lambda_u: the final weight of the second loss, which comes in over
                16 epochs; 75 for CIFAR-100N, 15 for 40 % instance noise.
            refine_lr: Adam's learning rate in these passes; they have 1,955
                steps on CIFAR, fewer need more for a layer that begins anew.
            train_new_layers: whether the last layer goes on to be trained.
            num_epochs: how many there are, T1 and those of MixMatch.  0 for as
                many as the steps allow; `fit` may end before.
            lr: the learning rate of the first epoch, which falls after each
                along half a cosine to a hundredth; the optimiser's own if it
                is not given.
            weight_decay: the factor of sum(w^2) / 2 over all trainable
                variables.
            num_ids: the largest example id plus one; None for the examples
                that `fit` sees.
            **kwargs: as for `base.Method`.

        Raises:
            UserError: for values that are out of range.
            ArgumentError: if the student does not end in a dense layer.
        """
        numbers = {
            "T1": T1,
            "T2": T2,
            "lambda_u": lambda_u,
            "refine_lr": refine_lr,
            "num_epochs": num_epochs,
            "lr": lr or 0,
        }
        for name, value in numbers.items():
            if not 0 <= value < np.inf:
                raise errors.UserError(f"--{name}={value}: it is 0 or more")
        super().__init__(
            student,
            weight_decay=weight_decay,
            **{"decayed": decay.all_trainable, **kwargs},
        )
        self.T1, self.T2 = T1, T2
        self.lambda_u = lambda_u
        self.refine_lr = refine_lr
        self.train_new_layers = train_new_layers
        self.num_epochs = math.ceil(num_epochs)
        self.lr = lr
        self._judge = replicas.Pass(
            self.distribute_strategy, self._probabilities, "predictions"
        )
        if num_ids is not None:
            self.keep_ids(num_ids)

    @classmethod
    def steps_of_run(cls, num_epochs, num_examples, batch_size, arguments):
        """Returns the steps of so many epochs and of the refinement.

        Args:
            num_epochs: an int.
            num_examples: N.
            batch_size: examples of a step, of all replicas.
            arguments: {T1, T2}, as of the constructor.
        """
        whole, full = _steps_of_epochs(num_examples, batch_size)
        plain = min(arguments["T1"], num_epochs)
        refined = arguments["T2"] if num_epochs > plain else 0
        return (plain + refined) * whole + (num_epochs - plain) * full

    @property
    def num_ids(self):
        """The largest id that is remembered plus one, None while none is."""
        return None if self.judged is None else self.judged.shape[0]

    @property
    def new_layer(self):
        """The variables of the last layer, a list."""
        return last_layer.of(self.student).trainable_variables

    def keep_ids(self, num_ids):
        """Makes room for what is known of each example, and Adam's moments.

        Args:
            num_ids: the largest example id plus one.
        """
        with self.distribute_strategy.scope():
            self.epoch = self._add_state("epoch", -1)
            # Of the epoch, or of the refinement; and the steps of an epoch.
            self.first_step = self._add_state("first_step", 0)
            self.epoch_steps = self._add_state("epoch_steps", 1)
            self.judged = self._add_state("judged", -1, (num_ids, 3), "float32")
            self.class_weights = self._add_state(
                "class_weights", 1, (self.num_classes,), "float32"
            )
            self.moments = [
                [
                    self._add_state(f"{name}_{n}", 0, v.shape, v.dtype)
                    for name in ("mean", "square")
                ]
                for n, v in enumerate(self.new_layer)
            ]

    def _add_state(self, name, value, shape=(), dtype="int64"):
        return self.add_weight(
            shape=shape,
            dtype=dtype,
            initializer=keras.initializers.Constant(value),
            trainable=False,
            aggregation="only_first_replica",
            name=name,
        )

    def train_step(self, batch):
        """Refuses a step that belongs to no epoch.

        Raises:
            UserError: always.
        """
        raise errors.UserError(
            "PES trains epoch by epoch: use fit, or the loop of "
            "tfnoisy.training"
        )

    def plain_step(self, batch):
        """One step of plain training on a batch {images, labels, ids}."""
        raise NotImplementedError

    def refine_step(self, batch):
        """One step of the last layer alone, on such a batch."""
        raise NotImplementedError

    def mixmatch_step(self, batch):
        """One step on both parts of the division, see `pes_semi`."""
        raise NotImplementedError

    def epoch_now(self):
        """Returns e + k / K of step k of K in the epoch, a float32 scalar."""
        made = tf.cast(self.step, tf.int64) - self.first_step
        fraction = made / tf.cast(self.epoch_steps, tf.int64)
        return tf.cast(self.epoch, tf.float32) + tf.cast(fraction, tf.float32)

    def stage(self, step, data, num_steps):
        """Refines or divides at the start of an epoch; returns its stage.

        Args:
            step: int, the updates made so far.
            data: a `pipeline.TrainingData`.
            num_steps: T, the most updates that may be made.

        Returns:
            A `base.Stage` of one epoch or one pass of the refinement, None
            after the last.

        Raises:
            TrainingError: if a prediction is not finite.
        """
        num_replicas = self.distribute_strategy.num_replicas_in_sync
        whole, full = _steps_of_epochs(
            len(data.dataset), data.batch_size * num_replicas
        )
        refined = self.T1 * whole
        divided = refined + self.T2 * whole
        num_epochs = self.num_epochs or self.T1 + -(
            (divided - num_steps) // full
        )
        if step >= num_steps:
            return None
        if step < divided:
            number, length = step // whole, whole
            epoch, first = min(number, self.T1), number * whole
        else:
            more, length = (step - divided) // full, full
            epoch, first = self.T1 + more, divided + more * full
        if epoch >= num_epochs:
            return None
        # A run that is resumed at the start does it again, to the same end.
        begins = step == first or epoch != int(base.value_of(self.epoch))
        self.epoch.assign(epoch)
        self.epoch_steps.assign(full)
        plain, refining = step < refined, refined <= step < divided
        self.first_step.assign(refined if refining else first)
        if step == refined:
            self._begin_refining()
        if self.lr and not self.leaves_learning_rate:
            self.optimizer.learning_rate = cosine_rate(
                self.lr, epoch, num_epochs
            )
        if plain or refining:
            key = (number, _REFINE if refining else _PLAIN)
            return base.Stage(
                first,
                first + length,
                data.whole_pass(key, num_replicas),
                self.refine_step if refining else self.plain_step,
                evaluate=plain,
                ends_epoch=plain,
            )
        if begins:
            self.divide(data, epoch)
        return base.Stage(
            first,
            first + length,
            self._mixed_batches(data, epoch),
            self.mixmatch_step,
            evaluate=True,
        )

    def _begin_refining(self):
        """Draws the last layer anew as PyTorch does; Adam begins at zero."""
        for n, v in enumerate(self.new_layer):
            bound = 1.0 / math.sqrt(self.new_layer[0].shape[0])
            seed = randomness.stream_seed(self.seed, "new_layer", n)
            drawn = randomness.uniform(seed, v.shape)
            v.assign(tf.cast(bound * (2.0 * drawn - 1.0), v.dtype))
            if self.averages is not None:
                self.average_of(v).assign(base.value_of(v))
            for moment in self.moments[n]:
                moment.assign(tf.zeros(v.shape, moment.dtype))

    def divide(self, data, epoch):
        """Judges all labels; sets the class weights.

        Args:
            data: a `pipeline.TrainingData`.
            epoch: from 0, an int.

        Raises:
            TrainingError: if a prediction is not finite.
        """
        views = []
        for view in (0, 1):

            def batches(input_context=None, view=view):
                return data.training_view_batches(
                    data.batch_size,
                    (epoch, DIVIDE, view),
                    input_context=input_context,
                )

            views.append(self._judge(batches, len(data.dataset)))
        p = np.mean(views, 0)
        if not np.isfinite(p).all():
            raise errors.TrainingError(
                f"predictions are not finite at step {self.steps_made()}; a "
                "smaller --learning_rate, with --overwrite, usually helps"
            )
        # All workers must divide alike.
        p = replicas.of_chief(self.distribute_strategy, p)
        labels, predicted = data.dataset.given_labels, p.argmax(1)
        if not (predicted == labels).any():
            warnings.warn(
                f"step {self.steps_made()}: no label is what the network "
                "predicts, and so all are taken as confident",
                stacklevel=3,
            )
            predicted = labels
        judged = np.full(self.judged.shape, -1, np.float32)
        judged[data.dataset.ids] = np.stack(
            [p[np.arange(len(labels)), labels], predicted, predicted == labels],
            1,
        )
        self.judged.assign(judged)
        counts = np.bincount(
            labels[predicted == labels], minlength=self.num_classes
        )
        self.class_weights.assign(class_weights(counts))

    def _probabilities(self, batch):
        images = self.as_inputs(batch["images"])
        return tf.nn.softmax(self.evaluation_logits(images))

    def _mixed_batches(self, data, epoch):
        """Returns `base.Stage.batches` of two views of both subsets."""
        judged = base.value_of(self.judged)[data.dataset.ids]
        is_confident = judged[:, 2] > 0
        subsets = np.flatnonzero(is_confident), np.flatnonzero(~is_confident)
        sizes = batch_sizes(*map(len, subsets), data.batch_size)
        parts = zip(
            ("labelled", "unlabelled"),
            (_CONFIDENT, _OTHERS),
            subsets,
            sizes,
            strict=True,
        )
        used = [part for part in parts if part[-1]]

        def batches(first_batch=0, input_context=None):
            return tf.data.Dataset.zip(
                {
                    name: data.epoch_batches(
                        (epoch, number),
                        rows,
                        batch_size=min(size, len(rows)),
                        num_views=2,
                        repeat=True,
                        full=True,
                        first_batch=first_batch,
                        input_context=input_context,
                    )
                    for name, number, rows, size in used
                }
            )

        return batches

    def evidence(self):
        """Returns what the last division says of the labels, None before it.

        Returns:
            {ids: int64 [N], ascending; label_score: float32 [N] in [0, 1], the
            probability of the given label; is_label_issue: bool [N], whether
            another class is predicted; target_class: int64 [N], that class}.
        """
        if self.judged is None:
            return None
        judged = base.value_of(self.judged)
        ids = np.flatnonzero(judged[:, 1] >= 0)
        if not len(ids):
            return None
        probability, predicted, confident = judged[ids].T
        return {
            "ids": ids,
            "label_score": probability,
            "is_label_issue": confident == 0,
            "target_class": np.rint(predicted).astype(np.int64),
        }
