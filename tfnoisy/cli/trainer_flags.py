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
from tfnoisy.cli import recorded_flags
from tfnoisy.datasets.images import streamed
from tfnoisy.nets import precision
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import distribution, experiment, loss_scale, schedules

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

# TensorFlow's stateless generators take 32 bits.
_LARGEST_SEED = 2**31 - 1

_aliases = set()


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


def define_alias(name, original):
    """Gives a flag the name that another code base has for it.

    Both are one flag; a run records it under our name.
    """
    flags.DEFINE_alias(name, original)
    _aliases.add(name)


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
        lr_drops(),
        budget.num_steps,
    )


def lr_drops():
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
        "flags": recorded_flags.recorded({*_WITHOUT_EFFECT, *_aliases}),
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
