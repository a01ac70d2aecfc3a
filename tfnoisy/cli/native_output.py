"""Standard output that nobody reads, and standard error of native code."""

import contextlib
import os
import select
import sys
import tempfile

from tfnoisy import errors


@contextlib.contextmanager
def kept_back():
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


@contextlib.contextmanager
def until_nobody_reads():
    """Ends the body where standard output is a pipe that was closed.

    `| head` has seen enough.  What is printed after the body goes nowhere.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        if not any(event & select.POLLERR for _, event in poll.poll(0)):
            # It was another pipe, or a connection.
            raise
        # Python would complain again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
