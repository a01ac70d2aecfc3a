"""What is wrong with a data set, all of it in one line."""

from tfnoisy import errors

_SHOWN = 10


def describe(source, problems):
    """Returns one line that names the first ten problems.

    Args:
        source: what to call the data set.
        problems: a line for each thing that is wrong, at least one.
    """
    shown = "; ".join(problems[:_SHOWN])
    if len(problems) > 1:
        shown = f"{len(problems)} problems: {shown}"
    if len(problems) > _SHOWN:
        shown += f"; and {len(problems) - _SHOWN} more"
    return f"{source}: {shown}"


def refuse(source, problems):
    """Refuses a data set that has problems.

    Args:
        source: what to call it.
        problems: a line for each thing that is wrong.

    Raises:
        UserError: one line that names the first ten, if there are any.
    """
    if problems:
        raise errors.UserError(describe(source, problems))
