"""Values on a command line, looked up before its flags are parsed.

What they name may define further flags or add to the values that others take.
"""

from absl import flags

FLAGS = flags.FLAGS


def values(words: list[str], name: str) -> list[str]:
    """Returns the values of a flag, in their order.

    Those on the command line itself, or if there are none those in its flag
    files.

    Args:
        words: the command line without the script's name.
        name: the flag's.

    Raises:
        absl.flags.Error: for a flag file that cannot be read.
    """
    found = _values(words, name)
    if found:
        return found
    return _values(FLAGS.read_flags_from_files(words, force_gnu=False), name)


def last(words: list[str], name: str) -> str | None:
    """Returns a flag's last value, None if it has none; see `values`."""
    found = values(words, name)
    return found[-1] if found else None


def _values(words: list[str], name: str) -> list[str]:
    found = []
    for word, after in zip(words, [*words[1:], None]):
        if word == "--":
            break
        flag, equals, value = word.partition("=")
        if flag in (f"-{name}", f"--{name}"):
            if equals:
                found.append(value)
            elif after is not None:
                found.append(after)
    return found
