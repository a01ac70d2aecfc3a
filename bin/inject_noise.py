#!/usr/bin/env python3
r"""Writes a data set with noisy labels as TFRecords.

The layout is that of the original code, which its trainers and ours read by
`--data_dir`:

  inject_noise --dataset_name=cifar100 --noise=symmetric:0.4 --noise_seed=1 \
      --output_dir=data/cifar100/0.4

writes data/cifar100/0.4 (training data and noise_manifest.npz) and
data/cifar100/val (test data).
"""

import dataclasses

from absl import flags

from tfnoisy.cli import common  # First: it keeps TensorFlow quiet.

# isort: split
from tfnoisy.datasets import export, load
from tfnoisy.noise import manifest as noise_manifest

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "dataset_name",
    "cifar100",
    "digits, folder, cifar10, cifar100, or any other TFDS data set.",
)
flags.DEFINE_string(
    "data_dir", "", "The images of --dataset_name=folder; or TFRecords."
)
flags.DEFINE_string("labels_csv", "", "CSV of path,given_label[,clean_label].")
flags.DEFINE_integer("image_size", 0, "Resize to this side; 0: as is.")
flags.DEFINE_string("train_split", "train", "E.g. 'train[:20%]'.")
flags.DEFINE_string("test_split", "test", "Likewise; empty: no test data.")
flags.DEFINE_string(
    "noise",
    None,
    "symmetric:R, symmetric_exclusive:R, asymmetric:R, pairflip:R, "
    "instance:R, openset:R, human:SET, dividemix_sym:R or none.",
)
flags.DEFINE_integer("noise_seed", 0, "Seed of the noise.", 0, 2**31 - 1)
flags.DEFINE_string(
    "output_dir", None, "Where the training data go; test data: ../val."
)
flags.DEFINE_boolean("overwrite", False, "Replace data written earlier.")
flags.mark_flags_as_required(["noise", "output_dir"])


def main(_):
    """Loads, injects, writes and says what was done."""
    export.check(FLAGS.output_dir, FLAGS.dataset_name, FLAGS.overwrite)
    test = _load(FLAGS.test_split) if FLAGS.test_split else None
    train = _load(FLAGS.train_split)
    if train.paths is not None and train.clean_labels is None:
        # Whoever adds noise to a folder of images says that it has none yet.
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
    common.run(main)


if __name__ == "__main__":
    run()
