#!/usr/bin/env python3
"""Trains two networks by Blind Knowledge Distillation.

    bin/cifar_train_bkd.py --dataset_name=digits --noise=symmetric:0.4
    bin/cifar_train_bkd.py --flagfile=flags/bkd/cifar10n_worst.flags

It writes the run folder --train_log_dir: flags.flags, metrics.jsonl,
results.json, checkpoints and TensorBoard events.
Beside them it draws tipping.png, the tipping curve.  The flags are those of
its authors' training script, and more.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

from absl import flags
from etils import epy

from tfnoisy import errors
from tfnoisy.cli import (
    command_line,
    flag_groups,
    pair_flags,
    shared_flags,
    trainer_flags,
)

with epy.lazy_imports():
    from tfnoisy.methods.bkd import bkd, tipping
    from tfnoisy.methods.bkd import plot as tipping_plot

trainer_flags.define(
    dataset_name="cifar10_n",
    studentnet="preact_resnet18",
    augment="",
    max_number_of_steps=0,
    ema_decay=0.0,
    batch_size=128,
    momentum=0.9,
    num_epochs=300,
    learning_rate=0.02,
    holdout=0.1,
)
for _theirs, _ours in {
    "lr": "learning_rate",
    "n_epoch": "num_epochs",
    "val_ratio": "holdout",
}.items():
    flag_groups.alias(_theirs, _ours)
pair_flags.define()
with flag_groups.group(flag_groups.NOISE):
    flags.DEFINE_enum(
        "noise_type",
        None,
        ["clean", "aggre", "worst", "rand1", "rand2", "rand3"]
        + ["clean100", "noisy100"],
        "A label set of CIFAR-10N, or with --dataset=cifar100 of CIFAR-100N "
        "(clean100, noisy100), in place of --dataset_name and --noise; worst "
        "if none of the three is given.",
    )
with flag_groups.group(flag_groups.DATA):
    flags.DEFINE_enum(
        "dataset",
        "cifar10",
        ["cifar10", "cifar100"],
        "The data set of --noise_type.",
    )
with flag_groups.group(flag_groups.METHOD):
    for _group, _alpha in enumerate((0.30, 0.45, 0.55, 0.70), 1):
        flags.DEFINE_float(
            f"alpha{_group}",
            _alpha,
            f"Strength of the label correction, 0 to 1, in trust group "
            f"{_group}; group 1 is trusted most.",
        )
    flags.DEFINE_integer(
        "tipping_every",
        None,
        "Epochs in one value of the tipping curve. The mean over few steps "
        "peaks by chance, so it is as many epochs as make 200 steps if not "
        "given (an epoch of the original has 352).",
        lower_bound=1,
    )
    flags.DEFINE_enum(
        "otsu",
        "released",
        ["released", "textbook"],
        "How the threshold on the agreements is found: as in the original "
        "code, or by Otsu's method as published.",
    )
    flags.DEFINE_boolean(
        "detached",
        False,
        "Stop gradients into the targets and the teacher.",
    )
    flags.DEFINE_boolean(
        "fallback",
        True,
        "Where the tipping curve has no peak, judge the labels by the most "
        "confident epoch.",
    )
with flag_groups.group(flag_groups.EVALUATION):
    flags.DEFINE_integer(
        "clean_test_freq",
        10,
        "Epochs between two evaluations on the test set.",
        lower_bound=1,
    )
shared_flags.define_ignored(
    "noise_path",
    "noisy_val_freq",
    "num_workers",
    "print_freq",
    reason="the original's own files, printing and loading",
)

FLAGS = flags.FLAGS

# --dataset to our --dataset_name, and its --noise_type to our --noise.
_DATASETS = {
    "cifar10": (
        "cifar10_n",
        {
            "clean": "none",
            "aggre": "human:aggre",
            "worst": "human:worse",
            "rand1": "human:random1",
            "rand2": "human:random2",
            "rand3": "human:random3",
        },
    ),
    "cifar100": (
        "cifar100_n",
        {"clean100": "none", "noisy100": "human:noisy100"},
    ),
}

# In place of the defaults, which are for 50,000 images and a GPU.
_SUITS_DIGITS = {
    "studentnet": "small_cnn",
    "num_epochs": 60,
    "lr_drop_epoch": 45,
    "batch_size": 32,
    "clean_test_freq": 5,
    "tipping_every": 1,
    "holdout": 0.0,
}


def settle():
    """Sets what follows from other flags, and from the data set.

    Raises:
        UserError: for labels that are named twice.
    """
    named = FLAGS["dataset_name"].present or FLAGS["noise"].present
    if FLAGS.noise_type and named:
        raise errors.UserError(
            f"--noise_type={FLAGS.noise_type} stands for --dataset_name and "
            "--noise: give one or the others"
        )
    if not named:
        FLAGS.dataset_name, FLAGS.noise = named_labels(
            FLAGS.dataset, FLAGS.noise_type or "worst"
        )
        # Recorded once, or the run's flag file would name its labels twice.
        FLAGS.noise_type = None
    name = FLAGS.dataset_name
    if name == "digits":
        trainer_flags.suit(_SUITS_DIGITS)
    pair_flags.settle("bkd")


def named_labels(dataset, noise_type):
    """Returns the --dataset_name and the --noise that the two stand for.

    Raises:
        UserError: for a label set that the data set does not have.
    """
    name, label_sets = _DATASETS[dataset]
    if noise_type not in label_sets:
        raise errors.UserError(
            f"--dataset={dataset} has no --noise_type={noise_type}: there are "
            f"{', '.join(label_sets)}"
        )
    return name, label_sets[noise_type]


def most_steps(num_examples, batch_size):
    """Returns T: whole epochs, the last batch of each short."""
    if FLAGS.max_number_of_steps:
        return FLAGS.max_number_of_steps
    return int(FLAGS.num_epochs) * -(-num_examples // batch_size)


def make_method(build, budget):
    """Returns the compiled method that the flags describe."""
    steps = -(-budget.num_examples // budget.batch_size)
    method = bkd.BKD(
        n_epoch=int(FLAGS.num_epochs),
        alpha1=FLAGS.alpha1,
        alpha2=FLAGS.alpha2,
        alpha3=FLAGS.alpha3,
        alpha4=FLAGS.alpha4,
        otsu=FLAGS.otsu,
        detached=FLAGS.detached,
        fallback=FLAGS.fallback,
        tipping_every=FLAGS.tipping_every or tipping.passes_of(steps),
        clean_test_freq=FLAGS.clean_test_freq,
        **pair_flags.arguments(build, budget, int(FLAGS.num_epochs)),
    )
    return trainer_flags.compiled(method, FLAGS.learning_rate)


def draw_tipping_curve(results, folder):
    """Draws when the student was how confident, once an epoch has ended.

    Args:
        results: the contents of results.json, so that a finished run gives
            the same picture as it did when it ended.
        folder: its `run_folder.RunFolder`.
    """
    found = results.get("tipping")
    if found and found["confidence"]:
        tipping_plot.plot(
            found["confidence"],
            folder.tipping,
            found["epoch"],
            found["judged_epoch"],
            # Runs from before it could be said have no word of it.
            every=found.get("every", 1),
        )


def main(_):
    """Trains, and draws the tipping curve."""
    settle()
    results, folder = trainer_flags.train(
        "bkd", make_method, most_steps=most_steps
    )
    if results is not None:
        draw_tipping_curve(results, folder)


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
