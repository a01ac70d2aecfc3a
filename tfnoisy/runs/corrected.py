"""People's corrections, applied as data are read."""

import dataclasses

from tfnoisy import errors
from tfnoisy.datasets import corrections as corrections_lib


def correct(path, datasets, *, lenient=False):
    """Corrects the given labels of splits, and leaves out what was removed.

    Args:
        path: of corrections.csv, see `datasets.corrections`; "" for none.
        datasets: {split: `ImageDataset`} as the files have them.
        lenient: whether decisions that do not fit are counted, not refused:
            for the data of a run, which may have changed since.

    Returns:
        {split: `ImageDataset`}, with a note on what was done.

    Raises:
        UserError: if the file cannot be read, or is of other data.
        DataError: for decisions that do not fit.
    """
    if not path:
        return datasets
    decided = corrections_lib.read(path)
    # What people saw may have been more than is asked for: both parts of a
    # folder, or all of a slice.
    applied = corrections_lib.apply(
        decided, datasets, partial=True, lenient=lenient
    )
    if decided.decisions and applied.elsewhere == len(decided.decisions):
        raise errors.UserError(
            f"--corrections={path}: none of its {applied.elsewhere:,} images "
            "is in these data"
        )
    note = applied.describe()
    return {
        split: dataclasses.replace(data, notes=(*data.notes, note))
        for split, data in applied.datasets.items()
    }
