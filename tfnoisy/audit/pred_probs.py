"""Predicted probabilities [N, K]: read from a file, put together, checked.

They should be out-of-sample, e.g. from k-fold cross-validation, each fold
predicted by a network that was trained on the others:

    parts = [(fold.ids, predict(train_on(rest), fold)) for rest, fold in ...]
    pred_probs.join(dataset.ids, parts)
"""

import csv
import pathlib
import warnings

import numpy as np

from tfnoisy import array_file, errors

# Probabilities written with two decimals still pass.
_SUM_TOLERANCE = 0.02
_WANTED = (
    "a .npy of N x K, an .npz with pred_probs (and ids), or a .csv with a "
    "column for each class (and id) is wanted"
)


def read(path, ids, class_names):
    """Reads the probabilities of these examples from a file.

    A `.npy` holds N x K numbers, an `.npz` the arrays `pred_probs` and
    perhaps `ids`, a `.csv` a column for each class, with or without a head
    line, and perhaps a column `id`.  Rows with ids may be in any order and
    more than are asked for; rows without are taken in the order of the ids.
    Columns that are headed by the class names may be in any order too.

    Args:
        path: the file.
        ids: int [N], the examples.
        class_names: K names.

    Returns:
        Floats [N, K], checked as by `check`.

    Raises:
        UserError: if the file cannot be read or does not fit.
    """
    path = pathlib.Path(path).expanduser()
    readers = {".npy": _read_arrays, ".npz": _read_arrays, ".csv": _read_csv}
    if path.suffix.lower() not in readers:
        raise errors.UserError(f"{path}: {_WANTED}")
    try:
        file_ids, table, names = readers[path.suffix.lower()](path)
    except FileNotFoundError as error:
        raise errors.UserError(f"no predicted probabilities at {path}") from (
            error
        )
    except array_file.ERRORS as error:
        reason = str(error).splitlines()[0] if str(error) else "damaged"
        raise errors.UserError(
            f"{path} cannot be read ({reason}): {_WANTED}"
        ) from error
    if table.ndim != 2 or table.shape[1] != len(class_names):
        raise errors.UserError(
            f"{path} holds an array of shape {list(table.shape)} for "
            f"{len(class_names)} classes: {_WANTED}"
        )
    if table.dtype.kind not in "fiu":
        raise errors.UserError(f"{path} holds {table.dtype}, not numbers")
    if file_ids is not None and (
        file_ids.shape != (len(table),) or file_ids.dtype.kind not in "iu"
    ):
        raise errors.UserError(
            f"{path} has ids of shape {list(file_ids.shape)} and type "
            f"{file_ids.dtype} for {len(table)} rows: a whole number for each "
            "is wanted"
        )
    if names is not None and set(names) & set(class_names):
        table = table[:, _columns_of(path, names, class_names)]
    if file_ids is not None:
        table = join(ids, [(file_ids, table)], what=str(path))
    elif len(table) != len(ids):
        raise errors.UserError(
            f"{path} has {len(table)} rows for {len(ids)} examples; ids beside "
            "them would tell which is whose"
        )
    return check(table, len(ids), len(class_names), what=str(path))


def join(ids, parts, what="predicted probabilities"):
    """Puts parts together, e.g. the folds of a cross-validation.

    Args:
        ids: int [N], the examples wanted, in the order wanted.
        parts: [(ids [n], array [n, ...]), ...]; together they have each of the
            ids once, and perhaps others.
        what: what a message calls them.

    Returns:
        An array [N, ...].

    Raises:
        UserError: if an id is missing or comes twice.
    """
    part_ids = np.concatenate([np.asarray(part) for part, _ in parts])
    order = np.argsort(part_ids, kind="stable")
    part_ids = part_ids[order]
    twice = part_ids[1:][part_ids[1:] == part_ids[:-1]]
    if twice.size:
        raise errors.UserError(f"{what}: id {twice[0]} comes more than once")
    rows = np.searchsorted(part_ids, ids)
    rows = np.minimum(rows, len(part_ids) - 1)
    missing = np.asarray(ids)[part_ids[rows] != ids]
    if missing.size:
        raise errors.UserError(
            f"{what}: {missing.size} of {len(ids)} ids are missing, e.g. "
            f"{missing[0]}"
        )
    return np.concatenate([values for _, values in parts])[order[rows]]


def check(pred_probs, num_examples, num_classes, what="pred_probs"):
    """Returns the probabilities as floats [N, K] if that is what they are.

    Args:
        pred_probs: what is to be checked.
        num_examples: N.
        num_classes: K; None for any number from 2 on.
        what: what a message calls them.

    Raises:
        UserError: for another shape, for numbers that are not finite or
            outside [0, 1], and for rows that do not sum to 1.
    """
    pred_probs = np.asarray(pred_probs)
    if pred_probs.dtype not in (np.float32, np.float64):
        pred_probs = pred_probs.astype(np.float64)
    shape = list(pred_probs.shape)
    if len(shape) != 2 or (num_classes is None and shape[1] < 2):
        raise errors.UserError(
            f"{what} of shape {shape}: [N, K] with a column for each of two "
            "or more classes is wanted"
        )
    wanted = [num_examples, num_classes or shape[1]]
    if shape != wanted:
        raise errors.UserError(f"{what} of shape {shape}: {wanted} is wanted")
    sums = pred_probs.sum(axis=1)
    wrong = ~(
        (np.abs(sums - 1) <= _SUM_TOLERANCE)
        & (pred_probs.min(axis=1) >= -1e-6)
        & (pred_probs.max(axis=1) <= 1 + 1e-6)
    )
    if wrong.any():
        row = int(np.argmax(wrong))
        few = ", ".join(f"{p:.4g}" for p in pred_probs[row, :4])
        more = ", ..." * (shape[1] > 4)
        raise errors.UserError(
            f"{what}, row {row} ({few}{more}; sum {sums[row]:.4g}): "
            "probabilities in [0, 1] that sum to 1 are wanted; logits need a "
            "softmax first"
        )
    return np.clip(pred_probs, 0, 1)


def _columns_of(path, names, class_names):
    """Returns the position of each class name among the columns' names."""
    if sorted(names) != sorted(class_names):
        strange = sorted(set(names) - set(class_names))
        raise errors.UserError(
            f"{path}: some columns bear class names, but "
            f"{strange[0] if strange else names[0]!r} does not or comes twice; "
            f"the classes are {', '.join(class_names[:3])}"
            + ", ..."
            * (len(class_names) > 3)
        )
    return [names.index(name) for name in class_names]


def _read_arrays(path):
    arrays = array_file.read(path)
    if isinstance(arrays, np.ndarray):
        return None, arrays, None
    if "pred_probs" not in arrays:
        raise ValueError(f"it holds {', '.join(arrays) or 'nothing'}")
    return arrays.get("ids"), arrays["pred_probs"], None


def _read_csv(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = next(csv.reader(file, skipinitialspace=True), [])
    names = [name.strip() for name in first]
    headed = not all(_is_number(name) for name in names)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "loadtxt: input contained no data")
        try:
            table = np.loadtxt(
                path,
                delimiter=",",
                skiprows=int(headed),
                ndmin=2,
                encoding="utf-8-sig",
            )
        except UserWarning:
            raise ValueError("it has no rows") from None
    if not headed:
        return None, table, None
    if len(names) != table.shape[1]:
        raise ValueError(
            f"{len(names)} column names over {table.shape[1]} columns"
        )
    if "id" not in names:
        return None, table, names
    at = names.index("id")
    ids = table[:, at].astype(np.int64)
    if not np.array_equal(ids, table[:, at]):
        raise ValueError("its ids are not integers")
    return ids, np.delete(table, at, axis=1), names[:at] + names[at + 1 :]


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
