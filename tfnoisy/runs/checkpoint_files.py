"""The checkpoints of a run as files: which there are, and which are good.

TensorFlow writes a checkpoint as `ckpt-STEP.index` and `ckpt-STEP.data-...`,
and beside them `checkpoint`, a text file that lists them.  That file may be
lost or damaged and costs nothing then: the checkpoints are found by their
names.
"""

import pathlib
import re
import shutil

import tensorflow as tf

# How many of the last ones a run keeps.
KEPT = 10

_INDEX = re.compile(r"ckpt-(\d+)\.index")
_ASIDE = "damaged-"


def step_of(path):
    """Returns the step of a checkpoint, by its path."""
    return int(str(path).rpartition("-")[2])


def newest_first(folder):
    """Returns the paths of the checkpoints in a folder.

    Args:
        folder: a path; it may not exist.

    Returns:
        Strings such as `RUN/checkpoints/ckpt-12`; what TensorFlow lists comes
        first, the one that was saved last at the front.
    """
    folder = pathlib.Path(folder)
    found = {
        int(match[1]): str(folder / file.name.removesuffix(".index"))
        for file in (folder.iterdir() if folder.is_dir() else ())
        if (match := _INDEX.fullmatch(file.name))
    }
    listed = [
        path for path in reversed(_listed(folder)) if path in {*found.values()}
    ]
    rest = [found[step] for step in sorted(found, reverse=True)]
    return [*listed, *(path for path in rest if path not in listed)]


def _listed(folder):
    """Returns the paths that the file `checkpoint` lists, oldest first."""
    try:
        state = tf.train.get_checkpoint_state(str(folder))
    except Exception:  # What is no text of this kind raises half a dozen.
        state = None
    paths = state.all_model_checkpoint_paths if state else ()
    return [str(folder / pathlib.Path(path).name) for path in paths]


def damage(path):
    """Returns what is wrong with a checkpoint's files, None if nothing is.

    All of it is read: TensorFlow keeps checksums of the variables, and of the
    list of them.

    Args:
        path: as `newest_first` gives it.
    """
    try:
        reader = tf.train.load_checkpoint(path)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except Exception as error:  # TensorFlow raises half a dozen kinds.
        return " ".join(str(error).split())[:200] or type(error).__name__
    return None


def newest_good(folder):
    """Returns the newest checkpoint that can be read.

    Args:
        folder: a path; it may not exist.

    Returns:
        (its path, None if there is none; {path of each newer one: what is
        wrong with it}).
    """
    damaged = {}
    for path in newest_first(folder):
        problem = damage(path)
        if problem is None:
            return path, damaged
        damaged[path] = problem
    return None, damaged


def set_aside(path):
    """Renames a damaged checkpoint, so that none takes it for a good one."""
    path = pathlib.Path(path)
    for file in _files(path):
        file.replace(file.with_name(_ASIDE + file.name))


def _files(path):
    return [
        *path.parent.glob(f"{path.name}.index"),
        *path.parent.glob(f"{path.name}.data-*"),
    ]


def remove_unfinished(folder):
    """Removes what saves that were interrupted left in a folder.

    Args:
        folder: a path; it may not exist.
    """
    folder = pathlib.Path(folder)
    for left in folder.glob("ckpt-*_temp"):
        shutil.rmtree(left)
    for left in (*folder.glob("*.tempstate*"), *folder.glob("checkpoint.tmp*")):
        left.unlink()


def tidy(folder):
    """Removes unfinished checkpoints, and mends the list of the others.

    Args:
        folder: a path; it may not exist.
    """
    folder = pathlib.Path(folder)
    remove_unfinished(folder)
    paths, listed = newest_first(folder), _listed(folder)
    there = [path for path in listed if path in paths]
    if paths and (not there or there != listed):
        # Those that are not listed are kept for ever.
        _list(folder, there or paths[: KEPT - 1][::-1])


def _list(folder, paths):
    """Writes TensorFlow's list of checkpoints, oldest first."""
    times = [pathlib.Path(f"{path}.index").stat().st_mtime for path in paths]
    tf.compat.v1.train.update_checkpoint_state(
        str(folder.absolute()),
        pathlib.Path(paths[-1]).name,
        [pathlib.Path(path).name for path in paths],
        all_model_checkpoint_timestamps=times,
        # TensorFlow forgets those from before this time.
        last_preserved_timestamp=min(times) - 1.0,
    )
