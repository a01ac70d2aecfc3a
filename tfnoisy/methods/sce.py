"""SCE: cross-entropy plus the reverse one, which is bounded.

Wang, Ma, Chen, Luo, Yi, Bailey, "Symmetric Cross Entropy for Robust Learning
with Noisy Labels", ICCV 2019 (arXiv 1908.06112), equations 6 and 7.  The code
followed is YisenWang/symmetric_cross_entropy_for_noisy_labels:

    SCE = alpha CE + beta RCE
    RCE = -sum_c p_c ln y_c = A (1 - p_y),   A = -ln 1e-4

the given label's ln 0 being taken for -A.

What that code does that the paper does not say: its A is 9.21, where the
authors speak of 4; beta belongs to 9.21.  Its weight decay is Keras's l2 of
the layers, and its `decay` a decline of the learning rate.

Deviation: cross-entropy is computed of logits, where the code clips
probabilities at 1e-7 and has no gradient below.
"""

import math

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import loss_method
from tfnoisy.methods import losses as losses_lib

# -ln of what the code takes 0 for in a label.
A = -math.log(1e-4)


def reverse_cross_entropy(labels, logits):
    """Returns RCE = -sum_c p_c max(ln y_c, -A), [B] in [0, A].

    Args:
        labels: y, [B, C].
        logits: [B, C].
    """
    logs = tf.math.log(tf.clip_by_value(labels, 1e-4, 1.0))
    return -tf.reduce_sum(tf.nn.softmax(logits) * logs, -1)


def symmetric_cross_entropy(labels, logits, alpha, beta):
    """Returns alpha CE + beta RCE, [B].

    Args:
        labels: [B, C].
        logits: [B, C].
        alpha: the factor of cross-entropy.
        beta: that of the reverse one.
    """
    return alpha * losses_lib.cross_entropy(
        labels, logits
    ) + beta * reverse_cross_entropy(labels, logits)


@keras.saving.register_keras_serializable("tfnoisy")
class SCE(loss_method.LossMethod):
    """Trains the student on the symmetric cross-entropy.

    See `loss_method.LossMethod`.
    """

    def __init__(self, student, *, alpha=0.1, beta=1.0, **kwargs):
        """Makes the method.

        Args:
            student: a built `keras.Model`, images -> logits.
            alpha: the factor of cross-entropy; 0.1 for CIFAR-10, 6 for
                CIFAR-100 in the paper.
            beta: that of the reverse one; 1 and 0.1 in the paper.
            **kwargs: as for `LossMethod`.

        Raises:
            UserError: for factors that are negative, or both 0.
        """
        if alpha < 0 or beta < 0 or not 0 < alpha + beta < math.inf:
            raise errors.UserError(
                f"--alpha={alpha} --beta={beta}: neither is negative, and one "
                "of them is above 0"
            )
        super().__init__(student, **kwargs)
        self.alpha = alpha
        self.beta = beta

    def example_losses(self, batch, labels, logits):
        """Returns alpha CE + beta RCE, [B]."""
        return symmetric_cross_entropy(labels, logits, self.alpha, self.beta)
