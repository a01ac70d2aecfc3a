"""The loop of all trainers: stages, evaluations, checkpoints, progress.

Step by step under a `tf.distribute` strategy, or several steps a call, to
the same end: a call ends where something else is due.  Everything that decides
the result lives in the method's and the optimiser's variables, in the step
count, and in the run's `progress.Progress`; the data are entered at the batch
that the step count names.  So a run that was killed goes on from its last
checkpoint as if nothing had happened, bit for bit on one device.

Of several workers each runs this loop, in step with the others; only the
first, the chief, writes and talks.  All variables are alike on all workers, so
that its checkpoints are those of the run.
"""

import contextlib
import time

import numpy as np
import tensorflow as tf

from tfnoisy import choices, errors, replicas
from tfnoisy.datasets import pipeline
from tfnoisy.datasets.images import streamed
from tfnoisy.methods import base, execution, nonfinite
from tfnoisy.training import (
    checkpoints,
    interruption,
    judging,
    processor_time,
    reporting,
    step_logs,
    timetable,
)
from tfnoisy.training import progress as run_progress


class Loop:
    """Trains one method into one run folder."""

    def __init__(
        self,
        method,
        data,
        folder,
        strategy,
        *,
        num_steps,
        eval_every,
        evaluators,
        wrong=None,
        eval_steps=(),
        restore_step=0,
        save_interval_secs=1200,
        save_summaries_secs=120,
        steps_per_execution=1,
        jit_compile=False,
        on_nonfinite="stop",
        in_step=None,
        progress=True,
    ):
        """Prepares training; nothing is written yet.

        Args:
            method: a compiled `methods.base.Method`, made in the strategy's
                scope.
            data: a `pipeline.TrainingData`.
            folder: a `runs.folder.RunFolder`.
            strategy: a `tf.distribute.Strategy`.
            num_steps: T, the most; a method may end earlier.
            eval_every: steps between two evaluations; 0 where the method's
                stages say when.
            evaluators: {"test": Evaluator, and perhaps "holdout"}.
            wrong: an Evaluator of wrongly labelled training images, or None.
            eval_steps: further steps to evaluate at.
            restore_step: go on from the checkpoint of this step; 0 for the
                newest one.
            save_interval_secs: seconds between two checkpoints.
            save_summaries_secs: seconds between two sets of TensorBoard
                scalars.
            steps_per_execution: the most steps of one call of TensorFlow; of
                no consequence but for time.
            jit_compile: whether XLA compiles the step, of one device.
            on_nonfinite: `stop` ends the run at a loss that is not finite;
                `skip` leaves out the updates of such steps, see `nonfinite`.
            in_step: a `views.InStep` that computes the views of the training
                data within the step, where it can; None for all on the host.
            progress: whether to show a progress bar (on a terminal only).

        Raises:
            UserError: if XLA should compile a step of several replicas.
            ValueError: for another word for `on_nonfinite`.
        """
        if on_nonfinite not in choices.ON_NONFINITE:
            raise ValueError(
                f"on_nonfinite={on_nonfinite!r} is none of "
                f"{', '.join(choices.ON_NONFINITE)}"
            )
        if jit_compile and strategy.num_replicas_in_sync > 1:
            raise errors.UserError(
                "--jit_compile is for one device: within what XLA compiles, "
                f"{strategy.num_replicas_in_sync} replicas cannot meet"
            )
        self.method = method
        self.data = data
        self.folder = folder
        self.strategy = strategy
        self.num_steps = num_steps
        self.timetable = timetable.Timetable(
            num_steps, eval_every, eval_steps, steps_per_execution
        )
        self.restore_step = restore_step
        self.save_interval_secs = save_interval_secs
        self.steps_per_execution = steps_per_execution
        self.jit_compile = jit_compile
        self.is_chief = replicas.is_chief(strategy)
        self.progress = run_progress.Progress()
        self.checkpoints = checkpoints.Checkpoints(
            method, folder, strategy, self.progress
        )
        self._guard = (
            nonfinite.Guard(method) if on_nonfinite == "skip" else None
        )
        self._in_step = in_step
        self._reporter = reporting.Reporter(
            folder, self.is_chief, progress, save_summaries_secs
        )
        self._signals = interruption.Signals()
        self._judge = judging.Judge(method, evaluators, wrong)
        self._logs = step_logs.StepLogs(self.progress)
        self._step = self._saved_step = None
        self._compiled = {}

    def restore(self):
        """Restores the run's checkpoint, if it has one; writes nothing.

        `run` does it, if it was not done before: to know of all reasons to
        refuse before the run folder is touched.

        Raises:
            UserError: if there is none to restore, see `Checkpoints.restore`.
        """
        self.checkpoints.restore(self.restore_step)
        self._step = int(base.value_of(self.method.step))
        # Nothing is lost that was not reached.
        self._saved_step = self._step
        if not self.progress.is_known:
            self._adopt_metrics()

    def _adopt_metrics(self):
        """Takes the evaluations from metrics.jsonl, for older checkpoints."""
        rows = self.folder.read_metrics() if self.is_chief else []
        rows = [row for row in rows if row["step"] <= self._step]
        self.progress.rows = rows
        self.progress.seconds = rows[-1].get("seconds", 0.0) if rows else 0.0
        if self._step:
            self.progress.processor_seconds = None
        evaluated = np.int64(self.progress.evaluated(self._step))
        if replicas.of_chief(self.strategy, evaluated) and not self.is_chief:
            self.progress.rows = [{"step": self._step}]

    def run(self):
        """Trains from the last checkpoint, if any, to the last step.

        Returns:
            The evaluations, a list of the lines of metrics.jsonl.

        Raises:
            TrainingError: if a loss is not finite, where the last good
                checkpoint stays; or if a streamed image cannot be read, where
                the last checkpoint does.
            StorageError: if the run folder cannot be written.
            Interrupted: after Ctrl-C or SIGTERM.
        """
        if self._step is None:
            self.restore()
        if self.is_chief and not self.folder.lock.is_held:
            self.folder.path.mkdir(parents=True, exist_ok=True)
        self.checkpoints.open()
        if self.is_chief and self._step:
            self.folder.write_metrics(self.progress.rows)
        self._seconds_before = self.progress.seconds
        self._started = self._saved = time.monotonic()
        self._processor_before = self.progress.processor_seconds
        self._processor_started = processor_time.spent()
        self._of_other_workers = 0.0
        self._steps_before_start = self._step
        with (
            self._signals,
            self._reporter.running(self._step, self.num_steps),
        ):
            if self._step:
                self._reporter.say(
                    f"resuming at step {self._step} of {self.num_steps}"
                )
            try:
                self._train()
                self._signals.check()
            except streamed.BrokenImages as broken:
                # The step that it failed in may have counted itself: what is
                # saved is what was reached before.
                raise errors.TrainingError(
                    f"{broken}; with these files put right the same command "
                    f"goes on from {self._kept}"
                ) from None
            except interruption.Stopped:
                raise self._stopped() from None
            except KeyboardInterrupt:
                raise errors.Interrupted(
                    "stopped at once; the same command goes on from "
                    f"{self._kept}"
                ) from None
            except tf.errors.OpError:
                # Another worker may have stopped at what this one has yet to
                # look at.
                with contextlib.suppress(tf.errors.OpError):
                    self._logs.collect(self.checkpoints.latest)
                raise
        return self.progress.rows

    def _train(self):
        """Makes all stages, and the evaluations that are due."""
        with streamed.naming_broken(*self.data.images):
            if self.progress.evaluation_due:
                self._evaluate()
            while stage := self._next_stage():
                self._run_stage(stage)
        if not self.progress.evaluated(self._step):
            self._evaluate()
        # With what the method decided when no stage was left.
        self._save()

    def _next_stage(self):
        with self._interruptible():
            stage = self.method.stage(self._step, self.data, self.num_steps)
        self._signals.check()
        return stage

    @contextlib.contextmanager
    def _interruptible(self):
        """Lets a signal interrupt the body if nothing is lost by it.

        The body may leave variables half updated, which must not be saved:
        what it began with is saved already, or the signal waits.
        """
        if self._saved_step == self._step:
            with self._signals.at_once():
                yield
        else:
            yield

    @property
    def _kept(self):
        """What a message calls the point that a run goes on from."""
        return self.checkpoints.latest or "the beginning"

    def _stopped(self):
        """Saves what was reached, and returns what to raise."""
        if replicas.num_workers(self.strategy) > 1:
            # To save, all of them would have to stop at the same step.
            return errors.Interrupted(
                "stopped; the same command on all workers goes on from "
                f"{self._kept}"
            )
        if self._saved_step != self._step:
            self._logs.collect(self.checkpoints.latest)
            self._save()
        return errors.Interrupted(
            f"stopped at step {self._step}; the same command goes on from there"
        )

    def _run_stage(self, stage):
        """Trains to the end of the stage."""
        num_replicas = self.strategy.num_replicas_in_sync
        first_batch = (self._step - stage.first_step) * num_replicas
        batches = stage.batches
        if self._in_step and isinstance(batches, pipeline.Stream):
            batches = batches.unseen(self._in_step)
        iterator = replicas.iterate(
            self.strategy, lambda context: batches(first_batch, context)
        )
        execute = self._executing(stage.train_step)
        last_step = min(stage.last_step, self.num_steps)
        shown = time.monotonic()
        while self._step < last_step:
            number = self.timetable.next_call(self._step, last_step)
            self._advance(execute, iterator, number)
            ended = stage.evaluate and self._step == last_step
            self.progress.evaluation_due = self.timetable.is_due(
                self._step, ended
            )
            self._signals.check()
            if self.progress.evaluation_due:
                self._evaluate()
                shown = 0.0
            elif time.monotonic() - self._saved > self.save_interval_secs:
                self._logs.collect(self.checkpoints.latest)
                self._save()
            if time.monotonic() - shown > 0.5 or self._step == last_step:
                self._show()
                shown = time.monotonic()

    def _executing(self, train_step):
        """Returns the compiled step, traced once, whatever stages have it."""
        if train_step not in self._compiled:
            self._compiled[train_step] = execution.compiled(
                self.strategy,
                train_step,
                self.method.prepare,
                self.steps_per_execution,
                self.jit_compile,
                guard=self._guard,
                see=self._in_step,
            )
        return self._compiled[train_step]

    def _advance(self, execute, iterator, number):
        """Makes some steps."""
        # The first call traces, which may take a minute.
        with self._interruptible():
            logs = execute(iterator, number)
        self._logs.add(self._step + 1, logs)
        self._step += number

    def _evaluate(self):
        """Judges the method, keeps the best, saves, writes the line."""
        self._logs.collect(self.checkpoints.latest)
        progress, step = self.progress, self._step
        progress.evaluation_due = True
        with self._signals.at_once():
            self.method.before_evaluation(self.data)
            judged = self._judge(step)
            self._ask_other_workers()
        logs = progress.means.values()
        row = {"step": step, **{f"train_{k}": v for k, v in logs.items()}}
        if self._guard:
            row["skipped_updates"] = progress.num_skipped
        row |= judged | {"seconds": round(self._seconds(), 3)}
        earlier = [r.get("holdout_accuracy", -1.0) for r in progress.rows]
        with self._signals.ignored():
            progress.rows.append(row)
            progress.means = run_progress.Means()
            progress.evaluation_due = False
            if row.get("holdout_accuracy", -1.0) > max(earlier, default=-1.0):
                self.checkpoints.save(step, best=True)
            # The checkpoint has the line: a run killed between the two
            # writes it again.
            self._save()
            if self.is_chief:
                self.folder.append_metrics(row)
        self._reporter.summarise(step, {**logs, **judged})
        self._reporter.say(self._judge.describe(row))

    def _show(self):
        """Moves the progress bar; summarises when the time has come."""
        self._logs.collect(self.checkpoints.latest)
        logs = self.progress.means.values()
        self._reporter.show(
            self._step, logs, self.images_per_second(self._step)
        )
        if self._reporter.is_summary_due:
            rate = {"learning_rate": self._judge.learning_rate(self._step - 1)}
            self._reporter.summarise(self._step, {**logs, **rate})

    def images_per_second(self, step):
        """Returns training images per second since this process began."""
        steps = step - self._steps_before_start
        per_step = self.data.batch_size * self.strategy.num_replicas_in_sync
        return steps * per_step / (time.monotonic() - self._started)

    def _seconds(self):
        return self._seconds_before + time.monotonic() - self._started

    def _own_processor_seconds(self):
        return processor_time.spent() - self._processor_started

    def _ask_other_workers(self):
        """Adds up their processor time: all workers call this together."""
        own = self._own_processor_seconds()
        of_all = replicas.gathered(self.strategy, np.float64(own)).sum()
        self._of_other_workers = float(of_all) - own

    def _processor_seconds(self):
        """Those of other workers are as of the last evaluation."""
        if self._processor_before is None:
            return None
        return (
            self._processor_before
            + self._own_processor_seconds()
            + self._of_other_workers
        )

    def _save(self):
        with self._signals.ignored():
            self.progress.seconds = self._seconds()
            self.progress.processor_seconds = self._processor_seconds()
            self.checkpoints.save(self._step)
            self._saved_step = self._step
            self._saved = time.monotonic()
