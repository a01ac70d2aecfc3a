"""IEG: distil supervision from a few trusted images, by one look-ahead.

Zhang, Zhang, Arik, Lee, Pfister, "Distilling Effective Supervision from
Severe Label Noise", CVPR 2020 (arXiv 1910.00701).  The code followed is
google-research/ieg, `models/model.py`.  Each step has four parts:

    coefficients  g = sharpen((softmax(n(z)) + softmax(n(a))) / 2)
                  c_i = CE(lambda_i y_i + (1 - lambda_i) g_i, z_i)
                  look ahead along sum_i omega_i c_i + R at omega = 1 / B,
                  lambda = 0.9, to the loss M of the probe batch
                  omega*_i = u_i / (sum(u) + 1e-5),  u_i = max(-dM/domega_i, 0)
                  lambda*_i = 1 if dM/dlambda_i < 0, else 0
    view loss     (net_loss1 + net_loss2) / 2 + cs_loss
                  net_loss1 = mean CE(lambda*_i y_i + (1 - lambda*_i) g_i, z_i)
                  net_loss2 = sum omega*_i CE(0.9 y_i + 0.1 g_i, z_i)
                  cs_loss = consistency_factor mean KL(softmax(z), softmax(a))
    mixed loss    xe_loss + R, xe_loss = l_loss + ce_factor u_loss of MixUp
                  over trusted images (labels y), both views (labels g)
    update        on the sum of both losses

with z, a the logits of the standard and the strong view, n the logit
normalisation, and the look-ahead as in `look_ahead`.

What the code does that the paper does not say:

- Logits are normalised by one scalar for the whole batch (`logit_norm`).
- g is a constant in every loss of the update but not in the look-ahead: dM
  takes g's dependence on theta into account (`label_path`).
- MixUp's coefficient is 1 - U^2 / 2 with U uniform (`MixMode`), and ce_factor
  multiplies u_loss alone.
- Batch normalisation stores the moments of the pass on the standard view only.
- No example is left out by a threshold, as the paper has it.
- The weights that are evaluated are a moving average of those after each
  update, whose warm-up counts that update.

Deviations: none in the mathematics.  The coefficients come from forward mode
without a second-order graph; ce_factor or the moving average may be 0, which
the original cannot have.  With half precision g is of the passes in float32,
net_loss and cs_loss are of passes that are made again (`look_ahead`).  Each
replica has a probe batch, coefficients and mixed images of its own.
"""

import keras
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods import mean_weights, mixup
from tfnoisy.methods.look_ahead import derivatives, look_ahead


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


def blend_labels(lambdas, labels, pseudo):
    """Returns P(lambda) = lambda y + (1 - lambda) g, [B, C].

    Args:
        lambdas: lambda, [B] or a scalar, in [0, 1].
        labels: y, [B, C].
        pseudo: g, [B, C].
    """
    lambdas = tf.convert_to_tensor(lambdas, labels.dtype)[..., None]
    return lambdas * labels + (1.0 - lambdas) * pseudo


def label_cross_entropy(labels, logits):
    """Returns CE(labels, softmax(logits)), [B], differentiable in both."""
    return -tf.reduce_sum(labels * tf.nn.log_softmax(logits), -1)


def chosen_labels(meta_gradient):
    """Returns lambda*: 1 (the given label) where dM/dlambda < 0, else 0, [B].

    Args:
        meta_gradient: dM/dlambda, [B].
    """
    return tf.cast(meta_gradient < 0, meta_gradient.dtype)


def net_losses(labels, pseudo, logits, weights, lambdas, initial_lambda=0.9):
    """Returns (net_loss1, net_loss2), the two supervised losses.

    Args:
        labels: y, [B, C].
        pseudo: g, [B, C]; a constant here.
        logits: z, [B, C].
        weights: omega*, [B], used with the labels blended by initial_lambda.
        lambdas: lambda*, [B], used with uniform weights.
        initial_lambda: lambda^0.
    """
    pseudo = tf.stop_gradient(pseudo)
    chosen = blend_labels(lambdas, labels, pseudo)
    initial = blend_labels(initial_lambda, labels, pseudo)
    return (
        tf.reduce_mean(losses_lib.cross_entropy(chosen, logits)),
        tf.reduce_sum(weights * losses_lib.cross_entropy(initial, logits)),
    )


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


@keras.saving.register_keras_serializable("tfnoisy")
class IEG(look_ahead.LookAheadMethod):
    """Trains the student by IEG."""

    uses_strong_view = True
    sees_one_view = False

    def __init__(
        self,
        student,
        *,
        ce_factor=5.0,
        consistency_factor=20.0,
        grad_eps_init=0.9,
        label_path=True,
        num_ids=None,
        strong="autoaug",
        flip=True,
        value_range=None,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's flags.

        Args:
            student: a built `keras.Model`, images -> logits.
            ce_factor: the factor of u_loss.
            consistency_factor: the factor of the KL divergence in cs_loss.
            grad_eps_init: lambda^0, the initial share of the given label.
            label_path: whether the look-ahead takes into account that g
                depends on theta; without it some labels are chosen otherwise.
            num_ids: the largest example id plus one, to keep each example's
                mean weight; None for the examples that `fit` sees.
            strong: the strong view that `fit` makes, see
                `fitting.views.strong_view`.
            flip: whether a flipped image keeps its class.
            value_range: (low, high) of the images' values, which the strong
                view needs; None for 0..255 of uint8, and for what `fit` sees
                of arrays.
            **kwargs: as for `look_ahead.LookAheadMethod`.
        """
        super().__init__(student, **kwargs)
        self.ce_factor = ce_factor
        self.consistency_factor = consistency_factor
        self.grad_eps_init = grad_eps_init
        self.label_path = label_path
        self.strong = strong
        self.flip = flip
        self.value_range = value_range
        self.mean_weights = mean_weights.MeanWeights(
            num_ids, ("mean_weight", "positive_weight", "mean_lambda")
        )

    def train_step(self, batch):
        """One step: coefficients, view loss, mixed loss, update.

        Args:
            batch: {images [B, H, W, C], images_strong [B, H, W, C], labels
                [B], probe_images [B', H, W, C], probe_labels [B']}, and
                perhaps ids [B].

        Returns:
            Scalars: loss, accuracy (on the given labels), net_loss, xe_loss,
            cs_loss, meta_loss (M), meta_accuracy (of the look-ahead network,
            on the probe batch), zero_weights (the share of omega* that is 0),
            mean_lambda (the share of given labels that are kept), weight_sum.
        """
        images, labels = self.unpack(batch)
        views = [images, batch["images_strong"]]
        probe = self.unpack_probe(batch)
        variables = self.student.trainable_variables

        # Coefficients.
        passes = self.record_passes(*views)
        pseudo = pseudo_labels(*passes.logits)
        meta = self.coefficient_gradients(passes, labels, probe)
        weights = look_ahead.example_weights(meta.gradients[0])
        lambdas = chosen_labels(meta.gradients[1])

        # View loss.
        with self.recorded_update(passes) as (z, a):
            net_loss = self.net_loss(labels, pseudo, z, weights, lambdas)
            cs_loss = self.consistency_factor * losses_lib.consistency(z, a)
            view_loss = net_loss + cs_loss
        view_gradients = self.scaled_gradients(
            view_loss, passes.tape, variables
        )

        # Mixed loss.  It waits: the activations of two batches are freed
        # before those of three batches of mixed images are computed.
        mixed_images, mixed_labels = self.mix_with_probe(views, pseudo, probe)
        mixed_images = derivatives.after(view_gradients, mixed_images)
        with tf.GradientTape() as tape:
            mixed_logits = self.forward_untracked(mixed_images)
            l_loss, u_loss = mixed_losses(mixed_labels, mixed_logits)
            xe_loss = l_loss + self.ce_factor * u_loss
            mixed_loss = xe_loss + tf.cast(self.decay_loss(), xe_loss.dtype)
        mixed_gradients = self.scaled_gradients(mixed_loss, tape, variables)

        # Update.
        self.update(
            [g + h for g, h in zip(view_gradients, mixed_gradients)], variables
        )
        size = tf.cast(tf.size(weights), weights.dtype)
        positive = tf.sign(weights)
        self.mean_weights.record(batch, size * weights, positive, lambdas)
        return {
            "loss": view_loss + mixed_loss,
            "accuracy": self.training_accuracy(labels, passes.logits[0]),
            "net_loss": net_loss,
            "xe_loss": xe_loss,
            "cs_loss": cs_loss,
            "meta_loss": meta.loss,
            "meta_accuracy": losses_lib.accuracy(probe[1], meta.logits),
            "zero_weights": 1.0 - tf.reduce_mean(positive),
            "mean_lambda": tf.reduce_mean(lambdas),
            "weight_sum": tf.reduce_sum(weights),
        }

    def evidence(self):
        """Returns the means of the coefficients, see `MeanWeights.evidence`.

        The score is the mean of two shares of recent visits: those in which
        omega* was positive, `positive_weight`, and those in which lambda* was
        1, `mean_lambda`.  The size of omega* says less: late in training the
        wrong labels, which are not fitted, have the large gradients.
        `mean_weight` is that of B omega*, whose mean over a batch is 1.
        """
        return self.mean_weights.evidence("positive_weight", "mean_lambda")

    def net_loss(self, labels, pseudo, logits, weights, lambdas):
        """Returns (net_loss1 + net_loss2) / 2, see `net_losses`."""
        return 0.5 * tf.add_n(
            net_losses(
                labels, pseudo, logits, weights, lambdas, self.grad_eps_init
            )
        )

    def coefficient_gradients(self, passes, labels, probe):
        """Returns dM/domega [B] and dM/dlambda [B], `MetaGradients`.

        Args:
            passes: `look_ahead.Passes` over the standard and the strong view.
            labels: y, [B, C].
            probe: images [B', H, W, C] and labels [B', C].
        """
        constant_pseudo = None
        if not self.label_path:
            constant_pseudo = tf.stop_gradient(pseudo_labels(*passes.logits))
            # The strong view has no part in the look-ahead then.
            passes = look_ahead.Passes(
                passes.tape, passes.views[:1], passes.logits[:1]
            )

        def look_ahead_loss(logits, weights, lambdas):
            g = constant_pseudo
            if self.label_path:
                g = pseudo_labels(*logits)
            blended = blend_labels(lambdas, labels, g)
            return tf.reduce_sum(
                weights * label_cross_entropy(blended, logits[0])
            )

        ones = tf.ones_like(labels[:, 0])
        coefficients = [ones / tf.reduce_sum(ones), self.grad_eps_init * ones]
        return self.meta_gradients(passes, look_ahead_loss, coefficients, probe)

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
