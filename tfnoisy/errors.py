"""The one exception that means "the user can put this right"."""


class UserError(Exception):
    """A mistake that one line explains.

    The message says what is wrong, where, and what would be right.  Library
    code raises it before anything is written; the scripts in `bin/` print it
    without a traceback and exit with code 2.
    """


class ArgumentError(UserError, ValueError):
    """A `UserError` about an argument of Python code.

    It is a `ValueError` too, as Keras raises for its own arguments.
    """


class DataError(UserError):
    """What is wrong with a data set: a summary, and a line for each problem.

    The scripts print it line by line.
    """


class TrainingError(Exception):
    """Training cannot go on, e.g. after a loss that is not finite.

    The message names the step and what is left on disk; exit code 1.
    """


class StorageError(TrainingError):
    """A disk does not take what is written; exit code 1.

    It is full, over quota, read-only, or does not allow a file of that size;
    or the folder is gone.  What was written before is whole.
    """


class Interrupted(Exception):
    """Ctrl-C or SIGTERM, after what was reached was saved; exit code 130."""


class WorkerLost(Exception):
    """Another worker of the run has ended, so that this one cannot go on.

    Exit code 75, "try again": once all workers are started again, the same
    command goes on from the last checkpoint.
    """


class ExportError(Exception):
    """The exported model is not as good as the trained one; exit code 1.

    The message says by how much; nothing is left on disk.
    """
