"""The checkpoints of a run: the last ones, and that of the best evaluation.

All of a run that is not on disk otherwise is in the method's and the
optimiser's variables; see `methods.base.Method.checkpoint`.  Of several workers
the chief saves, and all restore what it says.
"""

import numpy as np
import tensorflow as tf

from tfnoisy import errors, replicas


class Checkpoints:
    """Saves and restores a method in its run folder."""

    def __init__(self, method, folder, strategy):
        """Looks at what there is; the folder must exist on the chief.

        Args:
            method: a compiled `methods.base.Method`.
            folder: a `run_folder.RunFolder`.
            strategy: a `tf.distribute.Strategy`.
        """
        self._method = method
        self._folder = folder
        self._strategy = strategy
        checkpoint = method.checkpoint()
        self._last = tf.train.CheckpointManager(
            checkpoint,
            str(folder.checkpoints),
            max_to_keep=10,
            keep_checkpoint_every_n_hours=24,
        )
        self._best = tf.train.CheckpointManager(
            checkpoint, str(folder.best), max_to_keep=1
        )

    @property
    def latest(self):
        """The path of the last checkpoint, None if there is none."""
        return self._last.latest_checkpoint

    @property
    def steps(self):
        """The steps of those that are kept, ascending."""
        return [_step_of(path) for path in self._last.checkpoints]

    def save(self, step, best=False):
        """Saves the chief's variables, which are all workers'.

        Args:
            step: int, the updates made so far.
            best: whether as the best one instead of the last.

        Raises:
            TrainingError: if a variable is not finite; nothing is saved.
        """
        manager = self._best if best else self._last
        method = self._method
        values = [
            tf.convert_to_tensor(variable.value)
            for variable in [*method.variables, *method.optimizer.variables]
        ]
        finite = [
            tf.reduce_all(tf.math.is_finite(value))
            for value in values
            if value.dtype.is_floating
        ]
        if not all(finite):
            raise errors.TrainingError(
                f"a variable is not finite after step {step}; "
                f"the last good checkpoint is "
                f"{manager.latest_checkpoint or 'none, it was too early'}; "
                "a smaller --learning_rate, with --overwrite, usually helps"
            )
        if replicas.is_chief(self._strategy):
            manager.save(checkpoint_number=step)

    def restore(self, step=0):
        """Restores a checkpoint, if the run has one.

        Args:
            step: which one; 0 for the last.

        Raises:
            UserError: if it is damaged or gone.
        """
        is_chief = replicas.is_chief(self._strategy)
        with replicas.failing_together(self._strategy):
            path = self._path_of(step) if is_chief else None
        found = np.int64(-1 if path is None else _step_of(path))
        found = int(replicas.of_chief(self._strategy, found))
        if found >= 0:
            with replicas.failing_together(self._strategy):
                self._restore_from(path or self._path_of_chief(found))

    def _path_of(self, step):
        """Returns the checkpoint's path, None for a run that has none.

        Raises:
            UserError: if it is gone.
        """
        kept = dict(zip(self.steps, self._last.checkpoints))
        if step and step not in kept:
            raise errors.UserError(
                f"--restore_step={step}: there are checkpoints of "
                f"{', '.join(map(str, sorted(kept))) or 'no step'}"
            )
        path = kept[step] if step else self.latest
        if path is None and self._folder.read_metrics():
            raise errors.UserError(
                f"{self._folder.checkpoints} has lost its checkpoints, or "
                "their index, the file `checkpoint`; restore it, or begin "
                "anew with --overwrite"
            )
        return path

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
                f"the checkpoint {path} is damaged or of another network; "
                "begin anew with --overwrite"
            ) from error

    def _as_saved(self, path):
        """Returns the method's checkpoint with the groups that this one has.

        Those of runs from before methods kept mean weights lack them: they
        begin at this step, and nothing else depends on them.
        """
        names = [name for name, _ in tf.train.list_variables(path)]
        saved = any(name.startswith("evidence/") for name in names)
        evidence = saved or not self._method.evidence_variables
        return self._method.checkpoint(evidence=evidence)


def _step_of(path):
    return int(path.rpartition("-")[2])
