"""The checkpoints of a run: the last ones, and that of the best evaluation.

All of a run that is not on disk otherwise is in the method's and the
optimiser's variables, see `methods.base.Method.checkpoint`, and in its
`progress.Progress`.  Of several workers the chief saves, and all restore the
checkpoint that it chooses.
"""

import contextlib
import sys

import numpy as np
import tensorflow as tf

from tfnoisy import errors, replicas
from tfnoisy.runs import checkpoint_files
from tfnoisy.training import step_logs


class Checkpoints:
    """Saves and restores a method, and its progress, in its run folder."""

    def __init__(self, method, folder, strategy, progress):
        """Names what is saved; nothing is read or written.

        Args:
            method: a compiled `methods.base.Method`.
            folder: a `runs.folder.RunFolder`.
            strategy: a `tf.distribute.Strategy`.
            progress: a `progress.Progress`.
        """
        self._method = method
        self._folder = folder
        self._strategy = strategy
        self._progress = progress
        self._damaged = {}
        self._last = self._best = None
        self.latest = None

    @property
    def steps(self):
        """The steps of those that are kept, ascending."""
        paths = checkpoint_files.newest_first(self._folder.checkpoints)
        return sorted(map(checkpoint_files.step_of, paths))

    def restore(self, step=0):
        """Restores a checkpoint, if the run has one; nothing is written.

        Args:
            step: which one; 0 for the newest that is not damaged.

        Raises:
            UserError: if there are checkpoints and none is good, if that of
                this step is damaged or missing, or if it is of another
                network.
        """
        is_chief = replicas.is_chief(self._strategy)
        with replicas.failing_together(self._strategy):
            path = self._choose(step) if is_chief else None
        found = -1 if path is None else checkpoint_files.step_of(path)
        found = int(replicas.of_chief(self._strategy, np.int64(found)))
        if found >= 0:
            with replicas.failing_together(self._strategy):
                self.latest = path or self._path_of_chief(found)
                self._restore_from(self.latest)

    def _choose(self, step):
        """Returns the path of the checkpoint to restore, None for a new run."""
        if step:
            return self._chosen_by_user(step)
        path, self._damaged = checkpoint_files.newest_good(
            self._folder.checkpoints
        )
        if path is None and self._damaged:
            newest, problem = next(iter(self._damaged.items()))
            raise errors.UserError(
                f"none of the {len(self._damaged)} checkpoints in "
                f"{self._folder.checkpoints} can be read (the newest, {newest}:"
                f" {problem}): put a good copy of one back, or train again "
                "from the first step with another --train_log_dir"
            )
        if path is None and self._folder.read_metrics():
            raise errors.UserError(
                f"{self._folder.path} has trained, but "
                f"{self._folder.checkpoints} holds no checkpoint: put a copy "
                "of them back, or train again from the first step with "
                "another --train_log_dir"
            )
        for damaged, problem in self._damaged.items():
            print(
                f"{damaged} is damaged ({problem}): the run resumes from "
                f"{path}",
                file=sys.stderr,
            )
        return path

    def _chosen_by_user(self, step):
        paths = {
            checkpoint_files.step_of(path): path
            for path in checkpoint_files.newest_first(self._folder.checkpoints)
        }
        if step not in paths:
            raise errors.UserError(
                f"--restore_step={step}: there are checkpoints of "
                f"{', '.join(map(str, sorted(paths))) or 'no step'}"
            )
        problem = checkpoint_files.damage(paths[step])
        if problem is None:
            return paths[step]
        good = [
            earlier
            for earlier in sorted(paths)
            if earlier < step
            and checkpoint_files.damage(paths[earlier]) is None
        ]
        before = f"is of step {good[-1]}" if good else "does not exist"
        raise errors.UserError(
            f"--restore_step={step}: {paths[step]} is damaged ({problem}); "
            f"the newest good one before it {before}"
        )

    def _path_of_chief(self, step):
        """Returns the path of the chief's checkpoint, for another worker."""
        path = self._folder.checkpoints / f"ckpt-{step}"
        self._folder.wait_for(f"{path}.index")
        return str(path)

    def _restore_from(self, path):
        try:
            self._as_saved(path).restore(path).assert_consumed()
        except Exception as error:  # TensorFlow raises half a dozen kinds.
            raise errors.UserError(
                f"{path} cannot be restored into this network: it was saved "
                "for another one, or by another version of tfnoisy"
            ) from error

    def _as_saved(self, path):
        """Returns the method's checkpoint with the groups that this one has.

        Those of runs from before methods kept mean weights lack them: they
        begin at this step, and nothing else depends on them.  Those from
        before the progress was saved lack that.
        """
        names = [name for name, _ in tf.train.list_variables(path)]
        saved = any(name.startswith("evidence/") for name in names)
        evidence = saved or not self._method.evidence_variables
        checkpoint = self._method.checkpoint(evidence=evidence)
        if any(name.startswith("progress/") for name in names):
            checkpoint.progress = self._progress
        return checkpoint

    def open(self):
        """Makes the folder ready for saving, once training may begin.

        Damaged checkpoints that were passed over are renamed, and what
        interrupted saves left is removed.

        Raises:
            StorageError: if the disk cannot be written.
        """
        if not replicas.is_chief(self._strategy):
            return
        folder = self._folder
        with self._one_line(folder.checkpoints):
            for path in self._damaged:
                checkpoint_files.set_aside(path)
            for part in (folder.checkpoints, folder.best):
                checkpoint_files.tidy(part)
        checkpoint = self._method.checkpoint()
        checkpoint.progress = self._progress
        self._last = tf.train.CheckpointManager(
            checkpoint,
            str(folder.checkpoints),
            max_to_keep=checkpoint_files.KEPT,
            keep_checkpoint_every_n_hours=24,
        )
        self._best = tf.train.CheckpointManager(
            checkpoint, str(folder.best), max_to_keep=1
        )

    def save(self, step, best=False):
        """Saves the chief's variables, which are all workers', and progress.

        Args:
            step: int, the updates made so far.
            best: whether as the best one instead of the last.

        Raises:
            TrainingError: if a variable is not finite; nothing is saved.
            StorageError: if the disk does not take it; those before are whole.
        """
        if not self._is_finite():
            raise errors.TrainingError(
                f"a variable is not finite after step {step}; "
                + step_logs.after_nonfinite(self.latest)
            )
        if not replicas.is_chief(self._strategy):
            return
        manager = self._best if best else self._last
        self._folder.check_there()
        with self._one_line(f"{manager.directory}/ckpt-{step}"):
            path = manager.save(checkpoint_number=step)
        if not best:
            self.latest = path

    def _is_finite(self):
        method = self._method
        values = [
            tf.convert_to_tensor(variable.value)
            for variable in [*method.variables, *method.optimizer.variables]
        ]
        return all(
            tf.reduce_all(tf.math.is_finite(value))
            for value in values
            if value.dtype.is_floating
        )

    @contextlib.contextmanager
    def _one_line(self, path):
        """Says in one line why a checkpoint cannot be written."""
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            self._folder.check_there()
            # What was written of it takes up the room that is wanted.
            with contextlib.suppress(OSError):
                checkpoint_files.remove_unfinished(self._folder.checkpoints)
                checkpoint_files.remove_unfinished(self._folder.best)
            reason = getattr(error, "strerror", None) or str(error)
            # TensorFlow names its temporary file, then the reason.
            reason = reason.partition(" [Op:")[0].rpartition("; ")[2]
            raise errors.StorageError(
                f"cannot write {path}: {reason}"
            ) from error
