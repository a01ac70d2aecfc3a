#!/usr/bin/env python3
r"""Trains a network without labels, for any method to begin from.

    bin/pretrain.py --dataset_name=digits --train_log_dir=runs/start
    bin/cifar_train_dividemix.py --dataset_name=digits --noise=symmetric:0.6 \
        --pretrained=runs/start

--method=simclr trains on pairs of views of each image (SimCLR).  No label is
read for it; a linear classifier on the given ones is fitted for the evaluations
alone, and is the last layer of the network in the run folder.

The run folder is that of any training: it is resumed, evaluated and exported
alike.  The training that begins from it has the same --studentnet and images,
and an --augment that normalises pixels alike.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

from absl import flags
from etils import epy

from tfnoisy.catalogue import pretrainings as catalogue
from tfnoisy.cli import (
    command_line,
    early_flags,
    flag_groups,
    method_flags,
    trainer_flags,
)

with epy.lazy_imports():
    from tfnoisy.training import restart_schedules

_USUAL = "simclr"

trainer_flags.define(
    dataset_name="cifar10",
    studentnet="preact_resnet18",
    augment="standard",
    max_number_of_steps=0,
    ema_decay=0.0,
    batch_size=1024,
    momentum=0.9,
    num_epochs=1000,
    learning_rate=0.5,
)
with flag_groups.group(flag_groups.METHOD):
    flags.DEFINE_string(
        "method",
        _USUAL,
        "How to train without labels; --method=NAME --help shows its flags.",
    )
flag_groups.offer("method", catalogue.PRETRAININGS.names)
with flag_groups.group(flag_groups.TRAINING):
    flags.DEFINE_float(
        "warmup_epochs",
        10.0,
        "Epochs in which the learning rate rises in a line; then it declines "
        "to 0 along half a cosine. At most a tenth of the training.",
        lower_bound=0.0,
    )

FLAGS = flags.FLAGS

# In place of the defaults, which are for 50,000 images and a GPU: the learning
# rate goes with the batch.
_SUITS_DIGITS = {
    "studentnet": "small_cnn",
    "batch_size": 256,
    "learning_rate": 0.125,
    "num_epochs": 200,
}


def entry_of(name):
    """Returns the entry of a way to train without labels.

    Raises:
        UserError: if it is unknown, or is none.
    """
    return method_flags.of_method(catalogue.PRETRAININGS[name])


def define_method_flags(words):
    """Defines the flags of the method that a command line names."""
    name = early_flags.last(words, "method")
    if name is None and command_line.asks_for_help(words):
        # To know the method's flags takes TensorFlow; help answers at once.
        return
    method_flags.define(entry_of(name or _USUAL))


def settle():
    """Sets what follows from the method and the data set."""
    trainer_flags.settle_length(_SUITS_DIGITS)
    own = method_flags.arguments(entry_of(FLAGS.method))
    if "weight_decay" in own:
        trainer_flags.suit({"weight_decay": own["weight_decay"].default})


def make_method(build, budget):
    """Returns the compiled method that the flags describe."""
    run = trainer_flags.method_arguments()
    method = method_flags.make(entry_of(FLAGS.method), build(), budget, run)
    rate = trainer_flags.schedule(budget, lambda: _schedule(budget))
    return trainer_flags.compiled(method, rate)


def _schedule(budget):
    rising = FLAGS.warmup_epochs * budget.num_examples / budget.batch_size
    rising = min(round(rising), budget.num_steps // 10)
    return restart_schedules.cosine_warmup(
        FLAGS.learning_rate, rising, budget.num_steps - rising
    )


def main(_):
    """Trains."""
    settle()
    results, folder = trainer_flags.train(FLAGS.method, make_method)
    if results:
        print(
            "that is of a linear classifier on the given labels; to begin from "
            f"this network: --pretrained={folder.path}"
        )


def run():
    """Is the command's entry point."""
    command_line.run(main, define_method_flags)


if __name__ == "__main__":
    run()
