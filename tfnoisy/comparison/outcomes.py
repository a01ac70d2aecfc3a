"""What became of the runs of a comparison, one by one and by method."""

import collections
import dataclasses
import statistics

from tfnoisy.runs import folder as run_folder

FINISHED, FAILED, WAITING, MISSING = "finished", "failed", "not yet", "missing"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one run; its fields are the columns of comparison.csv.

    Attributes:
        method: its name.
        seed: its seed.
        status: FINISHED, FAILED, WAITING or MISSING (no such trainer here);
            only a finished run has the numbers below.
        test_accuracy: on clean labels at the last step, in [0, 1].
        best_test_accuracy: of all evaluations.
        wrong_labels_fitted: share of the wrong labels that the network
            predicts, None if no label is known to be wrong.
        noise_rate: share of the given labels that are wrong, None if unknown.
        train_images: N.
        trusted_images: those beside them whose labels are known to be right.
        batch_size: images in a step.
        steps: updates made.
        seconds: of training and evaluation.
        processor_seconds: likewise, of all threads and child processes; None
            if it was not measured, as in runs of older versions.
        run: the run folder.
    """

    method: str
    seed: int
    status: str
    test_accuracy: float | None = None
    best_test_accuracy: float | None = None
    wrong_labels_fitted: float | None = None
    noise_rate: float | None = None
    train_images: int | None = None
    trusted_images: int | None = None
    batch_size: int | None = None
    steps: int | None = None
    seconds: float | None = None
    processor_seconds: float | None = None
    run: str = ""


@dataclasses.dataclass(frozen=True)
class Summary:
    """One method over all seeds.

    Attributes:
        method: its name.
        outcomes: of every seed.
    """

    method: str
    outcomes: tuple[Outcome, ...]

    @property
    def finished(self):
        """The outcomes with numbers."""
        return [one for one in self.outcomes if one.status == FINISHED]

    @property
    def accuracies(self):
        """The test accuracies of the finished runs."""
        return [one.test_accuracy for one in self.finished]

    @property
    def deviation(self):
        """The sample standard deviation of the accuracies, None of one."""
        if len(self.accuracies) < 2:
            return None
        return statistics.stdev(self.accuracies)

    @property
    def label(self):
        """The method's name, and what it knows that others do not."""
        trusted = max((one.trusted_images for one in self.finished), default=0)
        if not trusted:
            return self.method
        return f"{self.method} ({trusted} trusted images)"

    @property
    def unfinished(self):
        """Why runs have no numbers: `missing`, or `1 failed, 2 not yet`."""
        counts = collections.Counter(
            one.status for one in self.outcomes if one.status != FINISHED
        )
        if list(counts.values()) == [len(self.outcomes)]:
            return self.outcomes[0].status
        return ", ".join(f"{n} {status}" for status, n in counts.items())

    def mean(self, name):
        """Returns the mean of a field of `Outcome`, None if it is unknown."""
        values = [getattr(one, name) for one in self.finished]
        known = [value for value in values if value is not None]
        return statistics.fmean(known) if known else None


def read(run, status=FINISHED):
    """Returns the `Outcome` of a run.

    Args:
        run: a `plan.Run`.
        status: anything but FINISHED has no numbers.

    Raises:
        UserError: if results.json is damaged.
    """
    outcome = Outcome(run.method, run.seed, status, run=str(run.folder))
    if status != FINISHED:
        return outcome
    results = run_folder.RunFolder(run.folder).read_results()
    return dataclasses.replace(
        outcome,
        test_accuracy=results["test"]["accuracy"],
        best_test_accuracy=results["best_test_accuracy"],
        wrong_labels_fitted=results["train"]["wrong_labels_fitted"],
        noise_rate=results["noise"]["measured_rate"],
        train_images=results["train_examples"],
        trusted_images=results["probe_examples"],
        batch_size=results["batch_size"],
        steps=results["steps"],
        seconds=results["wall_seconds"],
        processor_seconds=results.get("processor_seconds"),
    )


def summarise(outcomes):
    """Returns a `Summary` for each method, in the order they first come.

    Args:
        outcomes: a list of `Outcome`.
    """
    by_method = {}
    for outcome in outcomes:
        by_method.setdefault(outcome.method, []).append(outcome)
    return [Summary(name, tuple(found)) for name, found in by_method.items()]
