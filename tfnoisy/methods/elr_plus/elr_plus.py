"""ELR+: two networks, each held to what the other's average has said.

Liu, Niles-Weed, Razavian, Fernandez-Granda, "Early-Learning Regularization
Prevents Memorization of Noisy Labels", NeurIPS 2020 (arXiv 2007.00151).  The
code followed is shengliu66/ELR at 934af53, `ELR_plus`.  Each network theta_k
has an average xi_k of its weights and running means t of predictions, as in
`elr`.  An epoch trains network 1 on all batches, then network 2 on its own:

    x', Y'  = mixup of the batch, l ~ Beta(alpha, alpha), l <- max(l, 1 - l)
    t_i    <- beta t_i + (1 - beta) softmax(xi_other(x))_i,   of x not mixed
    q       = l t_i + (1 - l) t_pi(i)
    L       = CE(theta_k(x'), Y') + r(s) lambda mean ln(1 - <q, p>)
    xi_k   <- a(s) xi_k + (1 - a(s)) theta_k                  after the update

with p the probabilities held to [1e-4, 1 - 1e-4], and s the steps of one
network: both see the same s in an epoch.

    r(s) = exp(-5 (1 - min(s / coef_step, 1))^2), or 1
    a(s) = ema_alpha exp(-5 (1 - min((s + 1) / ema_step, 1))^2), or
           min(1 - 1 / (s + 1), ema_alpha)

What that code does that the paper does not say:

- Of 100 classes, and only then, the labels are Y' q / sum(Y' q).
- In t the probabilities are not held to [1e-4, 1 - 1e-4], as they are in ELR.
- xi is in training mode, so that the targets are of the batch's own moments.
- Networks are judged together, by the raw weights, not by the averages.

Deviations: an average begins as its network, where the code has four that are
initialised independently; after the first step hardly a hundredth of that is
left, with `ema_update`.  The learning rate is the optimiser's.

Original presets (C10, asymmetric C10, C100): beta 0.7, 0.9, 0.9; lambda 3, 1,
7; coef_step 0, 0, 40000; PreAct ResNet-18, 200, 200, 250 epochs of batches of
128 at learning rate 0.02, a tenth from epoch 150, 150, 200 on.
"""

import keras
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.methods import base, batches, elr, given_labels, mixup, ranges
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.elr_plus import averaged_pair

_REFINED_CLASSES = 100


def moved_targets(targets, peer_logits, beta):
    """Returns beta t + (1 - beta) softmax(z), [B, C], a constant.

    Args:
        targets: t before this step, [B, C].
        peer_logits: z, of the other network's average, [B, C].
        beta: in [0, 1].
    """
    p = tf.stop_gradient(tf.nn.softmax(peer_logits))
    return beta * targets + (1.0 - beta) * p


def refined(labels, mixed_targets):
    """Returns Y' q / sum(Y' q), [B, C]; Y' where nothing of q is on it.

    Args:
        labels: Y', [B, C].
        mixed_targets: q, [B, C].
    """
    product = labels * mixed_targets
    total = tf.reduce_sum(product, -1, keepdims=True)
    return tf.where(total > 0, tf.math.divide_no_nan(product, total), labels)


def loss_of(labels, logits, mixed_targets, factor):
    """Returns CE + factor mean ln(1 - <q, p>), a scalar.

    Args:
        labels: Y', [B, C].
        logits: of the mixed images, [B, C].
        mixed_targets: q, [B, C].
        factor: r(s) lambda.
    """
    if labels.shape[-1] == _REFINED_CLASSES:
        labels = refined(labels, mixed_targets)
    return tf.reduce_mean(losses_lib.cross_entropy(labels, logits)) + (
        factor * tf.reduce_mean(elr.regulariser(mixed_targets, logits))
    )


@keras.saving.register_keras_serializable("tfnoisy")
class ELRPlus(averaged_pair.AveragedPair):
    """Trains a pair of networks by ELR+.

    Attributes:
        targets: two float32 variables [num_ids, C], t; None before the
            examples are known.
    """

    targets = None

    def __init__(
        self,
        student,
        *,
        beta=0.7,
        lamb=3.0,
        mixup_alpha=1.0,
        coef_step=0,
        num_ids=None,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's, of C10.

        Args:
            student: a `nets.pair.Pair`, or what `pairs.of` makes one from.
            beta: how much of t each visit keeps, in [0, 1].
            lamb: lambda, the factor of the regulariser, 0 or more.
            mixup_alpha: alpha; 0 for images that are not mixed.
            coef_step: the steps of one network in which the regulariser comes
                in; 0 for at once.
            num_ids: the largest example id plus one; None for the examples
                that `fit` sees.
            **kwargs: as for `averaged_pair.AveragedPair`.

        Raises:
            UserError: for values that are out of range.
        """
        ranges.shares(beta=beta)
        ranges.non_negative(
            lamb=lamb, mixup_alpha=mixup_alpha, coef_step=coef_step
        )
        super().__init__(student, **kwargs)
        self.beta, self.lamb, self.mixup_alpha = beta, lamb, mixup_alpha
        self.coef_step = coef_step
        self.mean_weights = given_labels.GivenLabels()
        if num_ids is not None:
            self.keep_ids(num_ids)

    def keep_ids(self, num_ids):
        """Makes t of both networks, zeros.

        Args:
            num_ids: the largest example id plus one.
        """
        super().keep_ids(num_ids)
        with self.distribute_strategy.scope():
            self.targets = [
                self.add_weight(
                    shape=(num_ids, self.num_classes),
                    initializer="zeros",
                    dtype="float32",
                    trainable=False,
                    aggregation="sum",
                    name=f"targets_{k}",
                )
                for k in (1, 2)
            ]

    def train_iteration(self, k, batch):
        """One update of network k and of its average.

        Args:
            k: which network, 0 or 1.
            batch: {images [B, H, W, C], labels [B] or [B, C], ids [B]}.

        Returns:
            Scalars: loss (with decay), accuracy (of the mixed images, on the
            larger label), regulariser (its mean, at most 0), coefficient (r).

        Raises:
            UserError: if the batch has no ids.
        """
        ids = batches.needed_ids(batch, "ELR+")
        network = self.student.networks[k]
        images, labels = self.unpack(batch)
        step = self.own_step()
        coefficient = averaged_pair.ramp_up(step, self.coef_step)

        before = tf.gather(self.targets[k].value, ids)
        peer_logits = tf.cast(self.peer_logits(k, images), before.dtype)
        targets = moved_targets(before, peer_logits, self.beta)
        self.targets[k].value.scatter_add(
            tf.IndexedSlices(targets - before, ids)
        )
        # Which evidence is held against.
        self.mean_weights.record_labels(batch, labels)
        mixed_images, mixed_labels, q = self.mix(batch, images, labels, targets)
        with tf.GradientTape() as tape:
            logits = network(mixed_images, training=True)
            loss = loss_of(mixed_labels, logits, q, coefficient * self.lamb)
            loss += self.decay_loss(network.trainable_variables)
        self.minimize(loss, tape, network.trainable_variables)
        self.move_average(k, step)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(mixed_labels, logits),
            "regulariser": tf.reduce_mean(elr.regulariser(q, logits)),
            "coefficient": coefficient,
        }

    def mix(self, batch, images, labels, targets):
        """Returns x', Y' and q: all three mixed alike, or as they are.

        Args:
            batch: what l is drawn for.
            images: [B, H, W, C].
            labels: [B, C].
            targets: t, [B, C].
        """
        draw = self.beta_draws(batch)
        if draw is None:
            return images, labels, targets
        share = tf.maximum(draw, 1.0 - draw)
        partners = randomness.permutation(
            self.draw_seed("partner"), tf.shape(labels)[0]
        )
        images, labels = mixup.mix(images, labels, partners, share)
        q = share * targets + (1.0 - share) * tf.gather(targets, partners)
        return images, labels, q

    def draw_beta(self, batch):
        """Returns l ~ Beta(alpha, alpha), one a batch; None if alpha is 0."""
        if not self.mixup_alpha:
            return None
        return mixup.beta(self.draw_seed("mix"), [], self.mixup_alpha)

    def evidence(self):
        """Returns what both t say of the labels, see `elr.judged`."""
        known = self.mean_weights.known()
        if known is None:
            return None
        ids, given = known
        both = [base.value_of(t)[ids] for t in self.targets]
        return elr.judged(ids, given, *both)
