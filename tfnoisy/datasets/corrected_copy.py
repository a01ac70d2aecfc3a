"""One's own images once more, with corrected labels; the original stays."""

import dataclasses
import os
import pathlib
import shutil

import numpy as np

from tfnoisy import errors, output_file
from tfnoisy.datasets import corrections as corrections_lib
from tfnoisy.datasets import csv_cells
from tfnoisy.datasets import problems as problems_lib
from tfnoisy.datasets.sources import folder


@dataclasses.dataclass(frozen=True)
class Corrected:
    """Images by name, after corrections.

    Attributes:
        source: the folder that they are in, an absolute path, or None where a
            CSV names them.
        splits: {split: [(path, key, class name), ...]}.
        notes: what was done.
    """

    source: pathlib.Path | None
    splits: dict[str, list[tuple[str, str, str]]]
    notes: tuple[str, ...]


def read(data_dir, labels_csv, corrections, new_classes=()):
    """Reads the names of images, and corrects their labels.

    Args:
        data_dir: as for `folder.read_splits`.
        labels_csv: likewise.
        corrections: a corrections.csv.
        new_classes: names of classes that the data do not have yet.

    Returns:
        A `Corrected`.

    Raises:
        UserError: if there is nothing to read.
        DataError: for data or corrections that cannot be used.
    """
    surveyed = folder.survey(data_dir, labels_csv=labels_csv)
    problems_lib.refuse(labels_csv or data_dir, surveyed.problems)
    known = set(surveyed.class_names)
    for name in new_classes:
        if name in known or not name or "/" in name or name[0] == ".":
            raise errors.UserError(
                f"--new_classes: {name!r} is a class already, or no name of a "
                "folder"
            )
    names = (*surveyed.class_names, *dict.fromkeys(new_classes))
    parts = {name: part for name, part in surveyed.parts.items() if len(part)}
    applied = corrections_lib.apply(
        corrections_lib.read(corrections),
        {split: part.as_dataset(names) for split, part in parts.items()},
    )
    splits = {
        split: [
            (path, key, names[label])
            for path, key, label in zip(
                data.paths, data.keys, data.given_labels.tolist()
            )
        ]
        for split, data in applied.datasets.items()
    }
    notes = [applied.describe()]
    if surveyed.faults:
        notes += [
            f"{len(surveyed.faults):,} files are left out:",
            *problems_lib.listed(surveyed.faults),
        ]
    place = pathlib.Path(data_dir).expanduser().resolve() if data_dir else None
    return Corrected(place, splits, tuple(notes))


def write_folders(corrected, output_dir, copy=False):
    """Writes SPLIT/CLASS/*, or CLASS/* of one split.

    Args:
        corrected: a `Corrected`.
        output_dir: a folder that is not there yet, or empty.
        copy: copy the images; links to them if false.

    Returns:
        How many images there are.

    Raises:
        UserError: if something is there, or the folder is within the data.
        StorageError: if the disk does not take it.
    """
    output_file.check_folder(output_dir, "--output_dir")
    target = pathlib.Path(output_dir).expanduser()
    _refuse_existing(target, "--output_dir")
    _refuse_within(corrected, target, "--output_dir")
    jobs = _places(corrected)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        for place, path in jobs.items():
            (beside / place).parent.mkdir(parents=True, exist_ok=True)
            if copy:
                shutil.copy2(path, beside / place)
            else:
                (beside / place).symlink_to(pathlib.Path(path).resolve())
        if target.is_dir():
            target.rmdir()
        beside.rename(target)
    except OSError as error:
        raise output_file.failure(output_dir, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return len(jobs)


def _places(corrected):
    """Returns {path below the new folder: path of the image}."""
    jobs, several = {}, len(corrected.splits) > 1
    for split, rows in corrected.splits.items():
        for path, key, label in rows:
            folder_of = pathlib.PurePath(*([split] * several), label)
            name = pathlib.PurePath(key)
            place = folder_of / name.name
            number = 1
            # From other folders, images of one name may meet in a class.
            while str(place) in jobs:
                place = folder_of / f"{name.stem}-{number}{name.suffix}"
                number += 1
            jobs[str(place)] = path
    return jobs


def write_csv(corrected, path):
    """Writes path,given_label,split with absolute paths.

    Args:
        corrected: a `Corrected`.
        path: a file that is not there yet.

    Returns:
        How many lines it has.

    Raises:
        UserError: if the file exists or cannot be written.
    """
    output_file.check_file(path, "--output_csv")
    _refuse_existing(pathlib.Path(path).expanduser(), "--output_csv")
    rows = [
        (os.path.abspath(image), label, split)
        for split, found in corrected.splits.items()
        for image, _, label in found
    ]
    columns = np.array(rows, object).reshape(-1, 3).T.tolist()
    names = ("path", "given_label", "split")
    output_file.write(path, csv_cells.to_csv(dict(zip(names, columns))))
    return len(rows)


def _refuse_existing(path, option):
    if path.exists() and (path.is_file() or any(path.iterdir())):
        raise errors.UserError(
            f"{option}={path} is there already: name a new one"
        )


def _refuse_within(corrected, target, option):
    if corrected.source is None:
        return
    if corrected.source in (target.resolve(), *target.resolve().parents):
        raise errors.UserError(
            f"{option}={target} is within {corrected.source}: it would become "
            "a part of the data"
        )
