#!/usr/bin/env python3
r"""Writes one's own images with corrected labels, as folders or as a CSV.

    bin/apply_corrections.py --data_dir=my_images \
        --corrections=corrections.csv --output_dir=my_corrected_images
    bin/apply_corrections.py --data_dir=my_images \
        --corrections=corrections.csv --output_csv=corrected.csv

--output_dir gets SPLIT/CLASS/* (CLASS/* where there is one part only), links
to the images or, with --copy, copies.  --output_csv gets a line of
path,given_label,split for each image.  Images that were removed are left out.
The original is never touched.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

from absl import flags
from etils import epy

from tfnoisy import errors
from tfnoisy.cli import command_line, flag_groups, shared_flags

with epy.lazy_imports():
    from tfnoisy.datasets import corrected_copy

shared_flags.define("data_dir", "labels_csv", "corrections")
with flag_groups.group(flag_groups.DATA):
    flags.DEFINE_list(
        "new_classes",
        [],
        "Classes that corrected labels may name and the data do not have yet.",
    )
with flag_groups.group(flag_groups.OUTPUT):
    flags.DEFINE_string("output_dir", "", "The folder to write, a new one.")
    flags.DEFINE_string("output_csv", "", "The CSV file to write, a new one.")
    flags.DEFINE_boolean(
        "copy", False, "Copy the images into --output_dir; links if not given."
    )

FLAGS = flags.FLAGS


def main(_):
    """Reads, checks everything, then writes."""
    if not FLAGS.corrections:
        raise errors.UserError(
            "--corrections=FILE names the decisions, as the audit's page "
            "saves them"
        )
    if bool(FLAGS.output_dir) == bool(FLAGS.output_csv):
        raise errors.UserError(
            "give --output_dir=DIR for folders of images, or --output_csv=FILE "
            "for a list of them"
        )
    corrected = corrected_copy.read(
        FLAGS.data_dir, FLAGS.labels_csv, FLAGS.corrections, FLAGS.new_classes
    )
    if FLAGS.output_dir:
        written = corrected_copy.write_folders(
            corrected, FLAGS.output_dir, copy=FLAGS.copy
        )
    else:
        written = corrected_copy.write_csv(corrected, FLAGS.output_csv)
    for note in corrected.notes:
        print(note)
    print(f"{written:,} images in {FLAGS.output_dir or FLAGS.output_csv}")


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
