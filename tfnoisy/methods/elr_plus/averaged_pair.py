"""Two networks that are trained in turn, each with an average of its weights.

As shengliu66/ELR at 934af53 has them in `ELR_plus`, see `elr_plus`: an epoch is
a pass of network 1 over all batches, then one of network 2 over batches of its
own.  A stage of the training loop is one such pass.
"""

import functools

import tensorflow as tf

from tfnoisy.methods import base, epochwise, pairs, ranges, students
from tfnoisy.nets import weight_decay as decay


def ramp_up(step, length):
    """Returns exp(-5 (1 - min(step / length, 1))^2), a scalar; 1 of length 0.

    Args:
        step: a float scalar.
        length: in steps, 0 or more.
    """
    if not length:
        return tf.ones_like(step)
    return tf.exp(-5.0 * tf.square(1.0 - tf.clip_by_value(step / length, 0, 1)))


def average_decay(step, ema_alpha, ema_step):
    """Returns a(s), the share of the average that is kept, a scalar.

    Args:
        step: s, a float scalar, counted from 1.
        ema_alpha: the largest decay.
        ema_step: the steps of the ramp; None for 1 - 1 / (s + 1) in its place.
    """
    if ema_step is None:
        return tf.minimum(1.0 - 1.0 / (step + 1.0), ema_alpha)
    return ema_alpha * ramp_up(step + 1.0, ema_step)


class AveragedPair(epochwise.EpochwiseMethod):
    """Trains a pair of networks in turn; a subclass gives `train_iteration`.

    Attributes:
        moving: two lists of variables, xi, of what each network may train.
        steps_before: int64 scalar, the steps of the other network up to now.
    """

    epoch_passes = 2

    def __init__(
        self,
        student,
        *,
        ema_alpha=0.997,
        ema_update=True,
        ema_step=40000,
        weight_decay=5e-4,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's.

        Args:
            student: a `nets.pair.Pair`, or what `pairs.of` makes one from.
            ema_alpha: the largest decay of the averages, in [0, 1].
            ema_update: whether this decay comes in over `ema_step`; it is
                near 1 after a few steps otherwise.
            ema_step: in steps of one network.
            weight_decay: the factor of sum(w^2) / 2 over all trainable
                variables.
            **kwargs: as for `base.Method`.

        Raises:
            UserError: for values that are out of range.
        """
        ranges.shares(ema_alpha=ema_alpha)
        ranges.non_negative(ema_step=ema_step)
        super().__init__(
            pairs.of(student),
            weight_decay=weight_decay,
            decayed=decay.all_trainable,
            **kwargs,
        )
        self.ema_alpha = ema_alpha
        self.ema_step = ema_step if ema_update else None
        # The same functions in every epoch, so that each is traced once.
        self._iterations = [
            functools.partial(self.train_iteration, k) for k in (0, 1)
        ]
        self._make_moving()
        self.steps_before = self.add_state("steps_before", 0)

    def _make_moving(self):
        """Makes the averages, equal to the networks."""
        self.moving = []
        self._moving_index = {}
        for network in self.student.networks:
            variables = students.trainable_in_principle(network)
            self.moving.append([])
            for index, v in enumerate(variables):
                average = self.add_weight(
                    shape=v.shape,
                    initializer="zeros",
                    dtype=v.dtype,
                    trainable=False,
                    aggregation="only_first_replica",
                    name=f"moving_{len(self.moving)}_{index}",
                )
                average.assign(v)
                self.moving[-1].append(average)
                self._moving_index[id(v)] = index

    def moving_average_of(self, k, variable):
        """Returns xi of a variable of network k."""
        return self.moving[k][self._moving_index[id(variable)]]

    def own_step(self):
        """Returns s, which step of its network this is, float32, from 1."""
        step = tf.cast(self.step, tf.int64) - self.steps_before.value + 1
        return tf.cast(step, tf.float32)

    def train_iteration(self, k, batch):
        """One step of network k, 0 or 1, on a batch {images, labels, ids}."""
        raise NotImplementedError

    def stage(self, step, data, num_steps):
        """Returns the epoch of one network that contains this step.

        Args:
            step: int, the updates made so far, of both networks.
            data: a `pipeline.TrainingData`.
            num_steps: T, the most updates that may be made.

        Returns:
            A `base.Stage`, evaluated at its end if it is the second network's;
            None after the last step.
        """
        if step >= num_steps:
            return None
        num_replicas = self.distribute_strategy.num_replicas_in_sync
        steps = data.steps_of_pass(num_replicas)
        index = step // steps
        epoch, k = divmod(index, 2)
        self.steps_before.assign((epoch + k) * steps)

        return base.Stage(
            index * steps,
            (index + 1) * steps,
            data.whole_pass((epoch, k), num_replicas),
            self._iterations[k],
            evaluate=k == 1,
            ends_epoch=k == 1,
        )

    def peer_logits(self, k, images):
        """Returns the logits of the other network's average, [B, C].

        In training mode, by the moments of the batch, of which nothing is kept.

        Args:
            k: which network is trained, 0 or 1.
            images: [B, H, W, C].
        """
        network = self.student.networks[1 - k]
        logits, _ = network.stateless_call(
            [
                self.moving_average_of(1 - k, v)
                for v in network.trainable_variables
            ],
            network.non_trainable_variables,
            images,
            training=True,
        )
        return logits

    def move_average(self, k, step):
        """Moves xi of network k towards its weights.

        Args:
            k: which network, 0 or 1.
            step: s, a float scalar.
        """
        keep = average_decay(step, self.ema_alpha, self.ema_step)
        for v in self.student.networks[k].trainable_variables:
            average = self.moving_average_of(k, v)
            share = tf.cast(1.0 - keep, average.dtype)
            average.assign_sub(share * (average - v))
