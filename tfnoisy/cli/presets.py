"""What a preset says: the number to expect, and what papers leave unsaid.

A preset is a flag file below `flags/`.  Its first sentence says what it is, the
sentence that begins with `Expected` the published number, and its flags the
hyper-parameters that papers often leave out.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterator, Sequence

from tfnoisy import resources
from tfnoisy.cli import early_flags

# What a reader cannot find in most papers, by the flag's name.
_HIDDEN = (
    "lambda_u",
    "warm_up",
    "p_threshold",
    "alpha",
    "mixup_alpha",
    "loss_p_percentile",
    "example_dropout_rates",
    "burn_in_epoch",
    "lr",
    "learning_rate",
    "lr_drop_epoch",
    "num_epochs_per_decay",
    "batch_size",
    "num_epochs",
    "n_epoch",
    "max_number_of_steps",
    "max_iteration",
    "max_epoch",
)
# They say where and how, not what.
_OPERATIONAL = (
    "cache_mib",
    "data_on_device",
    "data_dir",
    "eval_batch_size",
    "eval_every",
    "noise_seed",
    "overwrite",
    "restore_step",
    "save_interval_secs",
    "save_summaries_secs",
    "seed",
    "steps_per_execution",
    "strategy",
    "train_log_dir",
)
_NUMBER = r"(\d+(?:[.]\d+)?)(?: \+- \d+[.]?\d*)?(?: / \d+[.]?\d*)? %"


@dataclasses.dataclass(frozen=True)
class Preset:
    """A flag file.

    Attributes:
        name: its path from the folder above `flags`, or as it was given.
        what: its first sentence.
        expected: what follows `Expected ...:`, "" if nothing does.
        flags: {flag name: value as text}.
    """

    name: str
    what: str
    expected: str
    flags: dict[str, str]

    @property
    def settings(self) -> str:
        """The hyper-parameters that papers often leave out, in words."""
        return ", ".join(
            f"{name} {self.flags[name]}"
            for name in _HIDDEN
            if name in self.flags
        )

    @property
    def published(self) -> tuple[float, str] | None:
        """The accuracy to compare the last step with, and what it is.

        A number in [0, 1], and "last epoch", "best epoch", or "best or last is
        not said"; None if no number is known.
        """
        for words, which in (
            (f"last {_NUMBER}", "last epoch"),
            (f"best {_NUMBER}", "best epoch"),
            (_NUMBER, "best or last is not said"),
        ):
            found = re.search(words, self.expected)
            if found:
                return float(found.group(1)) / 100, which
        return None


def read(path: pathlib.Path, name: str = "") -> Preset:
    """Reads a preset.

    Args:
        path: of the flag file.
        name: what it is called; its path if empty.
    """
    lines = path.read_text().splitlines()
    comment = " ".join(
        line.lstrip("# ") for line in lines if line.startswith("#")
    )
    what = re.match(r"(.*?)[.](?:\s|$)", comment)
    expected = re.search(r"Expected[^:]*: (.*?)[.](?:\s+[A-Z0-9]|$)", comment)
    flags = dict(
        line[2:].partition("=")[::2] for line in lines if line[:2] == "--"
    )
    return Preset(
        name or str(path),
        what.group(1) if what else path.stem,
        expected.group(1) if expected else "",
        flags,
    )


def given(words: Sequence[str]) -> list[Preset]:
    """Returns the shipped presets that a command line names.

    Args:
        words: the command line's.
    """
    try:
        shipped = resources.shipped("flags").resolve()
    except FileNotFoundError:
        return []
    found = []
    for value in early_flags.values(list(words), "flagfile"):
        path = pathlib.Path(value).expanduser()
        if not path.exists():
            path = shipped.parent / path
        path = path.resolve()
        if shipped in path.parents and path.is_file():
            relative = path.relative_to(shipped.parent)
            found.append(read(path, relative.as_posix()))
    return found


def at_start(words: Sequence[str]) -> list[str]:
    """Returns what to say of a command's presets when a run begins.

    Lines: what it is, its settings, the number to expect, and what the command
    line changes.  Presets without a number to expect say nothing.

    Args:
        words: the command line's.
    """
    lines = []
    for preset in given(words):
        if not preset.expected:
            continue
        lines += [
            f"{preset.name}: {preset.what}",
            f"    settings: {preset.settings}",
            f"    expected: {preset.expected}",
        ]
        changes = changed(preset, words)
        if changes:
            lines.append(f"    changed here: {changes}")
    return lines


def at_end(words: Sequence[str], accuracy: float) -> list[str]:
    """Returns how far a finished run is from what was to be expected, lines.

    Args:
        words: the command line's.
        accuracy: at the last step, on the test set, in [0, 1].
    """
    lines = []
    for preset in given(words):
        if preset.published is None:
            continue
        number, which = preset.published
        points = 100 * (accuracy - number)
        side = "above" if points >= 0 else "below"
        line = (
            f"{preset.name}: {abs(points):.1f} points {side} the expected "
            f"{100 * number:.2f} % ({which})"
        )
        changes = changed(preset, words)
        lines.append(line + (f", with {changes}" if changes else ""))
    return lines


def changed(preset: Preset, words: Sequence[str]) -> str:
    """Returns what a command line changes of a preset, in words.

    Args:
        preset: one that it names.
        words: the command line's.
    """
    changes = []
    for name, value in _pairs(words):
        if name == "flagfile" or name in _OPERATIONAL:
            continue
        before = preset.flags.get(name)
        if name in preset.flags and before == (value or ""):
            continue
        text = f"--{name}" if value is None else f"--{name}={value}"
        changes.append(text + (f" in place of {before}" if before else ""))
    return ", ".join(changes)


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Yields (flag name, its value as text) of a command line.

    The value of a switch is None.
    """
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if equals:
            yield name, value
        elif rest and not rest[0].startswith("-"):
            yield name, rest.pop(0)
        else:
            yield name, None
