"""The flags that all trainers share, and the experiment they describe.

Names, defaults and meanings are those of google-research/mentormix and
google/mentornet where they had the flag; the rest is ours and the same in
every trainer.
"""

import pathlib
import sys

from absl import flags
from etils import epy

from tfnoisy import choices, errors
from tfnoisy.cli import (
    command_line,
    flag_groups,
    presets,
    recorded_flags,
    shared_flags,
)

with epy.lazy_imports():
    from tfnoisy.runs import folder as run_folder
    from tfnoisy.training import (
        distribution,
        experiment,
        loss_scale,
        schedules,
    )

FLAGS = flags.FLAGS


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
        "pretrained",
        "overwrite",
        "cache_mib",
        "device_id",
        "mixed_precision",
        "jit_compile",
        "plugin",
        dataset_name=dataset_name,
        studentnet=studentnet,
        augment=augment,
        batch_size=batch_size,
        num_epochs=num_epochs,
        max_number_of_steps=max_number_of_steps,
        learning_rate=learning_rate,
        seed=seed,
    )
    with flag_groups.group(flag_groups.TRAINING):
        _define_optimisation(learning_rate_decay_factor, momentum, ema_decay)
    with flag_groups.group(flag_groups.OUTPUT):
        _define_output()
    with flag_groups.group(flag_groups.EVALUATION):
        _define_evaluation(eval_batch_size, holdout)
    with flag_groups.group(flag_groups.DEVICES):
        _define_devices()


def _define_optimisation(learning_rate_decay_factor, momentum, ema_decay):
    flags.DEFINE_list(
        "lr_drops",
        [],
        "When the learning rate drops: shares of the training such as "
        "0.5,0.75. They replace the schedule otherwise in use.",
    )
    flags.DEFINE_float(
        "learning_rate_decay_factor",
        learning_rate_decay_factor,
        "Each drop multiplies the learning rate by this.",
        lower_bound=0.0,
    )
    flags.DEFINE_float(
        "momentum",
        momentum,
        "Momentum of the optimiser, TensorFlow 1's form of SGD; if not given "
        "0.9, but 0 for the network inception.",
        lower_bound=0.0,
        upper_bound=0.999999,
    )
    flags.DEFINE_float(
        "weight_decay",
        None,
        "Factor of |weights|^2 / 2 in the loss; the network's published one "
        "if not given.",
        lower_bound=0.0,
    )
    flags.DEFINE_float(
        "ema_decay",
        ema_decay,
        "Decay per step of the moving average of the weights, by which the "
        "network is evaluated; 0 evaluates the weights themselves.",
        lower_bound=0.0,
        upper_bound=0.999999,
    )
    flags.DEFINE_enum(
        "on_nonfinite",
        "stop",
        choices.ON_NONFINITE,
        "At a loss or a weight that is not finite: stop ends the run and "
        "leaves the last good checkpoint, skip leaves out the update, counts "
        "it and goes on.",
    )


def define_run_folder():
    """Defines --train_log_dir."""
    flags.DEFINE_string(
        "train_log_dir",
        "",
        "The run folder, which holds all that the run writes; "
        "runs/DATASET-NOISE/METHOD-SEED if empty. A run that was stopped "
        "continues from its last checkpoint.",
    )


def _define_output():
    define_run_folder()
    flags.DEFINE_string(
        "auto_choice",
        "",
        "For the record: what bin/train.py --method=auto chose, and why. It "
        "sets this flag; it changes nothing.",
    )
    flags.DEFINE_integer(
        "save_interval_secs",
        1200,
        "Seconds between two checkpoints.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "save_summaries_secs",
        120,
        "Seconds between two scalars of the loss for TensorBoard.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "restore_step",
        0,
        "Continue from the checkpoint of this step; 0 is the last one.",
        lower_bound=0,
    )


def _define_evaluation(eval_batch_size, holdout):
    flags.DEFINE_integer(
        "eval_every",
        0,
        "Steps between two evaluations; 0 is twenty evaluations in all, or "
        "those after the epochs that the method names.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "eval_batch_size",
        eval_batch_size,
        "Images in one batch of an evaluation, on each replica.",
        lower_bound=1,
    )
    flags.DEFINE_float(
        "holdout",
        holdout,
        "Share of the noisy training data, 0 to 0.99, that is not trained on "
        "but selects the best checkpoint.",
        lower_bound=0.0,
        upper_bound=0.99,
    )


def _define_devices():
    flags.DEFINE_enum(
        "strategy",
        "auto",
        choices.STRATEGIES,
        "Which devices share a training step. auto: multi_worker where "
        "TF_CONFIG names several workers, mirrored where there are several "
        "GPUs, else one_device.",
    )
    flags.DEFINE_integer(
        "num_virtual_devices",
        0,
        "Split the CPU into this many devices, to try a strategy; 0 does not.",
        lower_bound=0,
        upper_bound=64,
    )
    flags.DEFINE_boolean(
        "sync_batch_norm",
        False,
        "Normalise by the mean and variance of all replicas' batches together, "
        "not of each one's own.",
    )
    flags.DEFINE_boolean(
        "deterministic",
        True,
        "Use deterministic kernels, so that a run that was stopped ends with "
        "the same bytes as one that was not.",
    )
    flags.DEFINE_integer(
        "steps_per_execution",
        1,
        "Training steps in one call of TensorFlow. The results are the same.",
        lower_bound=1,
    )
    flags.DEFINE_enum(
        "data_on_device",
        "auto",
        choices.DATA_ON_DEVICE,
        "Keep the pixels of the training images on the device and crop and "
        "flip them there. auto: on one GPU, for methods that see each image "
        "once, and up to 1 GiB of pixels. On a CPU the results are the same, "
        "bit for bit.",
    )


def schedule(budget, otherwise):
    """Returns the learning-rate schedule that the flags ask for.

    Args:
        budget: a `budget.Budget`.
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


def settle_length(digits):
    """Settles how long to train, and what digits have in place of defaults.

    Args:
        digits: {flag name: value}, `num_epochs` among them.
    """
    steps, epochs = (FLAGS[n] for n in ("max_number_of_steps", "num_epochs"))
    if FLAGS.dataset_name == "digits":
        values = dict(digits)
        if steps.present:
            del values["num_epochs"]
        suit(values)
    if steps.present and not epochs.present:
        # The default number of epochs must not win over what was asked for.
        FLAGS.num_epochs = 0.0


def say(line):
    """Prints a line on stderr; of several workers the first one does."""
    if distribution.read_cluster().is_chief:
        print(line, file=sys.stderr)


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
    if distribution.read_cluster().is_chief:
        command_line.warn_of_ignored_flags()
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
        "flags": recorded_flags.recorded(
            {
                *flag_groups.members(flag_groups.IGNORED),
                *flag_groups.aliases(),
            }
        ),
        "make_method": make_method,
    }
    for name in experiment.Experiment.__dataclass_fields__:
        if name in FLAGS:
            values.setdefault(name, FLAGS[name].value)
    values.setdefault("notes", tuple(presets.at_start(sys.argv[1:])))
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
    for line in presets.at_end(sys.argv[1:], test["accuracy"]):
        print(line)
    return results, run_folder.RunFolder(values["train_log_dir"])
