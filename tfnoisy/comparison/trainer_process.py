"""A trainer in a process of its own, its words in a log."""

import contextlib
import os
import signal
import subprocess
import sys

from tfnoisy import errors


def run(words, log):
    """Runs a command to its end, or to ours.

    In a process group of its own: Ctrl-C in a terminal reaches this process
    alone, which passes it on once, so that a trainer saves in peace.  A
    second one kills it, which a run folder outlives, and so does any other
    exception here; see `end_with_us`.

    Args:
        words: the command.
        log: an open binary file for all that it prints.

    Returns:
        Its exit code, as `subprocess` has it.

    Raises:
        KeyboardInterrupt: after Ctrl-C, when the command has ended.
    """
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        # So that the log can be followed.
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        process_group=0,
    ) as child:
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            child.wait()
            raise
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()


def run_logged(words, file, log):
    """Runs a command to its end, see `run`, and looks at how it ended.

    Args:
        words: the command.
        file: the open log, see `open_log`.
        log: its path.

    Returns:
        Its exit code, and the last line that it printed.

    Raises:
        KeyboardInterrupt: after Ctrl-C, here or there.
    """
    code = run(words, file)
    if code in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    return code, last_line(log)


def end_with_us():
    """Lets SIGTERM and SIGHUP, which end this process, end a trainer too.

    Unless they are ignored already: a process that was told to outlive its
    terminal does so.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:
            # An exception, where the default would leave no time for any.
            signal.signal(number, lambda number, _: sys.exit(128 + number))


@contextlib.contextmanager
def open_log(path):
    """Opens a log and makes its folder; a user's mistake leaves neither.

    Args:
        path: the file, a path.

    Yields:
        The open binary file.

    Raises:
        UserError: if it cannot be written.
    """
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
    except OSError as error:
        raise errors.UserError(
            f"cannot write {path}: {error.strerror}"
        ) from error
    with file:
        try:
            yield file
        except errors.UserError:
            path.unlink()
            for folder in made:
                # It may hold something else by now.
                with contextlib.suppress(OSError):
                    folder.rmdir()
            raise


def last_line(path):
    """Returns the last line of a log, without a script's name before it."""
    lines = path.read_text(errors="replace").strip().splitlines() or [""]
    script, colon, message = lines[-1].partition(".py: ")
    return message if colon and " " not in script else lines[-1]
