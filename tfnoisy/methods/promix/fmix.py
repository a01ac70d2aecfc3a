"""FMix: two images mixed by a mask with smooth edges, not by their sum.

Harris, Marcu, Painter, Niranjan, Prügel-Bennett, Hare, "FMix: Enhancing Mixed
Sample Data Augmentation", 2020 (arXiv 2002.12047): of random noise whose
amplitude falls with the frequency f as max(f, 1 / size)^-decay, the largest
pixels are 1, and the others are 0.  How many, is lambda of them.
"""

import numpy as np
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.methods import losses as losses_lib

_DECAY = 3.0


def amplitudes(height, width, decay=_DECAY):
    """Returns max(f, 1 / size)^-decay of a real picture's frequencies.

    Args:
        height: H, in pixels.
        width: W, in pixels.
        decay: of the amplitude.

    Returns:
        float32 [H, W // 2 + 1].
    """
    f = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    smallest = 1.0 / max(height, width)
    return (np.maximum(f, smallest) ** -decay).astype(np.float32)


def mask(noise, share, coin):
    """Returns a mask of ones and zeros.

    Args:
        noise: real, [H, W].
        share: lambda, how many pixels are one, a scalar in [0, 1].
        coin: a scalar in [0, 1): from 0.5 on the number is rounded up, else
            down.

    Returns:
        float32 [H, W].
    """
    size = tf.size(noise)
    count = share * tf.cast(size, share.dtype)
    count = tf.where(coin >= 0.5, tf.math.ceil(count), tf.math.floor(count))
    order = tf.argsort(tf.reshape(noise, [-1]), direction="DESCENDING")
    # The place of each pixel in that order.
    rank = tf.reshape(tf.argsort(order), tf.shape(noise))
    return tf.cast(rank < tf.cast(count, rank.dtype), tf.float32)


def draw(seed, height, width):
    """Returns a random mask, float32 [H, W], and lambda, uniform in [0, 1).

    Args:
        seed: [2], an integer tensor.
        height: H.
        width: W.
    """
    scale = amplitudes(height, width)
    draws = randomness.uniform(seed, [2 + 2 * scale.size])
    share, coin = draws[0], draws[1]
    radius, angle = tf.unstack(tf.reshape(draws[2:], [2, *scale.shape]))
    # Real and imaginary part are normal and independent (Box and Muller).
    radius = scale * tf.sqrt(-2.0 * tf.math.log1p(-radius))
    angle *= 2.0 * np.pi
    spectrum = tf.complex(radius * tf.cos(angle), radius * tf.sin(angle))
    noise = tf.signal.irfft2d(spectrum, [height, width])
    return mask(noise, share, coin), share


def mix(images, partners, ones):
    """Returns the images where the mask is 1, their partners elsewhere.

    Args:
        images: [B, H, W, C].
        partners: int [B].
        ones: the mask, [H, W].
    """
    ones = tf.cast(ones, images.dtype)[..., None]
    return ones * images + (1.0 - ones) * tf.gather(images, partners)


def loss(labels, logits, partners, share):
    """Returns lambda CE(Y, z) + (1 - lambda) CE(Y[partners], z), [B].

    Args:
        labels: Y, [B, C].
        logits: z, of the mixed images, [B, C].
        partners: int [B].
        share: lambda, a scalar.
    """
    own = losses_lib.cross_entropy(labels, logits)
    other = losses_lib.cross_entropy(tf.gather(labels, partners), logits)
    return share * own + (1.0 - share) * other
