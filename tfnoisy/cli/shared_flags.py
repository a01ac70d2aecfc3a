"""The flags that more than one script has: same flag, same words.

    shared_flags.define("data_dir", "labels_csv", dataset_name="digits")

Names, defaults and meanings are those of google-research/mentormix and
google/mentornet where they had the flag.
"""

import dataclasses
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from absl import flags

from tfnoisy import choices
from tfnoisy.catalogue import networks, noises, views
from tfnoisy.cli import flag_groups

# TensorFlow's stateless generators take 32 bits.
LARGEST_SEED = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class SharedFlag:
    """A flag as every script that has it shows it.

    Attributes:
        group: the group of the help that it is in.
        define: one of `flags.DEFINE_...`.
        default: what it is unless a script says otherwise.
        help: what it does, its unit, and what happens if it is not given.
        arguments: further arguments of `define`, e.g. bounds.
        names: lists the names that it takes.
    """

    group: str
    define: Callable
    default: Any
    help: str
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    names: Callable[[], Iterable[str]] | None = None


def define(
    *names: str,
    group: str | None = None,
    more: Mapping[str, str] = types.MappingProxyType({}),
    **defaults: Any,
) -> None:
    """Defines shared flags.

    Args:
        *names: flags with their usual default.
        group: the group to show them in, if not the usual one.
        more: {flag: a sentence that this script's help adds}.
        **defaults: flags with a default of the script's own.
    """
    unknown = {*names, *defaults} - set(FLAGS_BY_NAME)
    if unknown:
        raise KeyError(f"no shared flags {sorted(unknown)}")
    for name, flag in FLAGS_BY_NAME.items():
        if name not in names and name not in defaults:
            continue
        default = defaults.get(name, flag.default)
        with flag_groups.group(group or flag.group):
            flag.define(
                name=name,
                default=default,
                help=f"{flag.help} {more.get(name, '')}".strip(),
                **flag.arguments,
            )
        if flag.names is not None:
            flag_groups.offer(name, flag.names)


def define_ignored(
    *names: str, reason: str, kind: Callable = flags.DEFINE_string, default=None
) -> None:
    """Defines flags of the original code that have no effect here.

    Args:
        *names: the flags.
        reason: why, which a trainer says where one is given.
        kind: one of `flags.DEFINE_...`.
        default: the original's.
    """
    with flag_groups.group(flag_groups.IGNORED):
        for name in names:
            kind(name, default, reason)


def _at_least(lower, upper=None):
    return {"lower_bound": lower, "upper_bound": upper}


_DATA = {
    "dataset_name": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_string,
        "",
        "The data set: digits (comes with scikit-learn), folder (your own "
        "images, see --data_dir), clothing1m, webvision, webvision/google, "
        "webvision/full, or any image classification set of TensorFlow "
        "Datasets by its name there, such as cifar10, cifar100 or cifar10_n.",
    ),
    "data_dir": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_string,
        "",
        "The folder of the data: the images of folder, clothing1m and "
        "webvision; TFRecords in the original code's layout, as inject_noise "
        "writes them; or the folder of TensorFlow Datasets, which is "
        "~/tensorflow_datasets if this is empty.",
    ),
    "labels_csv": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_string,
        "",
        "With --dataset_name=folder: a CSV file of path,given_label and, where "
        "known, clean_label. If empty, an image's folder is its label.",
    ),
    "skip_broken": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_boolean,
        False,
        "Go on without image files that cannot be used (broken, truncated, "
        "empty, missing, of a class that training lacks), and without classes "
        "that have none or fewer than --min_class_images. A run folder lists "
        "them in skipped.csv.",
    ),
    "test_share": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_float,
        0.2,
        "With --dataset_name=folder and no test part: the share of the images "
        "that is held out for testing, chosen by their contents.",
        _at_least(0.0, 0.99),
    ),
    "corrections": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_string,
        "",
        "A corrections.csv: what people decided about labels, as the audit's "
        "page saves it. Labels are corrected and images removed before "
        "anything else is done.",
    ),
    "min_class_images": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_integer,
        1,
        "With --dataset_name=folder: the fewest training images that a class "
        "may have.",
        _at_least(0),
    ),
    "image_size": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_integer,
        0,
        "Height and width in pixels that images are resized to; 0 keeps their "
        "size.",
        _at_least(0, 4096),
    ),
    "cache_mib": SharedFlag(
        flag_groups.DEVICES,
        flags.DEFINE_integer,
        choices.CACHE_MIB,
        "A split whose pixels take more MiB than this is read from disk image "
        "by image, not held in memory. The results are the same.",
        _at_least(0),
    ),
    "train_split": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_string,
        "train",
        "The training examples: train, or a part of it such as train[:20%] or "
        "train[1000:2000].",
    ),
    "test_split": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_string,
        "test",
        "The test examples, written like --train_split; webvision has val and "
        "imagenet.",
    ),
    "split": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_string,
        "train",
        "Which examples: train, test, or a part such as train[:20%].",
    ),
}

_NOISE = {
    "noise": SharedFlag(
        flag_groups.NOISE,
        flags.DEFINE_string,
        "none",
        "Label noise to add to the training data, where R is the share of "
        "labels in 0..1 and SOURCE a label set of cifar10_n (aggre, worse, "
        "random1, random2, random3) or cifar100_n (noisy100) or, of openset, "
        "another data set.",
        names=noises.NOISE_KINDS.forms,
    ),
    "noise_seed": SharedFlag(
        flag_groups.NOISE,
        flags.DEFINE_integer,
        0,
        "Seed of the label noise.",
        _at_least(0, LARGEST_SEED),
    ),
    "noise_manifest": SharedFlag(
        flag_groups.NOISE,
        flags.DEFINE_string,
        "",
        "A noise_manifest.npz of an earlier run or of inject_noise, to use "
        "the same wrong labels again instead of --noise.",
    ),
}

_NETWORK = {
    "studentnet": SharedFlag(
        flag_groups.NETWORK,
        flags.DEFINE_string,
        None,
        "The network to train; of wrn-D-K there is any depth D = 6n + 4 and "
        "width K.",
        names=networks.NETWORKS.forms,
    ),
    "pretrained": SharedFlag(
        flag_groups.NETWORK,
        flags.DEFINE_string,
        None,
        "Initial weights of all but the last layer: a run folder, such as one "
        "of pretrain, or a .weights.h5 or .keras file, of the same network; of "
        "a keras_ network or efficientnet_lite0 also imagenet, or a file of "
        "the published weights. Random weights if not given.",
    ),
    "augment": SharedFlag(
        flag_groups.NETWORK,
        flags.DEFINE_string,
        "standard",
        "The augmented view of an image that the network is trained on.",
        names=views.WEAK_VIEWS.forms,
    ),
    "mixed_precision": SharedFlag(
        flag_groups.DEVICES,
        flags.DEFINE_enum,
        "none",
        "Number type that networks are trained in; none is float32. Losses, "
        "meta gradients, moving averages and evaluation stay in float32.",
        {"enum_values": choices.PRECISIONS},
    ),
}

_TRAINING = {
    "batch_size": SharedFlag(
        flag_groups.TRAINING,
        flags.DEFINE_integer,
        128,
        "Examples in one training step, on each replica.",
        _at_least(1),
    ),
    "num_epochs": SharedFlag(
        flag_groups.TRAINING,
        flags.DEFINE_float,
        0.0,
        "Length of the training in epochs (passes over the training data).",
        _at_least(0.0, 1e6),
    ),
    "max_number_of_steps": SharedFlag(
        flag_groups.TRAINING,
        flags.DEFINE_integer,
        0,
        "Length of the training in steps, unless --num_epochs is above 0.",
        _at_least(0),
    ),
    "learning_rate": SharedFlag(
        flag_groups.TRAINING,
        flags.DEFINE_float,
        0.1,
        "Learning rate at the first step.",
        _at_least(0.0),
    ),
    "seed": SharedFlag(
        flag_groups.TRAINING,
        flags.DEFINE_integer,
        0,
        "Seed of everything random but the label noise.",
        _at_least(0, LARGEST_SEED),
    ),
}

_OUTPUT = {
    "output_dir": SharedFlag(
        flag_groups.OUTPUT,
        flags.DEFINE_string,
        "",
        "The folder to write to.",
    ),
    "overwrite": SharedFlag(
        flag_groups.OUTPUT,
        flags.DEFINE_boolean,
        False,
        "Replace what an earlier, finished command has written there.",
    ),
    "run_dir": SharedFlag(
        flag_groups.DATA,
        flags.DEFINE_string,
        "",
        "The run folder of a training, its --train_log_dir.",
    ),
}

_DEVICES = {
    "device_id": SharedFlag(
        flag_groups.DEVICES,
        flags.DEFINE_string,
        "0",
        "If given, use only the GPU of this number.",
    ),
    "jit_compile": SharedFlag(
        flag_groups.DEVICES,
        flags.DEFINE_boolean,
        False,
        "Let XLA compile the training step.",
    ),
}

_PLUGINS = {
    "plugin": SharedFlag(
        flag_groups.PLUGINS,
        flags.DEFINE_multi_string,
        [],
        "A Python module, or the path of a .py file, that registers methods, "
        "networks, noise kinds, data sets or views of your own; several of "
        "them separated by commas. A run folder records it.",
    ),
}

# In the order in which the help shows them.
FLAGS_BY_NAME = {
    **_DATA,
    **_NOISE,
    **_NETWORK,
    **_TRAINING,
    **_OUTPUT,
    **_DEVICES,
    **_PLUGINS,
}
