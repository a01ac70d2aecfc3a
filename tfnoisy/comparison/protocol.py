"""The protocol of a comparison, and how each method is trained under it.

All methods have the same data, wrong labels, network and view of the images,
and pass over the training data equally often.  Batch size and learning rate
are each method's own, and learning rates drop at a share of the epochs that
there are.
"""

import dataclasses
import re
import shlex

from tfnoisy import errors, registry
from tfnoisy.catalogue import methods as catalogue
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
    "plugin",
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
        plugins: what the trainers get as --plugin.
    """

    dataset_name: str
    noise: str
    num_epochs: int
    flags: tuple[str, ...] = ()
    method_flags: dict[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict
    )
    plugins: tuple[str, ...] = ()

    @property
    def is_digits(self):
        """Whether the images are scikit-learn's digits."""
        return self.dataset_name == "digits"


def make_protocol(
    dataset_name, noise, num_epochs, flags=(), method_flags=(), plugins=()
):
    """Returns the `Protocol` that a user asks for.

    Args:
        dataset_name: as for the trainers.
        noise: likewise.
        num_epochs: E; 0 for the data set's own, which only digits has.
        flags: texts such as "--batch_size=64 --weight_decay=0".
        method_flags: likewise, after a method's name and a colon.
        plugins: names of plugins, as `plugins.load` returns them.

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
        if not colon or method not in catalogue.METHODS:
            raise errors.UserError(
                f"--method_flags={text}: write METHOD:--name=value with one of "
                f"{', '.join(catalogue.METHODS.names())}"
            )
        by_method[method] = by_method.get(method, ()) + _words(rest)
    return Protocol(
        dataset_name,
        noise,
        num_epochs or _DIGITS_EPOCHS,
        sum((_words(text) for text in flags), ()),
        by_method,
        tuple(plugins),
    )


def _words(text):
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise errors.UserError(f"flags {text!r}: {error}") from None
    for word in words:
        if not re.match(r"--?[A-Za-z]", word):
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
        UserError: for an unknown one, if one comes twice, or if there is none.
    """
    if not names:
        raise errors.UserError(
            f"--methods=: there are {', '.join(catalogue.METHODS.names())}"
        )
    for name in names:
        catalogue.METHODS[name]
        if names.count(name) > 1:
            raise errors.UserError(f"--methods names {name} twice")


def flags_of(name, protocol):
    """Returns the flags of a method, without those that all runs settle.

    Args:
        name: a name in `catalogue.methods`.
        protocol: a `Protocol`.

    Returns:
        Words of a command line; of a flag that is given twice the later one
        counts, so that the user's come last.
    """
    network = "small_cnn" if protocol.is_digits else "cifar_resnet20"
    entry = catalogue.METHODS[name]
    return (
        f"--studentnet={network}",
        "--augment=standard",
        *([f"--method={name}"] if entry.has_general_trainer else []),
        *registry.resolve(entry.recipe)(protocol),
        *(
            [f"--plugin={','.join(protocol.plugins)}"]
            if protocol.plugins
            else []
        ),
        *protocol.flags,
        *protocol.method_flags.get(name, ()),
    )
