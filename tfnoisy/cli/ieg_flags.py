"""Flags of google-research/ieg: its names for data sets, and what it had more.

The names, defaults and meanings are those of ieg/options.py in its newest
revision.  What a flag of the original has no effect on is accepted, and said.
"""

import re

from absl import flags

from tfnoisy import errors
from tfnoisy.cli import flag_groups, shared_flags, trainer_flags

FLAGS = flags.FLAGS

_NOISES = {"uniform": "symmetric", "asymmetric": "asymmetric"}
_WEBVISION = "webvisionmini"
_WEBVISION_CLASSES = 50
_TRUSTED_PER_CLASS = 10


def define():
    """Defines --dataset and the flags that other trainers do not have."""
    with flag_groups.group(flag_groups.DATA):
        flags.DEFINE_string(
            "dataset",
            "cifar100_uniform_0.8",
            "Data set and noise in the original's form, "
            "{cifar10,cifar100}_{uniform,asymmetric}_RATE, "
            "{cifar10,cifar100}_imbal_SHARE[_RATE] or webvisionmini[_N] "
            "with N trusted images of each class, in place of --dataset_name, "
            "--imbalance and --noise.",
        )
        flags.DEFINE_float(
            "imbalance",
            0.0,
            "A long tail: class k of C keeps n SHARE^(k/(C-1)) of the n "
            "training images of the largest one, 0 to 1; 0 keeps all.",
            0.0,
            1.0,
        )
        flags.DEFINE_boolean(
            "use_imagenet_as_eval",
            False,
            "With --dataset=webvisionmini: evaluate on ImageNet's validation "
            "images in place of WebVision's.",
        )
    with flag_groups.group(flag_groups.TRAINING):
        flags.DEFINE_string(
            "decay_epochs",
            None,
            "With --max_epoch: --decay_steps in epochs, such as 160,180.",
        )
        flags.DEFINE_float(
            "label_smoothing",
            0.0,
            "supervised, and fsr without mixup: share of each label, 0 to 1, "
            "that is spread over all classes.",
            0.0,
            1.0,
        )
        flags.DEFINE_float(
            "l2_weight_decay",
            None,
            "resnet50: its --weight_decay; 0.0004 if not given.",
            0.0,
        )
    define_fsr()
    _define_ignored()


def _define_ignored():
    number, whole, truth = (
        {"kind": kind}
        for kind in (
            flags.DEFINE_float,
            flags.DEFINE_integer,
            flags.DEFINE_boolean,
        )
    )
    shared_flags.define_ignored(
        "post_batch_mode_autoaug",
        reason="the original did not read it either",
        **truth,
    )
    shared_flags.define_ignored("tpu", reason="see --strategy")
    shared_flags.define_ignored(
        "xm_exp_id",
        reason="it named an experiment in its authors' system",
        **whole,
    )
    shared_flags.define_ignored(
        "exp_path_pattern", reason="it named the folder of an --xm_exp_id"
    )
    shared_flags.define_ignored(
        "ds_include_metadata",
        reason="batches always carry the examples' ids",
        **truth,
    )
    shared_flags.define_ignored(
        "summary_eval_to_train",
        reason="TensorBoard shows evaluations beside the training anyway",
        **truth,
    )
    shared_flags.define_ignored(
        "pretrained_ckpt",
        "pretrained_ckpt_mode",
        reason="the original's networks cannot load one; see --pretrained",
    )
    unread = "none of the original's networks reads it"
    shared_flags.define_ignored("dropout_rate", reason=unread, **number)
    shared_flags.define_ignored("fix_network_features", reason=unread, **truth)
    shared_flags.define_ignored(
        "verbose_finer_log",
        reason="TensorBoard shows what each step finds anyway",
        **truth,
    )
    shared_flags.define_ignored(
        "queue_metric", reason="margin is the only one, here and there"
    )


# The flags of FSR, by the names of its arguments.
FSR = (
    "queue_capacity",
    "queue_bs",
    "queue_beta",
    "use_mixup",
    "use_pseudo_loss",
    "meta_start_epoch",
    "meta_partial_level",
    "clip_meta_weight",
    "moving_weight_gamma",
    "meta_moving_end_epoch",
)


def define_fsr():
    """Defines the flags that belong to --method=fsr alone."""
    with flag_groups.group("FSR (--method=fsr), which needs no trusted images"):
        flags.DEFINE_integer(
            "queue_capacity",
            2000,
            "Images in the buffer that it chooses, of the training set: a "
            "multiple of the number of classes.",
            1,
        )
        flags.DEFINE_integer(
            "queue_bs",
            200,
            "How many of them a step takes: a multiple of the number of "
            "classes.",
            1,
        )
        flags.DEFINE_float(
            "queue_beta",
            0.9,
            "Share of the past in the moving mean of the margins that choose "
            "the buffer, 0 to 1.",
            0.0,
            1.0,
        )
        flags.DEFINE_boolean("use_mixup", True, "Train on mixed images.")
        flags.DEFINE_string(
            "use_pseudo_loss",
            "all_1_0.1_2",
            "all_TEMPERATURE_GAMMA_WEIGHT: a loss against the moving mean of "
            "each example's logits; none if empty.",
        )
        flags.DEFINE_integer(
            "meta_start_epoch",
            20,
            "The epoch, counted from 0, until which all weights are equal.",
            0,
        )
        flags.DEFINE_integer(
            "meta_partial_level",
            0,
            "0 looks ahead on the classifier alone, -1 on all weights.",
            -1,
            0,
        )
        flags.DEFINE_boolean(
            "clip_meta_weight",
            True,
            "Weight 0 for what hurts, as for noise; --noclip_meta_weight for "
            "unbalanced classes, where none is 0.",
        )
        flags.DEFINE_float(
            "moving_weight_gamma",
            0.0,
            "Share of the past in a moving mean of each class's weights, which "
            "its examples then have, 0 to 1; 0 for none.",
            0.0,
            1.0,
        )
        flags.DEFINE_integer(
            "meta_moving_end_epoch",
            0,
            "The epoch from which on those means stay as they are; 0 for "
            "never.",
            0,
        )


def settle_data():
    """Sets --dataset_name, --noise and more to what --dataset stands for.

    Raises:
        UserError: for a --dataset that is not known, or --dataset_name too.
    """
    named = FLAGS["dataset_name"].present
    if named and FLAGS["dataset"].present:
        raise errors.UserError(
            f"--dataset={FLAGS.dataset} and --dataset_name="
            f"{FLAGS.dataset_name}: give one of the two"
        )
    webvision = not named and FLAGS.dataset.startswith(_WEBVISION)
    if FLAGS.use_imagenet_as_eval and not webvision:
        _say_without_effect(
            "use_imagenet_as_eval", "it belongs to --dataset=webvisionmini"
        )
    if webvision:
        _settle_webvision(FLAGS.dataset)
    elif not named:
        name, imbalance, noise = parse_cifar(FLAGS.dataset)
        trainer_flags.suit({"dataset_name": name, "noise": noise})
        if imbalance:
            trainer_flags.suit({"imbalance": imbalance})


def _settle_webvision(text):
    """The first 50 classes of WebVision, as the original trains on them."""
    _, _, count = text.partition("_")
    if text != _WEBVISION and not (
        text == f"{_WEBVISION}_{count}"
        and re.fullmatch("0*[1-9][0-9]{0,8}", count)
    ):
        raise errors.UserError(
            f"--dataset={text}: write webvisionmini, or webvisionmini_N with "
            "N trusted images of each class, such as webvisionmini_10"
        )
    size = int(count or _TRUSTED_PER_CLASS) * _WEBVISION_CLASSES
    trainer_flags.suit(
        {
            "dataset_name": "webvision",
            "test_split": "imagenet" if FLAGS.use_imagenet_as_eval else "val",
            "image_size": 256,
            "augment": "ieg_webvision",
            "aug_type": "autoaugment_imagenet",
        }
    )
    if not (FLAGS.probe_dir or FLAGS.probe_csv):
        # Where the original keeps its TFRecords of them.
        trainer_flags.suit({"probe_split": f"probe_{size}"})


def parse_cifar(text):
    """Returns what an original --dataset stands for.

    Args:
        text: such as cifar10_uniform_0.8 or cifar10_imbal_0.02_0.2.

    Returns:
        (--dataset_name, --imbalance, --noise).

    Raises:
        UserError: if it is not of that form.
    """
    name, _, rest = text.partition("_")
    kind, *numbers = rest.split("_")
    try:
        if name not in ("cifar10", "cifar100"):
            raise ValueError
        imbalance = 0.0
        if kind == "imbal":
            imbalance, kind = float(numbers.pop(0)), "uniform"
            numbers = numbers or ["0"]
            if not 0 < imbalance <= 1:
                raise ValueError
        (ratio,) = numbers
        share, noise = float(ratio), _NOISES[kind]
    except (KeyError, IndexError, ValueError):
        raise errors.UserError(
            f"--dataset={text}: write cifar10 or cifar100, _uniform_ or "
            "_asymmetric_, and a ratio, such as cifar10_uniform_0.8; _imbal_, "
            "the last class's share, and perhaps a ratio, such as "
            "cifar10_imbal_0.02_0.2; or webvisionmini; other data go by "
            "--dataset_name and --noise"
        ) from None
    return name, imbalance, f"{noise}:{ratio}" if share else "none"


def settle_training():
    """Sets --weight_decay by --l2_weight_decay; says what has no effect."""
    if FLAGS.l2_weight_decay is not None:
        if FLAGS.studentnet == "resnet50":
            trainer_flags.suit({"weight_decay": FLAGS.l2_weight_decay})
        else:
            _say_without_effect(
                "l2_weight_decay", "it is for resnet50; see --weight_decay"
            )
    if FLAGS.label_smoothing and FLAGS.method not in ("supervised", "fsr"):
        _say_without_effect(
            "label_smoothing",
            f"{FLAGS.method} does not smooth labels; supervised and fsr do",
        )
    if FLAGS.method != "fsr":
        for name in FSR:
            if FLAGS[name].present:
                _say_without_effect(name, "it belongs to --method=fsr")
    if FLAGS.decay_epochs is not None and not FLAGS.num_epochs:
        _say_without_effect("decay_epochs", "it is read with --max_epoch only")


def _say_without_effect(name, reason):
    trainer_flags.say(f"--{name} has no effect: {reason}")


def decay_steps(budget):
    """Returns --decay_steps, or --decay_epochs in steps, a list of integers.

    Args:
        budget: a `budget.Budget`.

    Raises:
        UserError: for anything else than a list of integers.
    """
    epoch = max(1, budget.num_examples // budget.batch_size)
    if FLAGS.decay_epochs is not None and FLAGS.num_epochs:
        return [count * epoch for count in _integers("decay_epochs")]
    if FLAGS.decay_steps == "epoch":
        return [epoch]
    return _integers("decay_steps", ", or the word epoch")


def _integers(name, otherwise=""):
    text = FLAGS[name].value
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise errors.UserError(
            f"--{name}={text}: give whole numbers, such as 500 or "
            f"40000,60000{otherwise}"
        ) from None
