#!/usr/bin/env python3
"""Shows what a data set holds and what is wrong with it; writes nothing.

    bin/inspect_data.py --data_dir=my_images
    bin/inspect_data.py --data_dir=my_images --sheet=sheet.png
    bin/inspect_data.py --data_dir=my_images --json > found.json

It counts images by class, kind of file and size, and lists every file that
cannot be used and every image that is there twice.  Of one's own images only
the files are looked at, as the trainers do before they begin.  With --sheet it
draws some images of each class.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import io
import json

from absl import flags
from etils import epy

from tfnoisy import errors, output_file
from tfnoisy.cli import command_line, flag_groups, shared_flags

with epy.lazy_imports():
    from tfnoisy.augment import preview
    from tfnoisy.datasets import inspection

shared_flags.define(
    "data_dir",
    "labels_csv",
    "corrections",
    "test_share",
    "min_class_images",
    dataset_name="folder",
)
with flag_groups.group(flag_groups.OUTPUT):
    flags.DEFINE_boolean("json", False, "Print JSON in place of text.")
    flags.DEFINE_string(
        "sheet",
        "",
        "A PNG to write: a column of images for each of the first 20 classes.",
    )
    flags.DEFINE_integer(
        "num_images", 8, "Most images of a class in --sheet.", 1, 100
    )

FLAGS = flags.FLAGS
_MOST_COLUMNS = 20


def main(_):
    """Looks, and prints what there is."""
    if FLAGS.sheet:
        output_file.check_png(FLAGS.sheet, "--sheet")
        if FLAGS.dataset_name != "folder":
            raise errors.UserError(
                "--sheet shows image files: preview_augmentation.py shows the "
                f"images of --dataset_name={FLAGS.dataset_name}"
            )
    found = inspection.inspect(
        FLAGS.dataset_name,
        data_dir=FLAGS.data_dir,
        labels_csv=FLAGS.labels_csv,
        test_share=FLAGS.test_share,
        min_class_images=FLAGS.min_class_images,
        corrections=FLAGS.corrections,
    )
    if FLAGS.sheet:
        columns = inspection.thumbnails(found, FLAGS.num_images)
        contents = io.BytesIO()
        preview.sheet(columns[:_MOST_COLUMNS], 96).save(contents, "PNG")
        output_file.write(FLAGS.sheet, contents.getvalue())
    if FLAGS.json:
        print(json.dumps(found.to_json(), indent=2))
        return
    print("\n".join(found.describe()))
    if FLAGS.sheet:
        print(
            f"\npictures of {len(columns[:_MOST_COLUMNS])} classes: "
            f"{FLAGS.sheet}"
        )


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
