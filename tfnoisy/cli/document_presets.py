"""Writes flags/README.md: every preset and the number to expect of it.

    python -m tfnoisy.cli.document_presets          # writes it
    python -m tfnoisy.cli.document_presets --check  # says if it is old

All of it comes from the flag files: their first sentence says what they are,
the sentence that begins with `Expected` the published number, and the flags
the hyper-parameters that papers often leave out.
"""

import pathlib
import re
import sys

from tfnoisy.cli import generated_file

_ROOT = pathlib.Path(__file__).resolve().parents[2]

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

_HEAD = """\
# Presets

<!-- Written by `python -m tfnoisy.cli.document_presets`: change the flag files,
not this file. -->

A preset is an absl flag file:

    bin/cifar_train_mentormix.py --flagfile=flags/quickstart.flags

Flags that follow it on the command line win. An installed script finds these
files too. The published numbers below are accuracies on clean test labels;
best or last epoch is said where the source says it. They were not reached
here: no GPU was at hand for that long. What was run is in
[tfnoisy/methods](../tfnoisy/methods/README.md) and, of `speed/`, in
[tfnoisy/training](../tfnoisy/training/README.md#one-gpu).
"""


def document() -> str:
    """Returns the text of flags/README.md."""
    sections = [_HEAD]
    folders = sorted({path.parent for path in _ROOT.glob("flags/**/*.flags")})
    for folder in folders:
        name = folder.relative_to(_ROOT).as_posix()
        sections.append(
            f"## {name}\n\n| file | what | published | settings |\n"
            "|---|---|---|---|\n"
            + "".join(_row(path) for path in sorted(folder.glob("*.flags")))
        )
    return "\n".join(sections)


def read(path: pathlib.Path) -> tuple[str, str, dict[str, str]]:
    """Returns what a preset is, its published number, and its flags.

    Args:
        path: of a flag file.

    Returns:
        (the first sentence, the sentence that begins with `Expected` without
        its beginning, or "", {flag name: value as text}).
    """
    lines = path.read_text().splitlines()
    comment = " ".join(
        line.lstrip("# ") for line in lines if line.startswith("#")
    )
    what = re.match(r"(.*?)[.](?:\s|$)", comment)
    expected = re.search(r"Expected[^:]*: (.*?)[.](?:\s+[A-Z0-9]|$)", comment)
    flags = {}
    for line in lines:
        if line.startswith("--"):
            name, _, value = line[2:].partition("=")
            flags[name] = value
    return (
        what.group(1) if what else path.stem,
        expected.group(1) if expected else "",
        flags,
    )


def _row(path):
    what, expected, flags = read(path)
    hidden = ", ".join(
        f"{name} {flags[name]}" for name in _HIDDEN if name in flags
    )
    cells = (f"`{path.name}`", what, expected or "-", hidden)
    return (
        "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
    )


def main(words: list[str]) -> int:
    """Writes the file, or says whether it is up to date."""
    return generated_file.main(
        _ROOT / "flags" / "README.md",
        document(),
        "python -m tfnoisy.cli.document_presets",
        words,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
