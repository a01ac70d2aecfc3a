"""Writes flags/README.md: every preset and the number to expect of it.

    python -m tfnoisy.cli.document_presets          # writes it
    python -m tfnoisy.cli.document_presets --check  # says if it is old

All of it comes from the flag files, see `presets`.
"""

import pathlib
import sys

from tfnoisy.cli import generated_file, presets

_ROOT = pathlib.Path(__file__).resolve().parents[2]

_HEAD = """\
# Presets

<!-- Written by `python -m tfnoisy.cli.document_presets`: change the flag files,
not this file. -->

A preset is an absl flag file:

    bin/cifar_train_mentormix.py --flagfile=flags/quickstart.flags

Flags that follow it on the command line win. An installed script finds these
files too. The published numbers below are accuracies on clean test labels;
best or last epoch is said where the source says it. They were not reached
here: no GPU was at hand for that long. Those of `speed/` are our own. What was
run is in [tfnoisy/methods](../tfnoisy/methods/README.md) and
[tfnoisy/training](../tfnoisy/training/README.md#one-gpu). A run with a preset
says at its start what is to be expected, and at its end how far off it is.
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


def _row(path):
    preset = presets.read(path)
    cells = (
        f"`{path.name}`",
        preset.what,
        preset.expected or "-",
        preset.settings,
    )
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
