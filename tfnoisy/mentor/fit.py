"""Trains a MentorNet on rows of (loss, difference, label, epoch, v*).

Jiang et al., MentorNet (arXiv:1712.05055), section 4, as in google/mentornet's
`training_mentornet/train.py`: Adam on the mean squared error of v, or on the
sigmoid cross-entropy where every target is 0 or 1 and both occur; gradients
clipped to a global norm of 5; learning rate times 0.9 every `decay_steps`.
The first pass is in stored order, each later one shuffled, and the rows that
do not fill a batch at its end are skipped.

Two recipes: `public` is that code's.  `shipped` is the one that the published
mentornet_pd checkpoint was trained with, as its graph tells; it is larger,
trains the epoch embedding and, with a tenth of the learning rate, does not
saturate as `public` does in about one seed in three.
"""

import dataclasses
import json
import math
import pathlib
import time

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.mentor import curricula
from tfnoisy.mentor import network as mentor_network

CLIP_NORM = 5.0
# Under `public` a network that has learnt its curriculum stays below 0.02, one
# that has saturated (its logits so large that no gradient is left) above 0.07.
SATURATED_MSE = 0.05


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a MentorNet is trained; the defaults are the public code's.

    Attributes:
        label_embedding: (number of labels, width).
        epoch_embedding: (number of epochs, width).
        hidden: hidden units.
        train_epoch_embedding: False leaves it as it was drawn.
        learning_rate: at the first step.
        decay_steps: the learning rate is multiplied by 0.9 after each.
        steps: how many batches are trained on.
        batch_size: rows of one step.
    """

    label_embedding: tuple[int, int] = (2, 2)
    epoch_embedding: tuple[int, int] = (100, 5)
    hidden: int = 20
    train_epoch_embedding: bool = False
    learning_rate: float = 0.1
    decay_steps: int = 1000
    steps: int = 30_000
    batch_size: int = 32


RECIPES = {
    "public": Recipe(),
    "shipped": Recipe(
        label_embedding=(3, 5),
        epoch_embedding=(100, 10),
        train_epoch_embedding=True,
        learning_rate=0.01,
        decay_steps=3750,
        steps=75_000,
    ),
}


def fit(train, test, recipe, seed=0, on_epoch=None):
    """Returns a trained MentorNet and its final metrics.

    Args:
        train: `curricula.Rows` to train on, at least one batch.
        test: `curricula.Rows` held out.
        recipe: a `Recipe`.
        seed: of the initial weights and the order of the rows.
        on_epoch: called with each epoch's record, a dict of step, train_loss
            (mean over the epoch's batches), test_loss and test_mse.

    Returns:
        The `mentor_network.MentorNet` and the last epoch's record.

    Raises:
        UserError: if recipe and rows do not fit, or a loss is not finite.
    """
    _check(train, test, recipe)
    net = mentor_network.MentorNet(
        mentor_network.initial_weights(
            seed, recipe.label_embedding, recipe.epoch_embedding, recipe.hidden
        ),
        trainable=True,
    )
    loss_fn = loss_for(train.targets)
    train_batches = _trainer(net, loss_fn, train, recipe)
    batches_per_epoch = len(train.targets) // recipe.batch_size
    step = 0
    for epoch in range(math.ceil(recipe.steps / batches_per_epoch)):
        num_batches = min(batches_per_epoch, recipe.steps - step)
        order = epoch_order(seed, epoch, len(train.targets))
        order = order[: batches_per_epoch * recipe.batch_size]
        losses = train_batches(
            tf.constant(order.reshape(batches_per_epoch, recipe.batch_size)),
            tf.constant(num_batches),
        ).numpy()[:num_batches]
        if not np.all(np.isfinite(losses)):
            bad = step + int(np.argmin(np.isfinite(losses)))
            raise errors.UserError(
                f"the loss is not finite at step {bad}: check the data or "
                "lower the learning rate"
            )
        step += num_batches
        record = {
            "step": step,
            "train_loss": float(losses.mean()),
            "test_loss": evaluate(net, test, loss_fn),
            "test_mse": evaluate(net, test, squared_error),
        }
        if on_epoch:
            on_epoch(record)
    return net, record


def fit_to_folder(
    data_path, train_dir, recipe, seed=0, overwrite=False, on_epoch=None
):
    """Trains on a folder's rows and writes the run's folder.

    The folder gets `metrics.jsonl` (a line per epoch), `mentornet.npz` and
    `results.json` (recipe, numbers of rows, last errors, whether the network
    has saturated, seconds).

    Args:
        data_path: the folder with `tr.npz` and `ts.npz`.
        train_dir: the run's folder; made if it is not there.
        recipe: a `Recipe`.
        seed: as in `fit`.
        overwrite: whether a finished run in `train_dir` may be replaced.
        on_epoch: as in `fit`.

    Returns:
        The content of `results.json`, a dict.

    Raises:
        UserError: as `fit`, and if `train_dir` holds a finished run.
    """
    train_dir = pathlib.Path(train_dir)
    refuse_finished(train_dir, overwrite)
    train, test = curricula.load_rows(data_path)
    _check(train, test, recipe)
    train_dir.mkdir(parents=True, exist_ok=True)
    # A run that is being replaced and is killed must not look finished.
    results_path = train_dir / "results.json"
    results_path.unlink(missing_ok=True)
    start = time.monotonic()
    with open(train_dir / "metrics.jsonl", "w", encoding="utf-8") as metrics:

        def write(record):
            metrics.write(json.dumps(record) + "\n")
            metrics.flush()
            if on_epoch:
                on_epoch(record)

        net, record = fit(train, test, recipe, seed, write)
    mentor_network.save(net, train_dir)
    loss_fn = loss_for(train.targets)
    results = {
        "recipe": dataclasses.asdict(recipe),
        "seed": seed,
        "loss": loss_fn.__name__,
        "num_train": len(train.targets),
        "num_test": len(test.targets),
        **record,
        "saturated": loss_fn is squared_error
        and record["test_mse"] > SATURATED_MSE,
        "seconds": round(time.monotonic() - start, 1),
    }
    results_path.write_text(json.dumps(results, indent=2) + "\n")
    return results


def refuse_finished(train_dir, overwrite):
    """Refuses a folder that holds a finished run, unless it may be lost.

    Args:
        train_dir: the folder.
        overwrite: whether the run there may be lost.

    Raises:
        UserError: if there is a finished run that may not.
    """
    finished = (pathlib.Path(train_dir) / "results.json").exists()
    if finished and not overwrite:
        raise errors.UserError(
            f"{train_dir} holds a finished run: choose another train_dir or "
            "pass --overwrite"
        )


def cross_entropy(logits, targets):
    """Returns the sigmoid cross-entropies [B] of logits and targets [B]."""
    return tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)


def squared_error(logits, targets):
    """Returns (sigmoid(logit) - target)^2, [B]."""
    return tf.square(tf.sigmoid(logits) - targets)


def loss_for(targets):
    """Returns `cross_entropy` if the targets are exactly {0, 1}.

    Otherwise, for a constant target too, `squared_error`.
    """
    binary = set(np.unique(targets)) == {0.0, 1.0}
    return cross_entropy if binary else squared_error


def epoch_order(seed, epoch, num_rows):
    """Returns the order of the rows in an epoch, int64 [num_rows].

    Epoch 0 takes them as they are stored.
    """
    if epoch == 0:
        return np.arange(num_rows)
    return curricula.shuffled(num_rows, seed, 2, epoch)


def evaluate(net, rows, loss_fn):
    """Returns the mean loss of a MentorNet on `rows`, a float."""
    *features, targets = rows
    return float(tf.reduce_mean(loss_fn(net.logits(*features), targets)))


def _trainer(net, loss_fn, rows, recipe):
    """Returns a function that trains: (order [S, batch], n) -> losses [S].

    It takes the first n batches; the other losses are zero.

    It trains them in one graph call, compiled, for the network is so small
    that a call for each step would be all overhead.
    """
    columns = [tf.constant(column) for column in rows]
    variables = [
        variable
        for variable in net.trainable_variables
        if recipe.train_epoch_embedding or variable is not net.epoch_embedding
    ]
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.ExponentialDecay(
            recipe.learning_rate, recipe.decay_steps, 0.9, staircase=True
        ),
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
    )
    optimizer.build(variables)

    @tf.function(jit_compile=True)
    def train_batches(order, num_batches):
        losses = tf.TensorArray(tf.float32, order.shape[0])
        for step in tf.range(num_batches):
            *features, targets = (tf.gather(c, order[step]) for c in columns)
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(loss_fn(net.logits(*features), targets))
            gradients = [
                tf.convert_to_tensor(gradient)
                for gradient in tape.gradient(loss, variables)
            ]
            gradients, _ = tf.clip_by_global_norm(gradients, CLIP_NORM)
            optimizer.apply(gradients)
            losses = losses.write(step, loss)
        return losses.stack()

    return train_batches


def _check(train, test, recipe):
    """Raises UserError unless the recipe can train on these rows."""
    for name in ("steps", "batch_size", "learning_rate", "decay_steps"):
        if not getattr(recipe, name) > 0:
            raise errors.UserError(
                f"{name} is {getattr(recipe, name)}: it must be above 0"
            )
    if len(train.targets) < recipe.batch_size:
        raise errors.UserError(
            f"there are {len(train.targets)} rows to train on, fewer than a "
            f"batch of {recipe.batch_size}"
        )
    if not len(test.targets):
        raise errors.UserError("there are no rows to test on")
    num_labels = recipe.label_embedding[0]
    for rows in (train, test):
        if rows.labels.min() < 0 or rows.labels.max() >= num_labels:
            raise errors.UserError(
                f"the data's labels must lie in [0, {num_labels})"
            )
        if rows.epochs.min() < 0:
            raise errors.UserError("the data's epochs must not be negative")
