"""A first layer that whitens patches of the data, and stays as it is.

Its filters are the eigenvectors of the covariance of the data's patches, each
over the root of its eigenvalue, and their negatives.  Source:
tysam-code/hlb-CIFAR10 and KellerJordan/94percent (airbench).
"""

import keras
import numpy as np
import tensorflow as tf

# Added to the eigenvalues (airbench); pixels have unit variance or so.
_EPSILON = 5e-4
# Of what `adapt` is given: 5,000 images of CIFAR.
_MOST_PIXELS = 5000 * 32 * 32
# Images whose patches are in memory at a time.
_BLOCK = 250


@keras.saving.register_keras_serializable("tfnoisy")
class Whitening(keras.layers.Layer):
    """Convolves with filters that whiten patches; they are not trained.

    Until `adapt` has seen images the filters are the patch's pixels, each by
    itself, and their negatives.

    Args:
        size: s, the side of a patch in pixels.
        **kwargs: those of `keras.layers.Layer`.
    """

    def __init__(self, size=2, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def build(self, input_shape):
        """Creates the filters."""
        pixels = self.size**2 * input_shape[-1]
        self.kernel = self.add_weight(
            shape=[self.size, self.size, input_shape[-1], 2 * pixels],
            initializer=lambda shape, dtype: tf.cast(
                filters(np.eye(pixels), shape), dtype
            ),
            trainable=False,
            name="kernel",
        )

    def adapt(self, images):
        """Sets the filters by images.

        Args:
            images: float [N, H, W, C], as the network will see them; of
                32x32 pixels 5,000 are enough.
        """
        products, count = 0.0, 0
        for start in range(0, len(images), _BLOCK):
            patches = tf.image.extract_patches(
                tf.cast(images[start : start + _BLOCK], tf.float32),
                [1, self.size, self.size, 1],
                [1, 1, 1, 1],
                [1, 1, 1, 1],
                "VALID",
            )
            patches = np.asarray(patches, np.float64)
            patches = patches.reshape(-1, patches.shape[-1])
            products += patches.T @ patches
            count += len(patches)
        vectors = whitening_vectors(products / count)
        self.kernel.assign(filters(vectors, self.kernel.shape))

    def call(self, inputs):
        """Returns whitened patches, [N, H - s + 1, W - s + 1, 2 s s C]."""
        kernel = tf.cast(self.kernel.value, self.compute_dtype)
        inputs = tf.cast(inputs, self.compute_dtype)
        return tf.nn.conv2d(inputs, kernel, 1, "VALID")

    def get_config(self):
        """Returns what the constructor needs."""
        return {**super().get_config(), "size": self.size}


def whitening_vectors(covariance, epsilon=_EPSILON):
    """Returns the scaled eigenvectors, the largest eigenvalue's first.

    Args:
        covariance: [P, P], symmetric; not centred, as in the originals.
        epsilon: added to the eigenvalues.

    Returns:
        float64 [P, P], a vector in each row, whose largest element by size
        is positive.
    """
    values, vectors = np.linalg.eigh(covariance)
    vectors = vectors.T[::-1] / np.sqrt(values[::-1, None] + epsilon)
    # A vector's sign is the library's choice, and the order of a filter and
    # its negative must not hang on it.
    largest = np.abs(vectors).argmax(1)
    return vectors * np.sign(vectors[np.arange(len(vectors)), largest])[:, None]


def filters(vectors, shape):
    """Returns the kernel of these vectors and of their negatives.

    Args:
        vectors: [P, P], P = s * s * C.
        shape: (s, s, C, 2 P).
    """
    both = np.concatenate([vectors, -vectors])
    return both.T.reshape(shape).astype(np.float32)


def adapt(network, images):
    """Lets the whitening layers of a network see images.

    Args:
        network: a `keras.Model` of images [N, H, W, C].
        images: most -> float [n, H, W, C], n at most that, as the network will
            see them; asked for if there is such a layer.
    """
    found = [x for x in network.layers if isinstance(x, Whitening)]
    if found:
        height, width = network.input_shape[1:3]
        seen = images(max(1, _MOST_PIXELS // (height * width)))
        for layer in found:
            layer.adapt(seen)
