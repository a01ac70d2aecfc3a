#!/usr/bin/env python3
r"""Evaluates the checkpoints of a run on its test or training examples.

    bin/cifar_eval.py --checkpoint_dir=runs/demo/mentormix
    bin/cifar_eval.py --checkpoint_dir=runs/demo/mentormix --once \
        --split_name=train --eval_dir=runs/demo/mentormix/eval

While a run trains, each new checkpoint is evaluated, until the run has ended;
with --once, the newest one only.  It prints a line of JSON for each and
writes TensorBoard scalars to --eval_dir.  The flags are those of
google-research/mentormix's cifar_eval.py, and more.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import json

from absl import flags
from etils import epy

from tfnoisy import output_file
from tfnoisy.cli import command_line, flag_groups, plugin_flag, shared_flags

with epy.lazy_imports():
    from tfnoisy.training import distribution, evaluate_run, loss_features

_OF_THE_RUN_GROUP = "Taken from the run folder unless they are given"

with flag_groups.group("What to evaluate"):
    flags.DEFINE_string(
        "checkpoint_dir", "", "The run folder, a trainer's --train_log_dir."
    )
    flags.DEFINE_string(
        "split_name",
        "test",
        "The examples: test, train, or a part such as test[:20%].",
    )
    flags.DEFINE_boolean(
        "once",
        False,
        "Evaluate the newest checkpoint and end, whether or not the run has "
        "ended.",
    )
    flags.DEFINE_boolean(
        "best", False, "Evaluate the checkpoint that --holdout selected."
    )
    flags.DEFINE_integer(
        "eval_interval_secs",
        600,
        "Seconds between two looks for a new checkpoint.",
        0,
    )
shared_flags.define(
    "data_dir",
    "labels_csv",
    "image_size",
    group=_OF_THE_RUN_GROUP,
    dataset_name="cifar100",
    studentnet="resnet32",
)
with flag_groups.group(flag_groups.OUTPUT):
    flags.DEFINE_string(
        "eval_dir", "", "A folder for TensorBoard scalars; none if empty."
    )
    flags.DEFINE_string(
        "output_csv_file",
        "",
        "A file for the rows from which fit_mentor makes a data-driven "
        "MentorNet; none if empty.",
    )
shared_flags.define("device_id", "plugin", batch_size=25)
shared_flags.define_ignored(
    "master", reason="TensorFlow 2 has no sessions and no masters"
)

FLAGS = flags.FLAGS
_OF_THE_RUN = (
    "data_dir",
    "dataset_name",
    "studentnet",
    "labels_csv",
    "image_size",
)


def main(_):
    """Evaluates."""
    command_line.warn_of_ignored_flags()
    if FLAGS["device_id"].present:
        distribution.use_gpu(FLAGS.device_id)
    if FLAGS.eval_dir:
        output_file.check_folder(FLAGS.eval_dir, "--eval_dir")
    if FLAGS.output_csv_file:
        output_file.check_file(FLAGS.output_csv_file, "--output_csv_file")
    evaluator = evaluate_run.RunEvaluator(
        FLAGS.checkpoint_dir,
        FLAGS.split_name,
        FLAGS.batch_size,
        {
            **{n: str(FLAGS[n].value) for n in _OF_THE_RUN if FLAGS[n].present},
            **plugin_flag.overrides(),
        },
    )
    if FLAGS.once:
        rows = evaluator.once(FLAGS.best)
    else:
        rows = evaluator.follow(FLAGS.eval_interval_secs, FLAGS.best)
    for row in rows:
        print(json.dumps({"split": FLAGS.split_name, **row}), flush=True)
        if FLAGS.eval_dir:
            evaluate_run.summarise(FLAGS.eval_dir, FLAGS.split_name, row)
        if FLAGS.output_csv_file:
            loss_features.write(evaluator, FLAGS.output_csv_file)


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
