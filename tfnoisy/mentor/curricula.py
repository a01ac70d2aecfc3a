"""What a MentorNet is taught: target functions v* and rows to learn from.

Jiang et al., MentorNet (arXiv:1712.05055), sections 3 and 4, as in
google/mentornet's `training_mentornet/` (data_generator, vstar functions).
The original pickles its rows as `tr.p` and `ts.p`; ours are the arrays of
`tr.npz` and `ts.npz`.

A target function maps (losses [B], loss_diffs [B], labels, epochs) to weights
float32 [B] in [0, 1], as a `mentor_network.MentorNet` does; labels and epochs
are [B] or scalars, epochs percentages of the training.
"""

import csv
import math
import pathlib
import typing

import numpy as np
import tensorflow as tf

from tfnoisy import array_file, errors, randomness
from tfnoisy.mentor import network as mentor_network

GRID_SIZE = 1_200_000
# The loss percentiles a data-driven MentorNet is generated for.
PERCENTILES = (40, 50, 60, 75, 80, 90)


def baseline(losses, loss_diffs, labels, epochs):
    """v* = 1: every example counts."""
    del loss_diffs, labels, epochs
    return tf.ones_like(losses, tf.float32)


def self_paced(losses, loss_diffs, labels, epochs):
    """v* = 1[d <= 0] (Kumar et al. 2010)."""
    del losses, labels, epochs
    return tf.cast(tf.convert_to_tensor(loss_diffs) <= 0, tf.float32)


def hard_example_mining(losses, loss_diffs, labels, epochs):
    """v* = 1[d >= 0], and 1 wherever the label feature is positive."""
    del losses, epochs
    hard = tf.convert_to_tensor(loss_diffs) >= 0
    return tf.cast(hard | (tf.convert_to_tensor(labels) > 0), tf.float32)


def focal_loss(losses, loss_diffs, labels, epochs, gamma=2.0):
    """v* = (1 - exp(-loss))^gamma (Lin et al. 2017)."""
    del loss_diffs, labels, epochs
    return (1.0 - tf.exp(-tf.cast(losses, tf.float32))) ** gamma


def spcl_linear(losses, loss_diffs, labels, epochs, gamma=1.0):
    """v* = clip(1 - d / gamma, 0, 1) (self-paced curriculum learning)."""
    del losses, labels, epochs
    diffs = tf.cast(loss_diffs, tf.float32)
    return tf.clip_by_value(1.0 - diffs / gamma, 0.0, 1.0)


def mentornet_pd(losses, loss_diffs, labels, epochs, gamma=1.0):
    """The pre-defined curriculum of the published code.

    v* = 1 up to 18 % of the training, `self_paced` up to 90 %, `spcl_linear`
    from there on.  The published *checkpoint* was trained on another one,
    without the first part and with its switch at 80 %: `mentornet_pd_80`.
    """
    inputs = (losses, loss_diffs, labels, epochs)
    epochs = tf.convert_to_tensor(epochs)
    return tf.where(
        epochs <= 18,
        baseline(*inputs),
        tf.where(
            epochs < 90, self_paced(*inputs), spcl_linear(*inputs, gamma=gamma)
        ),
    )


CURRICULA = {
    "baseline": baseline,
    "self_paced": self_paced,
    "hard_example_mining": hard_example_mining,
    "focal_loss": focal_loss,
    "spcl_linear": spcl_linear,
    "mentornet_pd": mentornet_pd,
    "mentornet_pd_80": mentor_network.analytic_pd,
}


def by_name(name):
    """Returns a target function.

    Args:
        name: a name in `CURRICULA`, with or without the original's `vstar_`.

    Raises:
        UserError: if there is none of that name.
    """
    try:
        return CURRICULA[name.removeprefix("vstar_")]
    except KeyError:
        names = ", ".join(f"vstar_{known}" for known in CURRICULA)
        raise errors.UserError(
            f"no curriculum is called {name!r}; there are {names}"
        ) from None


class Rows(typing.NamedTuple):
    """What a MentorNet learns from, one entry per row.

    Attributes:
        losses: float32 [N].
        loss_diffs: float32 [N], loss minus its moving percentile.
        labels: int32 [N], the label feature.
        epochs: int32 [N], percentages of the training.
        targets: float32 [N], v* in [0, 1].
    """

    losses: np.ndarray
    loss_diffs: np.ndarray
    labels: np.ndarray
    epochs: np.ndarray
    targets: np.ndarray

    def take(self, index):
        """Returns the rows of an index array or a slice."""
        return Rows(*(column[index] for column in self))


def grid_rows(curriculum):
    """Returns the whole synthetic grid as `Rows` of length 1,200,000.

    The product of 120 losses (0 to 9.9 by 0.1, 10 to 29 by 1), 100
    differences (-5 to 4.9 by 0.1), the label 0 and the epochs 0 to 99.  The
    difference "0" is -1.8e-14, as in the original: on the easy side.

    Args:
        curriculum: a target function.
    """
    losses = np.concatenate([np.arange(0, 10, 0.1), np.arange(10, 30, 1.0)])
    diffs = np.arange(-5, 5, 0.1)
    axes = np.meshgrid(losses, diffs, np.arange(100), indexing="ij")
    losses, diffs, epochs = (axis.ravel() for axis in axes)
    losses, diffs = losses.astype(np.float32), diffs.astype(np.float32)
    epochs = epochs.astype(np.int32)
    labels = np.zeros_like(epochs)
    targets = curriculum(losses, diffs, labels, epochs).numpy()
    return Rows(losses, diffs, labels, epochs, targets)


def generate(curriculum, sample_size=100_000, seed=0):
    """Returns (train, test) `Rows` drawn from the grid.

    Args:
        curriculum: a target function.
        sample_size: how many rows of the shuffled grid are kept; 80 % of
            them train, the others but one test.
        seed: of the shuffle.

    Raises:
        UserError: if the grid has not so many rows or both parts would not
            have one.
    """
    if not 6 <= sample_size <= GRID_SIZE:
        raise errors.UserError(
            f"sample_size is {sample_size}: it must be between 6 and the "
            f"{GRID_SIZE} rows of the grid"
        )
    return _split(grid_rows(curriculum), sample_size, seed)


def _split(rows, sample_size, seed):
    """Shuffles, keeps `sample_size` rows, splits 80/20 less the last row.

    The last row is lost to an off-by-one of the original: 100,000 rows
    become 80,000 and 19,999.
    """
    order = shuffled(len(rows.losses), seed, 1)[:sample_size]
    num_train = int(sample_size * 0.8)
    return rows.take(order[:num_train]), rows.take(order[num_train:-1])


def shuffled(size, seed, *counters):
    """Returns a permutation int64 [size] that depends on its arguments."""
    key = randomness.stream_seed(seed, "mentornet", *counters)
    order = tf.random.experimental.stateless_shuffle(
        tf.range(size, dtype=tf.int64), key
    )
    return order.numpy()


def read_features(path):
    """Returns what a student's feature file says, one entry per sample.

    Each line holds `sample_id epoch_percent noisy_label clean_label loss`,
    separated by spaces.  A later line of a sample replaces an earlier one.

    Args:
        path: the CSV file.

    Returns:
        epochs int32 [N], is_clean bool [N], losses float64 [N].

    Raises:
        UserError: naming the file and the line that is wrong.
    """
    samples = {}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            for cells in reader:
                if cells:
                    sample_id, values = _parse(cells, path, reader.line_num)
                    samples[sample_id] = values
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise errors.UserError(f"cannot read {path}: {error}") from error
    if len(samples) < 6:
        raise errors.UserError(
            f"{path} has {len(samples)} samples: at least 6 are needed"
        )
    epochs, is_clean, losses = zip(*samples.values())
    return np.array(epochs, np.int32), np.array(is_clean), np.array(losses)


def _parse(cells, path, line):
    """Returns (sample id, (epoch, whether the label is right, loss))."""
    try:
        sample_id, epoch, noisy, clean, loss = " ".join(cells).split()
        epoch, noisy, clean = float(epoch), int(noisy), int(clean)
        loss = float(loss)
    except ValueError:
        raise errors.UserError(
            f"{path}, line {line}: not `sample_id epoch_percent noisy_label "
            f"clean_label loss`: {' '.join(cells)[:60]!r}"
        ) from None
    if not 0 <= epoch <= 100:
        raise errors.UserError(
            f"{path}, line {line}: the epoch {epoch:g} is no percentage"
        )
    if not math.isfinite(loss):
        raise errors.UserError(
            f"{path}, line {line}: the loss {loss:g} is not finite"
        )
    return sample_id, (int(epoch), noisy == clean, loss)


def data_driven(path, percentile, seed=0):
    """Returns (train, test) `Rows` from a student's feature file.

    v* = 1 where the noisy label is right, d = loss - the percentile of all
    losses of the file, and the label feature is 0 (google/mentornet issue 2).

    Args:
        path: the CSV file, see `read_features`.
        percentile: in [0, 100]; the original makes one set for each of
            `PERCENTILES`.
        seed: of the shuffle.

    Raises:
        UserError: as `read_features`.
    """
    epochs, is_clean, losses = read_features(path)
    diffs = losses - np.percentile(losses, percentile)
    rows = Rows(
        losses.astype(np.float32),
        diffs.astype(np.float32),
        np.zeros_like(epochs),
        epochs,
        is_clean.astype(np.float32),
    )
    return _split(rows, len(losses), seed)


def save_rows(folder, train, test):
    """Writes `tr.npz` and `ts.npz` into a folder."""
    for name, rows in (("tr.npz", train), ("ts.npz", test)):
        mentor_network.write_npz(pathlib.Path(folder) / name, rows._asdict())


def load_rows(folder):
    """Returns (train, test) `Rows` that `save_rows` wrote.

    Raises:
        UserError: if the folder has not both files, or one is not whole.
    """
    return tuple(
        _load_rows(pathlib.Path(folder) / name) for name in ("tr.npz", "ts.npz")
    )


def _load_rows(path):
    try:
        file = array_file.read(path)
        rows = Rows(*(file[name] for name in Rows._fields))
    except FileNotFoundError:
        raise errors.UserError(
            f"{path} is not there: generate the data first (pickles of the "
            "original, tr.p and ts.p, are not read)"
        ) from None
    except (KeyError, IndexError, *array_file.ERRORS) as error:
        raise errors.UserError(f"cannot read {path}: {error}") from error
    if any(column.dtype.kind not in "fiu" for column in rows):
        raise errors.UserError(f"{path}: its columns are not all numbers")
    shape = rows.losses.shape
    if len(shape) != 1 or any(column.shape != shape for column in rows):
        raise errors.UserError(f"{path}: its columns differ in length")
    return rows
