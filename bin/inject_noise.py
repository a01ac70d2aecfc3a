#!/usr/bin/env python3
r"""Writes a data set with noisy labels as TFRecords.

    bin/inject_noise.py --dataset_name=cifar100 --noise=symmetric:0.4 \
        --noise_seed=1 --output_dir=data/cifar100/0.4

writes the training data and noise_manifest.npz, which says what was changed,
to data/cifar100/0.4 and the test data to data/cifar100/val.  That is the
original code's layout: its trainers read it, and ours do by --data_dir.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import dataclasses

from absl import flags
from etils import epy

from tfnoisy.cli import command_line, flag_groups, shared_flags

with epy.lazy_imports():
    from tfnoisy.datasets import export, load
    from tfnoisy.noise import manifest as noise_manifest

FLAGS = flags.FLAGS
shared_flags.define(
    "data_dir",
    "labels_csv",
    "image_size",
    "train_split",
    "noise_seed",
    "overwrite",
    "plugin",
    dataset_name="cifar100",
    test_split="test",
    noise=None,
    more={"noise": "Required."},
)
with flag_groups.group(flag_groups.OUTPUT):
    flags.DEFINE_string(
        "output_dir",
        None,
        "The folder for the training data; test data go to val beside it. "
        "Required.",
    )
flags.mark_flags_as_required(["noise", "output_dir"])


def main(_):
    """Loads, injects, writes and says what was done."""
    export.check(FLAGS.output_dir, FLAGS.dataset_name, FLAGS.overwrite)
    test = _load(FLAGS.test_split) if FLAGS.test_split else None
    train = _load(FLAGS.train_split)
    if train.paths is not None and train.clean_labels is None:
        # Adding noise to a folder of images says that its labels are clean.
        train = dataclasses.replace(train, clean_labels=train.given_labels)
    manifest = noise_manifest.inject(
        train, FLAGS.noise, FLAGS.noise_seed, _load_source
    )
    train = manifest.apply(train, _load_source)
    train_dir, test_dir = export.write(
        train, test, manifest, FLAGS.output_dir, FLAGS.overwrite
    )
    print(manifest.describe())
    print(f"{len(train)} training examples in {train_dir}")
    if test is not None:
        print(f"{len(test)} test examples in {test_dir}")


def _load(split):
    return load.load(
        FLAGS.dataset_name,
        split,
        data_dir=FLAGS.data_dir,
        labels_csv=FLAGS.labels_csv,
        image_size=FLAGS.image_size or None,
    )


def _load_source(name):
    return load.load(name, "train", image_size=FLAGS.image_size or 32)


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
