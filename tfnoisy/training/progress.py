"""What a run remembers beside its variables, to end as if never stopped.

It is saved in each checkpoint, together with the variables: the evaluations so
far, the running means of the logs since the last one, and whether one is due.
So metrics.jsonl is written again as it was, whatever became of it.
"""

import json

import tensorflow as tf

from tfnoisy import errors

# So many steps in a row without a finite loss have nothing to go on with.
MOST_SKIPPED = 100
# Of the skipped steps so many are named.
_NAMED = 1000


class Means:
    """The running means of the steps' logs."""

    def __init__(self, sums=None, count=0):
        """Begins with the sums of so many steps, {name: float}."""
        self.sums = dict(sums or {})
        self.count = count

    def add(self, logs):
        """Adds one step's {name: float}."""
        self.count += 1
        for name, value in logs.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def values(self):
        """Returns {name: mean}, empty before the first step."""
        return {name: total / self.count for name, total in self.sums.items()}


class Progress(tf.train.experimental.PythonState):
    """The part of a run's state that is no variable.

    Attributes:
        rows: the evaluations so far, lines of metrics.jsonl.
        means: the `Means` since the last evaluation.
        evaluation_due: whether one is due at the step that was reached.
        seconds: of training so far, in all processes.
        processor_seconds: likewise, but of processor time, see
            `processor_time`; None where a part of it was not measured, by an
            older version.
        skipped: the steps whose updates were left out, the first 1000.
        num_skipped: how many there were.
        skipped_in_a_row: how many of the last steps were.
        is_known: whether the checkpoint that was restored has all this; those
            of older versions have not.
    """

    def __init__(self):
        super().__init__()
        self.rows = []
        self.means = Means()
        self.evaluation_due = False
        self.seconds = 0.0
        self.processor_seconds = 0.0
        self.skipped = []
        self.num_skipped = 0
        self.skipped_in_a_row = 0
        self.is_known = False

    def skip(self, step):
        """Counts a step whose update was left out.

        Raises:
            TrainingError: if too many in a row were.
        """
        self.num_skipped += 1
        self.skipped_in_a_row += 1
        if len(self.skipped) < _NAMED:
            self.skipped.append(step)
        if self.skipped_in_a_row == MOST_SKIPPED:
            raise errors.TrainingError(
                f"the updates of {MOST_SKIPPED} steps in a row, to step "
                f"{step}, were left out for losses or weights that are not "
                "finite; a smaller --learning_rate usually helps"
            )

    def add(self, logs):
        """Counts a step whose update was made, {name: float}."""
        self.skipped_in_a_row = 0
        self.means.add(logs)

    def evaluated(self, step):
        """Returns whether there is an evaluation of this step."""
        return any(row["step"] == step for row in self.rows)

    def serialize(self):
        """Returns all of it as JSON, for the checkpoint."""
        return json.dumps(
            {
                "rows": self.rows,
                "sums": self.means.sums,
                "count": self.means.count,
                "evaluation_due": self.evaluation_due,
                "seconds": self.seconds,
                "processor_seconds": self.processor_seconds,
                "skipped": self.skipped,
                "num_skipped": self.num_skipped,
                "skipped_in_a_row": self.skipped_in_a_row,
            }
        )

    def deserialize(self, text):
        """Takes over what a checkpoint has."""
        values = {"processor_seconds": None, **json.loads(text)}
        self.means = Means(values.pop("sums"), values.pop("count"))
        for name, value in values.items():
            setattr(self, name, value)
        self.is_known = True
