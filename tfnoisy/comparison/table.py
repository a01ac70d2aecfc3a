"""A comparison as a page in Markdown and as a table in CSV."""

import csv
import dataclasses
import io
import statistics

from tfnoisy.catalogue import methods as catalogue
from tfnoisy.comparison import outcomes as outcome_lib

_HEAD = (
    "method",
    "test accuracy",
    "lowest",
    "highest",
    "best on test",
    "wrong labels fitted",
    "seeds",
    "steps",
    "seconds",
    "processor minutes",
)

_NOTES = """\
- test accuracy: on clean labels at the last step, the mean over the seeds ±
  their standard deviation (of a sample). A seed draws the wrong labels, the
  first weights, the order and the views.
- best on test: the mean of each run's best evaluation, which nobody can choose
  who has no clean test labels.
- wrong labels fitted: the share of the wrongly labelled training images for
  which the network predicts the wrong label it was given.
- steps: updates, and of how many images each.
- seconds: of training and evaluation on this machine, without the start.
- processor minutes: likewise, but the time for which processors worked on it:
  that of all threads and child processes, GPUs left out. What ran beside it
  changes this little. Of a run that was stopped, or killed, and went on, it is
  the time of all its parts, without what a kill lost. Runs of older versions
  have none.
"""


def to_csv(outcomes):
    """Returns a line for each run, under the names of `Outcome`'s fields."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        field.name for field in dataclasses.fields(outcome_lib.Outcome)
    )
    writer.writerows(dataclasses.astuple(outcome) for outcome in outcomes)
    return text.getvalue()


def to_markdown(protocol, runs, outcomes):
    """Returns the page: table, budget, what the columns mean, commands.

    Args:
        protocol: the `protocol_lib.Protocol`.
        runs: the `plan.Run`s.
        outcomes: their `Outcome`s.
    """
    summaries = outcome_lib.summarise(outcomes)
    first = {}
    for run in runs:
        first.setdefault(run.method, run)
    return "\n".join(
        [
            f"# {title(protocol)}",
            "",
            table(summaries),
            _budget(protocol, first),
            "",
            *_wrong(outcomes),
            _NOTES,
            f"The first run of each method, seed {runs[0].seed}:",
            "",
            *(f"    {run.command}" for run in first.values()),
            "",
        ]
    )


def title(protocol):
    """Returns the data, the noise and the budget in a line."""
    epochs = "epoch" if protocol.num_epochs == 1 else "epochs"
    noise = described_noise(protocol.noise)
    return f"{protocol.dataset_name}, {noise}, {protocol.num_epochs} {epochs}"


def described_noise(spec):
    """Returns a noise's text; of none, that the labels may be wrong anyway."""
    return "noise: the data's own" if spec == "none" else spec


def table(summaries):
    """Returns the table of a list of `Summary`, in Markdown, aligned."""
    rows = [_HEAD, *(_cells(summary) for summary in summaries)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    rows.insert(1, ["-" * width for width in widths])
    lines = (
        " | ".join(cell.ljust(width) for cell, width in zip(row, widths))
        for row in rows
    )
    return "".join(f"| {line} |\n" for line in lines)


def _cells(summary):
    count, of = len(summary.finished), len(summary.outcomes)
    if not count:
        return (summary.label, summary.unfinished, *["-"] * (len(_HEAD) - 2))
    accuracy = f"{summary.mean('test_accuracy'):.3f}"
    if summary.deviation is not None:
        accuracy += f" ± {summary.deviation:.3f}"
    fitted = summary.mean("wrong_labels_fitted")
    seeds = f"{count} of {of}: {summary.unfinished}" if count < of else f"{of}"
    return (
        summary.label,
        accuracy,
        f"{min(summary.accuracies):.3f}",
        f"{max(summary.accuracies):.3f}",
        f"{summary.mean('best_test_accuracy'):.3f}",
        "-" if fitted is None else f"{fitted:.3f}",
        seeds,
        f"{summary.mean('steps'):.0f} of {summary.finished[0].batch_size}",
        f"{summary.mean('seconds'):.0f}",
        _minutes(summary.mean("processor_seconds")),
    )


def _minutes(seconds):
    return "-" if seconds is None else f"{seconds / 60:.2f}"


def _budget(protocol, methods):
    text = (
        f"Budget: every method makes {protocol.num_epochs} passes over the "
        "training data."
    )
    pairs = [name for name in methods if catalogue.METHODS[name].networks == 2]
    if pairs:
        text += (
            f" The two networks of {' and of '.join(pairs)} make as many each."
        )
    if "dividemix" in methods:
        text += (
            " After its warm-up, an epoch of dividemix is a pass over the part"
            " whose labels it takes for right, with as many batches of the "
            "rest."
        )
    return text


def _wrong(outcomes):
    rates = [one.noise_rate for one in outcomes if one.noise_rate is not None]
    if not rates:
        return []
    return [
        f"{100 * statistics.fmean(rates):.1f} % of the given labels are wrong.",
        "",
    ]
