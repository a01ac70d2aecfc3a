"""Writes bin/README.md: every script and every flag.

    python -m tfnoisy.cli.document_scripts          # writes it
    python -m tfnoisy.cli.document_scripts --check  # says if it is old

All flags are defined without importing TensorFlow, so it takes half a second.
"""

import collections
import configparser
import dataclasses
import importlib
import inspect
import pathlib
import sys

from absl import flags

from tfnoisy.cli import flag_groups, generated_file, help_text

FLAGS = flags.FLAGS
_ROOT = pathlib.Path(__file__).resolve().parents[2]

_HEAD = """\
# The scripts

<!-- Written by `python -m tfnoisy.cli.document_scripts`: change the scripts'
docstrings and flags, not this file. -->

Each script is run as `bin/NAME.py` in a checkout, after
`. .venv/bin/activate`, and by its installed command everywhere. `--help`
shows its flags in groups, with defaults and the names that a flag takes.

- A flag is given as `--name=value` or `--name value`; `--name` and `--noname`
  switch one on and off.
- `--flagfile=FILE` reads flags from a file, one a line; later flags win. Files
  that are not found are looked up among those that ship, so
  `--flagfile=flags/quickstart.flags` works everywhere.
- A mistake costs one line and exit code 2, and nothing is written. Exit code 1
  is a failure while it worked, 130 an interruption by Ctrl-C or SIGTERM (a
  training saves a checkpoint first), 75 the loss of another worker.
- TensorFlow is imported when it is needed, with oneDNN on
  (`TF_ENABLE_ONEDNN_OPTS=0` switches it off) and without its messages
  (`TF_CPP_MIN_LOG_LEVEL=0` shows them).
"""


@dataclasses.dataclass(frozen=True)
class Documented:
    """A flag of a script, as text.

    Attributes:
        usage: how it is given, e.g. `--seed=N`.
        text: what it does.
        default: its default as it would be typed, or empty.
        group: the group that it is in.
    """

    usage: str
    text: str
    default: str
    group: str


def document() -> str:
    """Returns the contents of bin/README.md."""
    commands = _commands()
    docs, found = {}, {}
    for script in scripts():
        docs[script], found[script] = read(script)
    texts = collections.Counter(
        (name, flag.text) for of in found.values() for name, flag in of.items()
    )
    shared = {key for key, count in texts.items() if count > 1}
    parts = [_HEAD, _overview(docs, commands)]
    for script, flags_of_it in found.items():
        parts.append(f"## {script}.py\n\n{docs[script]}\n")
        parts.append(_script_flags(flags_of_it, shared))
    parts.append(_shared_flags(found, shared))
    return "\n".join(parts)


def scripts() -> list[str]:
    """Returns the names of all scripts."""
    paths = (_ROOT / "bin").glob("[a-z]*.py")
    return sorted(path.stem for path in paths)


def read(script: str) -> tuple[str, dict[str, Documented]]:
    """Returns a script's docstring and {name: `Documented`} of its flags."""
    before = set(FLAGS)
    module = importlib.import_module(f"tfnoisy.bin.{script}")
    doc = inspect.cleandoc(module.__doc__ or "")
    found = {}
    for title, names in flag_groups.groups():
        for name in names:
            text = " ".join(help_text.sentences(name, with_default=False))
            found[name] = Documented(
                help_text.usage(name), text, help_text.default_text(name), title
            )
    # The next script may have a flag of the same name.
    FLAGS.remove_flag_values(set(FLAGS) - before)
    flag_groups.forget()
    return doc, found


def _commands():
    """Returns {script: installed command}."""
    setup = configparser.ConfigParser()
    setup.read(_ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].split("\n")
    pairs = (line.split(" = ") for line in lines if line)
    return {
        place.removeprefix("tfnoisy.bin.").removesuffix(":run"): command
        for command, place in pairs
    }


def _overview(docs, commands):
    rows = [
        f"| [{script}.py](#{script}py) | `{commands[script]}` "
        f"| {doc.splitlines()[0].rstrip('.')} |"
        for script, doc in docs.items()
    ]
    head = ["| script | installed command | |", "|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def _script_flags(found, shared):
    """Returns the tables of a script's own flags, and a list of the others."""
    lines = []
    own, others = collections.defaultdict(list), []
    for name, flag in found.items():
        if (name, flag.text) in shared:
            value = f"={flag.default}" if flag.default else ""
            if flag.usage.startswith("--[no]"):
                value = ""
                name = name if flag.default == "on" else f"no{name}"
            others.append(f"`--{name}{value}`")
        else:
            own[flag.group].append(_row(flag, flag.default))
    for group, rows in own.items():
        lines.append(f"**{group}**\n\n| flag | default | |\n|---|---|---|")
        lines.append("\n".join(rows) + "\n")
    if others:
        lines.append(
            "[Shared flags](#flags-that-scripts-share), with their defaults "
            f"here: {', '.join(others)}.\n"
        )
    return "\n".join(lines)


def _shared_flags(found, shared):
    """Returns the tables of the flags that several scripts have."""
    groups, seen = collections.defaultdict(list), set()
    for script_flags in found.values():
        for name, flag in script_flags.items():
            if (name, flag.text) in shared and name not in seen:
                seen.add(name)
                groups[_usual_group(found, name)].append(_row(flag))
    lines = ["## Flags that scripts share\n"]
    for group in sorted(groups, key=flag_groups.place):
        lines.append(f"**{group}**\n\n| flag | |\n|---|---|")
        lines.append("\n".join(groups[group]) + "\n")
    return "\n".join(lines)


def _usual_group(found, name):
    """Returns the group that most scripts have the flag in."""
    groups = (of[name].group for of in found.values() if name in of)
    return collections.Counter(groups).most_common(1)[0][0]


def _row(flag, *cells):
    texts = (f"`{flag.usage}`", *(f"`{c}`" if c else "" for c in cells))
    return "| " + " | ".join([*texts, flag.text.replace("|", r"\|")]) + " |"


def main(words) -> int:
    """Writes the file, or says whether it is up to date."""
    return generated_file.main(
        _ROOT / "bin" / "README.md",
        document(),
        "python -m tfnoisy.cli.document_scripts",
        words,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
