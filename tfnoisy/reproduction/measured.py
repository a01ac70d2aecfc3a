"""What was measured of a row, from kept runs or from the row itself."""

import dataclasses
import pathlib
import statistics

from tfnoisy.reproduction import kept as kept_lib
from tfnoisy.reproduction import rows as rows_lib


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """The numbers of a row, seed by seed.

    Attributes:
        row: the row.
        accuracies: test accuracies at the last step; may be empty.
        best: the mean of each run's best evaluation; None if unknown.
        fitted: the mean share of wrong labels fitted; likewise.
        f1, auc: means of the methods' judgement of the labels; likewise.
        minutes: the mean processor time, or None.
        seconds: the mean time by the clock, or None.
        commits: of the code, in the order of the seeds, without repetition.
        hardware: likewise.
    """

    row: rows_lib.Row
    accuracies: list[float]
    best: float | None
    fitted: float | None
    f1: float | None = None
    auc: float | None = None
    minutes: float | None = None
    seconds: float | None = None
    commits: list[str]
    hardware: list[str]

    @property
    def mean(self) -> float:
        """The mean accuracy; there must be one."""
        return statistics.fmean(self.accuracies)

    @property
    def deviation(self) -> float | None:
        """The sample's standard deviation, None for a single seed."""
        if len(self.accuracies) < 2:
            return None
        return statistics.stdev(self.accuracies)


def of(row: rows_lib.Row, folder: pathlib.Path | None = None) -> Measured:
    """Returns what was measured of a row.

    Kept runs count; where there is none, the values of the row.

    Args:
        row: the row.
        folder: of the kept runs; the shipped one if None.

    Raises:
        UserError: if a kept run is damaged.
    """
    kept = kept_lib.read(row, folder)
    if not kept:
        return Measured(
            row=row,
            accuracies=list(row.values),
            best=row.best,
            fitted=row.fitted,
            f1=row.f1,
            auc=row.auc,
            commits=[row.commit] if row.values else [],
            hardware=[row.hardware] if row.hardware else [],
        )
    minutes = _mean([one.processor_seconds for one in kept])
    return Measured(
        row=row,
        accuracies=[one.test_accuracy for one in kept],
        best=_mean([one.best_test_accuracy for one in kept]),
        fitted=_mean([one.wrong_labels_fitted for one in kept]),
        f1=_mean([one.f1 for one in kept]),
        auc=_mean([one.auc for one in kept]),
        minutes=None if minutes is None else minutes / 60,
        seconds=_mean([one.wall_seconds for one in kept]),
        commits=list(dict.fromkeys(one.commit for one in kept)),
        hardware=list(dict.fromkeys(one.hardware for one in kept)),
    )


def _mean(values):
    """The mean, None where a value is missing."""
    if any(value is None for value in values):
        return None
    return statistics.fmean(values)
