"""How far a long stage is, and how long it still takes.

On a terminal a bar; where the output is a file, a line now and then.
"""

import contextlib
import contextvars
import sys
import time

import tqdm

# Seconds between two lines in a file.
_SECONDS = 60.0
# Seconds that a part of a stage may take before a terminal shows its bar.
_DELAY = 5.0
_shown = contextvars.ContextVar("shown", default=False)


class Progress:
    """Counts what has been done, for a reader of stderr.

    Use it in a `with` statement and call `update`.
    """

    def __init__(
        self, title, total, unit="images", file=None, done=0, delay=0.0
    ):
        """Begins to count.

        Args:
            title: what is being done.
            total: how many there are to do.
            unit: of what.
            file: where to write; stderr by default.
            done: how many had been done before.
            delay: seconds after which a terminal shows the bar.
        """
        self._file = sys.stderr if file is None else file
        self._title, self._total, self._unit = title, total, unit
        self._first = self._done = done
        self._started = time.monotonic()
        self._next = self._started + _SECONDS
        self._bar = None
        if self._file.isatty():
            self._bar = tqdm.tqdm(
                total=total,
                initial=done,
                desc=title,
                unit=f" {unit}",
                file=self._file,
                leave=False,
                delay=delay,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._bar is not None:
            self._bar.close()

    def update(self, done):
        """Counts `done` more."""
        self._done += done
        if self._bar is not None:
            self._bar.update(done)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS
            # Its reader may have ended; the work goes on.
            with contextlib.suppress(OSError):
                print(self._line(), file=self._file, flush=True)

    def _line(self):
        seconds = time.monotonic() - self._started
        rate = (self._done - self._first) / seconds
        left = "?"
        if rate:
            left = tqdm.tqdm.format_interval((self._total - self._done) / rate)
        return (
            f"{self._title}: {self._done:,} of {self._total:,} {self._unit}, "
            f"{rate:.3g} a second, {left} left"
        )


def over(values, title, total, unit="images"):
    """Yields values, and says how far they are.

    Args:
        values: what is iterated over.
        title: as for `Progress`.
        total: likewise.
        unit: likewise.
    """
    with Progress(title, total, unit) as shown:
        for value in values:
            yield value
            shown.update(1)


@contextlib.contextmanager
def showing(shown=True):
    """Shows what `part` counts while the body runs, or keeps it back.

    Scripts show it; where a library is called from Python nothing is said.

    Args:
        shown: whether to show it.
    """
    before = _shown.set(shown)
    try:
        yield
    finally:
        _shown.reset(before)


@contextlib.contextmanager
def part(title, total, unit="images"):
    """Yields a function to call with how many more have been done.

    For a pass that is a part of a longer stage: a terminal has its bar after
    some seconds, a file a line a minute, both only within `showing`.

    Args:
        title: as for `Progress`.
        total: likewise.
        unit: likewise.
    """
    if not _shown.get():
        yield lambda done: None
        return
    with Progress(title, total, unit, delay=_DELAY) as shown:
        yield shown.update
