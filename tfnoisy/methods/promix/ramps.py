"""How ProMix's factors and its learning rate change with the epochs.

Xiao, Dong, Wang, Feng, Wu, Chen, Zhao, IJCAI 2023 (arXiv 2207.10276); the code
followed is Justherozen/ProMix at 40d8378, `Train_promix.py` and
`utils/utils.py`.  See `promix`.
"""

import math

import tensorflow as tf

# The last learning rate is this share of the first.
_LAST_RATE = 1e-3
_UNRELIABLE_FACTOR = 0.1


def ramp(epoch, length):
    """Returns min(epoch / length, 1); 1 of length 0.

    Args:
        epoch: from 0, a number or a scalar tensor.
        length: in epochs, 0 or more.
    """
    if not length:
        return 1.0 + 0.0 * epoch
    return tf.minimum(epoch / length, 1.0)


def cosine_rate(learning_rate, epoch, num_epochs):
    """Returns an epoch's learning rate: half a cosine to a thousandth.

    Args:
        learning_rate: of the first epoch.
        epoch: from 0, an int.
        num_epochs: the last one is the epoch before it.
    """
    last = _LAST_RATE * learning_rate
    wave = 1.0 + math.cos(math.pi * epoch / max(num_epochs - 1, 1))
    return last + (learning_rate - last) * wave / 2.0


def unreliable_factor(epoch, warmup_ep, debias_pl):
    """Returns beta_u of an epoch, a scalar.

    Args:
        epoch: e, a float scalar.
        warmup_ep: as for `ProMix`.
        debias_pl: b; without it the factor is 1.
    """
    if not debias_pl:
        return tf.ones_like(epoch)
    factor = _UNRELIABLE_FACTOR * ramp(epoch, 2 * warmup_ep)
    return tf.where(epoch < 2 * warmup_ep, factor, 0.0)
