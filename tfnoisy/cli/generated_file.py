"""A file that is written from the code, and the check that it is not stale."""

import sys


def main(path, text, command, words) -> int:
    """Writes the file, or says whether it is up to date.

    Args:
        path: the file, a `pathlib.Path`.
        text: what it should hold.
        command: what writes it, for the message.
        words: the command line's; `--check` writes nothing.

    Returns:
        The exit code: 1 if the file was checked and is out of date, else 0.
    """
    if "--check" not in words:
        path.write_text(text)
        return 0
    if path.exists() and path.read_text() == text:
        return 0
    name = f"{path.parent.name}/{path.name}"
    print(f"{name} is out of date: {command}", file=sys.stderr)
    return 1
