#!/usr/bin/env python3
"""Trains a classifier plainly on the given labels, or with plain mixup.

The flags of google/mentornet's cifar_train_baseline.py, and more.
"""

from absl import flags

from tfnoisy.bin import common, trainer_flags
from tfnoisy.methods import baseline
from tfnoisy.training import optimizer, schedules

trainer_flags.define(
    dataset_name="cifar10",
    studentnet="resnet101",
    augment="mentornet",
    learning_rate_decay_factor=0.1,
    num_epochs_per_decay=50,
    max_number_of_steps=39000,
    ema_decay=0.0,
)
flags.DEFINE_float(
    "mixup_alpha", 0.0, "Beta parameter of plain mixup.", lower_bound=0.0
)

FLAGS = flags.FLAGS


def make_method(student, budget):
    """Returns the compiled method that the flags describe."""
    method = baseline.Baseline(
        student,
        mixup_alpha=FLAGS.mixup_alpha,
        weight_decay=trainer_flags.weight_decay(),
        ema_decay=FLAGS.ema_decay,
        seed=FLAGS.seed,
    )
    rate = trainer_flags.schedule(budget, schedules.exponential_integer)
    method.compile(optimizer.TF1Momentum(rate, trainer_flags.momentum()))
    return method


def main(_):
    """Trains."""
    name = "mixup" if FLAGS.mixup_alpha else "baseline"
    trainer_flags.train(name, make_method)


def run():
    """Is the command's entry point."""
    common.run(main)


if __name__ == "__main__":
    run()
