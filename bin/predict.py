#!/usr/bin/env python3
"""Asks a model about images: one that is served, or one in a folder.

    predict.py --images=DIR --server=localhost:8500 --model_name=NAME
    predict.py --images=a.png,b.jpg --model_dir=models/NAME
    predict.py --dataset_name=digits --split=test --model_dir=models/NAME

The exit code is 0 if all images were answered, 1 if some were not, which are
named, and 2 if none could be asked about.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import os
import pathlib
import sys

from absl import flags
from etils import epy

from tfnoisy import choices, errors, output_file, progress
from tfnoisy.cli import command_line, flag_groups, native_output, shared_flags

with epy.lazy_imports():
    from tfnoisy.datasets.sources import class_folders
    from tfnoisy.serving.client import answer_formats, client
    from tfnoisy.serving.client import image_files as request_images

_DAY = 86_400.0

with flag_groups.group("Images: files, or a data set"):
    flags.DEFINE_multi_string(
        "images",
        [],
        "Image files, and folders whose images are all taken, also from the "
        "folders below: PNG, JPEG, GIF, WebP, BMP, TIFF, PPM or AVIF. Several "
        "are separated by commas, or given by several such flags.",
    )
shared_flags.define("plugin")
shared_flags.define(
    "dataset_name",
    "data_dir",
    "labels_csv",
    split="test",
    group="Images: files, or a data set",
)
with flag_groups.group("Model: on a server, or in a folder"):
    flags.DEFINE_string(
        "server",
        "",
        "HOST:PORT of the server; localhost:8500 for grpc and localhost:8501 "
        "for rest if empty.",
    )
    flags.DEFINE_enum(
        "protocol", "grpc", ["grpc", "rest"], "How to ask the server."
    )
    flags.DEFINE_string("model_name", "", "What the server calls the model.")
    flags.DEFINE_integer(
        "model_version",
        None,
        "The version on the server; its newest if not given.",
        0,
        2**63 - 1,
    )
    flags.DEFINE_string(
        "model_dir",
        "",
        "Load models/NAME or models/NAME/VERSION here, without a server; the "
        "newest version if none is named.",
    )
with flag_groups.group("Requests"):
    flags.DEFINE_integer("batch_size", 64, "Images in one request.", 1)
    flags.DEFINE_float(
        "timeout", 10.0, "Seconds to wait for an answer.", 0.001, _DAY
    )
    flags.DEFINE_integer(
        "attempts", 4, "How often to ask before giving up.", 1, 1000
    )
    flags.DEFINE_float(
        "first_wait",
        0.5,
        "Seconds before the second attempt; doubled for each further one, up "
        "to a minute.",
        0.0,
        _DAY,
    )
with flag_groups.group(flag_groups.OUTPUT):
    flags.DEFINE_enum(
        "format", "table", choices.ANSWER_FORMATS, "The form of the answers."
    )
    flags.DEFINE_string(
        "output", "", "The file for the answers; they are printed if empty."
    )

FLAGS = flags.FLAGS
_PORTS = {"grpc": 8500, "rest": 8501}


def check_flags():
    """Raises a UserError where the flags leave open what to do."""
    if bool(FLAGS.images) == bool(FLAGS.dataset_name):
        raise errors.UserError(
            "say what to look at: either --images=FILE_OR_FOLDER,... or "
            "--dataset_name=NAME"
        )
    if bool(FLAGS.model_name) == bool(FLAGS.model_dir):
        raise errors.UserError(
            "say whom to ask: either --model_name=NAME, of a server, or "
            "--model_dir=models/NAME"
        )
    if FLAGS.model_dir:
        for name in ("server", "protocol", "model_version"):
            if FLAGS[name].present:
                raise errors.UserError(
                    f"--{name} is of a server, which --model_dir does without"
                )


def image_paths():
    """Returns the paths that --images names."""
    paths = []
    for value in FLAGS.images:
        # A name may have a comma in it.
        if os.path.lexists(os.path.expanduser(value)):
            paths.append(value)
        else:
            paths += [path.strip() for path in value.split(",") if path.strip()]
    return paths


def transport():
    """Returns the transport that the flags name.

    Each is imported when it is needed: none should cost the others time.
    """
    if FLAGS.model_dir:
        from tfnoisy.serving.loader import local_model

        with native_output.kept_back():
            model = local_model.LocalModel(FLAGS.model_dir)
        for line in model.skipped:
            complain(f"{line}; {model.place} is asked")
        return model
    if FLAGS.protocol == "grpc":
        from tfnoisy.serving.client import grpc_client

        kind = grpc_client.Grpc
    else:
        from tfnoisy.serving.client import rest_client

        kind = rest_client.Rest
    server = FLAGS.server or f"localhost:{_PORTS[FLAGS.protocol]}"
    return kind(server, FLAGS.model_name, FLAGS.model_version, FLAGS.timeout)


def split_items(image_shape):
    """Returns a `client.Item` for each example of the data set's split."""
    from tfnoisy.datasets import load, splits

    height, width, _ = image_shape
    data = load.load(
        FLAGS.dataset_name,
        FLAGS.split,
        data_dir=FLAGS.data_dir,
        labels_csv=FLAGS.labels_csv,
        image_size=height if height == width else None,
    )
    found = data.images.shape[1:]
    if found != image_shape:
        raise errors.UserError(
            "the model takes images of {}, and these are of {}".format(
                *("x".join(map(str, shape)) for shape in (image_shape, found))
            )
        )
    labels = data.clean_labels
    labels = data.given_labels if labels is None else labels
    base = splits.base(FLAGS.split)
    names = data.paths or [f"{base}/{number}" for number in data.ids]
    return [
        client.Item(
            str(name),
            lambda image=image: image,
            # Open-set images are of no class.
            data.class_names[label] if label >= 0 else None,
        )
        for name, image, label in zip(names, data.images, labels)
    ]


def complain(line):
    """Prints a line on the standard error."""
    print(f"{pathlib.Path(sys.argv[0]).name}: {line}", file=sys.stderr)


def show(lines):
    """Prints lines as they come, for as long as somebody reads them."""
    with native_output.until_nobody_reads():
        for line in lines:
            print(line, flush=True)


class Tally:
    """Counts answers as they pass, and names those images that have none."""

    def __init__(self):
        self.asked = self.answered = self.labelled = self.right = 0

    def watch(self, answers):
        """Yields the answers."""
        for answer in answers:
            self.asked += 1
            if answer.error is not None:
                complain(f"{answer.item.name}: {answer.error}")
            else:
                self.answered += 1
                if answer.item.label is not None:
                    self.labelled += 1
                    self.right += answer.top[0].class_name == answer.item.label
            yield answer

    def lines(self):
        """Yields what there is to say at the end."""
        if self.answered < self.asked:
            yield f"{self.answered} of {self.asked} images were answered"
        if self.labelled:
            yield (
                f"accuracy {self.right / self.labelled:.4f} "
                f"({self.right} of {self.labelled})"
            )


def main(_):
    """Asks and prints."""
    check_flags()
    for stream in (sys.stdout, sys.stderr):
        # Not every name of a file is text; it is shown as it is.
        stream.reconfigure(errors="surrogateescape")
    found = request_images.find(image_paths())
    if not found.items and not FLAGS.dataset_name:
        raise errors.UserError("no images are named by --images")
    items = found.items
    asked = client.Client(
        transport(),
        client.PIXELS if FLAGS.dataset_name else client.FILES,
        FLAGS.batch_size,
        client.Retries(FLAGS.attempts, FLAGS.first_wait),
    )
    if FLAGS.dataset_name:
        items = split_items(asked.image_shape)
    tally = Tally()
    lines = answer_formats.FORMATS[FLAGS.format](
        tally.watch(progress.over(asked.answers(items), "answers", len(items)))
    )
    if FLAGS.output:
        output_file.write(FLAGS.output, "".join(f"{line}\n" for line in lines))
    else:
        show(lines)
    # Where a program reads the answers it reads nothing else.
    apart = FLAGS.format != "table" and not FLAGS.output
    for line in tally.lines():
        print(line, file=sys.stderr if apart else sys.stdout)
    for fault in found.faults:
        complain(fault)
    if found.others:
        complain(class_folders.describe_others(found.others))
    all_answered = tally.answered == tally.asked and not found.faults
    return 0 if all_answered and not found.unread_images else 1


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
