"""GCE: a loss between cross-entropy and mean absolute error.

Zhang and Sabuncu, "Generalized Cross Entropy Loss for Training Deep Neural
Networks with Noisy Labels", NeurIPS 2018 (arXiv 1805.07836), equation 6:

    L_q = (1 - p_y^q) / q,   q in (0, 1]

with p_y the probability of the given label: cross-entropy as q goes to 0, half
the mean absolute error at q = 1.  Its gradient is that of cross-entropy times
p_y^q, so that a label which the network contradicts hardly pulls.

The authors' code was not found.  Weight decay is of all trainable variables, as
in AlanChou/Truncated-Loss at fef5908.  p_y^q is computed of the logarithm of
p_y, whose gradient stays finite where p_y goes to 0.  The truncated loss of the
paper's section 3.3 is in `truncated_gce`.
"""

import keras
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import loss_method
from tfnoisy.methods import losses as losses_lib
from tfnoisy.nets import weight_decay as decay


def generalised_cross_entropy(labels, logits, q):
    """Returns L_q = (1 - p_y^q) / q, [B] in [0, 1 / q).

    Args:
        labels: [B, C].
        logits: [B, C].
        q: in (0, 1].
    """
    # Not 1 - exp, of which little is left where q is small.
    return -tf.math.expm1(-q * losses_lib.cross_entropy(labels, logits)) / q


@keras.saving.register_keras_serializable("tfnoisy")
class GCE(loss_method.LossMethod):
    """Trains the student on the generalised cross-entropy.

    See `loss_method.LossMethod`.
    """

    def __init__(self, student, *, q=0.7, **kwargs):
        """Makes the method.

        Args:
            student: a built `keras.Model`, images -> logits.
            q: above 0, where it is cross-entropy, to 1; 0.7 in the paper.
            **kwargs: as for `LossMethod`; all trainable variables decay unless
                `decayed` says which.

        Raises:
            UserError: for a q that is out of range.
        """
        if not 0 < q <= 1:
            raise errors.UserError(f"--q={q}: it is above 0 and at most 1")
        super().__init__(student, **{"decayed": decay.all_trainable, **kwargs})
        self.q = q

    def example_losses(self, batch, labels, logits):
        """Returns L_q, [B]."""
        return generalised_cross_entropy(labels, logits, self.q)
