#!/usr/bin/env python3
"""Trains methods under one budget and compares them, with error bars.

    bin/compare.py --dataset_name=digits --noise=symmetric:0.4 --seeds=3
    bin/compare.py --methods=baseline,mentormix --seeds=1 --dry_run

Each method is trained with each seed, by the command that a user would type,
into OUTPUT_DIR/METHOD-SEED.  After each run comparison.md, comparison.csv and
comparison.png are written to OUTPUT_DIR.  The same command continues where it
was stopped; more seeds or methods are added to those that are there.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import pathlib
import shlex

from absl import flags
from etils import epy

from tfnoisy import errors, output_file, plugins
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.cli import command_line, flag_groups, shared_flags

with epy.lazy_imports():
    from tfnoisy.comparison import outcomes as outcome_lib
    from tfnoisy.comparison import plan, trainer_process
    from tfnoisy.comparison import protocol as protocol_lib
    from tfnoisy.comparison import runner as runner_lib
    from tfnoisy.comparison import table as table_lib

# Alike for all methods; what is given goes to every trainer.
_OF_DATA = (
    "data_dir",
    "labels_csv",
    "corrections",
    "skip_broken",
    "test_share",
    "min_class_images",
    "image_size",
    "train_split",
    "test_split",
    "noise_manifest",
    "cache_mib",
)
_FILES = ("data_dir", "labels_csv", "corrections", "noise_manifest")
# Of these the labels are known to be right.
_CLEAN = ("digits", "cifar10", "cifar100", "fashion_mnist", "mnist")

shared_flags.define(
    "plugin",
    *_OF_DATA,
    dataset_name="digits",
    noise=None,
    more={
        "noise": "If not given symmetric:0.4 where the labels are known to be "
        "right (digits, cifar10, cifar100, mnist, fashion_mnist), else none."
    },
)
with flag_groups.group("What to compare"):
    flags.DEFINE_list(
        "methods",
        [],
        "The methods, in the order of the table; all of them if empty.",
    )
    flag_groups.offer("methods", catalogue.METHODS.names)
    flags.DEFINE_integer(
        "seeds",
        3,
        "Runs of each method, with the seeds 0, 1, ...; at most 1,000.",
        lower_bound=1,
        upper_bound=1000,
    )
    flags.DEFINE_integer(
        "num_epochs",
        0,
        "Length of each training in epochs (passes over the training data), "
        "the same for every method; 0 is 90 for digits, others must say it.",
        lower_bound=0,
    )
    flags.DEFINE_multi_string(
        "flags",
        [],
        "Flags for every trainer, as '--name=value ...'.",
    )
    flags.DEFINE_multi_string(
        "method_flags",
        [],
        "Flags for one method's trainer, as 'METHOD:--name=value ...'.",
    )
    flags.DEFINE_boolean(
        "dry_run", False, "Print the commands and run nothing."
    )
with flag_groups.group(flag_groups.OUTPUT):
    flags.DEFINE_string(
        "output_dir",
        "",
        "The folder for the table, the plot and all runs; "
        "runs/compare/DATASET-NOISE if empty.",
    )

FLAGS = flags.FLAGS


def settle():
    """Adds noise where labels are known to be right, and none elsewhere."""
    if FLAGS.noise is None:
        adds = FLAGS.dataset_name in _CLEAN and not (
            FLAGS.noise_manifest or FLAGS.corrections
        )
        FLAGS.noise = "symmetric:0.4" if adds else "none"


def data_flags():
    """Returns the words for the data flags that were given, a list."""
    words = []
    for name in _OF_DATA:
        value = FLAGS[name].value
        if FLAGS[name].present and name in _FILES and value:
            value = pathlib.Path(value).expanduser().absolute()
        if FLAGS[name].present:
            words.append(shlex.quote(f"--{name}={value}"))
    return words


def main(_):
    """Compares."""
    settle()
    noise = FLAGS.noise.replace(":", "_")
    output_dir = pathlib.Path(
        FLAGS.output_dir or f"runs/compare/{FLAGS.dataset_name}-{noise}"
    ).expanduser()
    loaded = FLAGS.plugin or plugins.load_recorded(
        plan.recorded_plugins(output_dir), output_dir
    )
    output_file.check_folder(output_dir, "--output_dir")
    protocol = protocol_lib.make_protocol(
        FLAGS.dataset_name,
        FLAGS.noise,
        FLAGS.num_epochs,
        [*data_flags(), *FLAGS["flags"].value],
        FLAGS.method_flags,
        loaded,
    )
    runs = plan.make_runs(
        protocol,
        FLAGS.methods or catalogue.METHODS.names(),
        range(FLAGS.seeds),
        output_dir,
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
    command_line.run(main)


if __name__ == "__main__":
    run()
