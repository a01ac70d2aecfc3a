"""IEG: distil supervision from a few trusted images, by one look-ahead.

Zhang, Zhang, Arik, Lee, Pfister, "Distilling Effective Supervision from
Severe Label Noise", CVPR 2020 (arXiv 1910.00701); the code followed is
google-research/ieg.  Each step:

    pseudo labels   g   = sharpen(mean of softmax(n(z)), softmax(n(a)))
    look-ahead      c_i = CE(lambda_i y_i + (1 - lambda_i) g_i, z_i)
                    L   = sum_i omega_i c_i + R  at omega = 1/B, lambda = 0.9
    coefficients    omega*_i  = u_i / sum(u),  u_i = max(-dM/domega_i, 0)
                    lambda*_i = 1 if dM/dlambda_i < 0, else 0
    update          on (net_loss1 + net_loss2) / 2 + xe_loss + cs_loss + R

with z, a the logits of the standard and the strong view, n the logit
normalisation and M the loss of the probe batch after the look-ahead (see
`look_ahead`).

What the code does that the paper does not say: logits are normalised by one
scalar for the whole batch; g is a constant in every loss of the update but
not in the look-ahead, so dM takes it into account (`label_path`); MixUp's
coefficient is 1 - U^2 / 2 and ce_factor multiplies its unlabelled part
alone; batch normalisation stores the moments of the pass on the standard
view only; no example is left out by a threshold.

Of a student in half precision g, too, is of the passes in float32, and
net_loss and cs_loss are of the ones that are made again.

Deviations: none in the mathematics.  The coefficients come from forward mode
without a second-order graph, and ce_factor or the moving average may be 0.
"""

import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods import mean_weights, mixup
from tfnoisy.methods.look_ahead import look_ahead
from tfnoisy.nets import precision


def normalise_logits(logits):
    """Returns n(Z) = Z / sqrt(mean of all Z^2 + 1e-8), of the shape of Z.

    One scalar for the whole matrix, through which gradients flow.
    """
    return logits * tf.math.rsqrt(tf.reduce_mean(logits**2) + 1e-8)


def pseudo_labels(logits, strong_logits):
    """Returns g, the sharpened mean prediction of both views, [B, C].

    Args:
        logits: z, of the standard view, [B, C].
        strong_logits: a, of the strong view, [B, C].
    """
    views = [
        tf.nn.softmax(normalise_logits(view))
        for view in (logits, strong_logits)
    ]
    return mixup.sharpen((views[0] + views[1]) / 2.0)


def blend_labels(keep, labels, pseudo):
    """Returns P(lambda) = lambda y + (1 - lambda) g, [B, C].

    Args:
        keep: lambda, [B] or a scalar, in [0, 1].
        labels: y, [B, C].
        pseudo: g, [B, C].
    """
    keep = tf.convert_to_tensor(keep, labels.dtype)[..., None]
    return keep * labels + (1.0 - keep) * pseudo


def label_cross_entropy(labels, logits):
    """Returns CE(labels, softmax(logits)), [B], differentiable in both."""
    return -tf.reduce_sum(labels * tf.nn.log_softmax(logits), -1)


def chosen_labels(meta_gradient):
    """Returns lambda*: 1 (the given label) where dM/dlambda < 0, else 0, [B].

    Args:
        meta_gradient: dM/dlambda, [B].
    """
    return tf.cast(meta_gradient < 0, meta_gradient.dtype)


def net_losses(labels, pseudo, logits, weights, keep, initial_keep=0.9):
    """Returns (net_loss1, net_loss2), the two supervised losses.

    Args:
        labels: y, [B, C].
        pseudo: g, [B, C]; a constant here.
        logits: z, [B, C].
        weights: omega*, [B], used with the labels blended by initial_keep.
        keep: lambda*, [B], used with uniform weights.
        initial_keep: lambda^0.
    """
    pseudo = tf.stop_gradient(pseudo)
    chosen = blend_labels(keep, labels, pseudo)
    initial = blend_labels(initial_keep, labels, pseudo)
    return (
        tf.reduce_mean(losses_lib.cross_entropy(chosen, logits)),
        tf.reduce_sum(weights * losses_lib.cross_entropy(initial, logits)),
    )


def consistency_loss(logits, strong_logits):
    """Returns the mean of KL(stop(softmax(z)) || softmax(a)), a scalar."""
    target = tf.stop_gradient(tf.nn.log_softmax(logits))
    ratio = target - tf.nn.log_softmax(strong_logits)
    return tf.reduce_mean(tf.reduce_sum(tf.exp(target) * ratio, -1))


def mixup_coefficients(draws):
    """Returns rho = 1 - U^2 / 2 in [1/2, 1], of the shape of U.

    A stand-in for the larger of l, 1 - l with l from Beta(1/2, 1/2).

    Args:
        draws: U, uniform in [0, 1).
    """
    return 1.0 - draws**2 / 2.0


def mixed_losses(labels, logits):
    """Returns (l_loss, u_loss) of the probe's and the noisy mixed images.

    Args:
        labels: Y', [3B, C]: a block of B for the probe and one for each view.
        logits: [3B, C]; each block is normalised by itself.
    """
    losses = [
        losses_lib.cross_entropy(*block)
        for block in zip(
            tf.split(labels, 3),
            [normalise_logits(block) for block in tf.split(logits, 3)],
        )
    ]
    return tf.reduce_mean(losses[0]), tf.reduce_mean(losses[1:])


class IEG(look_ahead.LookAheadMethod):
    """Trains the student by IEG."""

    def __init__(
        self,
        student,
        *,
        ce_factor=5.0,
        consistency_factor=20.0,
        grad_eps_init=0.9,
        label_path=True,
        num_ids=None,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's flags.

        Args:
            student: a built `keras.Model`, images -> logits.
            ce_factor: of u_loss.
            consistency_factor: of the KL divergence.
            grad_eps_init: lambda^0, the initial share of the given label.
            label_path: whether the look-ahead sees that g depends on theta;
                without it some labels are chosen differently.
            num_ids: the largest example id plus one, to keep each example's
                mean weight; None to keep none.
            **kwargs: as for `look_ahead.LookAheadMethod`.
        """
        super().__init__(student, **kwargs)
        self.ce_factor = ce_factor
        self.consistency_factor = consistency_factor
        self.grad_eps_init = grad_eps_init
        self.label_path = label_path
        self.mean_weights = mean_weights.MeanWeights(
            num_ids, ("mean_weight", "helpful", "kept_label")
        )

    def train_step(self, batch):
        """One step.

        Args:
            batch: {images [B, H, W, C], images_strong [B, H, W, C], labels
                [B], probe_images [B', H, W, C], probe_labels [B']}, and
                perhaps ids [B].

        Returns:
            Scalars: loss, accuracy (on the given labels), net_loss, xe_loss,
            cs_loss, meta_loss, meta_accuracy (of the probe, looking ahead),
            zero_weights, kept_labels (shares of the batch), weight_sum.
        """
        images, labels = self.unpack(batch)
        views = [images, batch["images_strong"]]
        probe = self.unpack_probe(batch)

        with (
            tf.GradientTape(persistent=True) as tape,
            precision.in_float32(),
        ):
            logits = self.student(images, training=True)
            strong_logits = self.forward_untracked(views[1])
        pseudo = pseudo_labels(logits, strong_logits)

        (weight_gradient, keep_gradient), meta_loss, probe_logits = (
            self.coefficient_gradients(
                tape, views, [logits, strong_logits], labels, probe
            )
        )
        weights = look_ahead.example_weights(weight_gradient)
        keep = chosen_labels(keep_gradient)
        size = tf.cast(tf.size(weights), weights.dtype)
        self.mean_weights.record(batch, size * weights, tf.sign(weights), keep)

        with tape:
            z, a = self.update_logits(views, [logits, strong_logits])
            net_loss = 0.5 * tf.add_n(
                net_losses(labels, pseudo, z, weights, keep, self.grad_eps_init)
            )
            cs_loss = self.consistency_factor * consistency_loss(z, a)
            view_loss = net_loss + cs_loss
        variables = self.student.trainable_variables
        gradients = self.scaled_gradients(view_loss, tape, variables)

        mixed_images, mixed_labels = self.mix_with_probe(views, pseudo, probe)
        # One after the other: the views' activations, two batches of them, are
        # let go before there are those of three batches of mixed images.
        with tf.control_dependencies(gradients):
            mixed_images = tf.identity(mixed_images)
        with tf.GradientTape() as mixed_tape:
            l_loss, u_loss = mixed_losses(
                mixed_labels, self.forward_untracked(mixed_images)
            )
            xe_loss = l_loss + self.ce_factor * u_loss
            decay_loss = tf.cast(self.decay_loss(), net_loss.dtype)
            mixed_loss = xe_loss + decay_loss
        mixed_gradients = self.scaled_gradients(
            mixed_loss, mixed_tape, variables
        )
        self.update(
            [g + h for g, h in zip(gradients, mixed_gradients)], variables
        )
        return {
            "loss": view_loss + mixed_loss,
            "accuracy": losses_lib.accuracy(labels, logits),
            "net_loss": net_loss,
            "xe_loss": xe_loss,
            "cs_loss": cs_loss,
            "meta_loss": meta_loss,
            "meta_accuracy": losses_lib.accuracy(probe[1], probe_logits),
            "zero_weights": 1.0 - tf.reduce_mean(tf.sign(weights)),
            "kept_labels": tf.reduce_mean(keep),
            "weight_sum": tf.reduce_sum(weights),
        }

    def evidence(self):
        """Returns the means of the coefficients, see `MeanWeights.evidence`.

        A visit speaks for a label by halves: if omega* is positive, `helpful`,
        and if lambda* is 1, `kept_label`.  How large omega* is says less: late
        in training it is the wrong labels, which are not fitted, that have
        large gradients.  `mean_weight` is that of B omega*, of which the mean
        over a batch is 1.
        """
        return self.mean_weights.evidence("helpful", "kept_label")

    def coefficient_gradients(self, tape, views, logits, labels, probe):
        """Returns (dM/domega [B], dM/dlambda [B]), M and the probe's logits.

        Args:
            tape: the persistent tape that recorded the logits.
            views: standard and strong images, each [B, H, W, C].
            logits: [z, a], each [B, C].
            labels: y, [B, C].
            probe: images [B', H, W, C] and labels [B', C].
        """
        pseudo = None
        if not self.label_path:
            pseudo = tf.stop_gradient(pseudo_labels(*logits))
            views, logits = views[:1], logits[:1]

        def look_ahead_loss(logits, weights, keep):
            g = pseudo_labels(*logits) if self.label_path else pseudo
            blended = blend_labels(keep, labels, g)
            return tf.reduce_sum(
                weights * label_cross_entropy(blended, logits[0])
            )

        ones = tf.ones_like(labels[:, 0])
        coefficients = [ones / tf.reduce_sum(ones), self.grad_eps_init * ones]
        return self.meta_gradients(
            tape, views, logits, look_ahead_loss, coefficients, probe
        )

    def mix_with_probe(self, views, pseudo, probe):
        """Returns 3B mixed images and labels, constants.

        In order: B trusted images drawn with replacement, the standard and
        the strong views, each mixed with any other.

        Args:
            views: standard and strong images, each [B, H, W, C].
            pseudo: g, [B, C], the label of both views.
            probe: images [B', H, W, C] and labels [B', C].
        """
        size = tf.shape(pseudo)[0]
        drawn = randomness.integers(
            self.draw_seed("probe"), [size], tf.shape(probe[0])[0]
        )
        pseudo = tf.stop_gradient(pseudo)
        images = tf.concat([tf.gather(probe[0], drawn), *views], 0)
        labels = tf.concat([tf.gather(probe[1], drawn), pseudo, pseudo], 0)
        draws = randomness.uniform(
            self.draw_seed("mix"), [3 * size], images.dtype
        )
        return mixup.mix(
            images,
            labels,
            randomness.permutation(self.draw_seed("partner"), 3 * size),
            mixup_coefficients(draws),
        )
