"""The losses of ProMix's heads: of reliable examples, and of unreliable ones.

Xiao, Dong, Wang, Feng, Wu, Chen, Zhao, IJCAI 2023 (arXiv 2207.10276); the code
followed is Justherozen/ProMix at 40d8378, the second half of `train` of
`Train_promix.py`.  See `promix`.
"""

import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods import mixup
from tfnoisy.methods.promix import bias, fmix, ramps

_ALPHA = 4.0


class HeadLosses:
    """The terms of `promix.ProMix`, all of them of debiased logits."""

    def reliable_loss(self, k, head, logits, images, targets, used, draws):
        """Returns CE_S(w) + gamma (CE_S(s) + mixup_S + fmix_S), a scalar.

        Args:
            k: which network, 0 or 1.
            head: 0 for the primary head, 1 for the pseudo head.
            logits: of the weak and of the strong view, [B, C] each.
            images: of the weak view, [B, H, W, C].
            targets: y*, [B, C].
            used: S, bool [B].
            draws: as of `draw_beta`.
        """
        prior, strength = self.priors[k, 0], self.debias_output
        weak, strong = (
            bias.mean_over(
                used,
                losses_lib.cross_entropy(
                    targets, bias.debiased(z, prior, strength)
                ),
            )
            for z in logits
        )
        # All images where S is empty: no network can pass none of them.
        some = tf.reduce_any(used)
        rows = tf.where(used | ~some)[:, 0]
        x, y = tf.gather(images, rows), tf.gather(targets, rows)
        # Draws of the whole batch: XLA makes none of a size it does not know.
        first, second = tf.unstack(
            tf.argsort(tf.gather(self.draw_orders(k, head, used), rows, axis=1))
        )
        mixed, mixed_targets = mixup.mixmatch(x, y, first, draws[k, head])
        ones, share = fmix.draw(
            self.draw_seed("mix", k, head), *images.shape[1:3]
        )
        passed = [
            bias.debiased(self.heads[k].logits(view)[head], prior, strength)
            for view in (mixed, fmix.mix(x, second, ones))
        ]
        of_mixed = losses_lib.cross_entropy(mixed_targets, passed[0])
        of_mixed += fmix.loss(y, passed[1], second, share)
        of_mixed = tf.where(some, tf.reduce_mean(of_mixed), 0.0)
        gamma = ramps.ramp(self.epoch_now(), self.warmup_ep)
        return weak + gamma * (strong + of_mixed)

    def unreliable_loss(self, k, logits, pseudo, unused):
        """Returns beta_u (CE_R(g(w)) + gamma CE_R(g(s))) on T_R, a scalar.

        Args:
            k: which network, 0 or 1.
            logits: h(w), [B, C], a constant.
            pseudo: g(w) and g(s), [B, C] each.
            unused: R, bool [B].
        """
        prior = self.priors[k, 1]
        targets = mixup.sharpen(
            bias.guess(logits, prior, self.debias_pl), self.T
        )
        weak, strong = (
            bias.mean_over(
                unused,
                losses_lib.cross_entropy(
                    targets, bias.debiased(z, prior, self.debias_output)
                ),
            )
            for z in pseudo
        )
        epoch = self.epoch_now()
        gamma = ramps.ramp(epoch, self.warmup_ep)
        factor = ramps.unreliable_factor(epoch, self.warmup_ep, self.debias_pl)
        return factor * (weak + gamma * strong)

    def epoch_now(self):
        """Returns e, a float32 scalar."""
        return tf.cast(self.epoch.value, tf.float32)

    def draw_orders(self, k, head, used):
        """Returns what puts the partners of two mixed views in order, [2, B].

        Args:
            k: which network, 0 or 1.
            head: as for `reliable_loss`.
            used: [B].
        """
        return randomness.uniform(
            self.draw_seed("partner", k, head), [2, tf.size(used)]
        )

    def draw_beta(self, batch):
        """Returns l ~ Beta(4, 4) of each network and head, [2, 2]."""
        return mixup.beta(self.draw_seed("mix"), [2, 2], _ALPHA)
