"""DivideMix: two networks that divide the data for each other.

Li, Socher, Hoi, "DivideMix: Learning with Noisy Labels as Semi-supervised
Learning", ICLR 2020 (arXiv 2002.07394), algorithm 1.  The code followed is
LiJunnan1992/DivideMix, `Train_cifar.py`, `train` and `warmup`.  After the
warm-up, which is plain training, each epoch trains each of two networks on the
other's division of the data into labelled x and unlabelled u (see `epochs`,
`division`, `mixture`).  One iteration:

    co-guess    t_u = sharpen(mean of both networks on both views of u)
    co-refine   t_x = sharpen(w y + (1 - w) mean of the network on both x)
                                                            equations 3 and 4
    mixmatch    l ~ Beta(alpha, alpha), l <- max(l, 1 - l)  equations 5 to 8
                X' = l X + (1 - l) X[pi],  Y' likewise,  X = (x1, x2, u1, u2)
    loss        Lx + lambda_u ramp Lu + Reg                 equations 9 to 12

What the code does that the paper does not say (lines of `Train_cifar.py`):

- Lu is a mean over classes too (201): lambda_u * C gives the paper's sum.
- l is one for the whole batch (87).
- A label is labelled if w > tau (264, 265); the paper has w >= tau.
- The trained network guesses in training mode (42, 64 to 77).  Each of these
  four passes stores its moments in batch normalisation, as the fifth does.
- The ramp counts floor(n / B) + 1 iterations an epoch (46).
- Short batches are used as they are, and the weight decay is of all variables.
- The mean losses of the last five epochs are used if the noise ratio is given
  as exactly 0.9 (178).
- The confidence penalty of the warm-up is for asymmetric noise (132), and for
  Clothing1M.

Deviations: logarithms of probabilities are taken from logits, hence finite;
the mixture's start and all random draws are seeded; if a subset is empty or all
losses are equal, training goes on with a warning, where the original stops.
With several replicas each mixes its own batch.
"""

import keras
import tensorflow as tf

from tfnoisy import errors, randomness
from tfnoisy.methods import losses as losses_lib
from tfnoisy.methods import mixup
from tfnoisy.methods.dividemix import epochs


def co_guess(predictions, temperature):
    """Returns t_u = sharpen(mean prediction), [Bu, C].

    Args:
        predictions: a list of probabilities [Bu, C], of both networks on each
            view.
        temperature: T.
    """
    mean = tf.add_n(predictions) / len(predictions)
    return mixup.sharpen(mean, temperature)


def co_refine(clean_probability, labels, predictions, temperature):
    """Returns t_x = sharpen(w y + (1 - w) mean prediction), [Bx, C].

    Args:
        clean_probability: w, [Bx], of the peer's mixture.
        labels: y, [Bx, C], one-hot.
        predictions: a list of probabilities [Bx, C], of the network that is
            trained, on each view.
        temperature: T.
    """
    mean = tf.add_n(predictions) / len(predictions)
    w = clean_probability[:, None]
    return mixup.sharpen(w * labels + (1.0 - w) * mean, temperature)


def ramp_up(epoch, warm_up, lambda_u, length=16):
    """Returns lambda_u * clip((epoch - warm_up) / length, 0, 1).

    Args:
        epoch: with its fraction, a float.
        warm_up: the number of warm-up epochs.
        lambda_u: the final weight.
        length: epochs.
    """
    return lambda_u * tf.clip_by_value((epoch - warm_up) / length, 0.0, 1.0)


def labelled_loss(logits, targets):
    """Returns Lx, the mean cross-entropy of [M, C] logits, a scalar."""
    return tf.reduce_mean(losses_lib.cross_entropy(targets, logits))


def unlabelled_loss(logits, targets):
    """Returns Lu, the mean of (p - Y)^2 over rows and classes; 0 of no rows.

    Args:
        logits: [M, C].
        targets: Y, [M, C].
    """
    squares = tf.math.squared_difference(tf.nn.softmax(logits), targets)
    count = tf.cast(tf.size(squares), squares.dtype)
    return tf.math.divide_no_nan(tf.reduce_sum(squares), count)


def regulariser(logits):
    """Returns Reg = sum_c pi_c ln(pi_c / pbar_c), pi_c = 1 / C, a scalar.

    Args:
        logits: [M, C]; pbar is the mean of their softmax over the rows, of
            which the logarithm is taken without leaving logarithms.
    """
    rows, classes = tf.unstack(tf.cast(tf.shape(logits), logits.dtype))
    log_mean = tf.reduce_logsumexp(tf.nn.log_softmax(logits), 0)
    log_mean -= tf.math.log(rows)
    return -tf.math.log(classes) - tf.reduce_mean(log_mean)


def negative_entropy(logits):
    """Returns the mean over rows of sum_c p_c ln p_c, the confidence penalty.

    Args:
        logits: [M, C].
    """
    log_p = tf.nn.log_softmax(logits)
    return tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * log_p, -1))


def predictions(network, views, training):
    """Returns the network's probabilities of each view, a list of [B, C].

    Args:
        network: images [B, H, W, C] -> logits [B, C].
        views: a list of images; may be empty.
        training: one pass a view, which moves the moving statistics; else
            one pass for all.
    """
    if training or not views:
        return [tf.nn.softmax(network(v, training=True)) for v in views]
    logits = network(tf.concat(views, 0), training=False)
    return tf.split(tf.nn.softmax(logits), len(views))


@keras.saving.register_keras_serializable("tfnoisy")
class DivideMix(epochs.CoDivideMethod):
    """Trains a pair of networks by DivideMix."""

    sees_one_view = False

    def __init__(
        self,
        student,
        *,
        lambda_u=25.0,
        T=0.5,
        alpha=4.0,
        confidence_penalty=False,
        pseudo_label_mode="train",
        mix_unlabelled=True,
        **kwargs,
    ):
        """Makes the method; names and defaults are the original's, of CIFAR.

        Args:
            student: a `nets.pair.Pair`.
            lambda_u: the final weight of Lu.
            T: the sharpening temperature.
            alpha: of Beta(alpha, alpha); 0.5 for Clothing1M and WebVision.
            confidence_penalty: whether the loss of the warm-up has the
                negative entropy: for asymmetric noise and for Clothing1M.
            pseudo_label_mode: whether the network that is trained guesses in
                training mode, `train`, as the original does, or `eval`.
            mix_unlabelled: if False, unlabelled images are only partners, and
                the loss is Lx + Reg of the labelled rows (Clothing1M,
                WebVision).
            **kwargs: as for `epochs.CoDivideMethod`; `num_ids` is required.

        Raises:
            UserError: for a value out of its range.
        """
        for name, value in {"T": T, "alpha": alpha}.items():
            if value <= 0:
                raise errors.UserError(f"--{name}={value} must be above 0")
        if pseudo_label_mode not in ("train", "eval"):
            raise errors.UserError(
                f"--pseudo_label_mode={pseudo_label_mode}: there are train, "
                "eval"
            )
        super().__init__(student, **kwargs)
        self.lambda_u = lambda_u
        self.T = T
        self.alpha = alpha
        self.confidence_penalty = confidence_penalty
        self.pseudo_label_mode = pseudo_label_mode
        self.mix_unlabelled = mix_unlabelled

    def warm_up_iteration(self, k, batch):
        """One step of plain training.

        Args:
            k: which network, 0 or 1.
            batch: {images [B, H, W, C], labels [B]}.

        Returns:
            Scalars: loss (with decay), accuracy (on the given labels).
        """
        network = self.student.networks[k]
        images, labels = self.unpack(batch)
        with tf.GradientTape() as tape:
            logits = network(images, training=True)
            loss = labelled_loss(logits, labels)
            if self.confidence_penalty:
                loss += negative_entropy(logits)
            loss += self.decay_loss(network.trainable_variables)
        self.minimize(loss, tape, network.trainable_variables)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(labels, logits),
        }

    def train_iteration(self, k, batch):
        """One step of MixMatch on the peer's division.

        Args:
            k: which network, 0 or 1.
            batch: {labelled: {images [Bx, 2, H, W, C], labels [Bx],
                clean_probability [Bx]}, unlabelled: {images [Bu, 2, H, W,
                C]}}; unlabelled may be absent.

        Returns:
            Scalars: loss (with decay), accuracy (of the guesses for the
            labelled batch, on the given labels), labelled_loss,
            unlabelled_loss, regulariser, lambda_u (at this step), labelled
            (the number of labelled examples in the epoch).
        """
        network = self.student.networks[k]
        x, labels = self.unpack(batch["labelled"])
        x, u = tf.unstack(x, axis=1), []
        if "unlabelled" in batch:
            u = tf.unstack(batch["unlabelled"]["images"], axis=1)
            peer = predictions(self.student.networks[1 - k], u, training=False)
        # First u, then x: each pass moves the moving statistics.
        training = self.pseudo_label_mode == "train"
        guesses_u = predictions(network, u, training)
        guesses_x = predictions(network, x, training)
        w = batch["labelled"]["clean_probability"]
        targets = 2 * [co_refine(w, labels, guesses_x, self.T)]
        if u:
            targets += 2 * [co_guess(guesses_u + peer, self.T)]

        num_x = 2 * tf.shape(labels)[0]
        images, targets = tf.concat(x + u, 0), tf.concat(targets, 0)
        mixed_images, mixed_targets = mixup.mixmatch(
            images,
            targets,
            self.draw_partners(tf.shape(images)[0]),
            self.beta_draws(batch),
            None if self.mix_unlabelled else num_x,
        )
        lambda_u = ramp_up(self.epoch_now(), self.warm_up, self.lambda_u)
        with tf.GradientTape() as tape:
            logits = network(mixed_images, training=True)
            loss_x = labelled_loss(logits[:num_x], mixed_targets[:num_x])
            loss_u = unlabelled_loss(logits[num_x:], mixed_targets[num_x:])
            penalty = regulariser(logits)
            decay_loss = self.decay_loss(network.trainable_variables)
            loss = loss_x + lambda_u * loss_u + penalty + decay_loss
        self.minimize(loss, tape, network.trainable_variables)
        return {
            "loss": loss,
            "accuracy": self.training_accuracy(
                labels, probabilities=tf.add_n(guesses_x) / 2.0
            ),
            "labelled_loss": loss_x,
            "unlabelled_loss": loss_u,
            "regulariser": penalty,
            "lambda_u": lambda_u,
            "labelled": tf.cast(self.num_labelled, tf.float32),
        }

    def draw_beta(self, batch):
        """Returns l ~ Beta(alpha, alpha), one for the batch."""
        return mixup.beta(self.draw_seed("mix"), [], self.alpha)

    def draw_partners(self, num_rows):
        """Returns pi, a random permutation of the rows, int [num_rows]."""
        return randomness.permutation(self.draw_seed("partner"), num_rows)
