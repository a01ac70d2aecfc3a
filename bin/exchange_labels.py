#!/usr/bin/env python3
r"""Takes an audit to Label Studio, FiftyOne or Hugging Face, and back.

    bin/exchange_labels.py --data_dir=my_images --audit_dir=my_audit \
        --format=label_studio --output=tasks.json
    bin/exchange_labels.py --data_dir=my_images --audit_dir=my_audit \
        --format=label_studio --input=export.json --output=corrections.csv

Without --input it writes what the tool imports: the most suspicious labels of
labels.csv with what the audit suggests.  With it, it writes what people have
decided there as a corrections.csv, which every script takes as --corrections.

label_studio: tasks as JSON, and a labelling configuration beside them
(OUTPUT.xml).  fiftyone: labels.json of a FiftyOneImageClassificationDataset, to
be imported with data_path=my_images.  imagefolder: a metadata.csv, to be laid
beside the images.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import csv
import json
import pathlib

from absl import flags
from etils import epy

from tfnoisy import errors, output_file
from tfnoisy.cli import command_line, flag_groups, shared_flags

with epy.lazy_imports():
    from tfnoisy.audit.exchange import (
        fiftyone,
        imagefolder,
        judged,
        label_studio,
    )
    from tfnoisy.datasets import corrections

shared_flags.define("data_dir")
with flag_groups.group(flag_groups.DATA):
    flags.DEFINE_string(
        "audit_dir", "", "The folder of the audit, with labels.csv. Required."
    )
with flag_groups.group("What to exchange"):
    flags.DEFINE_enum(
        "format",
        None,
        ["label_studio", "fiftyone", "imagefolder"],
        "The other tool's format. Required.",
    )
    flags.DEFINE_string(
        "input", "", "What the other tool has exported; if empty, export to it."
    )
    flags.DEFINE_boolean(
        "only_flagged",
        True,
        "label_studio: only the flagged labels; the others have all in any "
        "case, as what is not in them counts as removed.",
    )
    flags.DEFINE_integer(
        "limit", 0, "label_studio: the most labels, the worst; 0 for all.", 0
    )
    flags.DEFINE_string(
        "url_prefix",
        "/data/local-files/?d=",
        "label_studio: what comes before an image's path from --data_dir on in "
        "its address there.",
    )
with flag_groups.group(flag_groups.OUTPUT):
    flags.DEFINE_string("output", "", "The file to write. Required.")

FLAGS = flags.FLAGS


def check_flags():
    """Raises a UserError if something that is needed is missing."""
    for name in ("data_dir", "audit_dir", "format", "output"):
        if not FLAGS[name].value:
            raise errors.UserError(f"--{name} is required")
    output_file.check_file(FLAGS.output, "--output")


def export(found):
    """Writes what the other tool imports; returns how many labels."""
    if FLAGS.format == "label_studio":
        chosen = judged.worst_first(found, FLAGS.only_flagged, FLAGS.limit)
        tasks = label_studio.tasks(chosen, FLAGS.url_prefix)
        output_file.write(FLAGS.output, json.dumps(tasks, indent=1))
        names = judged.classes_of(found)
        output_file.write(f"{FLAGS.output}.xml", label_studio.config(names))
        return len(chosen)
    if FLAGS.format == "fiftyone":
        content, left_out = fiftyone.labels(found, judged.classes_of(found))
        output_file.write(FLAGS.output, json.dumps(content, indent=1))
        if left_out:
            print(
                f"{len(left_out):,} images are left out, as FiftyOne does not "
                f"tell them apart: {', '.join(left_out[:3])}"
                f"{', ...' * (len(left_out) > 3)}"
            )
        return len(content["labels"])
    output_file.write(FLAGS.output, imagefolder.metadata(found))
    return len(found)


def decided(found):
    """Returns the decisions in the file that the other tool has exported."""
    path = pathlib.Path(FLAGS.input).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise errors.UserError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise errors.UserError(f"{path} is no text in UTF-8") from None
    try:
        if FLAGS.format == "imagefolder":
            lines = list(csv.DictReader(text.splitlines(keepends=True)))
            return imagefolder.decisions(lines, found)
        content = json.loads(text)
        if FLAGS.format == "fiftyone":
            return fiftyone.decisions(content, found)
        return label_studio.decisions(content)
    except (ValueError, RecursionError, csv.Error) as error:
        raise errors.UserError(
            f"{path} is not what {FLAGS.format} exports: "
            f"{str(error).splitlines()[0]}"
        ) from error
    except errors.UserError as error:
        raise errors.UserError(f"{path}: {error}") from error


def main(_):
    """Exports, or imports."""
    check_flags()
    found = judged.read(
        pathlib.Path(FLAGS.audit_dir).expanduser() / "labels.csv",
        FLAGS.data_dir,
    )
    if not FLAGS.input:
        count = export(found)
        print(f"{count:,} labels in {FLAGS.output}")
        return
    decisions = decided(found)
    output_file.write(FLAGS.output, corrections.to_csv(decisions))
    print(f"{len(decisions):,} decisions in {FLAGS.output}")


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
