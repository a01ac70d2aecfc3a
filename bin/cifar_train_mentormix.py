#!/usr/bin/env python3
r"""Trains a classifier by MentorMix.

    bin/cifar_train_mentormix.py --flagfile=flags/quickstart.flags
    bin/cifar_train_mentormix.py \
        --flagfile=flags/mentormix/cifar10_0.4.flags

It writes the run folder --train_log_dir: flags.flags, metrics.jsonl,
results.json, checkpoints and TensorBoard events.
The flags are those of google-research/mentormix's cifar_train_mentormix.py,
and more.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

from absl import flags
from etils import epy

from tfnoisy.cli import command_line, flag_groups, original_flags, trainer_flags

with epy.lazy_imports():
    from tfnoisy.methods import mentormix
    from tfnoisy.training import schedules

trainer_flags.define(
    dataset_name="cifar100",
    studentnet="resnet32",
    augment="mentormix",
    learning_rate_decay_factor=0.9,
    max_number_of_steps=100000,
    ema_decay=0.9999,
)
original_flags.define(num_epochs_per_decay=3)
original_flags.define_mentor(example_dropout_rates=["0.0", "100"])
with flag_groups.group(flag_groups.METHOD):
    flags.DEFINE_float(
        "mixup_alpha",
        8.0,
        "Parameter alpha of mixup's Beta(alpha, alpha); 0 trains without "
        "mixing.",
        lower_bound=0.0,
    )
    flags.DEFINE_boolean(
        "second_reweight",
        True,
        "Let the MentorNet weigh the losses of the mixed images, too; the "
        "loss is then without weight decay, as in the original.",
    )
    flags.DEFINE_boolean(
        "soft_lambda",
        False,
        "Use the paper's mixing coefficient, linear in the weight v; the "
        "original code rounds v.",
    )

FLAGS = flags.FLAGS


def make_method(build, budget):
    """Returns the compiled method that the flags describe."""
    method = mentormix.MentorMix(
        build(),
        original_flags.mentor(),
        num_steps=budget.num_steps,
        num_ids=budget.num_ids,
        loss_p_percentile=FLAGS.loss_p_percentile,
        mixup_alpha=FLAGS.mixup_alpha,
        second_reweight=FLAGS.second_reweight,
        burn_in_epoch=FLAGS.burn_in_epoch,
        example_dropout_rates=FLAGS.example_dropout_rates,
        soft_lambda=FLAGS.soft_lambda,
        **trainer_flags.method_arguments(),
    )
    rate = original_flags.schedule(budget, schedules.exponential)
    return trainer_flags.compiled(method, rate)


def main(_):
    """Trains."""
    original_flags.settle()
    trainer_flags.train("mentormix", make_method)


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
