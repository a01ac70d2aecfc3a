"""The flags of google-research/mentormix and google/mentornet alone."""

from absl import flags
from etils import epy

from tfnoisy.cli import flag_groups, shared_flags, trainer_flags

with epy.lazy_imports():
    from tfnoisy.mentor import network as mentornet_net
    from tfnoisy.training import schedules

FLAGS = flags.FLAGS


def define(*, num_epochs_per_decay):
    """Defines what only google-research/mentormix and google/mentornet had."""
    shared_flags.define_ignored(
        "master", reason="TensorFlow 2 has no sessions and no masters"
    )
    shared_flags.define_ignored(
        "ps_tasks",
        kind=flags.DEFINE_integer,
        default=0,
        reason="there are no parameter servers; see --strategy",
    )
    shared_flags.define_ignored(
        "task",
        kind=flags.DEFINE_integer,
        default=0,
        reason="TF_CONFIG names the workers; see --strategy",
    )
    with flag_groups.group(flag_groups.TRAINING):
        flags.DEFINE_float(
            "num_epochs_per_decay",
            num_epochs_per_decay,
            "Epochs (passes over the training data) between two drops of the "
            "learning rate.",
            lower_bound=1e-6,
        )
        flags.DEFINE_enum(
            "lr_schedule",
            "original",
            ["original", "one_cycle"],
            "original: the learning rate drops as in the original trainer. "
            "one_cycle: it rises in a line for a fifth of the training and "
            "then falls to 0. --lr_drops replaces both.",
        )


def settle():
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


def schedule(budget, function):
    """Returns the schedule that the flags ask for.

    Args:
        budget: a `budget.Budget`.
        function: `schedules.exponential` or one like it, the original's.
    """

    def otherwise():
        if FLAGS.lr_schedule == "one_cycle":
            return schedules.one_cycle(FLAGS.learning_rate, budget.num_steps)
        return function(
            FLAGS.learning_rate,
            FLAGS.learning_rate_decay_factor,
            FLAGS.num_epochs_per_decay,
            budget.num_examples,
            budget.batch_size,
        )

    return trainer_flags.schedule(budget, otherwise)


def define_mentor(*, example_dropout_rates):
    """Defines the flags of the trainers that have a MentorNet."""
    with flag_groups.group(flag_groups.METHOD):
        flags.DEFINE_float(
            "loss_p_percentile",
            0.7,
            "The loss percentile p, 0 to 1, around which the MentorNet's "
            "curriculum lies; about the share of labels that are right.",
            lower_bound=0.0,
            upper_bound=1.0,
        )
        flags.DEFINE_enum(
            "mentornet",
            "checkpoint",
            ["checkpoint", "threshold"],
            "What weighs the examples: the network in --trained_mentornet_dir, "
            "or the analytic form of mentornet_pd, a threshold on the loss.",
        )
        flags.DEFINE_string(
            "trained_mentornet_dir",
            "",
            "A trained MentorNet: a TF1 checkpoint's prefix or folder, or the "
            "--train_dir of fit_mentor; our own mentornet_pd if empty.",
        )
        flags.DEFINE_integer(
            "burn_in_epoch",
            0,
            "Percent of the training in which all examples have weight 1 "
            "first.",
            lower_bound=0,
        )
        flags.DEFINE_list(
            "example_dropout_rates",
            example_dropout_rates,
            "Share of examples dropped at random, as rate,percent,...: each "
            "rate holds for so many percent of the training.",
        )
    shared_flags.define_ignored(
        "loss_p_precentile",
        reason="the original ignored its misspelling too; say "
        "--loss_p_percentile",
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
