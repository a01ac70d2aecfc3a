"""The flag --plugin, and loading what it names before flags are parsed.

A plugin adds names that other flags take, and may define flags of its own, so
it is imported first.
"""

from absl import flags

from tfnoisy import plugins
from tfnoisy.cli import early_flags
from tfnoisy.runs import folder as run_folder

FLAGS = flags.FLAGS

NAME = "plugin"


def load(words: list[str]) -> None:
    """Imports the plugins of a command line, if the script takes any.

    They are those of installed packages, and those that --plugin names on the
    command line, or else in its flag files, or else in the run folder that
    --train_log_dir names, so that a run is continued without naming them.

    Args:
        words: the command line without the script's name.

    Raises:
        UserError: for a plugin that cannot be used.
    """
    if NAME not in FLAGS:
        return
    plugins.load_installed()
    named = early_flags.values(words, NAME)
    folder = early_flags.last(words, "train_log_dir")
    if not named and folder and "train_log_dir" in FLAGS:
        _given[:] = plugins.load_recorded(recorded_in(folder), folder)
    else:
        _given[:] = plugins.load(named)


def settle() -> None:
    """Lets FLAGS.plugin be what was loaded, as a run folder records it."""
    if NAME in FLAGS:
        FLAGS[NAME].value = list(_given)


def recorded_in(path) -> str:
    """Returns the plugins of a run folder, or an empty text."""
    return (run_folder.RunFolder(path).read_flags() or {}).get(NAME, "")


def overrides() -> dict[str, str]:
    """Returns {"plugin": names} if the command line names any, else {}."""
    if NAME in FLAGS and FLAGS[NAME].present:
        return {NAME: ",".join(_given)}
    return {}


_given: list[str] = []
