"""What `--help` prints: what a script is for, and its flags in groups."""

import inspect
import textwrap
from collections.abc import Iterator

from absl import flags

from tfnoisy.cli import flag_groups

FLAGS = flags.FLAGS

_WIDTH = 80
# What stands for a value, by the type of the flag.
_VALUES = {"int": "N", "float": "X", "string": "TEXT", "bool": ""}
# And by the flag's name, whose end says more.
_ENDINGS = {"dir": "DIR", "csv": "FILE", "manifest": "FILE", "output": "FILE"}

_END = """\
A flag is given as --name=value; --name and --noname switch one on and off.
--flagfile=FILE reads flags from a file, one a line; later ones win.
"""


def script_help(script: str, doc: str, operands: str = "") -> str:
    """Returns the help of a script.

    Args:
        script: the name of its file.
        doc: its docstring.
        operands: what may stand beside the flags, such as `ROW`.
    """
    more = f" [{operands} ...]" if operands else ""
    parts = [
        inspect.cleandoc(doc),
        f"usage: {script} [--flag=value ...]{more}",
        *(
            "\n".join([f"{title}:", *(_entry(name) for name in names)])
            for title, names in flag_groups.groups()
        ),
        _END,
    ]
    return "\n\n".join(parts).rstrip()


def usage(name: str) -> str:
    """Returns how a flag is given, e.g. `--seed=N` or `--[no]overwrite`."""
    flag = FLAGS[name]
    if flag.boolean:
        return f"--[no]{name}"
    return f"--{name}={_value(name)}"


def sentences(name: str, with_default: bool = True) -> Iterator[str]:
    """Yields what there is to say of a flag, in sentences."""
    text = " ".join((FLAGS[name].help or "").split())
    if isinstance(FLAGS[name], flags.EnumFlag):
        # absl puts the values before it.
        text = text.partition(">: ")[2]
    # absl says of a flag that may be repeated how it is repeated.
    text, several, _ = text.partition("; repeat this option")
    yield f"{text} May be repeated." if several else text
    names = flag_groups.offered(name)
    if names:
        yield f"One of: {', '.join(names)}."
    default = default_text(name)
    if default and with_default:
        yield f"Default: {default}."
    others = flag_groups.aliases(name)
    if others:
        yield f"Also --{', --'.join(others)}."


def default_text(name: str) -> str:
    """Returns a flag's default as it would be typed; empty if it has none."""
    default = FLAGS[name].default
    if default is None or default == [] or default == "":
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, list | tuple):
        return ",".join(map(str, default))
    return str(default)


def _value(name):
    flag = FLAGS[name]
    kind = flag.flag_type()
    if kind == "comma separated list of strings":
        return "A,B,..."
    if flag_groups.offered(name):
        return "NAME"
    ending = name.rpartition("_")[2]
    return _ENDINGS.get(ending) or _VALUES.get(kind.split()[-1], "TEXT")


def _entry(name):
    text = textwrap.fill(
        " ".join(sentences(name)),
        _WIDTH,
        initial_indent=" " * 6,
        subsequent_indent=" " * 6,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return f"  {usage(name)}\n{text}"
