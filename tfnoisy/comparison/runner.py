"""Trains what a comparison lacks, and writes what there is after each run."""

import sys
import time

from tfnoisy import errors, output_file
from tfnoisy.comparison import figure, plan, trainer_process
from tfnoisy.comparison import outcomes as outcome_lib
from tfnoisy.comparison import table as table_lib


class Runner:
    """Trains the runs of a comparison, one after another."""

    def __init__(self, protocol, runs, output_dir, scripts):
        """Looks at what is finished; nothing is written.

        Args:
            protocol: a `protocol_lib.Protocol`.
            runs: `plan.Run`s.
            output_dir: where the tables go, a path.
            scripts: the folder of the trainers, a path.

        Raises:
            UserError: if a run's folder is damaged.
        """
        self.protocol = protocol
        self.runs = runs
        self.output_dir = output_dir
        self.scripts = scripts
        self.outcomes = [
            outcome_lib.read(run, self._status(run)) for run in runs
        ]
        # What each took: here as a whole, before in training alone.
        self._seconds = {
            run.name: outcome.seconds
            for run, outcome in zip(runs, self.outcomes)
            if outcome.seconds is not None
        }

    def _status(self, run):
        if not (self.scripts / run.script).exists():
            return outcome_lib.MISSING
        if plan.is_finished(run):
            return outcome_lib.FINISHED
        return outcome_lib.WAITING

    def count(self, *statuses):
        """Returns how many runs have one of these statuses."""
        return sum(outcome.status in statuses for outcome in self.outcomes)

    def run(self):
        """Trains every run that waits; a failure is noted and left behind.

        Raises:
            UserError: if a file cannot be written, or if the first trainer
                that is asked refuses its command, as then the others would;
                nothing is written in this case.
            Interrupted: after Ctrl-C.
        """
        for index, run in enumerate(self.runs):
            _say(
                f"[{index + 1}/{len(self.runs)}] {run.method} seed {run.seed}"
                " ... ",
                end="",
            )
            if self.outcomes[index].status != outcome_lib.WAITING:
                _say(self._told(index))
                continue
            try:
                told = self._train(index)
            except KeyboardInterrupt:
                _say("stopped")
                raise errors.Interrupted(
                    f"stopped in {run.name}, with "
                    f"{self.count(outcome_lib.FINISHED)} of {len(self.runs)} "
                    "runs finished; the same command goes on from there"
                ) from None
            except errors.UserError:
                _say("refused")
                raise
            _say(told)
            self.write()
        self.write()

    def _train(self, index):
        """Trains a run; returns what is to be said of it."""
        run = self.runs[index]
        words = [sys.executable, str(self.scripts / run.script), *run.words]
        log = self.output_dir / "logs" / f"{run.name}.log"
        started = time.monotonic()
        with trainer_process.open_log(log) as file:
            code, why = trainer_process.run_logged(words, file, log)
            ended = self.count(outcome_lib.FINISHED, outcome_lib.FAILED)
            if code == 2 and not ended:
                raise errors.UserError(f"{run.name}: {why}")
        if code:
            self.outcomes[index] = outcome_lib.read(run, outcome_lib.FAILED)
            if code < 0:
                why = f"ended by signal {-code}"
            return f"failed: {why} (see {log})"
        plan.mark_finished(run)
        self.outcomes[index] = outcome_lib.read(run)
        self._seconds[run.name] = time.monotonic() - started
        return self._told(index) + self._to_go()

    def _told(self, index):
        outcome, run = self.outcomes[index], self.runs[index]
        if outcome.status == outcome_lib.MISSING:
            return f"missing: there is no bin/{run.script}"
        return (
            f"test accuracy {outcome.test_accuracy:.4f}, "
            f"{self._seconds[run.name]:.0f} s"
        )

    def _to_go(self):
        waiting = [
            run
            for run, outcome in zip(self.runs, self.outcomes)
            if outcome.status == outcome_lib.WAITING
        ]
        if not waiting:
            return ""
        left = plan.seconds_left(self._seconds, waiting)
        return f"; about {max(1, round(left / 60))} min to go"

    def write(self):
        """Writes comparison.csv, comparison.md and comparison.png.

        Raises:
            UserError: if one cannot be written.
        """
        output_file.write(
            self.output_dir / "comparison.csv",
            table_lib.to_csv(self.outcomes),
        )
        output_file.write(
            self.output_dir / "comparison.md",
            table_lib.to_markdown(self.protocol, self.runs, self.outcomes),
        )
        figure.plot(
            outcome_lib.summarise(self.outcomes),
            self.output_dir / "comparison.png",
            table_lib.title(self.protocol),
        )


def _say(text, end="\n"):
    print(text, end=end, file=sys.stderr, flush=True)
