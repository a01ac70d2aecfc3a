#!/usr/bin/env python3
"""Evaluates the checkpoints of a run, on its test or its training split.

The flags of google-research/mentormix's cifar_eval.py, and more.  What is not
given is taken from the run folder.  While the run trains, each new checkpoint
is evaluated; it ends when the run has ended, or after one with --once.
"""

import json
import sys

from absl import flags

from tfnoisy.cli import common  # First: it keeps TensorFlow quiet.

# isort: split
from tfnoisy.training import distribution, evaluate_run

flags.DEFINE_integer("batch_size", 25, "Images per batch.", 1)
flags.DEFINE_string("data_dir", "", "As in training; e.g. data/cifar100/val.")
flags.DEFINE_string("dataset_name", "cifar100", "As in training.")
flags.DEFINE_string("studentnet", "resnet32", "As in training.")
flags.DEFINE_string("master", None, "Accepted, without effect.")
flags.DEFINE_string("checkpoint_dir", "", "The run folder.")
flags.DEFINE_string("eval_dir", "", "Where to write TensorBoard scalars.")
flags.DEFINE_integer("eval_interval_secs", 600, "Between two looks.", 0)
flags.DEFINE_string("split_name", "test", "test or train, or a slice.")
flags.DEFINE_string(
    "output_csv_file", "", "Write the features for a data-driven MentorNet."
)
flags.DEFINE_string("device_id", "0", "If given, use only this GPU.")
flags.DEFINE_string("labels_csv", "", "As in training.")
flags.DEFINE_integer("image_size", 0, "As in training.")
flags.DEFINE_boolean("once", False, "Evaluate the newest checkpoint and end.")
flags.DEFINE_boolean("best", False, "The checkpoint that --holdout chose.")

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
    if FLAGS["master"].present:
        print("--master has no effect in TensorFlow 2", file=sys.stderr)
    if FLAGS["device_id"].present:
        distribution.use_gpu(FLAGS.device_id)
    evaluator = evaluate_run.RunEvaluator(
        FLAGS.checkpoint_dir,
        FLAGS.split_name,
        FLAGS.batch_size,
        {n: FLAGS[n].value for n in _OF_THE_RUN if FLAGS[n].present},
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
            evaluator.write_features(FLAGS.output_csv_file)


def run():
    """Is the command's entry point."""
    common.run(main)


if __name__ == "__main__":
    run()
