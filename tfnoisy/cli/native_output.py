"""What native code prints past Python, kept back unless it matters."""

import contextlib
import os
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
