"""The groups in which `--help` and bin/README.md show a script's flags.

with flag_groups.group(flag_groups.DATA):
flags.DEFINE_string("dataset_name", ...)
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator

from absl import flags

FLAGS = flags.FLAGS

DATA = "Data"
NOISE = "Label noise"
NETWORK = "Network"
METHOD = "Method"
TRAINING = "Training"
OUTPUT = "Output"
EVALUATION = "Evaluation"
DEVICES = "Devices, speed and memory"
PLUGINS = "Plugins"
IGNORED = "Accepted from the original code's command lines, without effect"

# What a user sets first comes first; groups of a script's own stand at the
# top, in the order of their definition.
_ORDER = (
    DATA,
    NOISE,
    NETWORK,
    METHOD,
    TRAINING,
    OUTPUT,
    EVALUATION,
    DEVICES,
    PLUGINS,
    IGNORED,
)

_titles: dict[str, str] = {}
_names: dict[str, Callable[[], Iterable[str]]] = {}
_originals: dict[str, str] = {}


@contextlib.contextmanager
def group(title: str) -> Iterator[None]:
    """Puts the flags that are defined within into a group."""
    before = set(FLAGS)
    yield
    for name in FLAGS:
        if name not in before:
            _titles[name] = title


def offer(flag: str, names: Callable[[], Iterable[str]]) -> None:
    """Lets the help of a flag list the names that it takes.

    Args:
        flag: the flag's name.
        names: called when help is asked for, so that it can list what plugins
            have registered by then.
    """
    _names[flag] = names


def offered(flag: str) -> list[str]:
    """Returns the names that a flag takes, if they can be listed."""
    if flag in _names:
        return list(_names[flag]())
    return list(getattr(FLAGS[flag].parser, "enum_values", ()))


def alias(name: str, original: str) -> None:
    """Gives a flag the name that another code base has for it."""
    flags.DEFINE_alias(name, original)
    _originals[name] = original


def aliases(original: str | None = None) -> list[str]:
    """Returns the other names of a flag, or of all flags."""
    return [
        name
        for name, flag in _originals.items()
        if name in FLAGS and original in (None, flag)
    ]


def members(title: str) -> list[str]:
    """Returns the names of a group's flags, aliases left out."""
    return dict(groups()).get(title, [])


def groups() -> list[tuple[str, list[str]]]:
    """Returns (title, names of its flags) of each group, aliases left out."""
    found: dict[str, list[str]] = {}
    for name, title in {**_ungrouped(), **_titles}.items():
        if name in FLAGS and name not in _originals:
            found.setdefault(title, []).append(name)
    return sorted(found.items(), key=lambda item: place(item[0]))


def forget() -> None:
    """Forgets all flags, to look at several scripts one after the other."""
    for kept in (_titles, _names, _originals):
        kept.clear()


def _ungrouped() -> dict[str, str]:
    """Returns {name: title} of the flags that a plugin may have defined."""
    return {
        flag.name: "Flags"
        for module, defined in FLAGS.flags_by_module_dict().items()
        if not module.startswith("absl.")
        for flag in defined
        if flag.name not in _titles
    }


def place(title: str) -> int:
    """Returns where a group stands in the help."""
    return _ORDER.index(title) if title in _ORDER else -1
