#!/usr/bin/env python3
"""Trains methods under one budget and compares them, with error bars.

    compare.py --dataset_name=digits --noise=symmetric:0.4 --seeds=3

trains every method of --methods with each seed, by the command that a user
would type, into OUT/METHOD-SEED, and after each run writes comparison.md,
comparison.csv and comparison.png into OUT.  The same command goes on where it
was stopped; more seeds or methods join those that are there.
"""

import pathlib

from absl import flags

from tfnoisy.cli import common  # First: it keeps TensorFlow quiet.

# isort: split
from tfnoisy import errors
from tfnoisy.comparison import outcomes as outcome_lib
from tfnoisy.comparison import plan, trainer_process
from tfnoisy.comparison import protocol as protocol_lib
from tfnoisy.comparison import runner as runner_lib
from tfnoisy.comparison import table as table_lib

flags.DEFINE_string("dataset_name", "digits", "As for the trainers.")
flags.DEFINE_string("noise", "symmetric:0.4", "As for the trainers.")
flags.DEFINE_list(
    "methods", list(protocol_lib.METHODS), "Which, in this order."
)
flags.DEFINE_integer("seeds", 3, "How many: 0, 1, ...", lower_bound=1)
flags.DEFINE_integer(
    "num_epochs",
    0,
    "Passes over the training data, the same for every method; 0: 90 for "
    "digits.",
    lower_bound=0,
)
flags.DEFINE_multi_string(
    "flags", [], "'--name=value ...' for every trainer; may be repeated."
)
flags.DEFINE_multi_string(
    "method_flags",
    [],
    "'METHOD:--name=value ...' for one method; may be repeated.",
)
flags.DEFINE_string(
    "output_dir", "", "OUT; runs/compare/DATASET-NOISE if empty."
)
flags.DEFINE_boolean("dry_run", False, "Print the commands, run nothing.")

FLAGS = flags.FLAGS


def main(_):
    """Compares."""
    protocol = protocol_lib.make_protocol(
        FLAGS.dataset_name,
        FLAGS.noise,
        FLAGS.num_epochs,
        FLAGS["flags"].value,
        FLAGS.method_flags,
    )
    noise = FLAGS.noise.replace(":", "_")
    output_dir = pathlib.Path(
        FLAGS.output_dir or f"runs/compare/{FLAGS.dataset_name}-{noise}"
    ).expanduser()
    runs = plan.make_runs(
        protocol, FLAGS.methods, range(FLAGS.seeds), output_dir
    )
    if FLAGS.dry_run:
        for run in runs:
            print(run.command)
        return
    trainer_process.end_with_us()
    runner = runner_lib.Runner(
        protocol, runs, output_dir, pathlib.Path(__file__).resolve().parent
    )
    runner.run()
    print(
        table_lib.table(outcome_lib.summarise(runner.outcomes))
        + f"in {output_dir}: comparison.md, comparison.csv, comparison.png"
    )
    failed = runner.count(outcome_lib.FAILED)
    if failed:
        raise errors.TrainingError(
            f"{failed} of {len(runs)} runs failed, see "
            f"{output_dir / 'logs'}; the same command tries them again"
        )


def run():
    """Is the command's entry point."""
    common.run(main)


if __name__ == "__main__":
    run()
