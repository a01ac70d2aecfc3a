"""What a run shows while it trains: a bar, lines, TensorBoard's scalars."""

import contextlib
import math
import sys
import time

import numpy as np
import tensorflow as tf
import tqdm

from tfnoisy import errors, progress

# The logs that the bar shows, where a method has them.
_ON_THE_BAR = ("loss", "accuracy", "data_util")


class Reporter:
    """Shows the progress of one run; a context manager.

    Only the chief of several workers shows and writes anything.
    """

    def __init__(self, folder, is_chief, has_bar, save_summaries_secs):
        """Prepares it; nothing is shown or written.

        Args:
            folder: a `runs.folder.RunFolder`.
            is_chief: whether this worker shows and writes.
            has_bar: whether to show a progress bar; where the output is no
                terminal, a line a minute.
            save_summaries_secs: seconds between two sets of scalars.
        """
        self._folder = folder
        self._is_chief = is_chief
        self._has_bar = has_bar and is_chief
        self._interval = save_summaries_secs
        self._bar = self._writer = self._lines = None
        self._summarised = 0.0
        self._shown = 0

    @contextlib.contextmanager
    def running(self, first_step, num_steps):
        """Shows the bar and opens the event file while the body runs."""
        self._summarised = time.monotonic()
        with self._one_line():
            self._writer = (
                tf.summary.create_file_writer(str(self._folder.tensorboard))
                if self._is_chief
                else tf.summary.create_noop_writer()
            )
        with tqdm.tqdm(
            total=num_steps,
            initial=first_step,
            unit="step",
            # None: only on a terminal.
            disable=None if self._has_bar else True,
            dynamic_ncols=True,
        ) as self._bar:
            if self._has_bar and not sys.stderr.isatty():
                self._lines = progress.Progress(
                    "training", num_steps, "steps", done=first_step
                )
                self._shown = first_step
            with progress.showing(self._has_bar):
                yield
        with self._one_line():
            self._writer.close()

    def say(self, line):
        """Prints a line beside the bar; a run goes on where nobody reads it."""
        if self._is_chief:
            # Its reader has ended, or it is a file on a full disk.
            with contextlib.suppress(OSError):
                self._bar.write(line)

    def show(self, step, logs, images_per_second):
        """Moves the progress bar.

        Args:
            step: int, the updates made so far.
            logs: {name: mean since the last evaluation}.
            images_per_second: float.
        """
        if self._lines is not None:
            self._lines.update(step - self._shown)
            self._shown = step
        shown = {n: f"{logs[n]:.3f}" for n in _ON_THE_BAR if n in logs}
        with contextlib.suppress(OSError):
            self._bar.update(step - self._bar.n)
            self._bar.set_postfix(
                shown, images_per_s=f"{images_per_second:.0f}"
            )

    @property
    def is_summary_due(self):
        """Whether the time for the next set of scalars has come."""
        return time.monotonic() - self._summarised > self._interval

    def summarise(self, step, values):
        """Writes TensorBoard's scalars, {name: number}.

        Raises:
            StorageError: if the disk does not take them.
        """
        # TensorFlow keeps every Python number that it has made a tensor of for
        # good (0.7 KiB each), np.float64 among them, but no arrays.
        step = np.array(step)
        with self._one_line(), self._writer.as_default():
            for name, value in values.items():
                if name != "step" and math.isfinite(value):
                    tf.summary.scalar(name, np.array(value), step=step)
        self._summarised = time.monotonic()

    @contextlib.contextmanager
    def _one_line(self):
        """Says in one line why events cannot be written."""
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            self._folder.check_there()
            reason = getattr(error, "strerror", None) or str(error)
            reason = reason.partition(" [Op:")[0].rpartition("; ")[2]
            raise errors.StorageError(
                f"cannot write {self._folder.tensorboard}: {reason}"
            ) from error
