"""Whether a rerun agrees with what was measured before."""

import dataclasses
import math
import statistics

from scipy import stats

# How sure the interval is: a rerun that is like the others falls outside once
# in twenty times.
_SHARE = 0.95
# Fewer values say nothing of how they spread.
_ENOUGH = 3


@dataclasses.dataclass(frozen=True)
class Spread:
    """Where one more run is expected.

    Attributes:
        mean: of the measured values.
        half_width: it is expected so far from the mean at most.
        because: where the half width is from, in words.
    """

    mean: float
    half_width: float
    because: str

    def holds(self, value: float) -> bool:
        """Returns whether a value is inside, the ends included."""
        # To rounding: 0.7 + 0.1 is not 0.8.
        return abs(value - self.mean) <= self.half_width + 1e-9

    def judge(self, value: float) -> str:
        """Returns in a line whether a value is inside."""
        verdict = "inside" if self.holds(value) else "OUTSIDE"
        return (
            f"{value:.4f}: {verdict} {self.mean:.4f} ± {self.half_width:.4f} "
            f"({self.because})"
        )


def of(values: list[float], tolerance: float, because: str) -> Spread:
    """Returns where one more run is expected.

    From three values on the 95 % prediction interval of a normal distribution,
    mean ± t s sqrt(1 + 1/n), at least the tolerance, which covers what other
    processors change; of fewer values the tolerance.

    Args:
        values: measured, one for each seed; at least one.
        tolerance: see `rows.Table`.
        because: where the tolerance is from.
    """
    mean = statistics.fmean(values)
    count = len(values)
    if count >= _ENOUGH:
        quantile = stats.t.ppf((1 + _SHARE) / 2, count - 1)
        width = quantile * statistics.stdev(values) * math.sqrt(1 + 1 / count)
        if width >= tolerance:
            return Spread(
                mean, width, f"95 % prediction interval of {count} seeds"
            )
    return Spread(mean, tolerance, because)
