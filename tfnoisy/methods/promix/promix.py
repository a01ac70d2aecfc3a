"""ProMix: two networks that choose many labels, and are debiased for it.

Xiao, Dong, Wang, Feng, Wu, Chen, Zhao, "ProMix: Combating Label Noise via
Maximizing Clean Sample Utility", IJCAI 2023 (arXiv 2207.10276).  The code
followed is Justherozen/ProMix at 40d8378, `Train_promix.py`.  Both networks
have two linear heads on the same features, primary h and pseudo g, see
`two_heads`, and are trained together, after epochs of plain training.  For each
network, of a weak view w and a strong view s, with p = softmax h(w):

    CSS    m = 1 for the smallest losses of each given class, see `selection`
    MHCS   m = 1 also where p of the given label is above tau
    y*     the given label where m = 1, else argmax of h(w) - b ln pi
    LGA    in the last epochs S grows to a share of the batch: by examples with
           max p > tau in both networks, and the same prediction
    S      the examples with m = 1 and those of LGA; R the rest
    L_h    CE_S(h(w)) + gamma (CE_S(h(s)) + mixup_S + fmix_S), on y*
    L_g    the same of g, and beta_u (CE_R(g(w)) + gamma CE_R(g(s))) on
           T_R = sharpen(softmax(h(w) - b ln pi'))

    gamma  = min(e / warmup_ep, 1)
    beta_u = 0.1 e / (2 warmup_ep), and 0 from the epoch 2 warmup_ep on

Each loss takes logits z + a ln pi, that of R z + a ln pi'.  pi and pi' are the
moving means of p over S and R: which classes the choice prefers.

What the code does that the paper does not say:

- Each network trains on what it has chosen itself.
- The unreliable examples train the pseudo heads in few epochs, see beta_u.
- p and y* are made in training mode, by the moments of the batch.
- The quota of CSS is N / C for all classes, whatever their size.
- The penalty of the warm-up, for asymmetric noise, cuts off the *logits* below
  0: it is not DivideMix's.
- The heads of mixed views have passes of their own, with images of S alone.

Deviations: of an empty S or R the terms are 0, and pi stays as it is, where
the code gives NaN.  The unused projection heads are left out.  With several
replicas each mixes its own batch, and pi follows the mean of theirs.
"""

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import base, batches, ranges
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods.promix import bias, epochs, head_losses, two_heads


def penalty(logits):
    """Returns the negative entropy of softmax(max(z, 1e-12)), a scalar.

    Args:
        logits: z, [B, C].
    """
    log_p = tf.nn.log_softmax(tf.maximum(logits, 1e-12))
    return tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * log_p, -1))


@keras.saving.register_keras_serializable("tfnoisy")
class ProMix(head_losses.HeadLosses, epochs.SelectingMethod):
    """Trains a pair of networks by ProMix.

    Attributes:
        heads: a `two_heads.TwoHeads` of each network.
        priors: float32 [2, 2, C], pi and pi' of each network.
    """

    def __init__(
        self,
        student,
        *,
        tau=0.99,
        threshold=0.9,
        debias_output=0.8,
        debias_pl=0.8,
        bias_m=0.9999,
        T=0.5,
        confidence_penalty=False,
        num_ids=None,
        strong="randaugment_promix",
        flip=True,
        value_range=None,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's.

        Args:
            student: a `nets.pair.Pair`, or what `pairs.of` makes one from; it
                ends in a dense layer.
            tau: above which a probability is high, in [0, 1]; 0.95 for
                CIFAR-100.
            threshold: up to which share of a batch labels are guessed by
                agreement, in [0, 1].
            debias_output: a, 0 or more; 0.5 for CIFAR-100.
            debias_pl: b, 0 or more; 0.5 for CIFAR-100.
            bias_m: how much of pi each step keeps, in [0, 1].
            T: the sharpening temperature.
            confidence_penalty: whether the warm-up has the penalty: for
                asymmetric noise.
            num_ids: the largest example id plus one; None for the examples
                that `fit` sees.
            strong: the strong view, see `fitting.views.strong_view`.
            flip: whether a flipped image keeps its class, for a strong view of
                `fit` that flips; the original's does not.
            value_range: (low, high) of the images' values, which the strong
                view of `fit` needs; None for 0..255 of uint8, and for what it
                sees of arrays.
            **kwargs: as for `epochs.SelectingMethod`.

        Raises:
            UserError: for values that are out of range.
            ArgumentError: for networks that do not end in a dense layer.
        """
        ranges.shares(tau=tau, threshold=threshold, bias_m=bias_m)
        ranges.non_negative(debias_output=debias_output, debias_pl=debias_pl)
        if not T > 0:
            raise errors.UserError(f"--T={T} must be above 0")
        super().__init__(student, **kwargs)
        self.tau, self.threshold, self.bias_m = tau, threshold, bias_m
        self.debias_output, self.debias_pl = debias_output, debias_pl
        self.T = T
        self.confidence_penalty = confidence_penalty
        self.strong, self.flip, self.value_range = strong, flip, value_range
        self.heads = [
            two_heads.TwoHeads(network, k)
            for k, network in enumerate(self.student.networks, 1)
        ]
        size = self.num_classes
        self.priors = self.add_state(
            "priors", 1 / size, (2, 2, size), "float32", aggregation="mean"
        )
        if num_ids is not None:
            self.keep_ids(num_ids)

    @property
    def trained_variables(self):
        """The student's trainable variables, then those of the pseudo heads."""
        heads = [v for h in self.heads for v in h.trainable_variables]
        return [*self.student.trainable_variables, *heads]

    def _settle_decay(self):
        super()._settle_decay()
        # There are none yet where the student is taken.
        for heads in getattr(self, "heads", ()):
            self._decayed |= {id(v) for v in heads.trainable_variables}

    def warm_up_step(self, batch):
        """One update of both networks by plain training.

        Args:
            batch: {images [B, H, W, C], labels [B] or [B, C]}.

        Returns:
            Scalars: loss (with decay), accuracy (on the given labels).
        """
        images, labels = self.unpack(batch)
        # The pseudo heads wait, and do not decay.
        variables = self.student.trainable_variables
        with tf.GradientTape() as tape:
            logits = [n(images, training=True) for n in self.student.networks]
            loss = self.decay_loss(variables)
            for z in logits:
                loss += tf.reduce_mean(losses_lib.cross_entropy(labels, z))
                if self.confidence_penalty:
                    loss += penalty(z)
        self.minimize(loss, tape, variables)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, tf.add_n(logits)),
        }

    def selected_step(self, batch):
        """One update of both networks and all heads.

        Args:
            batch: {images [B, H, W, C], images_strong [B, H, W, C], labels
                [B] or [B, C], ids [B]}.

        Returns:
            Scalars: loss (with decay), accuracy (of both networks, on the
            given labels); means over the networks: selected (the share with
            m = 1), used (that of S), primary_loss, pseudo_loss.
        """
        ids = batches.needed_ids(batch, "ProMix")
        images, labels = self.unpack(batch)
        strong = self.as_inputs(batch["images_strong"])
        draws = self.beta_draws(batch)
        primary = pseudo = 0.0
        with tf.GradientTape() as tape:
            weak = [heads.logits(images) for heads in self.heads]
            # Constants, all of them.
            z = [tf.stop_gradient(h) for h, _ in weak]
            p = [tf.nn.softmax(one) for one in z]
            matched, targets, used = self.choose(ids, labels, z, p)
            for k, heads in enumerate(self.heads):
                views = [weak[k], heads.logits(strong)]
                h, g = zip(*views)
                chosen = (images, targets[k], used[k])
                primary += self.reliable_loss(k, 0, h, *chosen, draws)
                pseudo += self.reliable_loss(k, 1, g, *chosen, draws)
                pseudo += self.unreliable_loss(k, z[k], g, ~used[k])
            loss = primary + pseudo + self.decay_loss(self.trained_variables)
        self.minimize(loss, tape, self.trained_variables)
        self.priors.assign(
            [
                [
                    bias.moved_prior(prior, p[k], rows, self.bias_m)
                    for prior, rows in zip(
                        tf.unstack(self.priors[k]), (used[k], ~used[k])
                    )
                ]
                for k in (0, 1)
            ]
        )
        shares = {"selected": matched, "used": used}
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, tf.add_n(z)),
            "primary_loss": primary / 2.0,
            "pseudo_loss": pseudo / 2.0,
            **{
                n: tf.reduce_mean(tf.cast(m, z[0].dtype))
                for n, m in shares.items()
            },
        }

    def method_metrics(self):
        """Returns {class_prior: pi of both networks, two lists of C}."""
        return {"class_prior": base.value_of(self.priors)[:, 0].tolist()}
