"""A data set and its noise to a folder, whole or not at all.

    data/cifar100/0.4   cifar100_train-*, class_names.txt, noise_manifest.npz
    data/cifar100/val   cifar100_test-*, class_names.txt

Everything is written to a hidden folder beside and then renamed; the
training folder comes last, so where it is the test data are as well.
"""

import contextlib
import os
import pathlib
import shutil

import numpy as np
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.datasets.sources import tfrecords

MANIFEST = "noise_manifest.npz"
TEST_FOLDER = "val"


def check(output_dir, name, overwrite=False):
    """Checks that `write` may write, before the data are loaded.

    Args:
        output_dir: the folder for the training data.
        name: the data set's name.
        overwrite: whether earlier data of the same name may be replaced.

    Returns:
        The folder of the training data and that of the test data, two paths.

    Raises:
        UserError: if not.
    """
    if not output_dir:
        raise errors.UserError(
            "--output_dir is missing, e.g. --output_dir=data/cifar100/0.4"
        )
    train_dir = pathlib.Path(output_dir).expanduser().resolve()
    test_dir = train_dir.parent / TEST_FOLDER
    if train_dir == test_dir:
        raise errors.UserError(
            f"--output_dir={output_dir} is where the test data go; give the "
            "training data another name"
        )
    if _is_used(train_dir) and not overwrite:
        raise errors.UserError(
            f"{train_dir} exists already; --overwrite replaces it"
        )
    for directory in (train_dir, test_dir):
        _check_ours(directory, name)
    return train_dir, test_dir


def write(train, test, manifest, output_dir, overwrite=False):
    """Writes a data set as TFRecords in the layout of the original code.

    Test data that are there already, written for another noise rate, are left
    alone if they are the same.

    Args:
        train: the training `ImageDataset`, its given labels noisy.
        test: the test `ImageDataset`, or None.
        manifest: the `NoiseManifest` of `train`.
        output_dir: the folder for the training data; the test data go to
            `val` beside it.
        overwrite: whether earlier data of the same name may be replaced.

    Returns:
        The folder of the training data and that of the test data, two paths.

    Raises:
        UserError: if something is in the way, or nothing can be written.
    """
    train_dir, test_dir = check(output_dir, train.name, overwrite)
    if test is not None and not _has(test_dir, test, overwrite):
        with _replaced(test_dir) as staged:
            tfrecords.write(test, "test", staged)
    with _replaced(train_dir) as staged:
        tfrecords.write(train, "train", staged)
        manifest.save(staged / MANIFEST)
    return train_dir, test_dir


def _is_used(directory):
    if directory.exists() and not directory.is_dir():
        raise errors.UserError(f"{directory} is a file, not a folder")
    return directory.exists() and any(directory.iterdir())


def _check_ours(directory, name):
    """Raises a UserError if a folder holds what `write` did not write."""
    if not _is_used(directory):
        return
    ours = (
        f"{tfrecords.prefix(name)}_train-*",
        f"{tfrecords.prefix(name)}_test-*",
    )
    for path in sorted(directory.iterdir()):
        if path.name in (tfrecords.CLASS_NAMES, MANIFEST):
            continue
        if not path.is_file() or not any(map(path.match, ours)):
            raise errors.UserError(
                f"{directory} holds something else, {path.name}; keep each "
                f"data set in a folder of its own, e.g. "
                f"--output_dir=data/{tfrecords.prefix(name)}/0.4"
            )


def _has(test_dir, test, overwrite):
    """Returns whether these very test data are there already."""
    if not _is_used(test_dir):
        return False
    try:
        there = tfrecords.read(test.name, "test", data_dir=test_dir)
        same = there.class_names == test.class_names and all(
            np.array_equal(getattr(there, field), getattr(test, field))
            for field in ("images", "given_labels", "ids")
        )
    except errors.UserError:
        same = False
    if not (same or overwrite):
        raise errors.UserError(
            f"{test_dir} holds other test data; choose another --output_dir, "
            "or --overwrite replaces them"
        )
    return same


@contextlib.contextmanager
def _replaced(directory):
    """Yields a folder that takes the place of `directory` in the end."""
    staged = directory.with_name(f".{directory.name}.new-{os.getpid()}")
    old = directory.with_name(f".{directory.name}.old-{os.getpid()}")
    try:
        staged.mkdir(parents=True)
        yield staged
        if directory.exists():
            directory.rename(old)
        staged.rename(directory)
    except (OSError, tf.errors.OpError) as error:
        if old.exists() and not directory.exists():
            old.rename(directory)
        raise errors.UserError(
            f"{directory} cannot be written: {error}"
        ) from error
    finally:
        for leftover in (staged, old):
            shutil.rmtree(leftover, ignore_errors=True)
