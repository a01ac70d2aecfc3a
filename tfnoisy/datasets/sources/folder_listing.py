"""Images in a folder for each class, with or without parts above them.

    DIR/train/CLASS/*, DIR/test/CLASS/*         other parts likewise
    DIR/CLASS/*                                 one part

Images may lie in folders below their class's.
"""

import os
import pathlib

from tfnoisy import errors
from tfnoisy.datasets.sources import class_folders, listing

_LAYOUTS = (
    "own images lie in DIR/CLASS/* or DIR/train/CLASS/* and DIR/test/CLASS/*, "
    "or are named by --labels_csv"
)
_NAMES_SHOWN = 3


def list_folders(data_dir, wanted):
    """Lists a data set.

    Args:
        data_dir: DIR.
        wanted: names of the splits that are asked for.

    Returns:
        A `listing.Listing` of `train` and those of `wanted` that are there,
        rows sorted by path.

    Raises:
        UserError: if there is no class to begin with.
    """
    root = pathlib.Path(data_dir).expanduser()
    parts = split_folders(root)
    if "train" in parts:
        return _list_parts(root, parts, wanted)
    called = sorted(listing.SPLITS & set(parts))
    if called and len(called) == len(class_folders.subfolders(root)):
        raise errors.UserError(
            f"{root} has {', '.join(called)} and no part called train; "
            f"{_LAYOUTS}"
        )
    class_names = class_folders.subfolders(root)
    if not class_names:
        raise errors.UserError(f"{root} holds no class folders; {_LAYOUTS}")
    if len(class_names) == 1:
        raise errors.UserError(
            f"{root} holds one folder only, {class_names[0]}; {_LAYOUTS}: is "
            f"--data_dir={root / class_names[0]} meant?"
        )
    found = listing.Listing(class_names, {}, can_hold_out=True)
    found.splits["train"] = list_classes(root, root, class_names, found)
    check_names(found)
    return found


def _list_parts(root, parts, wanted):
    class_names = class_folders.subfolders(root / parts["train"])
    found = listing.Listing(
        class_names, {}, can_hold_out=not {"test", "val"} & set(parts)
    )
    for name in dict.fromkeys(["train", *wanted]):
        if name in parts:
            found.splits[name] = list_classes(
                root, root / parts[name], class_names, found
            )
        elif (root / name).is_dir():
            found.notes.append(
                f"{root / name} holds no class folders and is left out"
            )
    beside = sorted(
        set(class_folders.subfolders(root))
        - {parts[name] for name in {"train", *wanted} & set(parts)}
        # Read when they are asked for, or named by the loop above.
        - listing.SPLITS
    )
    if beside:
        found.notes.append(
            f"{len(beside)} folder{'s' * (len(beside) > 1)} beside the parts "
            f"of {root} left out: {_shown(beside)}"
        )
    _note_loose(found, root, f"part of {root}")
    # Messages name them; they are listed only if they are asked for.
    for name in parts:
        found.splits.setdefault(name, [])
    check_names(found)
    return found


def split_folders(root):
    """Returns {split: name of its folder} of the folders with class folders.

    Args:
        root: a path.
    """
    return {
        listing.split_name(name): name
        for name in class_folders.subfolders(root)
        if class_folders.subfolders(root / name)
    }


def list_classes(root, directory, class_names, found):
    """Lists `directory/CLASS/*`.

    Args:
        root: the folder that keys begin in.
        directory: a path.
        class_names: the classes; others are faults of their images.
        found: a `listing.Listing`, whose others, notes and problems grow.

    Returns:
        A list of `listing.Row`, sorted by class folder and path.
    """
    rows = []
    prefix = os.path.relpath(directory, root).replace(os.sep, "/")
    prefix = "" if prefix == "." else f"{prefix}/"
    labels = {name: label for label, name in enumerate(class_names)}
    for name in sorted(class_folders.subfolders(directory)):
        contents = class_folders.contents_of(directory / name)
        found.others.update(contents.others)
        found.problems += contents.faults
        fault = ""
        if name not in labels:
            fault = f"there is no class {name} in training"
        rows += [
            listing.Row(
                os.path.join(directory, name, path),
                f"{prefix}{name}/{path}",
                f"{prefix}{name}/{path}",
                labels.get(name, -1),
                fault=fault,
            )
            for path in contents.images
        ]
    _note_loose(found, directory, f"class folder of {prefix or root}")
    return rows


def _note_loose(found, directory, missing):
    """Counts what lies in a folder of folders, and names its images.

    Args:
        found: a `listing.Listing`, whose others and notes grow.
        directory: a path.
        missing: in what the images should be.
    """
    loose = class_folders.loose(directory)
    found.others.update(loose.others)
    if loose.images:
        count = len(loose.images)
        found.notes.append(
            f"{count} image{'s' * (count > 1)} in no {missing} left out: "
            + _shown(loose.images)
        )


def _shown(names):
    """The first names, and whether there are more."""
    return ", ".join(names[:_NAMES_SHOWN]) + ", ..." * (
        len(names) > _NAMES_SHOWN
    )


def check_names(found):
    """Finds classes whose names could not be written to a file of names.

    And names those that may be one class, as they differ in case only.

    Args:
        found: a `listing.Listing`, whose notes and problems grow.
    """
    lower = {}
    for name in found.class_names:
        if not _is_text(name):
            found.problems.append(
                f"the class {name!a} has a name that is not UTF-8 text of "
                "one line; rename it"
            )
        other = lower.setdefault(name.lower(), name)
        if other != name:
            found.notes.append(
                f"the classes {other} and {name} differ in upper and lower "
                "case only"
            )


def _is_text(name):
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return name.isprintable()
