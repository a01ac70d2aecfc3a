#!/usr/bin/env python3
r"""Trains two networks by DivideMix.

    bin/cifar_train_dividemix.py --dataset_name=digits --noise=symmetric:0.4
    bin/cifar_train_dividemix.py \
        --flagfile=flags/dividemix/cifar10_sym_0.5.flags

It writes the run folder --train_log_dir: flags.flags, metrics.jsonl,
results.json, checkpoints and TensorBoard events.
The flags are those of DivideMix's Train_cifar.py, Train_clothing1M.py and
Train_webvision.py, and more.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import pathlib

from absl import flags
from etils import epy

from tfnoisy.cli import (
    command_line,
    flag_groups,
    pair_flags,
    shared_flags,
    trainer_flags,
)

with epy.lazy_imports():
    from tfnoisy.datasets.sources import tfrecords
    from tfnoisy.methods.dividemix import dividemix

trainer_flags.define(
    dataset_name="cifar10",
    studentnet="preact_resnet18",
    augment="",
    max_number_of_steps=0,
    ema_decay=0.0,
    batch_size=64,
    momentum=0.9,
    seed=123,
    num_epochs=300,
    learning_rate=0.02,
)
for _theirs, _ours in {
    "dataset": "dataset_name",
    "lr": "learning_rate",
    "gpuid": "device_id",
}.items():
    flag_groups.alias(_theirs, _ours)
pair_flags.define()
with flag_groups.group(flag_groups.NOISE):
    flags.DEFINE_float(
        "r",
        None,
        "Noise rate, 0 to 1: stands for --noise=dividemix_sym:R or "
        "dividemix_asym:R, the published noise files. 0.9 also averages the "
        "losses of five epochs. If not given, nor --noise, it is 0.5 for all "
        "of cifar10 or cifar100, as in the original; other data get no noise.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    flags.DEFINE_enum(
        "noise_mode",
        "sym",
        ["sym", "asym"],
        "Which noise --r stands for. asym also sets --confidence_penalty.",
    )
with flag_groups.group(flag_groups.METHOD):
    flags.DEFINE_integer(
        "warm_up",
        None,
        "Epochs of plain training first; if not given 30 for cifar100 and 10 "
        "for other data.",
        lower_bound=0,
    )
    flags.DEFINE_float(
        "lambda_u",
        25.0,
        "Weight of the loss of the unlabelled images.",
        0.0,
    )
    flags.DEFINE_float(
        "p_threshold",
        0.5,
        "A label counts as clean if its probability of being clean is above "
        "this.",
        0.0,
    )
    flags.DEFINE_float(
        "alpha", 4.0, "Parameter alpha of mixup's Beta(alpha, alpha)."
    )
    flags.DEFINE_float(
        "T", 0.5, "Temperature at which guessed labels are sharpened."
    )
    flags.DEFINE_integer(
        "average_last",
        None,
        "Epochs over which the losses that the mixture model sees are "
        "averaged; if not given 5 with --r=0.9, else 1.",
        lower_bound=1,
    )
    flags.DEFINE_float(
        "reg_covar",
        5e-4,
        "Added to the variances of the mixture model.",
        lower_bound=0.0,
    )
    flags.DEFINE_enum(
        "pseudo_label_mode",
        "train",
        ["train", "eval"],
        "The mode, training or inference, in which the network that is being "
        "trained guesses labels; the original's code uses train.",
    )
    flags.DEFINE_boolean(
        "confidence_penalty",
        None,
        "Penalise confident predictions during the warm-up; if not given, on "
        "with --noise_mode=asym.",
    )
    flags.DEFINE_boolean(
        "mix_unlabelled",
        True,
        "Train on the unlabelled images, too; off for Clothing1M and WebVision "
        "in the original.",
    )
    flags.DEFINE_integer(
        "num_batches",
        0,
        "Batches in each epoch, of a new class-balanced sample (Clothing1M: "
        "1000); 0 takes all images.",
        lower_bound=0,
    )
shared_flags.define_ignored(
    "id",
    "num_class",
    "data_path",
    reason="the run folder, the data set and --data_dir say it",
)

FLAGS = flags.FLAGS

# The default of --r in Train_cifar.py.
_ORIGINAL_NOISE = 0.5

# In place of the defaults, which are for 50,000 images and a GPU.
_SUITS_DIGITS = {
    "studentnet": "small_cnn",
    "learning_rate": 0.05,
    "num_epochs": 40,
    "warm_up": 8,
    "lr_drop_epoch": 30,
    "batch_size": 32,
}


def settle():
    """Sets what follows from other flags, and from the data set."""
    name = FLAGS.dataset_name
    if name == "digits":
        trainer_flags.suit(_SUITS_DIGITS)
    pair_flags.settle("dividemix")
    if takes_the_originals_noise():
        FLAGS.r = _ORIGINAL_NOISE
        trainer_flags.say(
            f"--r is not given: {_ORIGINAL_NOISE}, as in the original, so that "
            f"noise is added to {name}'s labels; --r=0 or --noise=none trains "
            "on them as they are"
        )
    if FLAGS.r is not None:
        trainer_flags.suit({"noise": f"dividemix_{FLAGS.noise_mode}:{FLAGS.r}"})
    if FLAGS.warm_up is None:
        FLAGS.warm_up = 30 if name.startswith("cifar100") else 10
    if FLAGS.average_last is None:
        FLAGS.average_last = 5 if FLAGS.r == 0.9 else 1
    if FLAGS.confidence_penalty is None:
        FLAGS.confidence_penalty = FLAGS.noise_mode == "asym"


def takes_the_originals_noise():
    """Returns whether --r is the original's default, as nothing says else.

    Only on the data that the original's command trains on, whose labels are
    known to be clean: the whole training set of CIFAR from TFDS.  Labels in
    files of one's own may be wrong already.
    """
    said = ("r", "noise", "noise_manifest", "corrections")
    if any(name in FLAGS and FLAGS[name].present for name in said):
        return False
    base = FLAGS.dataset_name.partition("/")[0].partition(":")[0]
    whole = FLAGS.train_split == "train"
    records = FLAGS.data_dir and tfrecords.holds(
        pathlib.Path(FLAGS.data_dir).expanduser(), FLAGS.dataset_name
    )
    return base in ("cifar10", "cifar100") and whole and not records


def most_steps(num_examples, batch_size):
    """Returns T if every label were clean: no run takes more.

    Args:
        num_examples: N.
        batch_size: B over all replicas.
    """
    if FLAGS.max_number_of_steps:
        return FLAGS.max_number_of_steps
    epochs = int(FLAGS.num_epochs) + 1
    warm_up = min(FLAGS.warm_up, epochs)
    plain, robust = (
        -(-num_examples // size) for size in (2 * batch_size, batch_size)
    )
    if FLAGS.num_batches:
        plain = min(plain, FLAGS.num_batches)
        robust = min(robust, FLAGS.num_batches)
    return 2 * (warm_up * plain + (epochs - warm_up) * robust)


def make_method(build, budget):
    """Returns the compiled method that the flags describe."""
    method = dividemix.DivideMix(
        warm_up=FLAGS.warm_up,
        num_epochs=int(FLAGS.num_epochs),
        batch_size=FLAGS.batch_size,
        p_threshold=FLAGS.p_threshold,
        average_last=FLAGS.average_last,
        reg_covar=FLAGS.reg_covar,
        num_batches=FLAGS.num_batches,
        lambda_u=FLAGS.lambda_u,
        T=FLAGS.T,
        alpha=FLAGS.alpha,
        confidence_penalty=FLAGS.confidence_penalty,
        pseudo_label_mode=FLAGS.pseudo_label_mode,
        mix_unlabelled=FLAGS.mix_unlabelled,
        **pair_flags.arguments(build, budget, int(FLAGS.num_epochs) + 1),
    )
    return trainer_flags.compiled(method, FLAGS.learning_rate)


def main(_):
    """Trains."""
    settle()
    trainer_flags.train("dividemix", make_method, most_steps=most_steps)


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
