"""The flags that the trainers of two networks share."""

from absl import flags
from etils import epy

from tfnoisy.cli import flag_groups, trainer_flags

with epy.lazy_imports():
    from tfnoisy.augment import standard
    from tfnoisy.datasets.sources import tfds_images
    from tfnoisy.nets import pair
    from tfnoisy.training import schedules

FLAGS = flags.FLAGS


def define():
    """Defines what the trainers of two networks share."""
    with flag_groups.group(flag_groups.TRAINING):
        flags.DEFINE_integer(
            "lr_drop_epoch",
            150,
            "The first epoch with the lower learning rate, unless --lr_drops "
            "is given.",
            lower_bound=0,
        )


def settle(views):
    """Sets what the trainers of two networks derive from the data set.

    Args:
        views: `dividemix` or `bkd`, whose views a data set is trained with if
            the original had any for it.
    """
    name = tfds_images.base_name(FLAGS.dataset_name)
    # CIFAR-10N and CIFAR-100N have CIFAR's images.
    augment = f"{views}_{name.removesuffix('_n')}"
    if augment not in standard.names():
        augment = "standard"
    trainer_flags.suit({"augment": augment, "weight_decay": 5e-4})


def arguments(build, budget, num_epochs):
    """Returns the arguments that both methods of two networks have.

    Args:
        build: k -> the k-th network.
        budget: a `budget.Budget`.
        num_epochs: the epochs of the whole training.
    """
    drops = [FLAGS.lr_drop_epoch]
    if FLAGS.lr_drops:
        drops = schedules.drop_points(trainer_flags.lr_drops(), num_epochs)
    return {
        "student": pair.Pair(build(0), build(1)),
        "num_ids": budget.num_ids,
        "lr": FLAGS.learning_rate,
        "lr_drop_epochs": drops,
        "lr_drop_factor": FLAGS.learning_rate_decay_factor,
        **trainer_flags.method_arguments(),
    }
