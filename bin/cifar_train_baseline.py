#!/usr/bin/env python3
r"""Trains a classifier on the given labels as they are, or by plain mixup.

    bin/cifar_train_baseline.py --flagfile=flags/quickstart_baseline.flags
    bin/cifar_train_baseline.py --dataset_name=cifar10 --noise=symmetric:0.4 \
        --studentnet=cifar_resnet32 --mixup_alpha=1

It writes the run folder --train_log_dir: flags.flags, metrics.jsonl,
results.json, checkpoints and TensorBoard events.
The flags are those of google/mentornet's cifar_train_baseline.py, and more.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

from absl import flags
from etils import epy

from tfnoisy.cli import command_line, flag_groups, original_flags, trainer_flags

with epy.lazy_imports():
    from tfnoisy.methods import baseline
    from tfnoisy.training import schedules

trainer_flags.define(
    dataset_name="cifar10",
    studentnet="resnet101",
    augment="mentornet",
    learning_rate_decay_factor=0.1,
    max_number_of_steps=39000,
    ema_decay=0.0,
)
original_flags.define(num_epochs_per_decay=50)
with flag_groups.group(flag_groups.METHOD):
    flags.DEFINE_float(
        "mixup_alpha",
        0.0,
        "Parameter alpha of mixup's Beta(alpha, alpha); 0 trains without "
        "mixup.",
        lower_bound=0.0,
    )

FLAGS = flags.FLAGS


def make_method(build, budget):
    """Returns the compiled method that the flags describe."""
    method = baseline.Baseline(
        build(),
        mixup_alpha=FLAGS.mixup_alpha,
        num_ids=budget.num_ids,
        **trainer_flags.method_arguments(),
    )
    rate = original_flags.schedule(budget, schedules.exponential_integer)
    return trainer_flags.compiled(method, rate)


def main(_):
    """Trains."""
    name = "mixup" if FLAGS.mixup_alpha else "baseline"
    original_flags.settle()
    trainer_flags.train(name, make_method)


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
