"""The loop of all trainers: stages, evaluations, checkpoints, progress.

Step by step under a `tf.distribute` strategy, or several steps a call, to
the same end: a call ends where something else is due.  Everything that decides
the result lives in the method's and the optimiser's variables and in the
step count; the data are entered at the batch that the step count names.  So
a run that was killed goes on from its last checkpoint as if nothing had
happened, bit for bit on one device.

Of several workers each runs this loop, in step with the others; only the
first, the chief, writes and talks.  All variables are alike on all workers, so
that its checkpoints are those of the run.
"""

import contextlib
import math
import time

import numpy as np
import tensorflow as tf
import tqdm

from tfnoisy import errors, replicas
from tfnoisy.datasets.images import streamed
from tfnoisy.methods import base, execution
from tfnoisy.training import checkpoints


class Means:
    """The running means of the steps' logs."""

    def __init__(self):
        self._sums = {}
        self._count = 0

    def add(self, logs):
        """Adds one step's {name: float}."""
        self._count += 1
        for name, value in logs.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

    def values(self):
        """Returns {name: mean}, empty before the first step."""
        return {name: s / self._count for name, s in self._sums.items()}


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
        eval_steps=(),
        restore_step=0,
        save_interval_secs=1200,
        save_summaries_secs=120,
        steps_per_execution=1,
        jit_compile=False,
        progress=True,
    ):
        """Prepares training; nothing is written yet.

        Args:
            method: a compiled `methods.base.Method`, made in the strategy's
                scope.
            data: a `pipeline.TrainingData`.
            folder: a `run_folder.RunFolder`.
            strategy: a `tf.distribute.Strategy`.
            num_steps: T, the most; a method may end earlier.
            eval_every: steps between two evaluations; 0 where the method's
                stages say when.
            evaluators: {"test": Evaluator, and perhaps "holdout"}.
            eval_steps: further steps to evaluate at.
            restore_step: go on from the checkpoint of this step; 0 for the
                last one.
            save_interval_secs: seconds between two checkpoints.
            save_summaries_secs: seconds between two sets of TensorBoard
                scalars.
            steps_per_execution: the most steps of one call of TensorFlow; of
                no consequence but for time.
            jit_compile: whether XLA compiles the step, of one device.
            progress: whether to show a progress bar (on a terminal only).

        Raises:
            UserError: if XLA should compile a step of several replicas.
        """
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
        self.eval_every = eval_every
        self.evaluators = evaluators
        self.eval_steps = frozenset(eval_steps)
        self.restore_step = restore_step
        self.save_interval_secs = save_interval_secs
        self.save_summaries_secs = save_summaries_secs
        self.steps_per_execution = steps_per_execution
        self.jit_compile = jit_compile
        self.is_chief = replicas.is_chief(strategy)
        self.progress = progress and self.is_chief
        self._compiled = {}
        self._pending = []
        self._means = Means()

    def run(self):
        """Trains from the last checkpoint, if any, to the last step.

        Returns:
            The evaluations, a list of the lines of metrics.jsonl; on other
            workers than the chief those made since this process began.

        Raises:
            TrainingError: if a loss is not finite, where the last good
                checkpoint stays; or if a streamed image cannot be read, where
                the last checkpoint does.
        """
        if self.is_chief:
            self.folder.path.mkdir(parents=True, exist_ok=True)
        self.checkpoints = checkpoints.Checkpoints(
            self.method, self.folder, self.strategy
        )
        self.checkpoints.restore(self.restore_step)
        step = self._step_of_method()
        self._rows = history = self._metrics_until(step)
        self._seconds_before = history[-1]["seconds"] if history else 0.0
        self._started = self._saved = self._summarised = time.monotonic()
        self._steps_before_start = step
        with (
            self._summary_writer().as_default(),
            tqdm.tqdm(
                total=self.num_steps,
                initial=step,
                unit="step",
                # None: only where a person watches.
                disable=None if self.progress else True,
                dynamic_ncols=True,
            ) as bar,
        ):
            if step:
                self._say(bar, f"resuming at step {step} of {self.num_steps}")
            try:
                with streamed.naming_broken(*self.data.images):
                    while stage := self.method.stage(
                        step, self.data, self.num_steps
                    ):
                        step = self._run_stage(stage, step, bar)
                if step not in [row["step"] for row in self._rows]:
                    self._evaluate(step, bar)
                # With what the method decided when no stage was left.
                self._save(step)
            except streamed.BrokenImages as broken:
                # The step that it failed in may have counted itself: what is
                # saved is what was reached before.
                raise errors.TrainingError(
                    f"{broken}; with these files put right the same command "
                    f"goes on from {self._kept}"
                ) from None
            except KeyboardInterrupt:
                raise self._interrupted() from None
            except tf.errors.OpError:
                # Another worker may have stopped at what this one has yet to
                # look at.
                with contextlib.suppress(tf.errors.OpError):
                    self._collect()
                raise
        return self._rows

    @property
    def _kept(self):
        """What a message calls the point that a run goes on from."""
        return self.checkpoints.latest or "the beginning"

    def _interrupted(self):
        if replicas.num_workers(self.strategy) > 1:
            # To save, all of them would have to stop at the same step.
            return errors.Interrupted(
                "stopped; the same command on all workers goes on from "
                f"{self._kept}"
            )
        # The step under way has ended: its variables are consistent.
        step = self._step_of_method()
        self._save(step)
        return errors.Interrupted(
            f"stopped at step {step}; the same command goes on from there"
        )

    def _metrics_until(self, step):
        """Returns the evaluations so far: the chief's, or where it has one."""
        rows = self.folder.keep_metrics_until(step) if self.is_chief else []
        evaluated = np.int64(step in [row["step"] for row in rows])
        if replicas.of_chief(self.strategy, evaluated) and not self.is_chief:
            rows = [{"step": step, "seconds": 0.0}]
        return rows

    def _summary_writer(self):
        if not self.is_chief:
            return tf.summary.create_noop_writer()
        return tf.summary.create_file_writer(str(self.folder.tensorboard))

    def _step_of_method(self):
        return int(base.value_of(self.method.step))

    def _run_stage(self, stage, step, bar):
        """Trains to the end of the stage."""
        num_replicas = self.strategy.num_replicas_in_sync
        first_batch = (step - stage.first_step) * num_replicas
        iterator = replicas.iterate(
            self.strategy, lambda context: stage.batches(first_batch, context)
        )
        # Traced once, however many stages have it.
        execute = self._compiled.get(stage.train_step)
        if execute is None:
            execute = self._compiled[stage.train_step] = execution.compiled(
                self.strategy,
                stage.train_step,
                self.method.prepare,
                self.steps_per_execution,
                self.jit_compile,
            )
        last_step = min(stage.last_step, self.num_steps)
        shown = time.monotonic()
        while step < last_step:
            number = self._steps_until_due(step, last_step)
            self._pending.append((step + 1, execute(iterator, number)))
            step += number
            ended = stage.evaluate and step == last_step
            if self._is_due(step) or (ended and not self.eval_every):
                self._evaluate(step, bar)
                shown = 0.0
            elif time.monotonic() - self._saved > self.save_interval_secs:
                self._collect()
                self._save(step)
            if time.monotonic() - shown > 0.5 or step == last_step:
                self._show(step, bar)
                shown = time.monotonic()
        return step

    def _is_due(self, step):
        """Whether an evaluation is planned after this step."""
        return (
            (self.eval_every and step % self.eval_every == 0)
            or step in self.eval_steps
            or step == self.num_steps
        )

    def _steps_until_due(self, step, last_step):
        """Returns how many steps to make after this one in one call."""
        end = min(step + self.steps_per_execution, last_step)
        for after in range(step + 1, end):
            if self._is_due(after):
                return after - step
        return end - step

    def _evaluate(self, step, bar):
        """Judges the method, writes the line, keeps the best, saves."""
        self._collect()
        logs = self._means.values()
        row = {"step": step, **{f"train_{k}": v for k, v in logs.items()}}
        row["learning_rate"] = self._learning_rate(step - 1)
        row |= self._loss_scale()
        for name, evaluate in self.evaluators.items():
            for metric, value in evaluate().items():
                row[f"{name}_{metric}"] = value
        seconds = time.monotonic() - self._started
        row["seconds"] = round(self._seconds_before + seconds, 3)
        earlier = [
            previous["holdout_accuracy"]
            for previous in self._rows
            if "holdout_accuracy" in previous
        ]
        if row.get("holdout_accuracy", -1.0) > max(earlier, default=-1.0):
            self.checkpoints.save(step, best=True)
        # The line first: a run killed between the two makes this step, and
        # so this line, again.
        if self.is_chief:
            self.folder.append_metrics(row)
        self._rows.append(row)
        self._save(step)
        judged = {k: v for k, v in row.items() if not k.startswith("train_")}
        self._summarise(step, {**logs, **judged})
        self._say(
            bar,
            f"step {step}: loss {row['train_loss']:.4f}, accuracy on given "
            f"labels {row['train_accuracy']:.4f}, "
            + ", ".join(
                f"{name} {row[f'{name}_accuracy']:.4f}"
                for name in self.evaluators
            ),
        )
        self._means = Means()

    def _show(self, step, bar):
        """Moves the progress bar; summarises when the time has come."""
        bar.update(step - bar.n)
        self._collect()
        logs = self._means.values()
        shown = {
            name: f"{logs[name]:.3f}"
            for name in ("loss", "accuracy", "data_util")
            if name in logs
        }
        bar.set_postfix(
            shown, images_per_s=f"{self.images_per_second(step):.0f}"
        )
        now = time.monotonic()
        if now - self._summarised > self.save_summaries_secs:
            rate = {"learning_rate": self._learning_rate(step - 1)}
            self._summarise(step, {**logs, **rate})

    def images_per_second(self, step):
        """Returns training images per second since this process began."""
        steps = step - self._steps_before_start
        per_step = self.data.batch_size * self.strategy.num_replicas_in_sync
        return steps * per_step / (time.monotonic() - self._started)

    def _collect(self):
        """Adds the steps since the last time; stops at a bad loss."""
        steps = []
        for step, logs in self._pending_steps():
            loss = float(logs["loss"])
            if not math.isfinite(loss):
                kept = self.checkpoints.latest
                raise errors.TrainingError(
                    f"the loss of step {step} is {loss}; the last good "
                    f"checkpoint is {kept or 'none, it was too early'}; a "
                    "smaller --learning_rate, with --overwrite, usually helps"
                )
            steps.append(logs)
        for logs in steps:
            self._means.add({name: float(v) for name, v in logs.items()})
        self._pending.clear()

    def _pending_steps(self):
        """Yields (number, logs) of each step that has yet to be looked at."""
        for first, logs in self._pending:
            rows = zip(*(values.numpy() for values in logs.values()))
            for number, row in enumerate(rows, first):
                yield number, dict(zip(logs, row))

    def _learning_rate(self, step):
        rate = self.method.optimizer._learning_rate
        return float(rate(step) if callable(rate) else base.value_of(rate))

    def _loss_scale(self):
        """Returns the loss scale and what it cost so far, if there is one."""
        optimizer = self.method.optimizer
        return {
            name: base.value_of(getattr(optimizer, name)).item()
            for name in ("loss_scale", "skipped_steps")
            if hasattr(optimizer, name)
        }

    def _save(self, step):
        self.checkpoints.save(step)
        self._saved = time.monotonic()

    def _summarise(self, step, values):
        for name, value in values.items():
            if name != "step" and math.isfinite(value):
                tf.summary.scalar(name, value, step=step)
        self._summarised = time.monotonic()

    def _say(self, bar, line):
        """Prints a line beside the bar; a run goes on where nobody reads it."""
        if self.is_chief:
            with contextlib.suppress(BrokenPipeError):
                bar.write(line)
