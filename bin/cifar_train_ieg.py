#!/usr/bin/env python3
"""Trains a classifier by IEG or L2R, which need a few trusted images, or FSR.

    bin/cifar_train_ieg.py --dataset_name=digits --noise=symmetric:0.4
    bin/cifar_train_ieg.py --method=l2r --dataset=cifar10_uniform_0.4
    bin/cifar_train_ieg.py --method=fsr --dataset=cifar10_uniform_0.4
    bin/cifar_train_ieg.py --flagfile=flags/ieg/cifar10_0.4_rn29_100.flags

It writes the run folder --train_log_dir: flags.flags, metrics.jsonl,
results.json, checkpoints and TensorBoard events.
The flags are those of google-research/ieg's ieg/main.py, and more.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import pathlib

from absl import flags
from etils import epy

from tfnoisy import errors
from tfnoisy.catalogue import views
from tfnoisy.cli import command_line, flag_groups, ieg_flags, trainer_flags

with epy.lazy_imports():
    from tfnoisy.methods import baseline
    from tfnoisy.methods.look_ahead import fsr, ieg, l2r, look_ahead
    from tfnoisy.training import evaluate_run, restart_schedules

trainer_flags.define(
    dataset_name="cifar100",
    studentnet="wrn28-10",
    augment="ieg",
    max_number_of_steps=200000,
    ema_decay=0.999,
    batch_size=100,
    eval_batch_size=100,
    momentum=0.9,
    seed=12345,
)
for _theirs, _ours in {
    "network_name": "studentnet",
    "max_iteration": "max_number_of_steps",
    "max_epoch": "num_epochs",
    "eval_freq": "eval_every",
    "val_batch_size": "eval_batch_size",
    "dataset_dir": "data_dir",
    "distribution_strategy": "strategy",
}.items():
    flag_groups.alias(_theirs, _ours)
flags.FLAGS.set_default("eval_every", 500)
with flag_groups.group("Task"):
    flags.DEFINE_enum(
        "method",
        "ieg",
        ["ieg", "l2r", "supervised", "fsr"],
        "The method; supervised is plain training, fsr chooses the images that "
        "it trusts itself.",
    )
    flags.DEFINE_enum(
        "mode",
        "train",
        ["train", "evaluation"],
        "Train, or evaluate the last checkpoint of a run.",
    )
with flag_groups.group(flag_groups.DATA):
    flags.DEFINE_float(
        "probe_dataset_hold_ratio",
        0.02,
        "Share of the training set, 0 to 0.99, held out with its clean labels "
        "as trusted images, before noise is added.",
        lower_bound=0.0,
        upper_bound=0.99,
    )
    flags.DEFINE_string(
        "probe_dir",
        "",
        "A folder of your own trusted images instead, as CLASS/*.png or *.jpg.",
    )
    flags.DEFINE_string(
        "probe_csv",
        "",
        "A CSV file of path,given_label that names the trusted images instead.",
    )
    flags.DEFINE_string(
        "probe_split",
        "",
        "A split of the data set with clean labels that has the trusted images "
        "instead, such as probe_500 of webvision or val of clothing1m.",
    )
with flag_groups.group(flag_groups.METHOD):
    flags.DEFINE_string(
        "aug_type",
        "autoaug",
        "The strong view of IEG; default is the standard view once more.",
    )
    flag_groups.offer(
        "aug_type", lambda: ["default", *views.STRONG_VIEWS.forms()]
    )
    flags.DEFINE_float(
        "ce_factor",
        5.0,
        "IEG: weight of the cross-entropy of the mixed images whose labels are "
        "guessed.",
        0.0,
    )
    flags.DEFINE_float(
        "consistency_factor",
        20.0,
        "IEG: weight of the KL divergence between the two views' predictions.",
        0.0,
    )
    flags.DEFINE_float(
        "grad_eps_init",
        0.9,
        "IEG: share of the given label in a target before the look-ahead "
        "changes it, 0 to 1.",
        0.0,
        1.0,
    )
    flags.DEFINE_float(
        "meta_momentum",
        0.9,
        "IEG and FSR: momentum of the look-ahead step, 0 to 1.",
        0.0,
        1.0,
    )
    flags.DEFINE_float(
        "meta_stepsize",
        0.1,
        "IEG, L2R and FSR: learning rate of the look-ahead step.",
        0.0,
    )
    flags.DEFINE_enum(
        "meta_gradient",
        "forward",
        ["forward", "reverse"],
        "IEG, L2R and FSR: how the gradient by the example weights is "
        "computed. Both give the same; reverse is the original's and slower.",
    )
    flags.DEFINE_boolean(
        "label_path",
        True,
        "IEG: differentiate through the pseudo labels, too.",
    )
with flag_groups.group(flag_groups.TRAINING):
    flags.DEFINE_enum(
        "lr_schedule",
        "cosine",
        ["cosine", "custom_step", "cosine_warmup", "exponential", "cosine_one"],
        "The learning-rate schedule, unless --lr_drops is given; cosine "
        "restarts, cosine_one does not.",
    )
    flags.DEFINE_string(
        "decay_steps",
        "500",
        "Steps of the first cosine cycle, or the word epoch for the steps of "
        "one epoch, as in later revisions of the original; for custom_step the "
        "steps of its drops, such as 40000,60000.",
    )
    flags.DEFINE_float(
        "decay_rate",
        0.1,
        "custom_step: each drop multiplies the learning rate by this.",
        0.0,
    )
    flags.DEFINE_float(
        "cos_t_mul",
        1.5,
        "cosine: how many times longer each cycle is than the one before.",
        1.0,
    )
    flags.DEFINE_float(
        "cos_m_mul",
        0.9,
        "cosine: each cycle's first learning rate as a multiple of that of the "
        "cycle before.",
        0.0,
    )
    flags.DEFINE_float(
        "warmup_epochs",
        0.0,
        "cosine_warmup: epochs in which the learning rate rises.",
        0.0,
    )
with flag_groups.group(flag_groups.EVALUATION):
    flags.DEFINE_boolean(
        "use_ema",
        True,
        "Evaluate the moving average of the weights; off sets --ema_decay=0.",
    )
with flag_groups.group(flag_groups.OUTPUT):
    flags.DEFINE_string(
        "checkpoint_path",
        "",
        "A folder for run folders: the run is in DATASET[_pRATIO]/NETWORK "
        "below it, unless --train_log_dir names another place.",
    )
ieg_flags.define()

FLAGS = flags.FLAGS

# In place of the defaults, which are for 50,000 images and a GPU.
_SUITS_DIGITS = {
    "studentnet": "small_cnn",
    "max_number_of_steps": 1000,
    "learning_rate": 0.05,
    "lr_schedule": "cosine_one",
    # Ten trusted images a class.
    "probe_dataset_hold_ratio": 0.07,
    "eval_every": 250,
}
_FSR_SUITS_DIGITS = {"queue_capacity": 400, "queue_bs": 100}
# They need no trusted images.
_WITHOUT_PROBE = ("supervised", "fsr")


def settle():
    """Sets what follows from other flags, and from the data set.

    Raises:
        UserError: for a --dataset that is not known, or two of them.
    """
    ieg_flags.settle_data()
    if FLAGS.dataset_name == "digits":
        trainer_flags.suit(_SUITS_DIGITS)
        if FLAGS.method == "fsr":
            trainer_flags.suit(_FSR_SUITS_DIGITS)
    ieg_flags.settle_training()
    if not FLAGS.use_ema:
        FLAGS.ema_decay = 0.0
    if FLAGS.method != "ieg":
        FLAGS.aug_type = ""
    if FLAGS.probe_dir or FLAGS.probe_csv or FLAGS.probe_split:
        FLAGS.probe_dataset_hold_ratio = 0.0
    if FLAGS.method in _WITHOUT_PROBE:
        # None are held out but where supervised training is asked to.
        FLAGS.probe_split = ""
    if FLAGS.method == "fsr":
        FLAGS.probe_dir = FLAGS.probe_csv = ""
        FLAGS.probe_dataset_hold_ratio = 0.0
    if FLAGS.checkpoint_path and not FLAGS.train_log_dir:
        FLAGS.train_log_dir = str(run_folder_below(FLAGS.checkpoint_path))


def run_folder_below(root):
    """Returns the run folder that the original's --checkpoint_path implies."""
    name = FLAGS.dataset
    if FLAGS["dataset_name"].present:
        name = f"{FLAGS.dataset_name}_{FLAGS.noise.replace(':', '_')}"
    if FLAGS["probe_dataset_hold_ratio"].present:
        name += f"_p{FLAGS.probe_dataset_hold_ratio}"
    return pathlib.Path(root) / name / FLAGS.studentnet


def make_method(build, budget):
    """Returns the compiled method that the flags describe."""
    student = build()
    arguments = trainer_flags.method_arguments()
    arguments |= look_ahead.published_decay(student)
    if FLAGS.weight_decay is not None:
        arguments["weight_decay"] = FLAGS.weight_decay
        arguments["meta_weight_decay"] = FLAGS.weight_decay
    if FLAGS.method == "supervised":
        del arguments["meta_weight_decay"]
        method = baseline.Baseline(
            student,
            label_smoothing=FLAGS.label_smoothing,
            ema_before_update=True,
            **arguments,
        )
        return trainer_flags.compiled(method, learning_rate(budget))
    if FLAGS.jit_compile:
        look_ahead.check_xla(student)
    arguments |= {
        "num_ids": budget.num_ids,
        "meta_stepsize": FLAGS.meta_stepsize,
        "meta_gradient": FLAGS.meta_gradient,
    }
    if FLAGS.method == "l2r":
        method = l2r.L2R(student, **arguments)
    elif FLAGS.method == "fsr":
        method = fsr.FSR(
            student,
            meta_momentum=FLAGS.meta_momentum,
            label_smoothing=FLAGS.label_smoothing,
            queue_capacity=FLAGS.queue_capacity,
            queue_bs=FLAGS.queue_bs,
            queue_beta=FLAGS.queue_beta,
            use_mixup=FLAGS.use_mixup,
            use_pseudo_loss=FLAGS.use_pseudo_loss,
            meta_start_epoch=FLAGS.meta_start_epoch,
            meta_partial_level=FLAGS.meta_partial_level,
            clip_meta_weight=FLAGS.clip_meta_weight,
            moving_weight_gamma=FLAGS.moving_weight_gamma,
            meta_moving_end_epoch=FLAGS.meta_moving_end_epoch,
            **arguments,
        )
    else:
        method = ieg.IEG(
            student,
            meta_momentum=FLAGS.meta_momentum,
            ce_factor=FLAGS.ce_factor,
            consistency_factor=FLAGS.consistency_factor,
            grad_eps_init=FLAGS.grad_eps_init,
            label_path=FLAGS.label_path,
            **arguments,
        )
    return trainer_flags.compiled(method, learning_rate(budget))


def learning_rate(budget):
    """Returns the learning-rate schedule that the flags describe."""
    return trainer_flags.schedule(budget, lambda: _schedule(budget))


def _schedule(budget):
    rate, name = FLAGS.learning_rate, FLAGS.lr_schedule
    cycles = (FLAGS.cos_t_mul, FLAGS.cos_m_mul)
    steps = ieg_flags.decay_steps(budget)
    if name == "cosine":
        return restart_schedules.cosine(rate, steps[0], *cycles)
    if name == "cosine_warmup":
        epoch = budget.num_examples // budget.batch_size
        return restart_schedules.cosine_warmup(
            rate, round(FLAGS.warmup_epochs * epoch), steps[0], *cycles
        )
    if name == "custom_step":
        return restart_schedules.custom_step(rate, steps, FLAGS.decay_rate)
    if name == "exponential":
        return restart_schedules.exponential(rate, steps[0])
    return restart_schedules.cosine_one(rate, budget.num_steps)


def eval_steps(budget):
    """Returns step 1 and the ends of the cosine cycles.

    There the original evaluates, and its published numbers are read.
    """
    if FLAGS.lr_schedule != "cosine" or FLAGS.lr_drops:
        return [1]
    return [
        1,
        *restart_schedules.cycle_ends(
            ieg_flags.decay_steps(budget)[0], budget.num_steps, FLAGS.cos_t_mul
        ),
    ]


def evaluate():
    """Judges the last checkpoint of the run folder, as --mode=evaluation."""
    if not FLAGS.train_log_dir:
        raise errors.UserError(
            "--mode=evaluation judges a run: name it with --checkpoint_path, "
            "as it was trained, or with --train_log_dir"
        )
    evaluator = evaluate_run.RunEvaluator(
        FLAGS.train_log_dir, batch_size=FLAGS.eval_batch_size
    )
    (row,) = evaluator.once(step=FLAGS.restore_step)
    print(
        f"step {row['step']}: test accuracy {row['accuracy']:.4f}, top-5 "
        f"{row['top5']:.4f} ({row['weights']} weights)"
    )


def main(_):
    """Trains or evaluates."""
    settle()
    if FLAGS.mode == "evaluation":
        evaluate()
        return
    if FLAGS.method == "ieg" and not FLAGS.aug_type:
        raise errors.UserError(
            "--aug_type= names no strong view, which IEG needs; default is "
            "the standard view once more"
        )
    trusted = ("dataset_hold_ratio", "dir", "csv", "split")
    if FLAGS.method not in _WITHOUT_PROBE and not any(
        FLAGS[f"probe_{name}"].value for name in trusted
    ):
        raise errors.UserError(
            f"--method={FLAGS.method} needs trusted images: "
            "--probe_dataset_hold_ratio, --probe_dir, --probe_csv or "
            "--probe_split"
        )
    trainer_flags.train(FLAGS.method, make_method, eval_steps=eval_steps)


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
