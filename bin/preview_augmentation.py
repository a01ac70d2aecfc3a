#!/usr/bin/env python3
r"""Draws a contact sheet of augmented images.

A row is an image: the original, its standard views, its strong views.

  preview_augmentation --dataset_name=cifar10 --output=views.png \
      --strong=autoaugment_ieg --strong=randaugment:2:9
"""

import numpy as np
from absl import flags

from tfnoisy.cli import common  # First, as it keeps TensorFlow quiet.

# isort: split
from tfnoisy import errors
from tfnoisy.augment import preview
from tfnoisy.datasets import load

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "dataset_name",
    "cifar10",
    "digits, folder, cifar10, cifar100, or any other TFDS data set.",
)
flags.DEFINE_string(
    "data_dir", "", "The images of --dataset_name=folder; or TFRecords."
)
flags.DEFINE_string("labels_csv", "", "CSV of path,given_label[,clean_label].")
flags.DEFINE_integer("image_size", 0, "Resize to this side; 0: as is.")
flags.DEFINE_string("split", "train", "E.g. 'train[:20%]'.")
flags.DEFINE_integer("num_images", 8, "How many rows: the split's first.")
flags.DEFINE_integer("views", 3, "How many views of each augmentation.")
flags.DEFINE_multi_string(
    "standard",
    ["standard"],
    "standard, mentormix, mentornet, mentornet_inception or none.",
)
flags.DEFINE_multi_string(
    "strong",
    ["autoaugment_ieg"],
    "autoaugment_ieg, autoaugment_cifar10, autoaugment_svhn, "
    "autoaugment_imagenet, randaugment:N:M or randaugment_ieg.",
)
flags.DEFINE_integer("seed", 0, "Seed of the draws.")
flags.DEFINE_string("output", None, "The PNG file.")
flags.mark_flag_as_required("output")


def main(_):
    """Loads, draws and says where."""
    if FLAGS.num_images < 1:
        raise errors.UserError(
            f"--num_images starts at 1, not {FLAGS.num_images}"
        )
    data = load.load(
        FLAGS.dataset_name,
        FLAGS.split,
        data_dir=FLAGS.data_dir,
        labels_csv=FLAGS.labels_csv,
        image_size=FLAGS.image_size or None,
    )
    data = data.take(np.arange(min(FLAGS.num_images, len(data))))
    preview.write(
        FLAGS.output,
        data,
        FLAGS.standard,
        FLAGS.strong,
        FLAGS.views,
        FLAGS.seed,
    )
    print(f"{len(data)} images in {FLAGS.output}")


def run():
    """Is the command's entry point."""
    common.run(main)


if __name__ == "__main__":
    run()
