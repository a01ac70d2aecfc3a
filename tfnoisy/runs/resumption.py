"""Whether a command asks for the run that a folder holds."""

from tfnoisy import errors

# What may differ between a run and its resumption: where and how, not what.
OPERATIONAL = (
    "cache_mib",
    "data_on_device",
    "eval_every",
    # A run that stopped at a loss that is not finite may go on without it.
    "on_nonfinite",
    "plugin",
    "save_interval_secs",
    "save_summaries_secs",
    "steps_per_execution",
    "train_log_dir",
)
LENGTH = ("max_number_of_steps", "num_epochs")


def compare_flags(folder, values):
    """Compares a command with the run that its folder holds.

    Args:
        folder: a `RunFolder` that holds a run.
        values: {flag name: value as text} of the command.

    Returns:
        True if the command asks for the same run, False if it asks for more
        steps of it.

    Raises:
        UserError: if it asks for a different run.
    """
    before = folder.read_flags()
    differing = sorted(
        name
        for name in {*before, *values} - {*OPERATIONAL}
        if before.get(name) != values.get(name)
    )
    if not differing:
        return True
    # From none to some --num_epochs is another way to count, not more.
    if all(
        name in LENGTH and _is_more(values.get(name), before.get(name))
        for name in differing
    ):
        return False
    name = differing[0]
    more = f" and {len(differing) - 1} more" if len(differing) > 1 else ""
    raise errors.UserError(
        f"{folder.path} holds another run: --{name}={before.get(name)} there,"
        f" {values.get(name)} here{more}; choose another --train_log_dir, or"
        " --overwrite"
    )


def _is_more(value, before):
    """Whether both texts are positive numbers and the first is the larger."""
    try:
        return 0 < float(before or 0) < float(value or 0)
    except ValueError:
        return False
