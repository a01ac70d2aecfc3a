"""A plugin: a method, a network and a kind of noise of one's own."""

import keras
import numpy as np
import tensorflow as tf

from tfnoisy.catalogue import methods, networks, noises
from tfnoisy.methods import base, losses, mean_weights
from tfnoisy.noise import models


@methods.register(
    "my_gce",
    evidence=methods.Evidence(
        criterion="The mean p^q of the given label is below {threshold:g}.",
        threshold=0.5,
    ),
)
class GCE(base.Method):
    """Generalised cross-entropy, (1 - p^q) / q: Zhang and Sabuncu 2018."""

    def __init__(self, student, *, q=0.7, num_ids=None, **kwargs):
        """Makes the method.

        Args:
            q: above 0, which is cross-entropy, to 1, the mean absolute error.
        """
        super().__init__(student, **kwargs)
        self.q = q
        self.mean_weights = mean_weights.MeanWeights(num_ids)

    def train_step(self, batch):
        images, labels = self.unpack(batch)
        with tf.GradientTape() as tape:
            logits = self.student(images, training=True)
            p_q = tf.exp(-self.q * losses.cross_entropy(labels, logits))
            loss = tf.reduce_mean(1.0 - p_q) / self.q + self.decay_loss()
        self.mean_weights.record(batch, p_q)
        self.minimize(loss, tape)
        return {"loss": loss, "accuracy": losses.accuracy(labels, logits)}

    def evidence(self):
        return self.mean_weights.evidence("mean_weight")


@networks.register("my_cnn", least_side=4)
def my_cnn(num_classes, image_shape, seed):
    images = x = keras.Input(image_shape)
    for width in (32, 64):
        x = keras.layers.Conv2D(width, 3, padding="same")(x)
        x = keras.layers.BatchNormalization(momentum=0.9)(x)
        x = keras.layers.MaxPooling2D()(keras.layers.ReLU()(x))
    logits = keras.layers.Dense(num_classes, name="logits")
    return keras.Model(images, logits(keras.layers.Flatten()(x)))


@noises.register("my_noise")
def my_noise(dataset, spec, seed):
    """--noise=my_noise:R turns a share R of the labels c into C - 1 - c."""
    chosen = models.uniforms(seed, dataset.ids)[:, 0] < spec.rate
    c = dataset.clean_labels
    return np.where(chosen, dataset.num_classes - 1 - c, c)
