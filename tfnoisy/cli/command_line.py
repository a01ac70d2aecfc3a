"""What every script does: parse flags, run, and say a mistake in one line.

Imports no TensorFlow.  A script defines its flags, postpones the imports of
what it works with, and ends with `command_line.run(main)`:

    with epy.lazy_imports():
        from tfnoisy.training import experiment

So `--help` answers at once, and a script pays only for what it uses.
"""

import errno
import math
import os
import pathlib
import signal
import sys

from absl import app, flags

from tfnoisy import errors, progress, resources
from tfnoisy.cli import (
    flag_groups,
    help_text,
    native_output,
    out_of_memory,
    plugin_flag,
    tensorflow_start,
)

# What says that a path cannot be one, wherever it is looked at first.
_OF_THE_PATH = {
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
}

_LONGEST_SHOWN = 100
_HELP = ("help", "helpfull", "helpshort", "h", "?")


def run(main, define_more=None, operands=""):
    """Runs an absl script; a user's mistake is one line and exit code 2.

    Flag files that are not found where the command is run are looked up
    among those that ship with tfnoisy, so `--flagfile=flags/quickstart.flags`
    works outside a checkout.

    Args:
        main: a function of one argument, the list of positional arguments
            (the script's name first).
        define_more: called with the words of the command line before they are
            parsed, when plugins are loaded: it may define further flags.
        operands: what may stand beside the flags, for the help, such as
            `ROW`; nothing may if empty.
    """
    tensorflow_start.prepare()
    doc = main.__globals__.get("__doc__") or ""
    app.run(
        lambda argv: _guarded(main, argv, operands),
        flags_parser=lambda argv: _parse(argv, doc, define_more, operands),
    )


def asks_for_help(words):
    """Returns whether a command line has `--help` or the like.

    Args:
        words: those behind the script's name.
    """
    return any(w.lstrip("-") in _HELP for w in words if w[:1] == "-")


def warn_of_ignored_flags():
    """Names the flags that were given and have no effect, on stderr."""
    for name in flag_groups.members(flag_groups.IGNORED):
        if flags.FLAGS[name].present:
            reason = flags.FLAGS[name].help
            print(f"--{name} has no effect: {reason}", file=sys.stderr)


def _parse(argv, doc, define_more, operands):
    try:
        argv = _resolve_flagfiles(argv)
        plugin_flag.load(argv[1:])
        if define_more is not None:
            define_more(argv[1:])
    except (flags.Error, errors.UserError) as error:
        _exit(str(error))
    except UnicodeDecodeError:
        _exit("a file given as --flagfile is not text")
    except OSError as error:
        _exit_if_of_the_path(error)
        raise
    if asks_for_help(argv[1:]):
        with native_output.until_nobody_reads():
            script = pathlib.Path(argv[0]).name
            print(help_text.script_help(script, doc, operands))
        sys.exit(0)
    try:
        rest = flags.FLAGS(argv)
        plugin_flag.settle()
        for name in flags.FLAGS:
            value = flags.FLAGS[name].value
            if isinstance(value, float) and not math.isfinite(value):
                _exit(f"--{name}={value} is not a finite number")
            if type(value) is int and abs(value) > _largest(name):
                _exit(
                    f"--{name}={value} is too large: at most {_largest(name)}"
                )
        return rest
    except flags.Error as error:
        _exit(str(error))
    except UnicodeDecodeError:
        _exit("a file given as --flagfile is not text")


def _largest(name):
    """Returns the largest number that a flag may be: TensorFlow's int32.

    Seeds and version numbers may have 64 bits.
    """
    long = name.endswith(("seed", "version"))
    return 2**63 - 1 if long else 2**31 - 1


def _guarded(main, argv, operands=""):
    # What Slurm and Kubernetes send before they kill: time for a checkpoint.
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    if len(argv) > 1 and not operands:
        _exit(f"unexpected argument {argv[1]!r}: every option is a --flag")
    try:
        with native_output.until_nobody_reads(), progress.showing():
            return main(argv)
        # What the shell says of programs that a closed pipe ends.
        sys.exit(128 + signal.SIGPIPE)
    except errors.DataError as error:
        _exit(str(error), lines=True)
    except errors.UserError as error:
        _exit(str(error))
    except (errors.TrainingError, errors.ExportError) as error:
        _exit(str(error), code=1)
    except errors.WorkerLost as lost:
        _exit(str(lost), code=os.EX_TEMPFAIL)
    except errors.Interrupted as stop:
        _exit(str(stop), code=130)
    except KeyboardInterrupt:
        _exit("interrupted", code=130)
    except Exception as error:
        _exit_if_of_the_path(error)
        missing = out_of_memory.detail(error)
        if missing is None:
            raise
        _exit(
            f"out of memory{f' ({missing})' if missing else ''}: smaller "
            "batches or images need less; a run that was training resumes "
            "from its last checkpoint by the same command",
            code=1,
        )


def _resolve_flagfiles(argv):
    """Returns the words with the paths of shipped flag files in place."""
    words = []
    for word in argv:
        name, equals, value = word.partition("=")
        if name in ("-flagfile", "--flagfile") and equals:
            word = f"{name}={_flag_file(value)}"
        elif words and words[-1] in ("-flagfile", "--flagfile"):
            word = str(_flag_file(word))
        words.append(word)
    return words


def _flag_file(path):
    if pathlib.Path(path).expanduser().exists():
        return path
    try:
        return resources.shipped(path)
    except FileNotFoundError:
        raise errors.UserError(
            f"no flag file {path}, neither here nor among those shipped"
        ) from None


def _exit_if_of_the_path(error):
    """Ends in one line if an error says that a path cannot be used."""
    if isinstance(error, OSError) and error.errno in _OF_THE_PATH:
        path = str(error.filename or "a path")
        if len(path) > _LONGEST_SHOWN:
            path = f"{path[:_LONGEST_SHOWN]}..."
        _exit(f"{path}: {error.strerror}")


def _exit(message, code=2, lines=False):
    """Prints a message, in one line unless it is a list, and ends."""
    script = pathlib.Path(sys.argv[0]).name
    message = message if lines else " ".join(message.split())
    print(f"{script}: {message}", file=sys.stderr)
    sys.exit(code)
