"""MentorNet: per-example weights from a loss and its training percentage.

Jiang et al., "MentorNet: Learning Data-Driven Curriculum for Very Deep
Neural Networks on Corrupted Labels" (arXiv:1712.05055), section 4, as in
google/mentornet and the MentorMix release.  What the original code does that
the paper does not say:

*   The LSTM sees one time step [loss, loss - moving percentile] and its cell
    state c, not its output h, is the feature.  From a zero state
    c = sigmoid(z_i) * tanh(z_j), so the forget and output gates, the
    recurrent row of the kernel and the forget bias are dead.  They are kept:
    a checkpoint that is loaded and saved is the same checkpoint.
*   The scalar output bias b3 is added to the last weight *matrix*:
    logit = u (W3 + b3), not u W3 + b3.
*   Epochs are percentages of the training, truncated to integers, and every
    one from the last row of the table on counts as that row.
"""

import io
import os
import pathlib

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import (
    array_file,
    errors,
    output_file,
    randomness,
    resources,
)

# What each variable is called in a TF1 checkpoint and in our own files.
_LSTM = "mentornet/bidirectional_rnn/{}/basic_lstm_cell/{}"
CHECKPOINT_NAMES = {
    "label_embedding": "mentornet/label_embedding",
    "epoch_embedding": "mentornet/epoch_embedding",
    "fw_kernel": _LSTM.format("fw", "kernel"),
    "fw_bias": _LSTM.format("fw", "bias"),
    "bw_kernel": _LSTM.format("bw", "kernel"),
    "bw_bias": _LSTM.format("bw", "bias"),
    "w1": "mentornet/Variable",
    "b1": "mentornet/Variable_1",
    "w3": "mentornet/Variable_2",
    "b3": "mentornet/Variable_3",
}
FILE_NAME = "mentornet.npz"


@keras.saving.register_keras_serializable("tfnoisy.mentor")
class MentorNet(keras.layers.Layer):
    """The network, made from its weights; its sizes are their shapes.

    With L labels, a label embedding of a, E epochs (percentages), an epoch
    embedding of b and h hidden units:

    Args:
        weights: {name: array} with the names of `CHECKPOINT_NAMES`:
            label_embedding [L, a], epoch_embedding [E, b], fw_kernel and
            bw_kernel [3, 4] (rows: loss, difference, dead; columns in TF1's
            gate order i, j, f, o), fw_bias and bw_bias [4],
            w1 [a + b + 2, h], b1 [h], w3 [h, 1], b3 [1].
        trainable: False for a mentor, which a student must not change.

    Raises:
        UserError: if a weight is missing, of a wrong shape or not finite.
    """

    def __init__(self, weights, trainable=False):
        # float32 whatever the student's precision is.
        super().__init__(name="mentornet", trainable=trainable, dtype="float32")
        _check(weights)
        for name in CHECKPOINT_NAMES:
            value = np.asarray(weights[name], np.float32)
            variable = self.add_weight(
                name=name,
                shape=value.shape,
                initializer=lambda shape, dtype, value=value: tf.constant(
                    value, dtype
                ),
                trainable=trainable,
            )
            setattr(self, name, variable)
        self.built = True

    def logits(self, losses, loss_diffs, labels, epochs):
        """Returns the logits [B] of the weights.

        Args:
            losses: float [B], each example's loss.
            loss_diffs: float [B], the loss minus its moving percentile.
            labels: [B] or a scalar in [0, L); always 0 in the student's
                training.
            epochs: [B] or a scalar, the percentage of the training, 0 to 99;
                truncated, and 99 from there on.
        """
        losses = tf.reshape(tf.cast(losses, tf.float32), [-1])
        loss_diffs = tf.reshape(tf.cast(loss_diffs, tf.float32), [-1])
        step = tf.stack([losses, loss_diffs], axis=1)
        last = self.epoch_embedding.shape[0] - 1
        epochs = tf.minimum(tf.cast(epochs, tf.int32), last)
        features = tf.concat(
            [
                _rows(self.label_embedding, tf.cast(labels, tf.int32), losses),
                _rows(self.epoch_embedding, epochs, losses),
                _cell_state(step, self.fw_kernel, self.fw_bias),
                _cell_state(step, self.bw_kernel, self.bw_bias),
            ],
            axis=1,
        )
        hidden = tf.tanh(tf.matmul(features, self.w1) + self.b1)
        return tf.matmul(hidden, self.w3 + self.b3)[:, 0]

    def __call__(self, losses, loss_diffs, labels, epochs):
        """Returns the weights v [B] in [0, 1]; arguments as for `logits`."""
        # Keras takes no Python scalars for tensors, and 0 is the usual label.
        inputs = (losses, loss_diffs, labels, epochs)
        return super().__call__(*map(tf.convert_to_tensor, inputs))

    def call(self, losses, loss_diffs, labels, epochs):
        """What `__call__` does, on tensors."""
        return tf.sigmoid(self.logits(losses, loss_diffs, labels, epochs))

    def get_config(self):
        """Returns the constructor's arguments, the weights as nested lists."""
        weights = {
            name: array.tolist() for name, array in self.arrays().items()
        }
        return {"weights": weights, "trainable": self.trainable}

    def arrays(self):
        """Returns {name: float32 array} of all weights, dead ones too."""
        return {name: getattr(self, name).numpy() for name in CHECKPOINT_NAMES}


def _rows(table, index, like):
    """Returns table[index] as [B, width] for an index [B] or a scalar."""
    index = tf.broadcast_to(tf.reshape(index, [-1]), [tf.shape(like)[0]])
    return tf.gather(tf.convert_to_tensor(table), index)


def _cell_state(step, kernel, bias):
    """Returns c [B, 1] of a one-unit LSTM after its first step [B, 2]."""
    z = tf.matmul(step, kernel[:2, :2]) + bias[:2]
    return tf.sigmoid(z[:, :1]) * tf.tanh(z[:, 1:])


@keras.saving.register_keras_serializable("tfnoisy.mentor")
def analytic_pd(losses, loss_diffs, labels, epochs):
    """Returns what the published mentornet_pd was trained to compute.

    A stand-in for the network, with its call: v = 1[d <= 0] before 80 % of
    the training, clip(1 - d, 0, 1) from there on.  Unlike the published
    curriculum function (`curricula.mentornet_pd`) it has no burn-in.

    Args:
        losses: float [B], unused but for the shape.
        loss_diffs: float [B], d.
        labels: unused.
        epochs: [B] or a scalar, the percentage of the training.

    Returns:
        float32 [B] in [0, 1].
    """
    del labels
    d = tf.cast(loss_diffs, tf.float32) + tf.zeros_like(losses, tf.float32)
    return tf.where(
        tf.cast(epochs, tf.float32) < 80.0,
        tf.cast(d <= 0.0, tf.float32),
        tf.clip_by_value(1.0 - d, 0.0, 1.0),
    )


def initial_weights(
    seed, label_embedding=(2, 2), epoch_embedding=(100, 5), hidden=20
):
    """Returns random weights for `MentorNet`, as the original draws them.

    Embeddings and LSTM kernels are Glorot-uniform, LSTM biases zero, and
    w1, b1, w3 and b3 standard normal.

    Args:
        seed: an integer.
        label_embedding: (number of labels, width).
        epoch_embedding: (number of epochs, width).
        hidden: the number of hidden units.
    """
    shapes = _shapes(label_embedding, epoch_embedding, hidden)
    weights = {}
    for index, (name, shape) in enumerate(shapes.items()):
        key = randomness.stream_seed(seed, "mentornet", 0, index)
        if name.endswith("_bias"):
            value = tf.zeros(shape)
        elif name in ("w1", "b1", "w3", "b3"):
            value = tf.random.stateless_normal(shape, key)
        else:
            limit = np.sqrt(6.0 / sum(shape))
            value = tf.random.stateless_uniform(shape, key, -limit, limit)
        weights[name] = value.numpy()
    return weights


def _shapes(label_embedding, epoch_embedding, hidden):
    """Returns the shape of every weight by its name."""
    return {
        "label_embedding": label_embedding,
        "epoch_embedding": epoch_embedding,
        "fw_kernel": (3, 4),
        "fw_bias": (4,),
        "bw_kernel": (3, 4),
        "bw_bias": (4,),
        "w1": (label_embedding[1] + epoch_embedding[1] + 2, hidden),
        "b1": (hidden,),
        "w3": (hidden, 1),
        "b3": (1,),
    }


def load(path: str | os.PathLike) -> MentorNet:
    """Returns the MentorNet that a path holds.

    Args:
        path: one of our `.npz` files; the prefix of a TF1 checkpoint; or a
            folder with `mentornet.npz`, a `checkpoint` state file or exactly
            one `*.index` file.  A student's checkpoint will do if it has the
            `mentornet/` variables.

    Raises:
        UserError: if there is no MentorNet at `path` or it is not whole.
    """
    if not str(path):
        raise errors.UserError(
            "the path of the MentorNet is empty: give a checkpoint prefix, a "
            f"folder with {FILE_NAME} or one checkpoint, or an .npz file"
        )
    found = _locate(pathlib.Path(path))
    if found.suffix == ".npz":
        stored = _read_npz(found)
    else:
        stored = _read_checkpoint(found)
    missing = [n for n in CHECKPOINT_NAMES.values() if n not in stored]
    if missing:
        raise errors.UserError(
            f"{found} is not a MentorNet: it has no {missing[0]}"
        )
    weights = {
        name: stored[stored_name]
        for name, stored_name in CHECKPOINT_NAMES.items()
    }
    try:
        return MentorNet(weights)
    except errors.UserError as error:
        raise errors.UserError(f"{found}: {error}") from error


def default() -> MentorNet:
    """Returns our own mentornet_pd; `data/mentornet_pd` says how it was made.

    It was trained with the published checkpoint's recipe on `analytic_pd`.
    """
    return load(resources.shipped("data/mentornet_pd"))


def save(net: MentorNet, path: str | os.PathLike) -> None:
    """Writes a MentorNet that `load` reads, whole or not at all.

    Args:
        net: a `MentorNet`.
        path: an `.npz` file, or a folder, which then gets `mentornet.npz`.
    """
    path = pathlib.Path(path)
    if path.suffix != ".npz":
        path = path / FILE_NAME
    arrays = net.arrays()
    write_npz(path, {CHECKPOINT_NAMES[name]: arrays[name] for name in arrays})


def write_npz(path, arrays):
    """Writes {name: array} to an `.npz` file, whole or not at all."""
    contents = io.BytesIO()
    np.savez(contents, **arrays)
    output_file.write(path, contents.getvalue())


def _locate(path):
    """Returns the .npz file or the checkpoint prefix that `path` means."""
    if path.is_dir():
        if (path / FILE_NAME).is_file():
            return path / FILE_NAME
        latest = tf.train.latest_checkpoint(str(path))
        if latest:
            return pathlib.Path(latest)
        prefixes = [p.with_suffix("") for p in sorted(path.glob("*.index"))]
        if len(prefixes) == 1:
            return prefixes[0]
        problem = "no checkpoint" if not prefixes else "several checkpoints"
        raise errors.UserError(
            f"no MentorNet in the folder {path}: it has no {FILE_NAME} and "
            f"{problem}; give the prefix of a checkpoint"
        )
    if path.suffix == ".npz" and path.is_file():
        return path
    if path.with_name(path.name + ".index").is_file():
        return path
    raise errors.UserError(
        f"no MentorNet at {path}: neither a folder, an .npz file nor the "
        f"prefix of a checkpoint ({path.name}.index is not there)"
    )


def _read_npz(path):
    try:
        weights = array_file.read(path)
    except array_file.ERRORS as error:
        raise errors.UserError(f"cannot read {path}: {error}") from error
    if isinstance(weights, np.ndarray):
        raise errors.UserError(f"cannot read {path}: it is one array")
    return weights


def _read_checkpoint(prefix):
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {
            name: reader.get_tensor(name)
            for name in CHECKPOINT_NAMES.values()
            if reader.has_tensor(name)
        }
    except (tf.errors.OpError, RuntimeError, ValueError) as error:
        line = str(error).splitlines()[0]
        raise errors.UserError(f"cannot read {prefix}: {line}") from error


def _check(weights):
    """Raises UserError unless the weights fit one another."""
    shapes = {name: np.shape(weights[name]) for name in CHECKPOINT_NAMES}
    for name in ("label_embedding", "epoch_embedding", "w1"):
        if len(shapes[name]) != 2:
            raise errors.UserError(
                f"{name} must have 2 dimensions, not {shapes[name]}"
            )
    expected = _shapes(
        shapes["label_embedding"], shapes["epoch_embedding"], shapes["w1"][1]
    )
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise errors.UserError(
                f"{name} must have the shape {shape}, not {shapes[name]}"
            )
    for name in CHECKPOINT_NAMES:
        if not np.all(np.isfinite(weights[name])):
            raise errors.UserError(f"{name} has values that are not finite")
