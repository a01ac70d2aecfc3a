"""Ctrl-C and SIGTERM, taken where nothing is lost.

Python raises KeyboardInterrupt between any two of its instructions: between a
training step and the line that notes it, or within an epoch's bookkeeping.
Here a signal is noted, and the loop stops at its next safe point, after the
step under way, with everything saved.
"""

import contextlib
import signal
import threading
import time

# A terminal or a job's wrapper may send the same signal twice at once.
_SAME_SECONDS = 1.0


class Stopped(Exception):
    """A signal has come, and what the run has reached can be saved."""


class Signals:
    """A context in which signals wait for a safe point.

    It takes over the signals that would raise KeyboardInterrupt, and only
    those; in a thread other than the main one there are none.  A second
    signal, more than a second after the first, raises it at once.
    """

    def __init__(self):
        self._first = None
        self._at_once = False
        self._before = {}

    def __enter__(self):
        """Takes over the signals."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) is signal.default_int_handler:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, failure, *_):
        """Gives the signals back; one that nobody has looked at still counts.

        Raises:
            KeyboardInterrupt: if there was one.
        """
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._first is not None and failure is None:
            raise KeyboardInterrupt

    def check(self):
        """Marks a safe point.

        Raises:
            Stopped: if a signal has come.
        """
        if self._first is not None:
            raise Stopped

    @contextlib.contextmanager
    def at_once(self):
        """Makes a signal interrupt the body wherever it is.

        Raises:
            Stopped: if a signal comes, or has come.
        """
        self.check()
        self._at_once = True
        try:
            yield
        except KeyboardInterrupt:
            raise Stopped from None
        finally:
            self._at_once = False

    @contextlib.contextmanager
    def ignored(self):
        """Makes signals wait for the end of the body, however many come."""
        before, self._at_once = self._at_once, None
        try:
            yield
        finally:
            self._at_once = before

    def _note(self, *_):
        now = time.monotonic()
        again = self._first is not None and now - self._first > _SAME_SECONDS
        if self._first is None:
            self._first = now
        if self._at_once or (again and self._at_once is not None):
            raise KeyboardInterrupt
