#!/usr/bin/env python3
r"""Trains a linear classifier on a frozen network, on labels that may be wrong.

    bin/train_head.py --dataset_name=folder --data_dir=my_images \
        --image_size=128
    bin/train_head.py --dataset_name=folder --data_dir=my_images \
        --image_size=128 --corrections=corrections.csv

The network is EfficientNet-Lite0 with ImageNet's weights, which come with
tfnoisy.  What it says of each image is computed once and kept, as for
audit_labels.py; the head is fitted in closed form to what the audit takes for
the true labels.  It takes minutes where a training takes hours.

It writes the run folder --train_log_dir, which is evaluated, audited, exported
and served as any other.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

from absl import flags
from etils import epy

from tfnoisy import choices, errors
from tfnoisy.cli import command_line, flag_groups, shared_flags, trainer_flags

with epy.lazy_imports():
    from tfnoisy.audit import frozen_head
    from tfnoisy.training import optimizer

shared_flags.define(
    "data_dir",
    "labels_csv",
    "corrections",
    "skip_broken",
    "test_share",
    "min_class_images",
    "image_size",
    "train_split",
    "test_split",
    "noise",
    "noise_seed",
    "noise_manifest",
    "overwrite",
    "cache_mib",
    "device_id",
    "plugin",
    dataset_name="folder",
    studentnet="frozen_efficientnet_lite0",
    seed=0,
)
with flag_groups.group(flag_groups.OUTPUT):
    trainer_flags.define_run_folder()
with flag_groups.group(flag_groups.EVALUATION):
    flags.DEFINE_integer(
        "eval_batch_size",
        64,
        "Images in one batch of an evaluation, on each replica.",
        lower_bound=1,
    )
with flag_groups.group(flag_groups.METHOD):
    flags.DEFINE_enum(
        "head",
        "ridge",
        choices.HEADS,
        "ridge: a ridge regression on what the audit takes for the true "
        "labels. ridge_given: on the labels as they are. logistic: a logistic "
        "regression on what the audit takes for the true labels.",
    )

FLAGS = flags.FLAGS


def make_method(build, _):
    """Returns the compiled method that the flags describe."""
    method = frozen_head.FrozenHead(build(), head=FLAGS.head, seed=FLAGS.seed)
    method.compile(optimizer.TF1Momentum(0.0))
    return method


def main(_):
    """Trains."""
    if not FLAGS.studentnet.startswith("frozen_"):
        raise errors.UserError(
            f"--studentnet={FLAGS.studentnet} is not frozen: there is "
            "frozen_efficientnet_lite0"
        )
    trainer_flags.train(
        "head",
        make_method,
        max_number_of_steps=1,
        batch_size=1,
    )


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
