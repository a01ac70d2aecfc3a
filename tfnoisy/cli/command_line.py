"""What every script does: parse flags, run, and say a mistake in one line.

Imports no TensorFlow, for the scripts that need none; `common` is for the
others.
"""

import contextlib
import math
import os
import pathlib
import signal
import sys
import tempfile

from absl import app, flags

from tfnoisy import errors, resources


@contextlib.contextmanager
def quiet_stderr():
    """Keeps back what native code prints, unless the body fails.

    A `UserError` says by itself what is wrong.

    Yields:
        A function that prints what was kept back, to be called afterwards.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as sink:

        def show():
            sys.stderr.write(text)

        os.dup2(sink.fileno(), 2)
        try:
            yield show
        except errors.UserError:
            raise
        except BaseException:
            os.dup2(kept, 2)
            sink.seek(0)
            sys.stderr.write(sink.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            sink.seek(0)
            text = sink.read().decode(errors="replace")


def run(main):
    """Runs an absl script; a user's mistake is one line and exit code 2.

    Flag files that are not found where the command is run are looked up
    among those that ship with tfnoisy, so `--flagfile=flags/quickstart.flags`
    works outside a checkout.

    Args:
        main: a function of one argument, the list of positional arguments
            (the script's name first).
    """
    app.run(lambda argv: _guarded(main, argv), flags_parser=_parse)


def _parse(argv):
    try:
        rest = flags.FLAGS(_resolve_flagfiles(argv))
        for name in flags.FLAGS:
            value = flags.FLAGS[name].value
            if isinstance(value, float) and not math.isfinite(value):
                _exit(f"--{name}={value} is not a finite number")
        return rest
    except (flags.Error, errors.UserError) as error:
        _exit(str(error))
    except UnicodeDecodeError:
        _exit("a file given as --flagfile is not text")


def _guarded(main, argv):
    # What Slurm and Kubernetes send before they kill: time for a checkpoint.
    if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    if len(argv) > 1:
        _exit(f"unexpected argument {argv[1]!r}: every option is a --flag")
    try:
        return main(argv)
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


def _exit(message, code=2):
    script = pathlib.Path(sys.argv[0]).name
    print(f"{script}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)
