"""Judging the checkpoints of a run folder, while it trains or afterwards."""

import pathlib
import sys
import time

import tensorflow as tf

from tfnoisy import errors, plugins
from tfnoisy.augment import standard
from tfnoisy.methods import base
from tfnoisy.nets import pair, registry
from tfnoisy.runs import checkpoint_files, flag_values
from tfnoisy.runs import data as run_data
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import evaluation, optimizer


class RunEvaluator:
    """Evaluates the checkpoints of one run on one split.

    Attributes:
        folder: the `RunFolder`.
        recorded: {flag name: value as text} of the run.
        options: the run's `DataOptions`.
        dataset: the split, an `ImageDataset`.
        augmentation: the run's views of it.
        method: a `methods.base.Method`, with the weights of the checkpoint
            that was restored last.
    """

    def __init__(
        self, checkpoint_dir, split_name="test", batch_size=25, overrides=None
    ):
        """Loads the data and builds the network that the run trained.

        Args:
            checkpoint_dir: the run folder, or its `checkpoints`.
            split_name: a split such as `test`, or `train`, of which the
                run's own examples and given labels are taken.
            batch_size: images per batch.
            overrides: {flag name: value as text} in place of the run's own.

        Raises:
            UserError: if there is no run, or if it trained another network.
        """
        self.folder = find_run(checkpoint_dir)
        self.recorded = self.folder.read_flags()
        if "studentnet" not in self.recorded:
            raise self.folder.damaged(self.folder.flags)
        overrides = overrides or {}
        if "plugin" in overrides:
            plugins.load(overrides["plugin"])
        else:
            plugins.load_recorded(
                self.recorded.get("plugin", ""), self.folder.path
            )
        for name in ("studentnet", "dataset_name", "image_size"):
            is_so = self.recorded.get(name, "0")
            if overrides.get(name, is_so) != is_so:
                raise errors.UserError(
                    f"{self.folder.path} is a run with --{name}={is_so}, "
                    f"not {overrides[name]}"
                )
        if split_name.startswith("train["):
            raise errors.UserError(
                f"--split_name={split_name}: the training split is judged "
                "whole, as the run saw it; say train"
            )
        # The manifest tells all of the noise.
        self.options = options = run_data.RecordedOptions.from_flags(
            {
                **self.recorded,
                **overrides,
                "noise": "none",
                "noise_manifest": str(self.folder.manifest),
                **self._corrections(),
            }
        )
        labels = None
        if split_name == "train":
            self.dataset, notes = run_data.load_recorded(
                options, self.folder.manifest
            )
            for note in notes:
                print(note, file=sys.stderr)
        else:
            self.dataset = run_data.load_split(options, split_name)
            labels = self.dataset.clean_labels
        self.augmentation = standard.get(
            options.augment,
            self.dataset.images.shape[1:],
            self.dataset.mirror,
        )
        networks = [
            # Whatever its first weights were: the checkpoint has its last.
            registry.build(
                self.recorded["studentnet"],
                self.dataset.num_classes,
                self.augmentation.view_shape,
            )
            for _ in range(self.folder.networks())
        ]
        self.method = base.Method(
            networks[0] if len(networks) == 1 else pair.Pair(*networks),
            ema_decay=flag_values.get(self.recorded, "ema_decay", 0.0),
        )
        self.method.compile(optimizer.TF1Momentum())
        self._evaluate = evaluation.Evaluator(
            self.method,
            self.dataset,
            self.augmentation,
            batch_size,
            tf.distribute.get_strategy(),
            labels,
        )

    def _corrections(self):
        """Returns the options for the corrections that the run kept."""
        if not self.recorded.get("corrections"):
            return {}
        return {"corrections": str(self.folder.corrections)}

    def latest(self, best=False):
        """Returns the newest checkpoint's path, or None before the first."""
        folder = self.folder.best if best else self.folder.checkpoints
        return next(iter(checkpoint_files.newest_first(folder)), None)

    def restore(self, checkpoint):
        """Gives the method the weights of a checkpoint, by its path.

        Raises:
            UserError: if it is damaged, or of another network.
        """
        problem = checkpoint_files.damage(checkpoint)
        if problem is not None:
            raise errors.UserError(self._damaged(checkpoint, problem))
        saved = self.method.checkpoint(evaluation_only=True)
        names = [name for name, _ in tf.train.list_variables(checkpoint)]
        count = sum(name.startswith("student/") for name in names)
        try:
            # Of a larger network the first variables might fit.
            if count != len(self.method.student.variables):
                raise ValueError(f"it has {count} variables")
            saved.restore(checkpoint).assert_existing_objects_matched()
        except (AssertionError, ValueError, tf.errors.OpError) as error:
            raise errors.UserError(
                f"{checkpoint} does not fit --studentnet="
                f"{self.recorded['studentnet']} as it is built now: the run "
                "trained another network by that name"
            ) from error

    def _damaged(self, checkpoint, problem):
        """Returns a line about a damaged checkpoint, and what to do."""
        message = f"{checkpoint} is damaged ({problem}); "
        good, _ = checkpoint_files.newest_good(self.folder.checkpoints)
        if good is None:
            return message + "put a good copy back"
        command = "the training command"
        if self.folder.results.exists():
            step = checkpoint_files.step_of(good)
            command += f" with --restore_step={step}"
        return (
            f"{message}put a good copy back, or let {command} make it again "
            f"from the newest good one, {good}"
        )

    def logits(self):
        """Returns the newest checkpoint's logits, float32 [N, C], by row.

        Raises:
            UserError: if there is no checkpoint.
        """
        self.restore(self.checkpoint())
        return evaluation.predict_logits(
            self.method, self.dataset, self.augmentation
        )

    def checkpoint(self, best=False):
        """Returns `latest`.

        Raises:
            UserError: if there is none.
        """
        checkpoint = self.latest(best)
        if checkpoint is None:
            raise errors.UserError(
                f"{self.folder.path} has no checkpoint yet"
                + (": only a run with --holdout keeps a best one" * best)
            )
        return checkpoint

    def __call__(self, checkpoint):
        """Returns {step, accuracy, top5, loss, weights} of a checkpoint."""
        self.restore(checkpoint)
        return {
            "step": int(self.method.step),
            **self._evaluate(),
            "weights": self.method.evaluated_weights,
        }

    def once(self, best=False, step=0):
        """Returns the evaluation of one checkpoint, in a list.

        Args:
            best: the held-out choice in place of the last.
            step: that of this step; 0 for the newest.

        Raises:
            UserError: if there is no such checkpoint, or it is damaged.
        """
        checkpoint = self.checkpoint(best)
        if step:
            checkpoint = f"{checkpoint.rpartition('-')[0]}-{step}"
            if not pathlib.Path(f"{checkpoint}.index").exists():
                raise errors.UserError(
                    f"{self.folder.path} keeps no checkpoint of step {step}"
                )
        return [self(checkpoint)]

    def follow(self, interval_secs, best=False):
        """Yields an evaluation of each new checkpoint until the run ends.

        Args:
            interval_secs: seconds between two looks.
            best: look at the held-out choice in place of the last.

        Raises:
            UserError: if the last checkpoint is damaged, or there is none.
        """
        seen = None
        while True:
            finished = self.folder.results.exists()
            checkpoint = self.latest(best)
            if checkpoint and checkpoint != seen:
                row = self._while_training(checkpoint, finished, best)
                if row is None:
                    continue
                seen = checkpoint
                yield row
            if finished:
                if seen is None:
                    self.once(best)  # Says what is missing.
                return
            time.sleep(interval_secs)

    def _while_training(self, checkpoint, finished, best):
        """Returns a checkpoint's evaluation, or None if it was replaced."""
        try:
            return self(checkpoint)
        except errors.UserError:
            # A run that trains keeps the last ones only.
            if finished or self.latest(best) == checkpoint:
                raise
            return None


def find_run(checkpoint_dir):
    """Returns the `RunFolder` at or above a checkpoint folder.

    Raises:
        UserError: if there is none.
    """
    path = pathlib.Path(checkpoint_dir).expanduser()
    for candidate in (path, path.parent):
        folder = run_folder.RunFolder(candidate)
        if folder.read_flags() is not None:
            return folder
    raise errors.UserError(
        f"{checkpoint_dir} is no run folder of tfnoisy (it has no flags.flags)"
    )


def summarise(folder, split_name, row):
    """Adds an evaluation to the TensorBoard scalars in a folder."""
    folder = str(pathlib.Path(folder).expanduser())
    with tf.summary.create_file_writer(folder).as_default():
        for name in ("accuracy", "top5", "loss"):
            tf.summary.scalar(
                f"{split_name}/{name}", row[name], step=row["step"]
            )
