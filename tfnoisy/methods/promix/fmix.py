"""FMix: two images mixed by a mask with smooth edges, not by their sum.

Harris, Marcu, Painter, Niranjan, Prügel-Bennett, Hare, "FMix: Enhancing Mixed
Sample Data Augmentation", 2020 (arXiv 2002.12047): of random noise whose
amplitude falls with the frequency f as max(f, 1 / size)^-decay, the largest
pixels are 1, and the others are 0.  How many, is lambda of them.

The code followed is the copy that ProMix trains with, Justherozen/ProMix at
40d8378, `utils/fmix.py`.  Of the frequencies that it draws it takes the first
row for the real part of all and the second for the imaginary one.  So the noise
has at most one wave across the picture, and from top to bottom frequencies of
one sign: its masks are bands and blobs, coarser than the paper's.
"""

import math

import numpy as np
import tensorflow as tf

from tfnoisy import randomness
from tfnoisy.methods import losses as losses_lib

_DECAY = 3.0


def amplitudes(height, width, decay=_DECAY):
    """Returns max(f, 1 / size)^-decay of the frequencies that noise is made of.

    Args:
        height: H, in pixels.
        width: W, in pixels.
        decay: of the amplitude.

    Returns:
        float32 [2, F], F = W // 2 + 1, and one more for an odd W: of the real
        and of the imaginary part.
    """
    across = np.fft.fftfreq(width)[: width // 2 + 1 + width % 2]
    down = np.fft.fftfreq(height)[[0, min(1, height - 1)]]
    f = np.hypot(down[:, None], across)
    smallest = 1.0 / max(height, width)
    return (np.maximum(f, smallest) ** -decay).astype(np.float32)


def grey(normal, height, width):
    """Returns the grey picture of which the largest pixels are the mask's.

    Args:
        normal: normal and independent, [2, F, 2]: real and imaginary part; of
            frequencies from top to bottom; of no wave and one wave across.
        height: H.
        width: W.

    Returns:
        Real, [H, W].
    """
    parts = amplitudes(height, width)[..., None] * normal
    # Frequencies that the picture is too low for are left out, as in the code.
    spectrum = tf.complex(parts[0], parts[1])[:height]
    spectrum = tf.pad(spectrum, [[0, height - spectrum.shape[0]], [0, 0]])
    even, wave = tf.unstack(tf.signal.ifft(tf.transpose(spectrum)))
    # The half of an inverse transform that these two leave.
    x = 2.0 * np.pi / width * tf.range(width, dtype=normal.dtype)
    return tf.math.real(even)[:, None] + 2.0 * (
        tf.math.real(wave)[:, None] * tf.cos(x)
        - tf.math.imag(wave)[:, None] * tf.sin(x)
    )


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
    parts = [2, amplitudes(height, width).shape[1], 2]
    draws = randomness.uniform(seed, [2 + 2 * math.prod(parts)])
    share, coin = draws[0], draws[1]
    radius, angle = tf.unstack(tf.reshape(draws[2:], [2, *parts]))
    # Normal by Box and Muller.
    radius = tf.sqrt(-2.0 * tf.math.log1p(-radius))
    normal = radius * tf.cos(2.0 * np.pi * angle)
    return mask(grey(normal, height, width), share, coin), share


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
