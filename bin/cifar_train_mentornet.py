#!/usr/bin/env python3
r"""Trains a classifier whose examples a MentorNet weighs.

    bin/cifar_train_mentornet.py --dataset_name=digits \
        --studentnet=small_cnn --augment=standard --noise=symmetric:0.4 \
        --max_number_of_steps=1000 --learning_rate=0.05

It writes the run folder --train_log_dir: flags.flags, metrics.jsonl,
results.json, checkpoints and TensorBoard events.
The flags are those of google/mentornet's cifar_train_mentornet.py, and more.
Its ResNet trainer (--studentnet=resnet101) ignored the learning-rate flags in
favour of fixed drops at steps 19531, 25000 and 30000; so does ours, unless
--lr_drops is given.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import sys

from absl import flags
from etils import epy

from tfnoisy.cli import command_line, flag_groups, original_flags, trainer_flags

with epy.lazy_imports():
    from tfnoisy.methods import mentornet
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
original_flags.define_mentor(
    example_dropout_rates=["0.5", "17", "0.05", "78", "1.0", "5"]
)
with flag_groups.group(flag_groups.METHOD):
    flags.DEFINE_boolean(
        "fixed_epoch_after_burn_in",
        False,
        "Give the MentorNet the percentage --burn_in_epoch for the rest of the "
        "training; for data-driven MentorNets.",
    )
    flags.DEFINE_float(
        "loss_moving_average_decay",
        0.5,
        "Decay per step of the moving average of the loss percentile.",
        0.0,
        1.0,
    )

FLAGS = flags.FLAGS

_IGNORED_FOR_RESNET101 = (
    "learning_rate",
    "learning_rate_decay_factor",
    "num_epochs_per_decay",
)


def make_method(build, budget):
    """Returns the compiled method that the flags describe."""
    method = mentornet.MentorNet(
        build(),
        original_flags.mentor(),
        num_steps=budget.num_steps,
        num_ids=budget.num_ids,
        loss_p_percentile=FLAGS.loss_p_percentile,
        burn_in_epoch=FLAGS.burn_in_epoch,
        fixed_epoch_after_burn_in=FLAGS.fixed_epoch_after_burn_in,
        loss_moving_average_decay=FLAGS.loss_moving_average_decay,
        example_dropout_rates=FLAGS.example_dropout_rates,
        **trainer_flags.method_arguments(),
    )
    if FLAGS.studentnet == "resnet101" and not FLAGS.lr_drops:
        rate = schedules.mentornet_piecewise()
    else:
        rate = original_flags.schedule(budget, schedules.exponential_integer)
    return trainer_flags.compiled(method, rate)


def main(_):
    """Trains."""
    if FLAGS.studentnet == "resnet101" and not FLAGS.lr_drops:
        for name in _IGNORED_FOR_RESNET101:
            if FLAGS[name].present:
                print(
                    f"--{name} has no effect on resnet101, as in the original:"
                    " its learning rate drops at fixed steps; see --lr_drops",
                    file=sys.stderr,
                )
    original_flags.settle()
    trainer_flags.train("mentornet", make_method)


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
