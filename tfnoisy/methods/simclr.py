"""SimCLR: a network that learns without labels.

Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning
of Visual Representations", ICML 2020 (arXiv 2002.05709), algorithm 1.  Of each
of B images two views are drawn; f is the network without its last layer and g
a small network that is thrown away afterwards:

    h_i = f(x_i)
    z_i = g(h_i) = W2 relu(W1 h_i), scaled to length 1
    l(i, j) = -log exp(z_i.z_j / temp) / sum_(k != i) exp(z_i.z_k / temp)   (1)

for the two views i, j of one image, with k over all 2B views; the loss,
NT-Xent, is the mean of l over both orders of the B pairs.

Zheltonozhskii, Baskin, Mendelson, Bronstein, Litany, "Contrast to Divide",
WACV 2022 (arXiv 2103.13646) begins DivideMix and ELR+ with f: `--pretrained`.
It pre-trains with HobbitLong/SupContrast (`main_supcon.py --method SimCLR`),
which is followed in the head, the temperature, the views (`augment.simclr`) and
the optimiser: SGD, where SimCLR has LARS.

What that code does that the paper does not say: its loss is multiplied by the
temperature and divided by 0.07, its default: by 7.1 at 0.5.  So its learning
rate of 0.5 is one of `scaled_loss` here, which is on by default.

Deviations: the learning rate is SimCLR's at each step (a line for ten epochs,
then a cosine to 0), not one for each epoch; only kernels decay; the biases of g
begin at 0; of several replicas each contrasts the views of its own batch, where
SimCLR gathers those of all.

Labels are never part of it.  To see how the encoder gets on, the last layer is
fitted to the given labels before each evaluation, in closed form (`ridge`): a
linear probe.  Nothing that is trained depends on it.
"""

import dataclasses

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors, replicas
from tfnoisy.augment import simclr as views
from tfnoisy.methods import base, configuration, last_layer, students
from tfnoisy.nets import blocks, precision
from tfnoisy.nets import weight_decay as decay

# The default temperature of the code followed, by which it scales its loss.
_BASE_TEMPERATURE = 0.07
_PROBE_BATCH = 250
_PENALTY = 0.01


def nt_xent(projections, temperature):
    """Returns NT-Xent, equation 1, and how often it finds the right view.

    Args:
        projections: z, [2 B, F], of length 1; rows i and i + B are the views of
            one image.
        temperature: above 0.

    Returns:
        The loss of each view, l(i, j), [2 B]; and whether of all other views
        the most similar one is of the same image, 0 or 1, [2 B].
    """
    count = tf.shape(projections)[0]
    similarities = tf.matmul(projections, projections, transpose_b=True)
    # No view is compared with itself.
    logits = tf.linalg.set_diag(
        similarities / temperature,
        tf.fill([count], similarities.dtype.min),
    )
    partners = tf.math.floormod(tf.range(count) + count // 2, count)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(partners, logits)
    found = tf.argmax(logits, 1, partners.dtype) == partners
    return losses, tf.cast(found, losses.dtype)


def ridge(features, targets, penalty=_PENALTY):
    """Returns the linear map of least squared error, with a small penalty.

    Args:
        features: [N, D].
        targets: [N, C].
        penalty: of the squared coefficients of features of unit variance, in
            shares of N.

    Returns:
        A kernel [D, C] and a bias [C], float64.
    """
    features = np.asarray(features, np.float64)
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    x, middle = (features - mean) / deviation, targets.mean(0)
    covariance = x.T @ x / len(x) + penalty * np.eye(x.shape[1])
    kernel = np.linalg.solve(covariance, x.T @ (targets - middle) / len(x))
    kernel /= deviation[:, np.newaxis]
    return kernel, middle - mean @ kernel


@keras.saving.register_keras_serializable("tfnoisy")
class SimCLR(base.Method):
    """Trains all of a student but its last layer, on images alone."""

    sees_one_view = False
    training_accuracy_of = "views that find their partner"

    def __init__(
        self,
        student,
        *,
        temp=0.5,
        projection_dim=128,
        least_area=views.LEAST_AREA,
        scaled_loss=True,
        weight_decay=1e-4,
        **kwargs,
    ):
        """Makes the method.

        Args:
            student: a built `keras.Model`, images -> logits, whose last layer
                is a `keras.layers.Dense`.
            temp: the temperature of the loss.
            projection_dim: F, the numbers of a projection.
            least_area: the least share of an image's area that a view shows,
                in (0, 1]; the paper's is 0.08.
            scaled_loss: whether the loss is multiplied by temp / 0.07, as in
                HobbitLong/SupContrast; the paper's is not.
            weight_decay: factor of |kernels|^2 / 2, those of the projection
                among them, in the loss.
            **kwargs: as for `base.Method`, but for `ema_decay`.

        Raises:
            ArgumentError: for a student without such a layer, and for numbers
                out of range.
        """
        if kwargs.get("ema_decay"):
            raise errors.ArgumentError(
                "ema_decay: SimCLR has no moving average of the weights"
            )
        if temp <= 0 or projection_dim < 1 or not 0 < least_area <= 1:
            raise errors.ArgumentError(
                f"SimCLR wants temp above 0, projection_dim of at least 1 and "
                f"least_area in (0, 1], not {temp}, {projection_dim} and "
                f"{least_area}"
            )
        students.refuse_unbuilt(student)
        super().__init__(student, weight_decay=weight_decay, **kwargs)
        self.temp = temp
        self.least_area = least_area
        self.scaled_loss = scaled_loss
        encoder, last = last_layer.split(self.student)
        # Past Keras: their weights are the student's.
        self._encoder = configuration.Hidden(encoder)
        self._last = configuration.Hidden(last)
        self.projection = self._make_projection(
            encoder.output_shape[-1], projection_dim
        )
        self._features = replicas.Pass(
            self.distribute_strategy,
            lambda batch: self.evaluation_features(batch["images"]),
            "features",
        )

    def _make_projection(self, width, projection_dim):
        """Returns g, features [B, D] -> [B, F]."""
        dtype = students.variable_dtype(self.student)

        def dense(size, name, activation=None):
            return keras.layers.Dense(
                size,
                activation,
                kernel_initializer=blocks.torch_uniform(
                    blocks.layer_seed(self.seed, f"projection {name}")
                ),
                dtype=dtype,
                name=name,
            )

        return keras.Sequential(
            [
                keras.Input([width], dtype=dtype),
                dense(width, "hidden", "relu"),
                dense(projection_dim, "projected"),
            ],
            name="projection",
        )

    @property
    def trained_variables(self):
        """The encoder's trainable variables, and the projection's."""
        return [
            *self._encoder.value.trainable_variables,
            *self.projection.trainable_variables,
        ]

    def check_data(self, data):
        """Refuses views without statistics, which SimCLR's have to take over.

        Args:
            data: a `pipeline.TrainingData`.

        Raises:
            UserError: if they have none.
        """
        if data.augmentation.statistics is None:
            raise errors.UserError(
                f"--augment={data.augmentation.name} standardises each image "
                "by itself, which would undo SimCLR's colours: take another one"
            )

    def stage(self, step, data, num_steps):
        """Returns the whole training, on two views of each image.

        The batches of an epoch are full, as SimCLR's are.
        """
        if step >= num_steps:
            return None
        view = views.over(
            data.augmentation, data.dataset.mirror, self.least_area
        )
        data = dataclasses.replace(data, augmentation=view)

        def batches(first_batch=0, input_context=None):
            return data.epoch_batches(
                (),
                num_views=2,
                repeat=True,
                full=True,
                first_batch=first_batch,
                input_context=input_context,
            )

        return base.Stage(0, num_steps, batches, self.train_step)

    def train_step(self, batch):
        """One update.

        Args:
            batch: {images [B, 2, H, W, C], two views of each image}.

        Returns:
            Scalars: loss; accuracy, the share of views whose most similar view
            is that of the same image.
        """
        first, second = tf.unstack(self.as_inputs(batch["images"]), axis=1)
        images = tf.concat([first, second], 0)
        with tf.GradientTape() as tape:
            h = self._encoder.value(images, training=True)
            z = tf.math.l2_normalize(self.projection(h, training=True), -1)
            losses, found = nt_xent(z, self.temp)
            loss = tf.reduce_mean(losses)
            if self.scaled_loss:
                loss *= self.temp / _BASE_TEMPERATURE
            loss += self.weight_decay * decay.l2(
                [v for v in self.trained_variables if len(v.shape) > 1]
            )
        self.minimize(loss, tape, self.trained_variables)
        return {"loss": loss, "accuracy": tf.reduce_mean(found)}

    def evaluation_features(self, images):
        """Returns what the last layer sees, [B, D], in evaluation mode."""
        with precision.in_float32():
            return self._encoder.value(images, training=False)

    def before_evaluation(self, data):
        """Fits the last layer to the given labels: a linear probe."""
        count = len(data.dataset)
        size = min(_PROBE_BATCH, count)
        features = self._features(
            lambda context: data.evaluation_batches(size, context), count
        )
        features = self.agreed(features, "features")
        targets = np.eye(self.num_classes)[data.dataset.given_labels]
        kernel, bias = ridge(features, targets)
        self._last.value.kernel.assign(kernel)
        self._last.value.bias.assign(bias)

    def fit(self, *_, **__):
        """Refuses: Keras's `fit` has no two views of each image.

        Raises:
            ArgumentError: always.
        """
        raise errors.ArgumentError(
            "SimCLR draws two views of each image, which fit has not: "
            "bin/pretrain.py trains it"
        )
