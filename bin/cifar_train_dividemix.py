#!/usr/bin/env python3
"""Trains a pair of networks by DivideMix.

The flags of DivideMix's Train_cifar.py, Train_clothing1M.py and
Train_webvision.py, and more.
"""

from absl import flags

from tfnoisy.cli import common  # First: it keeps TensorFlow quiet.

# isort: split
from tfnoisy.cli import pair_flags, trainer_flags
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
    trainer_flags.define_alias(_theirs, _ours)
pair_flags.define()
flags.DEFINE_enum(
    "noise_mode",
    "sym",
    ["sym", "asym"],
    "With --r, the noise; also asym: the confidence penalty in the warm-up.",
)
flags.DEFINE_float(
    "r",
    None,
    "The noise ratio: --noise=dividemix_sym:R or dividemix_asym:R, the "
    "published files; 0.9 also averages the losses of five epochs.",
    lower_bound=0.0,
    upper_bound=1.0,
)
flags.DEFINE_float("alpha", 4.0, "Of Beta(alpha, alpha).")
flags.DEFINE_float("lambda_u", 25.0, "The unlabelled loss's weight.", 0.0)
flags.DEFINE_float("p_threshold", 0.5, "Clean above this probability.", 0.0)
flags.DEFINE_float("T", 0.5, "The sharpening temperature.")
flags.DEFINE_integer(
    "warm_up",
    None,
    "Epochs of plain training first; 30 for cifar100, 10 for others.",
    lower_bound=0,
)
flags.DEFINE_integer(
    "average_last",
    None,
    "Epochs of losses that the mixture sees; 5 for --r=0.9, else 1.",
    lower_bound=1,
)
flags.DEFINE_float(
    "reg_covar", 5e-4, "Added to the mixture's variances.", lower_bound=0.0
)
flags.DEFINE_enum(
    "pseudo_label_mode",
    "train",
    ["train", "eval"],
    "How the trained network runs when it guesses; train as released.",
)
flags.DEFINE_boolean(
    "confidence_penalty",
    None,
    "Penalise confidence in the warm-up; as --noise_mode says if unset.",
)
flags.DEFINE_boolean(
    "mix_unlabelled",
    True,
    "False: no unlabelled loss (Clothing1M, WebVision).",
)
flags.DEFINE_integer(
    "num_batches",
    0,
    "Each epoch sees a new class-balanced sample of so many batches "
    "(Clothing1M: 1000); 0: all images.",
    lower_bound=0,
)
for _name in ("id", "num_class", "data_path"):
    flags.DEFINE_string(_name, None, "Accepted, without effect.")

FLAGS = flags.FLAGS

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
    if FLAGS.r is not None:
        trainer_flags.suit({"noise": f"dividemix_{FLAGS.noise_mode}:{FLAGS.r}"})
    if FLAGS.warm_up is None:
        FLAGS.warm_up = 30 if name.startswith("cifar100") else 10
    if FLAGS.average_last is None:
        FLAGS.average_last = 5 if FLAGS.r == 0.9 else 1
    if FLAGS.confidence_penalty is None:
        FLAGS.confidence_penalty = FLAGS.noise_mode == "asym"


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
    common.run(main)


if __name__ == "__main__":
    run()
