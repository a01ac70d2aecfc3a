"""The logs of training steps, read when there is time for it."""

import math

from tfnoisy import errors
from tfnoisy.methods import nonfinite

_OF_EVERY_STEP = ("loss", "accuracy")


class StepLogs:
    """Collects the steps' logs into a run's progress.

    To read a step's logs at once would wait for its end, each time.
    """

    def __init__(self, progress):
        """Begins with none.

        Args:
            progress: a `progress.Progress`.
        """
        self._progress = progress
        self._pending = []

    def add(self, first, logs):
        """Adds the logs of a call of some steps.

        Args:
            first: the number of its first step.
            logs: {name: tensor [number of steps]}.

        Raises:
            TrainingError: if they lack what every method's step returns.
        """
        for name in _OF_EVERY_STEP:
            if name not in logs:
                raise errors.TrainingError(
                    f"the method's train_step returns no {name!r}, only "
                    f"{', '.join(sorted(logs)) or 'nothing'}"
                )
        self._pending.append((first, logs))

    def collect(self, latest):
        """Counts the steps since the last time.

        Args:
            latest: the path of the last checkpoint, or None.

        Raises:
            TrainingError: if a step's loss is not finite, and was not left
                out.
        """
        steps = list(self._steps())
        self._pending.clear()
        for step, logs in steps:
            if logs.pop(nonfinite.FINITE, 1.0) < 1.0:
                self._progress.skip(step)
            elif math.isfinite(logs["loss"]):
                self._progress.add(logs)
            else:
                raise errors.TrainingError(
                    f"the loss of step {step} is {logs['loss']}; "
                    + after_nonfinite(latest)
                )

    def _steps(self):
        """Yields (number, {name: float}) of each step not yet looked at."""
        for first, logs in self._pending:
            rows = zip(*(values.numpy() for values in logs.values()))
            for number, row in enumerate(rows, first):
                yield number, dict(zip(logs, map(float, row)))


def after_nonfinite(latest):
    """Returns what to do where something is not finite.

    Args:
        latest: the path of the last checkpoint, or None.
    """
    return (
        f"the last good checkpoint is {latest or 'none, it was too early'}; a "
        "smaller --learning_rate, with --overwrite, usually helps; "
        "--on_nonfinite=skip leaves out such updates and goes on from there"
    )
