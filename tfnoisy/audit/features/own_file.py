"""A user's own features: a file with a row for each image."""

import pathlib

import numpy as np

from tfnoisy import array_file, errors
from tfnoisy.audit import geometry, pred_probs

_WANTED = (
    "a .npy of N x D numbers, or an .npz with features and, to say whose they "
    "are, ids or paths is wanted"
)


def read(path, dataset):
    """Reads the features of a data set's images.

    A `.npy` has a row for each image, in the order of the ids.  An `.npz` has
    the array `features`, and `ids` or `paths` beside it if its rows are in
    another order or more than are asked for.  Paths may be whole or begin at
    any folder above the image, e.g. `cat/17.png`.

    Args:
        path: the file.
        dataset: an `ImageDataset`.

    Returns:
        Floats [N, D].

    Raises:
        UserError: if the file cannot be read or does not fit.
    """
    path = pathlib.Path(path).expanduser()
    try:
        values, ids, paths = _arrays(path)
    except FileNotFoundError as error:
        raise errors.UserError(f"no features at {path}") from error
    except array_file.ERRORS as error:
        reason = str(error).splitlines()[0] if str(error) else "damaged"
        raise errors.UserError(
            f"{path} cannot be read ({reason}): {_WANTED}"
        ) from error
    for name, names in (("ids", ids), ("paths", paths)):
        if names is not None and names.shape != (len(values),):
            raise errors.UserError(
                f"{path} has {name} of shape {list(names.shape)} for "
                f"{len(values)} rows of features"
            )
    if ids is not None:
        if ids.dtype.kind not in "iu":
            raise errors.UserError(f"{path}: ids are {ids.dtype}, not integers")
        values = pred_probs.join(dataset.ids, [(ids, values)], what=str(path))
    elif paths is not None:
        values = values[_rows_by_path(path, paths, dataset)]
    elif len(values) != len(dataset):
        raise errors.UserError(
            f"{path} has {len(values)} rows for {len(dataset)} images; ids or "
            "paths beside them would tell which is whose"
        )
    try:
        return geometry.check_features(values)
    except errors.UserError as error:
        raise errors.UserError(f"{path}: {error}") from error


def _arrays(path):
    """Returns (features, ids or None, paths or None) as the file has them."""
    if path.suffix.lower() not in (".npy", ".npz"):
        raise ValueError("its name ends in neither .npy nor .npz")
    values, ids, paths = array_file.read(path), None, None
    if isinstance(values, dict):
        ids, paths = values.get("ids"), values.get("paths")
        if "features" not in values:
            raise ValueError(f"it holds {', '.join(values) or 'nothing'}")
        values = values["features"]
    if values.ndim != 2:
        raise ValueError(f"features have the shape {list(values.shape)}")
    if values.dtype.kind not in "fiu":
        raise ValueError(f"features are {values.dtype}, not real numbers")
    return values, ids, paths


def _rows_by_path(path, names, dataset):
    """Returns the row of each image of the data set, int64 [N]."""
    if dataset.paths is None:
        raise errors.UserError(
            f"{path} has paths, and the images of {dataset.name} have none; "
            "ids would tell which is whose"
        )
    names = [pathlib.PurePath(str(name)).as_posix() for name in names.tolist()]
    row_of = {name: row for row, name in enumerate(names)}
    if len(row_of) < len(names):
        raise errors.UserError(f"{path}: some paths come more than once")
    rows, missing = [], []
    for image in dataset.paths:
        parts = pathlib.PurePath(image).parts
        endings = (
            pathlib.PurePath(*parts[first:]).as_posix()
            for first in range(len(parts))
        )
        row = next((row_of[end] for end in endings if end in row_of), None)
        rows.append(row)
        if row is None:
            missing.append(image)
    if missing:
        raise errors.UserError(
            f"{path} has no features for {len(missing)} of {len(dataset)} "
            f"images, e.g. {missing[0]}"
        )
    rows = np.array(rows, np.int64)
    if len(np.unique(rows)) < len(rows):
        twice = np.flatnonzero(np.bincount(rows) > 1)[0]
        raise errors.UserError(
            f"{path}: the path {names[twice]} fits more than one image; whole "
            "paths tell them apart"
        )
    return rows
