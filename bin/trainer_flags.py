"""The flags that all trainers share, and the experiment they describe.

Names, defaults and meanings are those of google-research/mentormix and
google/mentornet where they had the flag; the rest is ours and the same in
every trainer.
"""

import pathlib
import sys

from absl import flags

from tfnoisy import errors
from tfnoisy.augment import standard
from tfnoisy.datasets import streamed, tfds_source
from tfnoisy.nets import mentornet as mentornet_net
from tfnoisy.nets import pair, precision
from tfnoisy.training import (
    distribution,
    experiment,
    loss_scale,
    run_folder,
    schedules,
)

FLAGS = flags.FLAGS

# Flags of the original that TensorFlow 2 has no use for.
_WITHOUT_EFFECT = {
    "post_batch_mode_autoaug": "the original did not read it either",
    "tpu": "see --strategy",
    "xm_exp_id": "it named an experiment in its authors' system",
    "master": "TensorFlow 2 has no sessions and no masters",
    "ps_tasks": "there are no parameter servers; see --strategy",
    "task": "TF_CONFIG names the workers; see --strategy",
    "loss_p_precentile": "the original ignored its misspelling too; say "
    "--loss_p_percentile",
}

# Recorded as absolute paths: a run may be looked at from anywhere.
_PATHS = (
    "data_dir",
    "labels_csv",
    "noise_manifest",
    "pretrained",
    "probe_csv",
    "probe_dir",
    "trained_mentornet_dir",
    "train_log_dir",
)

# TensorFlow's stateless generators take 32 bits.
_LARGEST_SEED = 2**31 - 1

_aliases = set()

# Not recorded at their defaults: a run from before they were there goes on.
_SINCE = ("jit_compile", "mixed_precision", "steps_per_execution")

# Flags of this start of the run, not of the run.
_NOT_RECORDED = {
    *_WITHOUT_EFFECT,
    "checkpoint_path",
    "dataset",
    "device_id",
    "mode",
    "overwrite",
    "restore_step",
    "use_ema",
}


def define(
    *,
    dataset_name,
    studentnet,
    augment,
    max_number_of_steps,
    ema_decay,
    learning_rate_decay_factor=0.1,
    batch_size=128,
    eval_batch_size=250,
    momentum=None,
    seed=0,
    learning_rate=0.1,
    num_epochs=0.0,
    holdout=0.0,
):
    """Defines the flags; arguments are the trainer's own defaults."""
    flags.DEFINE_integer(
        "batch_size",
        batch_size,
        "Examples per step and replica.",
        lower_bound=1,
    )
    flags.DEFINE_string(
        "data_dir",
        "",
        "TFRecords in the original's layout, or the images of "
        "--dataset_name=folder, clothing1m or webvision; TFDS if empty.",
    )
    flags.DEFINE_string("train_log_dir", "", "The run folder.")
    flags.DEFINE_string(
        "dataset_name",
        dataset_name,
        "digits, folder, clothing1m, webvision[/google|/full], cifar10, "
        "cifar100, or any other TFDS data set.",
    )
    flags.DEFINE_string("studentnet", studentnet, "The network to train.")
    flags.DEFINE_string(
        "pretrained",
        None,
        "Weights to begin with, for a keras_ network: imagenet, or a file "
        "without the last layer's.",
    )
    flags.DEFINE_float(
        "learning_rate",
        learning_rate,
        "The first learning rate.",
        lower_bound=0.0,
    )
    flags.DEFINE_float(
        "learning_rate_decay_factor",
        learning_rate_decay_factor,
        "What each drop multiplies the learning rate by.",
        lower_bound=0.0,
    )
    flags.DEFINE_integer(
        "save_summaries_secs",
        120,
        "Seconds between TensorBoard scalars.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "save_interval_secs",
        1200,
        "Seconds between checkpoints.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "max_number_of_steps",
        max_number_of_steps,
        "Training steps.",
        lower_bound=0,
    )
    flags.DEFINE_string("device_id", "0", "If given, use only this GPU.")

    flags.DEFINE_list(
        "lr_drops",
        [],
        "Fractions of the training, such as 0.5,0.75, at which the learning "
        "rate drops; in place of the schedule otherwise in use.",
    )
    flags.DEFINE_float(
        "momentum",
        momentum,
        "Of TF1's momentum optimiser; 0.9, but 0 for inception.",
        lower_bound=0.0,
        upper_bound=0.999999,
    )
    flags.DEFINE_float(
        "weight_decay",
        None,
        "Factor of |weights|^2/2 in the loss; the network's own if unset.",
        lower_bound=0.0,
    )
    flags.DEFINE_float(
        "ema_decay",
        ema_decay,
        "Of the weights' moving average that is evaluated; 0 for none.",
        lower_bound=0.0,
        upper_bound=0.999999,
    )
    flags.DEFINE_string("labels_csv", "", "CSV of path,given_label[,clean].")
    flags.DEFINE_integer(
        "image_size", 0, "Resize to this side; 0: as is.", lower_bound=0
    )
    flags.DEFINE_integer(
        "cache_mib",
        streamed.CACHE_MIB,
        "A split whose pixels take more MiB than this is read image by image "
        "as it is needed, and not held in memory; the result is the same.",
        lower_bound=0,
    )
    flags.DEFINE_string("train_split", "train", "E.g. 'train[:20%]'.")
    flags.DEFINE_string(
        "test_split",
        "test",
        "Likewise, for judging; webvision has val and imagenet.",
    )
    flags.DEFINE_string(
        "noise",
        "none",
        "symmetric:R, symmetric_exclusive:R, asymmetric:R, pairflip:R, "
        "instance:R, openset:R, human:SET, dividemix_sym:R or none.",
    )
    flags.DEFINE_integer(
        "noise_seed", 0, "Seed of the noise.", 0, _LARGEST_SEED
    )
    flags.DEFINE_string(
        "noise_manifest", "", "A noise_manifest.npz to use again."
    )
    flags.DEFINE_float(
        "holdout",
        holdout,
        "Share of the noisy data kept for selection.",
        lower_bound=0.0,
        upper_bound=0.99,
    )
    flags.DEFINE_string(
        "augment",
        augment,
        f"The view to train on: {', '.join(standard.names())}.",
    )
    flags.DEFINE_integer(
        "seed", seed, "Of everything but the noise.", 0, _LARGEST_SEED
    )
    flags.DEFINE_float(
        "num_epochs",
        num_epochs,
        "In place of --max_number_of_steps if positive.",
        lower_bound=0.0,
    )
    flags.DEFINE_integer(
        "eval_every",
        0,
        "Steps between evaluations; 0: twenty in all, or after the epochs that "
        "the method says.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "eval_batch_size",
        eval_batch_size,
        "Images per evaluation batch and replica.",
        lower_bound=1,
    )
    flags.DEFINE_integer(
        "restore_step",
        0,
        "Go on from the checkpoint of this step; 0: the last one.",
        lower_bound=0,
    )
    flags.DEFINE_boolean("overwrite", False, "Begin anew in a used folder.")
    flags.DEFINE_enum(
        "strategy",
        "auto",
        distribution.STRATEGIES,
        "Devices to use: auto is multi_worker where TF_CONFIG names several "
        "workers, mirrored where there are several GPUs.",
    )
    flags.DEFINE_integer(
        "num_virtual_devices",
        0,
        "Split the CPU, to try a strategy.",
        lower_bound=0,
    )
    flags.DEFINE_boolean(
        "sync_batch_norm",
        False,
        "Batch normalisation by the moments of all replicas' batches together.",
    )
    flags.DEFINE_boolean(
        "deterministic", True, "Deterministic kernels, for exact resumption."
    )
    flags.DEFINE_enum(
        "mixed_precision",
        "none",
        precision.NAMES,
        "What networks are trained in; losses, meta gradients, averages and "
        "evaluation are in float32.",
    )
    flags.DEFINE_boolean(
        "jit_compile", False, "Let XLA compile the training step."
    )
    flags.DEFINE_integer(
        "steps_per_execution",
        1,
        "Training steps in one call of TensorFlow; the results are the same.",
        lower_bound=1,
    )


def define_original(*, num_epochs_per_decay):
    """Defines what only google-research/mentormix and google/mentornet had."""
    flags.DEFINE_string("master", None, "Accepted, without effect.")
    flags.DEFINE_integer("ps_tasks", 0, "Accepted, without effect.")
    flags.DEFINE_integer("task", 0, "Accepted, without effect.")
    flags.DEFINE_float(
        "num_epochs_per_decay",
        num_epochs_per_decay,
        "Passes over the data between two drops of the learning rate.",
        lower_bound=1e-6,
    )


def define_pair():
    """Defines what the trainers of two networks share."""
    flags.DEFINE_integer(
        "lr_drop_epoch",
        150,
        "The first epoch of the lower learning rate, unless --lr_drops.",
        lower_bound=0,
    )


def settle_pair(views):
    """Sets what the trainers of two networks derive from the data set.

    Args:
        views: `dividemix` or `bkd`, whose views a data set is trained with if
            the original had any for it.
    """
    name = tfds_source.base_name(FLAGS.dataset_name)
    augment = f"{views}_{'cifar10' if name == 'cifar10_n' else name}"
    if augment not in standard.names():
        augment = "standard"
    suit({"augment": augment, "weight_decay": 5e-4})


def pair_arguments(build, budget, num_epochs):
    """Returns the arguments that both methods of two networks have.

    Args:
        build: k -> the k-th network.
        budget: an `experiment.Budget`.
        num_epochs: the epochs of the whole training.
    """
    drops = [FLAGS.lr_drop_epoch]
    if FLAGS.lr_drops:
        drops = schedules.drop_points(_lr_drops(), num_epochs)
    return {
        "student": pair.Pair(build(0), build(1)),
        "num_ids": budget.num_ids,
        "lr": FLAGS.learning_rate,
        "lr_drop_epochs": drops,
        "lr_drop_factor": FLAGS.learning_rate_decay_factor,
        **method_arguments(),
    }


def define_alias(name, original):
    """Gives a flag the name that another code base has for it.

    Both are one flag; a run records it under our name.
    """
    flags.DEFINE_alias(name, original)
    _aliases.add(name)


def define_mentor(*, example_dropout_rates):
    """Defines the flags of the trainers that have a MentorNet."""
    flags.DEFINE_string(
        "trained_mentornet_dir",
        "",
        "A MentorNet: TF1 checkpoint prefix or folder, or our own; the "
        "shipped mentornet_pd if empty.",
    )
    flags.DEFINE_enum(
        "mentornet",
        "checkpoint",
        ["checkpoint", "threshold"],
        "threshold: the analytic form of mentornet_pd.",
    )
    flags.DEFINE_list(
        "example_dropout_rates",
        example_dropout_rates,
        "'rate, count, rate, count, ...', counts in percent of training.",
    )
    flags.DEFINE_integer(
        "burn_in_epoch",
        0,
        "In percent of training; all weights 1 before.",
        lower_bound=0,
    )
    flags.DEFINE_float(
        "loss_p_percentile",
        0.7,
        "The loss percentile of the curriculum.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    flags.DEFINE_string(
        "loss_p_precentile",
        None,
        "Accepted as the original did, without effect: its own scripts "
        "misspell --loss_p_percentile so.",
    )


def mentor():
    """Returns the MentorNet that the flags name.

    Raises:
        UserError: if there is none.
    """
    if FLAGS.mentornet == "threshold":
        return mentornet_net.analytic_pd
    if FLAGS.trained_mentornet_dir:
        return mentornet_net.load(FLAGS.trained_mentornet_dir)
    return mentornet_net.default()


def original_schedule(budget, function):
    """Returns the schedule of the original trainers, unless --lr_drops.

    Args:
        budget: an `experiment.Budget`.
        function: `schedules.exponential` or one like it.
    """
    return schedule(
        budget,
        lambda: function(
            FLAGS.learning_rate,
            FLAGS.learning_rate_decay_factor,
            FLAGS.num_epochs_per_decay,
            budget.num_examples,
            budget.batch_size,
        ),
    )


def schedule(budget, otherwise):
    """Returns the learning-rate schedule that the flags ask for.

    Args:
        budget: an `experiment.Budget`.
        otherwise: makes the schedule without --lr_drops.
    """
    if not FLAGS.lr_drops:
        return otherwise()
    return schedules.drops(
        FLAGS.learning_rate,
        FLAGS.learning_rate_decay_factor,
        _lr_drops(),
        budget.num_steps,
    )


def _lr_drops():
    """Returns --lr_drops as numbers.

    Raises:
        UserError: if one is no number.
    """
    try:
        return [float(word) for word in FLAGS.lr_drops]
    except ValueError:
        raise errors.UserError(
            f"--lr_drops={','.join(FLAGS.lr_drops)}: fractions of the training "
            "such as 0.5,0.75"
        ) from None


def settle_original():
    """Sets what the original trainers derived from the network.

    The original trained inception without momentum and decay, and
    google/mentornet padded by 8 pixels where it did so.
    """
    inception = FLAGS.studentnet == "inception"
    if FLAGS.momentum is None:
        FLAGS.momentum = 0.0 if inception else 0.9
    if FLAGS.weight_decay is None:
        FLAGS.weight_decay = 0.0 if inception else 0.0002
    if inception and FLAGS.augment == "mentornet":
        FLAGS.augment = "mentornet_inception"


def suit(values):
    """Sets flags that were not given on the command line.

    Args:
        values: {flag name: value}.
    """
    for name, value in values.items():
        if not FLAGS[name].present:
            FLAGS[name].value = value


def method_arguments():
    """Returns the arguments that all methods have, by the flags."""
    return {
        "weight_decay": FLAGS.weight_decay,
        "ema_decay": FLAGS.ema_decay,
        "seed": FLAGS.seed,
    }


def compiled(method, learning_rate):
    """Returns the method with its optimiser.

    Args:
        method: a `methods.base.Method`.
        learning_rate: a float or a schedule.
    """
    momentum = loss_scale.momentum_for(FLAGS.mixed_precision)
    method.compile(momentum(learning_rate, FLAGS.momentum))
    return method


def train(method, make_method, **values):
    """Runs the experiment that the flags describe and prints its end.

    Args:
        method: the method's name.
        make_method: as in `experiment.Experiment`.
        **values: further fields of `experiment.Experiment`.

    Returns:
        The contents of results.json, and the run's `run_folder.RunFolder`;
        None for both on a worker that is not the chief.
    """
    talks = distribution.read_cluster().is_chief
    for name, reason in _WITHOUT_EFFECT.items():
        if talks and name in FLAGS and FLAGS[name].present:
            print(f"--{name} has no effect: {reason}", file=sys.stderr)
    if FLAGS["device_id"].present:
        distribution.use_gpu(FLAGS.device_id)
    values = {
        "train_log_dir": FLAGS.train_log_dir
        or experiment.default_folder(
            method, FLAGS.dataset_name, FLAGS.noise, FLAGS.seed
        ),
        **values,
        "method": method,
        "command": pathlib.Path(sys.argv[0]).name,
        "flags": _recorded(),
        "make_method": make_method,
    }
    for name in experiment.Experiment.__dataclass_fields__:
        if name in FLAGS:
            values.setdefault(name, FLAGS[name].value)
    results = experiment.run(experiment.Experiment(**values))
    if results is None:
        # The chief tells.
        return None, None
    test = results["test"]
    print(
        f"{method}: test accuracy {test['accuracy']:.4f} at step "
        f"{results['steps']} ({test['weights']} weights; best on test "
        f"{results['best_test_accuracy']:.4f}), in {values['train_log_dir']}"
    )
    return results, run_folder.RunFolder(values["train_log_dir"])


def _recorded():
    """Returns {name: text} of this script's flags, for the run folder."""
    recorded = {}
    for module, defined in FLAGS.flags_by_module_dict().items():
        if module == sys.argv[0] or module.startswith("tfnoisy.bin"):
            for flag in defined:
                if flag.name in _aliases | _NOT_RECORDED:
                    continue
                if flag.name in _SINCE and flag.value == flag.default:
                    continue
                if flag.value is not None:
                    recorded[flag.name] = _text(flag.value)
    # Either a path or this word.
    paths = set(_PATHS)
    if recorded.get("pretrained") == "imagenet":
        paths.remove("pretrained")
    for name in paths:
        if recorded.get(name):
            path = pathlib.Path(recorded[name]).expanduser()
            recorded[name] = str(path.absolute())
    return dict(sorted(recorded.items()))


def _text(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(str(word).strip() for word in value)
    return str(value)
