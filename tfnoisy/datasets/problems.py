"""What is wrong with a data set: all of it in one list."""

from tfnoisy import errors

# Lines that a list shows before it only counts the rest.
SHOWN = 20
_SHOWN_IN_A_LINE = 10
_LONGEST = 1000


def describe(source, problems):
    """Returns one line that names the first ten problems.

    Args:
        source: what to call the data set.
        problems: a line for each thing that is wrong, at least one.
    """
    shown = "; ".join(problems[:_SHOWN_IN_A_LINE])
    if len(problems) > 1:
        shown = f"{len(problems)} problems: {shown}"
    if len(problems) > _SHOWN_IN_A_LINE:
        shown += f"; and {len(problems) - _SHOWN_IN_A_LINE} more"
    return f"{source}: {shown}"


def refuse(source, *groups, remedy=""):
    """Refuses a data set that has problems.

    Args:
        source: what to call it.
        *groups: lists of texts, one for each thing that is wrong; of each
            list the first `SHOWN` are shown.
        remedy: what to do about them, if there is more to say.

    Raises:
        DataError: a summary and the problems, one a line, if there are any.
    """
    count = sum(map(len, groups))
    if not count:
        return
    lines = [line for group in groups for line in listed(group)]
    if count == 1 and not remedy:
        raise errors.DataError(printable(f"{source}: {lines[0]}"))
    if remedy:
        lines.append(remedy)
    head = printable(f"{source}: {count:,} problem{'s' * (count > 1)}")
    raise errors.DataError("\n".join([head, *(f"  {x}" for x in lines)]))


def listed(problems, shown=SHOWN):
    """Returns the first lines of a list, and how many are left out.

    Args:
        problems: texts.
        shown: how many are shown.

    Returns:
        A list of at most `shown` + 1 texts that can be printed.
    """
    lines = list(map(printable, problems[:shown]))
    if len(problems) > shown:
        lines.append(f"... and {len(problems) - shown:,} more")
    return lines


def printable(text):
    """Returns a text in one line that any terminal can show.

    Names of files may hold line ends, control characters, and bytes that are
    no UTF-8.  Of a text as long as a page its middle is left out.
    """
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    if text.isprintable():
        return text
    return "".join(
        c
        if c.isprintable()
        else c.encode("utf-8", "surrogateescape")
        .decode("latin-1")
        .encode("unicode_escape")
        .decode("ascii")
        for c in text
    )
