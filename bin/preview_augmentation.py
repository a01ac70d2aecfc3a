#!/usr/bin/env python3
r"""Draws a contact sheet of augmented images.

    bin/preview_augmentation.py --dataset_name=cifar10 --output=views.png \
        --strong=autoaugment_ieg --strong=randaugment:2:9

Each row is an image: the original, its standard views, its strong views.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import numpy as np
from absl import flags
from etils import epy

from tfnoisy.catalogue import views
from tfnoisy.cli import command_line, flag_groups, shared_flags

with epy.lazy_imports():
    from tfnoisy.augment import preview
    from tfnoisy.datasets import load

FLAGS = flags.FLAGS
shared_flags.define(
    "data_dir",
    "labels_csv",
    "image_size",
    "split",
    "plugin",
    dataset_name="cifar10",
)
with flag_groups.group("Picture"):
    flags.DEFINE_integer(
        "num_images",
        8,
        "Rows of the picture, at most 1,000: the first images of the split.",
        1,
        1000,
    )
    flags.DEFINE_integer(
        "views",
        3,
        "Random views of each image by each augmentation, at most 100.",
        1,
        100,
    )
    flags.DEFINE_multi_string(
        "standard",
        ["standard"],
        "Standard views to show.",
    )
    flag_groups.offer("standard", views.WEAK_VIEWS.forms)
    flags.DEFINE_multi_string(
        "strong",
        ["autoaugment_ieg"],
        "Strong views to show.",
    )
    flag_groups.offer("strong", views.STRONG_VIEWS.forms)
    flags.DEFINE_integer("seed", 0, "Seed of the random views.")
    flags.DEFINE_string("output", None, "The PNG file to write. Required.")
flags.mark_flag_as_required("output")


def main(_):
    """Loads, draws and says where."""
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
    command_line.run(main)


if __name__ == "__main__":
    run()
