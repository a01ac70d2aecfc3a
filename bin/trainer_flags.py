"""The flags that all trainers share, and the experiment they describe.

Names, defaults and meanings are those of google-research/mentormix and
google/mentornet where they had the flag; the rest is ours and the same in
every trainer.
"""

import pathlib
import sys

from absl import flags

from tfnoisy import errors
from tfnoisy.nets import mentornet as mentornet_net
from tfnoisy.training import distribution, experiment, schedules

FLAGS = flags.FLAGS

# Flags of the original that TensorFlow 2 has no use for.
_WITHOUT_EFFECT = {
    "master": "TensorFlow 2 has no sessions and no masters",
    "ps_tasks": "there are no parameter servers; see --strategy",
    "task": "there are no worker tasks; see --strategy",
    "loss_p_precentile": "the original ignored its misspelling too; say "
    "--loss_p_percentile",
}

# Recorded as absolute paths: a run may be looked at from anywhere.
_PATHS = (
    "data_dir",
    "labels_csv",
    "noise_manifest",
    "trained_mentornet_dir",
    "train_log_dir",
)

# TensorFlow's stateless generators take 32 bits.
_LARGEST_SEED = 2**31 - 1

# Flags of this start of the run, not of the run.
_NOT_RECORDED = {*_WITHOUT_EFFECT, "device_id", "overwrite"}


def define(
    *,
    dataset_name,
    studentnet,
    augment,
    learning_rate_decay_factor,
    num_epochs_per_decay,
    max_number_of_steps,
    ema_decay,
):
    """Defines the flags; arguments are the trainer's own defaults."""
    flags.DEFINE_integer(
        "batch_size", 128, "Examples per step and replica.", lower_bound=1
    )
    flags.DEFINE_string("master", None, "Accepted, without effect.")
    flags.DEFINE_string(
        "data_dir",
        "",
        "TFRecords in the original's layout, or the images of "
        "--dataset_name=folder; TFDS if empty.",
    )
    flags.DEFINE_string("train_log_dir", "", "The run folder.")
    flags.DEFINE_string(
        "dataset_name",
        dataset_name,
        "digits, folder, cifar10, cifar100, or any other TFDS data set.",
    )
    flags.DEFINE_string("studentnet", studentnet, "The network to train.")
    flags.DEFINE_float(
        "learning_rate", 0.1, "The first learning rate.", lower_bound=0.0
    )
    flags.DEFINE_float(
        "learning_rate_decay_factor",
        learning_rate_decay_factor,
        "What each drop multiplies the learning rate by.",
        lower_bound=0.0,
    )
    flags.DEFINE_float(
        "num_epochs_per_decay",
        num_epochs_per_decay,
        "Passes over the data between two drops.",
        lower_bound=1e-6,
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
    flags.DEFINE_integer("ps_tasks", 0, "Accepted, without effect.")
    flags.DEFINE_integer("task", 0, "Accepted, without effect.")
    flags.DEFINE_string("device_id", "0", "If given, use only this GPU.")

    flags.DEFINE_list(
        "lr_drops",
        [],
        "Fractions of the training, such as 0.5,0.75, at which the learning "
        "rate drops; in place of --num_epochs_per_decay.",
    )
    flags.DEFINE_float(
        "momentum",
        None,
        "0.9, but 0 for inception.",
        lower_bound=0.0,
        upper_bound=0.999999,
    )
    flags.DEFINE_float(
        "weight_decay",
        None,
        "Factor of |kernels|^2/2; 2e-4, inception 0.",
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
    flags.DEFINE_string("train_split", "train", "E.g. 'train[:20%]'.")
    flags.DEFINE_string("test_split", "test", "Likewise, for judging.")
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
        0.0,
        "Share of the noisy data kept for selection.",
        lower_bound=0.0,
        upper_bound=0.99,
    )
    flags.DEFINE_string(
        "augment",
        augment,
        "standard, mentormix, mentornet, mentornet_inception or none.",
    )
    flags.DEFINE_integer(
        "seed", 0, "Of everything but the noise.", 0, _LARGEST_SEED
    )
    flags.DEFINE_float(
        "num_epochs",
        0.0,
        "In place of --max_number_of_steps if positive.",
        lower_bound=0.0,
    )
    flags.DEFINE_integer(
        "eval_every",
        0,
        "Steps between evaluations; 0: twenty in all.",
        lower_bound=0,
    )
    flags.DEFINE_boolean("overwrite", False, "Begin anew in a used folder.")
    flags.DEFINE_enum(
        "strategy", "auto", distribution.STRATEGIES, "Devices to use."
    )
    flags.DEFINE_integer(
        "num_virtual_devices",
        0,
        "Split the CPU, to try a strategy.",
        lower_bound=0,
    )
    flags.DEFINE_boolean(
        "deterministic", True, "Deterministic kernels, for exact resumption."
    )


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


def schedule(budget, otherwise):
    """Returns the learning-rate schedule that the flags ask for.

    Args:
        budget: an `experiment.Budget`.
        otherwise: the schedule without --lr_drops, a function as
            `schedules.exponential`.
    """
    if not FLAGS.lr_drops:
        return otherwise(
            FLAGS.learning_rate,
            FLAGS.learning_rate_decay_factor,
            FLAGS.num_epochs_per_decay,
            budget.num_examples,
            budget.batch_size,
        )
    try:
        fractions = [float(word) for word in FLAGS.lr_drops]
    except ValueError:
        raise errors.UserError(
            f"--lr_drops={','.join(FLAGS.lr_drops)}: fractions of the training "
            "such as 0.5,0.75"
        ) from None
    return schedules.drops(
        FLAGS.learning_rate,
        FLAGS.learning_rate_decay_factor,
        fractions,
        budget.num_steps,
    )


def momentum():
    """Returns the momentum; the original trained inception without."""
    if FLAGS.momentum is None:
        return 0.0 if FLAGS.studentnet == "inception" else 0.9
    return FLAGS.momentum


def weight_decay():
    """Returns the factor of the L2 term; inception had none."""
    if FLAGS.weight_decay is None:
        return 0.0 if FLAGS.studentnet == "inception" else 0.0002
    return FLAGS.weight_decay


def train(method, make_method):
    """Runs the experiment that the flags describe and prints its end.

    Args:
        method: the method's name.
        make_method: (student, `experiment.Budget`) -> compiled method.
    """
    for name, reason in _WITHOUT_EFFECT.items():
        if name in FLAGS and FLAGS[name].present:
            print(f"--{name} has no effect: {reason}", file=sys.stderr)
    if FLAGS["device_id"].present:
        distribution.use_gpu(FLAGS.device_id)
    # google/mentornet padded by 8 pixels where it trained its Inception.
    if FLAGS.studentnet == "inception" and FLAGS.augment == "mentornet":
        FLAGS.augment = "mentornet_inception"
    # What they stand for, so that saying it changes nothing.
    FLAGS.momentum, FLAGS.weight_decay = momentum(), weight_decay()
    fields = experiment.Experiment.__dataclass_fields__
    values = {name: FLAGS[name].value for name in fields if name in FLAGS}
    values["train_log_dir"] = FLAGS.train_log_dir or experiment.default_folder(
        method, FLAGS.dataset_name, FLAGS.noise, FLAGS.seed
    )
    results = experiment.run(
        experiment.Experiment(
            method=method,
            command=pathlib.Path(sys.argv[0]).name,
            flags=_recorded(),
            make_method=make_method,
            **values,
        )
    )
    test = results["test"]
    print(
        f"{method}: test accuracy {test['accuracy']:.4f} at step "
        f"{results['steps']} ({test['weights']} weights; best on test "
        f"{results['best_test_accuracy']:.4f}), in {values['train_log_dir']}"
    )


def _recorded():
    """Returns {name: text} of this script's flags, for the run folder."""
    recorded = {}
    for module, defined in FLAGS.flags_by_module_dict().items():
        if module == sys.argv[0] or module.startswith("tfnoisy.bin"):
            for flag in defined:
                if flag.value is not None and flag.name not in _NOT_RECORDED:
                    recorded[flag.name] = _text(flag.value)
    for name in _PATHS:
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
