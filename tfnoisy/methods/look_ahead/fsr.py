"""FSR: weigh examples by trusted images that the method chooses itself.

Zhang and Pfister, "Learning Fast Sample Re-weighting Without Reward Data",
ICCV 2021 (arXiv 2109.03216).  The code followed is google-research/ieg,
`models/fsr.py` (`--method=fsr`).  With c_i the cross-entropy of example i, K
the classifier (the last layer) and theta_K its weights:

    theta^_K = theta_K - s (mu' m + d(sum_i c_i / B + R)/dtheta_K)
    M        = mean cross-entropy(buffer batch; theta^) + R(theta^_K)
    w_i      = u_i / (sum(u) + 1e-5),  u_i = max(-dM/dw_i, 0)        noise
               or u_i = 1/B - dM/dw_i - min_j(1/B - dM/dw_j) + 1/B   imbalance
    loss     = sum_i w_i c_i + pseudo loss + R
    margin_i = c_i(theta) - c_i(theta^)
    rho_i   <- beta rho_i - (1 - beta) margin_i

A buffer holds `queue_capacity` training images, as many of each class: after
each epoch those with the lowest rho, which the step on the buffer helped most.
Of it each step takes `queue_bs`, in place of trusted images.  The pseudo loss
is the cross-entropy with softmax(n(e_i) / T), e_i a moving mean of the
example's logits and n IEG's logit normalisation.

What that code does that the paper does not say: the look-ahead passes through
the buffer batch and the noisy batch together, so that batch normalisation sees
both; with mixup c_i is of the mixed image and the margin compares it with the
image itself; until `meta_start_epoch` all weights are 1/B, though the look-
ahead is made, and the update need not wait for it, so that the margins may be
of weights that have moved; an image of the buffer keeps one view for an epoch.

Deviations: the buffer begins with the first images of each class, already at
the first step (the original's first step sees empty images); examples that
were not visited are chosen last; the moving mean of the weights of a class
takes its last example in the batch, as the original does on a CPU.  Margins
are always of the weights before the update.  Each replica draws a batch of its
own from the buffer.
"""

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors, randomness
from tfnoisy.datasets import balanced, drawing, pipeline
from tfnoisy.methods import base, batches, mean_weights, mixup
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.look_ahead import ieg, look_ahead
from tfnoisy.nets import weight_decay as decay


def balanced_weights(meta_gradient):
    """Returns the weights for unbalanced classes, [B]: none of them is 0.

    Args:
        meta_gradient: dM/dw at w = 1/B, [B].
    """
    start = 1.0 / tf.cast(tf.size(meta_gradient), meta_gradient.dtype)
    raw = start - tf.stop_gradient(meta_gradient)
    u = raw - tf.reduce_min(raw) + start
    return u / (tf.reduce_sum(u) + 1e-5)


def smoothed(labels, share):
    """Returns labels of which a share is spread over all classes, [B, C].

    Args:
        labels: [B, C].
        share: in [0, 1].
    """
    return (1.0 - share) * labels + share / labels.shape[-1]


def pseudo_targets(mean_logits, temperature):
    """Returns softmax(n(e) / T), [B, C], constants.

    Args:
        mean_logits: e, [B, C].
        temperature: T.
    """
    normal = ieg.normalise_logits(mean_logits)
    return tf.stop_gradient(tf.nn.softmax(normal / temperature))


def parse_pseudo_loss(text):
    """Returns (temperature, gamma, weight), or None for no pseudo loss.

    Args:
        text: `all_TEMPERATURE_GAMMA_WEIGHT` as in the original, or empty.

    Raises:
        UserError: if it is not of that form.
    """
    if not text:
        return None
    kind, *numbers = text.split("_")
    try:
        temperature, gamma, weight = map(float, numbers)
    except ValueError:
        kind = ""
    if kind != "all" or not (
        0 < temperature < np.inf and 0 <= gamma <= 1 and 0 <= weight < np.inf
    ):
        raise errors.UserError(
            f"--use_pseudo_loss={text}: write all_TEMPERATURE_GAMMA_WEIGHT, "
            "such as all_1_0.1_2, or nothing for none"
        )
    return temperature, gamma, weight


def class_means(means, labels, weights, gamma):
    """Returns gamma m_c + (1 - gamma) w of the last example of each class.

    Args:
        means: m, [C].
        labels: int [B].
        weights: w, [B].
        gamma: in [0, 1].

    Returns:
        [C]; m_c where the batch has no example of class c.
    """
    size = tf.shape(labels)[0]
    last = tf.math.unsorted_segment_max(tf.range(size), labels, means.shape[0])
    mixed = gamma * means + (1.0 - gamma) * tf.gather(
        weights, tf.maximum(last, 0)
    )
    return tf.where(last >= 0, mixed, means)


class Dictionary(keras.layers.Layer):
    """What FSR remembers of the training set, by example id.

    Attributes:
        scores: float32 [num_ids, 2]: rho, and the number of visits.
        mean_logits: float32 [num_ids, C], e; None without a pseudo loss.
        buffer: int64 [capacity], the ids of the buffer; -1 where it is short.
        epoch: int64 scalar, the epoch that the buffer is for; -1 at first.
        class_means: float32 [C], moving means of the weights.
    """

    def __init__(self, num_ids, num_classes, capacity, with_logits):
        """Makes the variables.

        Args:
            num_ids: the largest example id plus one.
            num_classes: C.
            capacity: of the buffer.
            with_logits: whether to keep mean logits.
        """
        super().__init__(name="dictionary")

        def variable(name, shape, dtype="float32", aggregation="sum", value=0):
            return self.add_weight(
                shape=shape,
                initializer=keras.initializers.Constant(value),
                dtype=dtype,
                trainable=False,
                aggregation=aggregation,
                name=name,
            )

        self.scores = variable("scores", (num_ids, 2))
        self.mean_logits = None
        if with_logits:
            self.mean_logits = variable("mean_logits", (num_ids, num_classes))
        alike = {"aggregation": "only_first_replica", "value": -1}
        self.buffer = variable("buffer", (capacity,), "int64", **alike)
        self.epoch = variable("epoch", (), "int64", **alike)
        self.class_means = variable(
            "class_means", (num_classes,), aggregation="mean"
        )
        self.built = True

    def record(self, ids, margins, beta):
        """Takes the margins of a replica's batch into the scores.

        Args:
            ids: int64 [B].
            margins: [B].
            beta: in [0, 1]; at 1 the negative margins are added up.
        """
        faded = tf.gather(self.scores.value[:, 0], ids)
        change = -beta * margins
        if beta < 1:
            change = (1.0 - beta) * (-margins - faded)
        visits = tf.stack([change, tf.ones_like(change)], -1)
        self.scores.value.scatter_add(tf.IndexedSlices(visits, ids))

    def move_logits(self, ids, moved):
        """Replaces the mean logits of a replica's batch.

        Args:
            ids: int64 [B].
            moved: [B, C].
        """
        change = moved - tf.gather(self.mean_logits.value, ids)
        self.mean_logits.value.scatter_add(tf.IndexedSlices(change, ids))

    def fill(self, epoch, dataset):
        """Chooses the buffer of an epoch, unless it has been chosen.

        Args:
            epoch: int.
            dataset: the training `ImageDataset`.

        Returns:
            The buffer's rows of the data set, int64 [n].
        """
        if base.value_of(self.epoch) != epoch:
            scores, visits = base.value_of(self.scores)[dataset.ids].T
            rows = lowest_of_classes(
                np.where(visits > 0, scores, np.inf),
                dataset.given_labels,
                dataset.num_classes,
                self.buffer.shape[0] // dataset.num_classes,
            )
            chosen = np.full(self.buffer.shape[0], -1)
            chosen[: len(rows)] = dataset.ids[rows]
            self.buffer.assign(chosen)
            self.epoch.assign(epoch)
        return np.flatnonzero(np.isin(dataset.ids, base.value_of(self.buffer)))


def lowest_of_classes(scores, labels, num_classes, count):
    """Returns the rows of the lowest scores of each class, int64 [n].

    Args:
        scores: float [N]; equal ones are taken in the order of their rows.
        labels: int [N].
        num_classes: C.
        count: how many of each class, if there are so many.
    """
    order = np.argsort(scores, kind="stable")
    return np.concatenate(
        [order[labels[order] == c][:count] for c in range(num_classes)]
    )


def _joined(batch, probe):
    named = {f"probe_{name}": part for name, part in probe.items()}
    return {**batch, **named}


@keras.saving.register_keras_serializable("tfnoisy")
class FSR(look_ahead.LookAheadMethod):
    """Trains the student on weighted losses, without trusted images."""

    needs_probe = False
    sees_one_view = False
    trains_in_epochs = True

    def __init__(
        self,
        student,
        *,
        queue_capacity=2000,
        queue_bs=200,
        queue_beta=0.9,
        use_mixup=True,
        use_pseudo_loss="all_1_0.1_2",
        meta_start_epoch=20,
        meta_partial_level=0,
        clip_meta_weight=True,
        moving_weight_gamma=0.0,
        meta_moving_end_epoch=0,
        label_smoothing=0.0,
        num_ids=None,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's flags.

        Args:
            student: a built `keras.Model`, images -> logits.
            queue_capacity: images in the buffer, a multiple of C.
            queue_bs: how many of them a step takes, a multiple of C.
            queue_beta: beta, in [0, 1].
            use_mixup: whether to train on mixed images.
            use_pseudo_loss: `all_TEMPERATURE_GAMMA_WEIGHT`, or empty for none.
            meta_start_epoch: until then all weights are equal.
            meta_partial_level: 0 to look ahead on the classifier alone, -1 on
                all weights.
            clip_meta_weight: whether what hurts has weight 0, as for noise;
                False for unbalanced classes.
            moving_weight_gamma: the share of the past in a moving mean of the
                weights of each class, which then all its examples have; 0 for
                none.
            meta_moving_end_epoch: from this epoch on those means stay as they
                are; 0 for never.
            label_smoothing: the share of a label that is spread over all
                classes, without mixup and in the buffer.
            num_ids: the largest example id plus one; None for the examples
                that `fit` sees.
            **kwargs: as for `look_ahead.LookAheadMethod`.

        Raises:
            UserError: for values that do not go together.
        """
        kwargs.setdefault("ema_before_update", True)
        super().__init__(student, **kwargs)
        self.pseudo = parse_pseudo_loss(use_pseudo_loss)
        if meta_partial_level not in (0, -1):
            raise errors.UserError(
                f"--meta_partial_level={meta_partial_level}: 0 is the "
                "classifier alone, -1 all weights"
            )
        if queue_bs > queue_capacity:
            raise errors.UserError(
                f"--queue_bs={queue_bs} images of --queue_capacity="
                f"{queue_capacity}: the buffer has fewer"
            )
        self.queue_capacity = queue_capacity
        self.queue_bs = queue_bs
        self.queue_beta = queue_beta
        self.use_mixup = use_mixup
        self.meta_start_epoch = meta_start_epoch
        self.meta_partial_level = meta_partial_level
        self.clip_meta_weight = clip_meta_weight
        self.moving_weight_gamma = moving_weight_gamma
        self.meta_moving_end_epoch = meta_moving_end_epoch
        self.label_smoothing = label_smoothing
        self.dictionary = None
        self.mean_weights = mean_weights.MeanWeights(
            None, ("mean_weight", "positive_weight", "margin")
        )
        if num_ids is not None:
            self.keep_ids(num_ids)

    def keep_ids(self, num_ids):
        """Creates what is remembered of each example.

        Args:
            num_ids: the largest example id plus one.

        Raises:
            UserError: if the buffer cannot have as many of each class.
        """
        for name in ("queue_capacity", "queue_bs"):
            size = getattr(self, name)
            if size < 1 or size % self.num_classes:
                raise errors.UserError(
                    f"--{name}={size}: as many images of each of "
                    f"{self.num_classes} classes are wanted: a multiple of "
                    f"{self.num_classes}"
                )
        super().keep_ids(num_ids)
        with self.distribute_strategy.scope():
            self.dictionary = Dictionary(
                num_ids,
                self.num_classes,
                self.queue_capacity,
                self.pseudo is not None,
            )

    @property
    def look_ahead_variables(self):
        """The classifier's variables, or all trainable ones."""
        if self.meta_partial_level == -1:
            return self.student.trainable_variables
        layers = [
            layer
            for layer in self.student._flatten_layers(include_self=False)
            if layer.trainable_variables
        ]
        return layers[-1].trainable_variables

    def stage(self, step, data, num_steps):
        """Fills the buffer at the beginning of an epoch; returns the epoch.

        Args:
            step: int, the updates made so far.
            data: a `pipeline.TrainingData`.
            num_steps: T, the most updates that may be made.

        Returns:
            A `base.Stage` of one epoch, or None after the last.

        Raises:
            UserError: if a class has no training image.
        """
        if step >= num_steps:
            return None
        replicas = self.distribute_strategy.num_replicas_in_sync
        steps = max(1, len(data.dataset) // (data.batch_size * replicas))
        epoch = step // steps
        counts = np.bincount(
            data.dataset.given_labels, minlength=self.num_classes
        )
        if not counts.all():
            raise errors.UserError(
                "FSR needs training images of each class, and there are none "
                f"of {data.dataset.class_names[counts.argmin()]}"
            )
        rows = self.dictionary.fill(epoch, data.dataset)

        def batches(first_batch, context):
            noisy = data.batches(
                epoch * steps * replicas + first_batch, context
            )
            trusted = balanced.batches(
                data, rows, self.queue_bs, epoch, first_batch, context
            )
            together = tf.data.Dataset.zip(noisy, trusted)
            return pipeline.untuned(together.map(drawing.as_is(_joined)))

        return base.Stage(
            epoch * steps, (epoch + 1) * steps, batches, self.train_step
        )

    def train_step(self, batch):
        """One step: look-ahead on the buffer, weights, update, scores.

        Args:
            batch: {images [B, H, W, C], labels [B], ids [B], probe_images
                [B', H, W, C], probe_labels [B']}.

        Returns:
            Scalars: loss, accuracy (on the given labels), meta_loss (M),
            meta_accuracy (of the look-ahead network, on the buffer),
            zero_weights (the share of them), weight_sum, margin (the mean),
            pseudo_loss.
        """
        images, labels = self.unpack(batch)
        probe_images, probe_labels = self.unpack_probe(batch)
        ids = batches.needed_ids(batch, "FSR")
        inputs, targets = images, smoothed(labels, self.label_smoothing)
        if self.use_mixup:
            inputs, targets = self.mix(images, labels)

        def weighted_loss(logits, weights):
            losses = losses_lib.cross_entropy(targets, logits[0])
            return tf.reduce_sum(weights * losses)

        passes = self.record_passes(inputs)
        size = tf.cast(tf.shape(labels)[0], labels.dtype)
        equal = tf.ones_like(labels[:, 0]) / size
        meta = self.meta_gradients(
            passes, weighted_loss, [equal], (probe_images, probe_labels, images)
        )
        probe_logits, ahead = tf.split(
            meta.logits, [tf.shape(probe_images)[0], tf.shape(images)[0]]
        )
        found = self.weigh(meta.gradients[0], labels)
        begun = self.dictionary.epoch >= self.meta_start_epoch
        weights = tf.where(begun, found, equal)
        pseudo_loss = tf.zeros([], labels.dtype)
        with self.recorded_update(passes) as (logits,):
            loss = weighted_loss([logits], weights)
            if self.pseudo is not None:
                pseudo_loss = tf.where(begun, self.pseudo_loss(ids, logits), 0)
            loss += pseudo_loss
            loss += tf.cast(self.decay_loss(), loss.dtype)
        self.minimize(loss, passes.tape)

        logits = passes.logits[0]
        margins = losses_lib.cross_entropy(
            targets, logits
        ) - losses_lib.cross_entropy(labels, ahead)
        self.remember(ids, margins, logits)
        self.mean_weights.record(batch, size * found, tf.sign(found), margins)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, logits),
            "meta_loss": meta.loss,
            "meta_accuracy": losses_lib.accuracy(probe_labels, probe_logits),
            "zero_weights": 1.0 - tf.reduce_mean(tf.sign(weights)),
            "weight_sum": tf.reduce_sum(weights),
            "margin": tf.reduce_mean(margins),
            "pseudo_loss": pseudo_loss,
        }

    def mix(self, images, labels):
        """Returns each image and label mixed with another, mostly itself.

        Args:
            images: [B, H, W, C].
            labels: [B, C].
        """
        size = tf.shape(labels)[0]
        draws = randomness.uniform(self.draw_seed("mix"), [size], images.dtype)
        return mixup.mix(
            images,
            labels,
            randomness.permutation(self.draw_seed("partner"), size),
            ieg.mixup_coefficients(draws),
        )

    def meta_loss(self, weights, probe_images, probe_labels, images):
        """Returns M at these weights, and the logits of both batches.

        Args:
            weights: of the `look_ahead_variables`.
            probe_images: [B', H, W, C].
            probe_labels: [B', C].
            images: [B, H, W, C].
        """
        logits = self.at(weights, tf.concat([probe_images, images], 0))
        losses = losses_lib.cross_entropy(
            smoothed(probe_labels, self.label_smoothing),
            logits[: tf.shape(probe_images)[0]],
        )
        loss = tf.reduce_mean(losses)
        regulariser = self.meta_weight_decay * decay.l2(weights)
        return loss + tf.cast(regulariser, loss.dtype), logits

    def weigh(self, meta_gradient, labels):
        """Returns w, [B], and moves the means of the classes, if there are.

        Args:
            meta_gradient: dM/dw, [B].
            labels: one-hot [B, C].
        """
        if self.clip_meta_weight:
            weights = look_ahead.example_weights(meta_gradient)
        else:
            weights = balanced_weights(meta_gradient)
        if not self.moving_weight_gamma:
            return weights
        classes = tf.argmax(labels, -1, tf.int32)
        kept = self.dictionary.class_means
        # They begin at 1/B, whatever B is.
        start = tf.cast(1 / tf.shape(labels)[0], kept.dtype)
        means = class_means(
            kept + start,
            classes,
            tf.cast(weights, kept.dtype),
            self.moving_weight_gamma,
        )
        if self.meta_moving_end_epoch:
            moves = self.dictionary.epoch < self.meta_moving_end_epoch
            means = tf.where(moves, means, kept + start)
        kept.assign(means - start)
        return tf.cast(tf.gather(means, classes), weights.dtype)

    def pseudo_loss(self, ids, logits):
        """Returns the weight times CE(softmax(n(e) / T), z), a scalar.

        Args:
            ids: int64 [B].
            logits: z, [B, C].
        """
        temperature, _, weight = self.pseudo
        means = tf.gather(self.dictionary.mean_logits.value, ids)
        targets = pseudo_targets(tf.cast(means, logits.dtype), temperature)
        losses = losses_lib.cross_entropy(targets, logits)
        return weight * tf.reduce_mean(losses)

    def remember(self, ids, margins, logits):
        """Moves the scores and the mean logits of a batch.

        Args:
            ids: int64 [B].
            margins: [B].
            logits: z, [B, C].
        """
        kept = self.dictionary
        margins = tf.cast(tf.stop_gradient(margins), kept.scores.dtype)
        kept.record(ids, margins, self.queue_beta)
        if self.pseudo is not None:
            _, gamma, _ = self.pseudo
            logits = tf.cast(tf.stop_gradient(logits), kept.mean_logits.dtype)
            means = tf.gather(kept.mean_logits.value, ids)
            means = ieg.normalise_logits(means)
            kept.move_logits(ids, gamma * means + (1.0 - gamma) * logits)

    def method_metrics(self):
        """Returns how full the buffer is, {buffer: {images, epoch}}."""
        if self.dictionary is None:
            return {}
        return {
            "buffer": {
                "images": int(
                    (base.value_of(self.dictionary.buffer) >= 0).sum()
                ),
                "epoch": int(base.value_of(self.dictionary.epoch)),
            }
        }

    def evidence(self):
        """Returns the means of the weights, see `MeanWeights.evidence`.

        The score is `positive_weight`, the share of recent visits in which the
        weight was positive, as of L2R; `margin` is the mean margin.
        """
        return self.mean_weights.evidence("positive_weight")
