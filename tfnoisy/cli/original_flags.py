"""The flags of google-research/mentormix and google/mentornet alone."""

from absl import flags

from tfnoisy.cli import trainer_flags
from tfnoisy.mentor import network as mentornet_net

FLAGS = flags.FLAGS


def define(*, num_epochs_per_decay):
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
    """Returns the schedule of the original trainers, unless --lr_drops.

    Args:
        budget: an `experiment.Budget`.
        function: `schedules.exponential` or one like it.
    """
    return trainer_flags.schedule(
        budget,
        lambda: function(
            FLAGS.learning_rate,
            FLAGS.learning_rate_decay_factor,
            FLAGS.num_epochs_per_decay,
            budget.num_examples,
            budget.batch_size,
        ),
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
