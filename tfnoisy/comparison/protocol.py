"""The protocol of a comparison, and how each method is trained under it.

All methods have the same data, wrong labels, network and view of the images,
and pass over the training data equally often.  Batch size and learning rate
are each method's own, and learning rates drop at a share of the epochs that
there are.
"""

import dataclasses
import shlex
from collections.abc import Callable

from tfnoisy import errors
from tfnoisy.noise import spec as noise_spec

# The 1,000 steps of flags/quickstart.flags, in whole epochs: a plain network
# has memorised a good part of the wrong labels by then.
_DIGITS_EPOCHS = 90

# What a comparison settles for all its runs, by all the names it goes by.
_SETTLED = (
    "checkpoint_path",
    "dataset",
    "dataset_name",
    "max_epoch",
    "max_iteration",
    "max_number_of_steps",
    "method",
    "mode",
    "n_epoch",
    "noise",
    "noise_mode",
    "noise_seed",
    "noise_type",
    "num_epochs",
    "overwrite",
    "r",
    "seed",
    "train_log_dir",
)


@dataclasses.dataclass(frozen=True)
class Protocol:
    """What the runs of a comparison have in common.

    Attributes:
        dataset_name: as for the trainers.
        noise: as for the trainers, see `noise.spec`.
        num_epochs: E, passes over the training data.
        flags: words of the command line that every method gets.
        method_flags: {method: words} that only this method gets.
    """

    dataset_name: str
    noise: str
    num_epochs: int
    flags: tuple[str, ...] = ()
    method_flags: dict[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict
    )

    @property
    def is_digits(self):
        """Whether the images are scikit-learn's digits."""
        return self.dataset_name == "digits"


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a method is trained in a comparison.

    Attributes:
        script: the trainer's file in bin/.
        words: `Protocol` -> the words that are this method's own.
        last_epoch: whether --num_epochs is the last epoch, counted from 0,
            rather than how many there are.
    """

    script: str
    words: Callable[[Protocol], list[str]]
    last_epoch: bool = False


def _one_network(protocol):
    """The schedule of flags/quickstart.flags and memorising_slice.flags."""
    rate = ["--learning_rate=0.05"] if protocol.is_digits else []
    return [*rate, "--learning_rate_decay_factor=0.1", "--lr_drops=0.5,0.75"]


def _mixup(protocol):
    return [*_one_network(protocol), "--mixup_alpha=2"]


def _mentor(protocol):
    """The percentile below which losses are those of right labels."""
    noise = noise_spec.parse(protocol.noise)
    rate = 0.0 if noise.kind == "none" else noise.rate
    # Human labels have no rate in their name: the trainers' default then.
    percentile = [] if rate is None else [f"--loss_p_percentile={1 - rate:g}"]
    return [*_one_network(protocol), *percentile]


def _mentornet(protocol):
    return [
        *_mentor(protocol),
        # Without the default's last part, which trains on nothing at all.
        "--example_dropout_rates=0.5,17,0.05,83",
        # As MentorNet DD is trained: of few images whole classes would be
        # given up before anything is learnt.
        "--burn_in_epoch=18",
    ]


def _mentormix(protocol):
    return [*_mentor(protocol), "--mixup_alpha=2", "--nosecond_reweight"]


def _trusting(method):
    # One cycle: the original's restarts end where they please.
    return lambda _: [f"--method={method}", "--lr_schedule=cosine_one"]


def _drop(protocol):
    """The pair's one drop, at the share of the epochs of its trainer's own."""
    share = 3 / 4 if protocol.is_digits else 1 / 2
    return f"--lr_drop_epoch={int(share * protocol.num_epochs)}"


def _dividemix(protocol):
    # The trainer's own: how soon plain training begins to memorise does not
    # depend on how long it might go on.  But of few epochs only a part.
    epochs = 10
    if protocol.is_digits:
        epochs = 8
    elif protocol.dataset_name.startswith("cifar100"):
        epochs = 30
    epochs = min(epochs, max(1, protocol.num_epochs // 5))
    return [f"--warm_up={epochs}", _drop(protocol)]


def _bkd(protocol):
    # The default holds out a tenth, which the others train on.
    return ["--holdout=0", _drop(protocol)]


METHODS = {
    "baseline": Recipe("cifar_train_baseline.py", _one_network),
    "mixup": Recipe("cifar_train_baseline.py", _mixup),
    "mentornet": Recipe("cifar_train_mentornet.py", _mentornet),
    "mentormix": Recipe("cifar_train_mentormix.py", _mentormix),
    "ieg": Recipe("cifar_train_ieg.py", _trusting("ieg")),
    "l2r": Recipe("cifar_train_ieg.py", _trusting("l2r")),
    "dividemix": Recipe("cifar_train_dividemix.py", _dividemix, True),
    "bkd": Recipe("cifar_train_bkd.py", _bkd),
}


def make_protocol(dataset_name, noise, num_epochs, flags=(), method_flags=()):
    """Returns the `Protocol` that a user asks for.

    Args:
        dataset_name: as for the trainers.
        noise: likewise.
        num_epochs: E; 0 for the data set's own, which only digits has.
        flags: texts such as "--batch_size=64 --weight_decay=0".
        method_flags: likewise, after a method's name and a colon.

    Raises:
        UserError: for noise that does not exist, for no epochs, and for flags
            that are none, of no method, or of the comparison itself.
    """
    noise_spec.parse(noise)
    if not num_epochs and dataset_name != "digits":
        raise errors.UserError(
            "--num_epochs=E says how many passes over the data every method "
            "makes; only digits has a default"
        )
    by_method = {}
    for text in method_flags:
        method, colon, rest = text.partition(":")
        if not colon or method not in METHODS:
            raise errors.UserError(
                f"--method_flags={text}: write METHOD:--name=value with one of "
                f"{', '.join(METHODS)}"
            )
        by_method[method] = by_method.get(method, ()) + _words(rest)
    return Protocol(
        dataset_name,
        noise,
        num_epochs or _DIGITS_EPOCHS,
        sum((_words(text) for text in flags), ()),
        by_method,
    )


def _words(text):
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise errors.UserError(f"flags {text!r}: {error}") from None
    for word in words:
        if not word.startswith("-"):
            raise errors.UserError(f"{word!r} is no flag: write --name=value")
        name = word.lstrip("-").partition("=")[0]
        if name in _SETTLED:
            raise errors.UserError(
                f"--{name} is settled by the comparison, alike for all methods"
            )
    return words


def check_methods(names):
    """Refuses names of no method.

    Args:
        names: a list of them.

    Raises:
        UserError: for an unknown one, or if there is none.
    """
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        raise errors.UserError(
            f"--methods={','.join(unknown)}: there are {', '.join(METHODS)}"
        )


def flags_of(name, protocol):
    """Returns the flags of a method, without those that all runs settle.

    Args:
        name: a key of `METHODS`.
        protocol: a `Protocol`.

    Returns:
        Words of a command line; of a flag that is given twice the later one
        counts, so that the user's come last.
    """
    network = "small_cnn" if protocol.is_digits else "cifar_resnet20"
    return (
        f"--studentnet={network}",
        "--augment=standard",
        *METHODS[name].words(protocol),
        *protocol.flags,
        *protocol.method_flags.get(name, ()),
    )
