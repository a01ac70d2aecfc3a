#!/usr/bin/env python3
"""Trains a classifier by a method that has no script of its own.

    train.py --method=NAME --dataset_name=digits --noise=symmetric:0.4
    train.py --method=NAME --help
    train.py --method=auto --dataset_name=digits --noise=symmetric:0.4

--method=auto chooses a method by the given labels, says why, and starts its
trainer: by this script, or by the method's own.

The method's flags are the arguments of its class: --help shows them beside
--method.  --plugin=FILE.py adds methods of your own, see tfnoisy/README.md.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import math
import pathlib

from absl import flags
from etils import epy

from tfnoisy import errors, registry
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.cli import (
    auto_method,
    command_line,
    early_flags,
    flag_groups,
    method_flags,
    trainer_flags,
)

with epy.lazy_imports():
    from tfnoisy.nets import pair
    from tfnoisy.training import restart_schedules, schedules

trainer_flags.define(
    dataset_name="cifar10",
    studentnet="preact_resnet18",
    augment="standard",
    max_number_of_steps=0,
    ema_decay=0.0,
    momentum=0.9,
    num_epochs=200,
    learning_rate=0.02,
)
with flag_groups.group(flag_groups.METHOD):
    flags.DEFINE_string(
        "method",
        None,
        "The method, one that has no script of its own, or auto, which "
        "chooses one by the given labels. Required.",
    )
flag_groups.offer(
    "method",
    lambda: [
        auto_method.NAME,
        *(e.name for e in catalogue.METHODS if e.has_general_trainer),
    ],
)
with flag_groups.group(flag_groups.TRAINING):
    flags.DEFINE_enum(
        "lr_schedule",
        "cosine",
        ["cosine", "constant", "one_cycle"],
        "cosine: the learning rate declines to 0 along half a cosine. "
        "one_cycle: it rises in a line for a fifth of the training and then "
        "falls to 0. "
        "--lr_drops replaces it.",
    )

FLAGS = flags.FLAGS

# In place of the defaults, which are for 50,000 images and a GPU.
_SUITS_DIGITS = {
    "studentnet": "small_cnn",
    "learning_rate": 0.05,
    "num_epochs": 90,
}


def entry_of(name):
    """Returns the entry of a method that is trained here.

    Raises:
        UserError: if it is unknown, has a script of its own or is no method.
    """
    entry = catalogue.METHODS[name]
    if not entry.has_general_trainer:
        raise errors.UserError(
            f"--method={name} has a script of its own: bin/{entry.script}"
        )
    return method_flags.of_method(entry)


def define_method_flags(words):
    """Defines the flags of the method that a command line names, if any."""
    name = early_flags.last(words, "method")
    if name not in (None, auto_method.NAME):
        method_flags.define(entry_of(name))


def settle():
    """Sets what follows from the method and the data set."""
    trainer_flags.settle_length(_SUITS_DIGITS)
    if FLAGS.method == auto_method.NAME:
        return
    own = method_flags.arguments(entry_of(FLAGS.method))
    for name, usual in {"weight_decay": 5e-4, "ema_decay": 0.0}.items():
        default = own[name].default if name in own else usual
        trainer_flags.suit({name: default})


def make_method(build, budget):
    """Returns the compiled method that the flags describe."""
    entry = entry_of(FLAGS.method)
    student = build()
    if entry.networks == 2:
        student = pair.Pair(student, build(1))
    run = trainer_flags.method_arguments()
    method = method_flags.make(entry, student, budget, run)
    rate = trainer_flags.schedule(budget, lambda: _schedule(budget))
    if getattr(method, "lr", None):
        # It sets the optimiser's itself.
        rate = method.lr
    return trainer_flags.compiled(method, rate)


def of_class():
    """Returns the fields of `Experiment` that the method's class settles."""
    entry, fields = entry_of(FLAGS.method), {}
    cls = registry.resolve(entry.target)
    if cls.epoch_passes and FLAGS.num_epochs:
        fields["most_steps"] = lambda num_examples, batch_size: (
            cls.steps_of_run(
                math.ceil(FLAGS.num_epochs),
                num_examples,
                batch_size,
                method_flags.values(entry),
            )
        )
    return fields


def _schedule(budget):
    if FLAGS.lr_schedule == "constant":
        return FLAGS.learning_rate
    if FLAGS.lr_schedule == "one_cycle":
        return schedules.one_cycle(FLAGS.learning_rate, budget.num_steps)
    return restart_schedules.cosine_one(FLAGS.learning_rate, budget.num_steps)


def main(_):
    """Trains."""
    if FLAGS.method is None:
        names = ", ".join(flag_groups.offered("method"))
        raise errors.UserError(
            "--method=NAME is missing"
            + (f"; there are {names}" if names else "")
            + "; --plugin=FILE.py adds methods"
        )
    settle()
    if FLAGS.method == auto_method.NAME:
        auto_method.start(pathlib.Path(__file__).resolve().parent)
    trainer_flags.train(FLAGS.method, make_method, **of_class())


def run():
    """Is the command's entry point."""
    command_line.run(main, define_method_flags)


if __name__ == "__main__":
    run()
