"""One experiment from its description to its final metrics.

Nothing is written before everything that a user may have got wrong has been
looked at: flags, data, noise, network, the run folder that is there, and the
checkpoint to go on from.
"""

import contextlib
import dataclasses
import pathlib
import sys
import warnings
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from tfnoisy import errors, replicas
from tfnoisy.datasets import pipeline
from tfnoisy.nets import precision, registry, whitening
from tfnoisy.runs import data as run_data
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import budget as run_budget
from tfnoisy.training import (
    distribution,
    evaluation,
    memorisation,
    on_device,
    opening,
    pretrained,
    results,
)
from tfnoisy.training import loop as training_loop

# Odd and large: of the seeds that people choose no two differ by it.
_BETWEEN_SEEDS = 1_000_003


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment(run_data.DataOptions):
    """What to train on what; the names are those of the scripts' flags.

    Attributes (beside those of `DataOptions`):
        method: the method's name, for the record.
        command: the script's name, for the flag file.
        flags: {flag name: value as text}, what the run folder records and a
            resumed run is compared with.
        make_method: (build, Budget) -> compiled `methods.base.Method`;
            build(k) returns the k-th student with its initial weights.
        auto_choice: why the method was chosen, where a rule did it.
        studentnet: the name of a network, see `nets.registry`.
        pretrained: its weights to begin with, see `training.pretrained`; None
            for random ones.
        batch_size: examples per step and replica.
        max_number_of_steps: T, unless `num_epochs` is set.
        num_epochs: passes over the training data, 0 for none.
        most_steps: in place of the two, (number of examples, examples per
            step over all replicas) -> T, for methods that count epochs of
            their own.
        train_log_dir: the run folder.
        overwrite: begin anew where a run is already.
        eval_every: steps between evaluations; 0 for twenty in all, but at most
            one an epoch, or where the method's stages say so.
        eval_steps: Budget -> further steps to evaluate at.
        restore_step: go on from the checkpoint of this step; 0 for the
            newest that is not damaged.
        eval_batch_size: images per evaluation batch and replica.
        save_interval_secs: between checkpoints.
        save_summaries_secs: between TensorBoard scalars.
        strategy: see `distribution.make_strategy`.
        num_virtual_devices: likewise.
        sync_batch_norm: see `nets.registry.build`.
        deterministic: ask TensorFlow for deterministic kernels.
        mixed_precision: what the students compute in, see `nets.precision`.
        jit_compile: whether XLA compiles the training step.
        steps_per_execution: the most training steps of one call.
        data_on_device: where the training images' pixels lie, see
            `on_device.in_step`.
        on_nonfinite: what to do at a loss that is not finite, `stop` or
            `skip`; see `loop.Loop`.
        notes: lines to print when the run begins.
    """

    method: str
    command: str
    flags: dict[str, str]
    make_method: Callable
    studentnet: str
    train_log_dir: str
    auto_choice: str = ""
    pretrained: str | None = None
    batch_size: int = 128
    max_number_of_steps: int = 100000
    num_epochs: float = 0.0
    most_steps: Callable | None = None
    overwrite: bool = False
    eval_every: int = 0
    eval_steps: Callable = lambda _: ()
    restore_step: int = 0
    eval_batch_size: int = 250
    save_interval_secs: int = 1200
    save_summaries_secs: int = 120
    strategy: str = "auto"
    num_virtual_devices: int = 0
    sync_batch_norm: bool = False
    deterministic: bool = True
    mixed_precision: str = "none"
    jit_compile: bool = False
    steps_per_execution: int = 1
    data_on_device: str = "auto"
    on_nonfinite: str = "stop"
    notes: tuple[str, ...] = ()


def run(experiment):
    """Trains a run, resumes it, or reports a finished one.

    Each of several workers runs this; only the chief writes.

    Args:
        experiment: an `Experiment`.

    Returns:
        The contents of results.json, a dict; None on a worker that is not the
        chief.

    Raises:
        UserError: before anything is written.
        TrainingError: if training cannot go on.
        StorageError: if the run folder cannot be written.
        Interrupted: after Ctrl-C or SIGTERM.
        WorkerLost: if another worker has ended.
    """
    cluster = distribution.read_cluster()
    with distribution.losing_workers(cluster), warnings.catch_warnings():
        if not cluster.is_chief:
            warnings.simplefilter("ignore")
        folder = run_folder.RunFolder(experiment.train_log_dir)
        final = opening.finished(experiment, folder)
        if final is None:
            return _train(experiment, cluster, folder)
        if not cluster.is_chief:
            return None
        print(
            f"{folder.path} is finished; --overwrite trains it anew",
            file=sys.stderr,
        )
        return final


def _train(experiment, cluster, folder):
    # Before any operation of TensorFlow, see `make_strategy`.
    strategy = distribution.make_strategy(
        experiment.strategy, experiment.num_virtual_devices
    )
    if experiment.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(experiment.seed)
    with contextlib.ExitStack() as stack:
        with replicas.failing_together(strategy):
            if cluster.is_chief:
                stack.enter_context(folder.lock)
            data = run_data.load(experiment)
            budget = run_budget.of(
                experiment, data.train, strategy.num_replicas_in_sync
            )
            start = pretrained.of(experiment, folder, data.augmentation)
        _check_alike(strategy, data.manifest)
        method = _make_method(experiment, data, budget, start, strategy)
        loop = _make_loop(experiment, method, data, folder, strategy, budget)
        with replicas.failing_together(strategy):
            if cluster.is_chief and not experiment.overwrite:
                opening.check_resumable(
                    folder, data.manifest, strategy.num_replicas_in_sync
                )
        if not experiment.overwrite:
            loop.restore()
        with replicas.failing_together(strategy):
            if cluster.is_chief:
                opening.begin(experiment, folder, method, data)
        with replicas.failing_together(strategy):
            if not cluster.is_chief:
                folder.wait_for(folder.flags)
        try:
            return _run(experiment, method, loop, data, budget, cluster)
        except errors.StorageError as error:
            raise errors.StorageError(
                f"{error}; once that is put right, the same command resumes "
                "the run from its last checkpoint"
            ) from error


def _run(experiment, method, loop, data, budget, cluster):
    """Trains, and writes the final metrics."""
    loop.run()
    strategy = loop.strategy
    memorised = memorisation.measure(experiment, method, data, strategy)
    final = None
    if cluster.is_chief:
        final = results.final_metrics(
            experiment, method, budget, data, loop.progress, memorised
        )
        results.write(
            loop.folder, experiment.method, method, data.manifest, final
        )
    # None ends before the run has.
    replicas.gathered(strategy, np.int64(0))
    return final


def _make_method(experiment, data, budget, start, strategy):
    def build(index=0):
        network = registry.build(
            experiment.studentnet,
            data.train.num_classes,
            data.augmentation.view_shape,
            # Two networks of a run never begin as those of two runs do.
            seed=experiment.seed + index * _BETWEEN_SEEDS,
            dtype=precision.policy(experiment.mixed_precision),
            pretrained=start,
            sync_batch_norm=experiment.sync_batch_norm,
        )
        if start is None:
            # Else its filters are those that the body was trained with.
            whitening.adapt(network, first_images)
        return network

    def first_images(most):
        """Returns some training images as they are evaluated."""
        count = min(len(data.train), most)
        batches = pipeline.evaluation_batches(
            data.train.take(np.arange(count)), data.augmentation, count
        )
        return next(iter(batches))["images"]

    with strategy.scope():
        return experiment.make_method(build, budget)


def _make_loop(experiment, method, data, folder, strategy, budget):
    training = _training_data(experiment, method, data)
    return training_loop.Loop(
        method,
        training,
        folder,
        strategy,
        num_steps=budget.num_steps,
        eval_every=run_budget.eval_every(experiment, budget),
        eval_steps=experiment.eval_steps(budget),
        restore_step=experiment.restore_step,
        evaluators=_evaluators(experiment, method, data, strategy),
        wrong=_wrong(experiment, method, data, strategy),
        save_interval_secs=experiment.save_interval_secs,
        save_summaries_secs=experiment.save_summaries_secs,
        steps_per_execution=experiment.steps_per_execution,
        jit_compile=experiment.jit_compile,
        on_nonfinite=experiment.on_nonfinite,
        in_step=on_device.in_step(
            experiment.data_on_device, method, training, strategy
        ),
    )


def _training_data(experiment, method, data):
    """Returns what is trained on, with a strong view where one is needed."""
    training = data.training(experiment.batch_size, experiment.seed)
    if method.uses_strong_view and training.strong is None:
        view = run_data.strong_view(
            method.strong,
            data.augmentation,
            data.train.images.shape[1:],
            data.train.mirror,
        )
        training = dataclasses.replace(training, strong=view)
    method.check_data(training)
    return training


def _check_alike(strategy, manifest):
    """Compares the labels of all workers.

    Raises:
        UserError: if they differ, as data that were read on several machines
            may.
    """
    digest = np.int64(int(manifest.sha256()[:15], 16))
    digests = replicas.gathered(strategy, digest)
    differing = np.flatnonzero(digests != digests[0])
    if len(differing):
        raise errors.UserError(
            f"worker {differing[0]} has other data or labels than worker 0: "
            "all workers need the same files"
        )


def _evaluators(experiment, method, data, strategy):
    shared = experiment, method, data, strategy
    evaluators = {
        "test": _evaluator(*shared, data.test, data.test.clean_labels)
    }
    if data.holdout is not None:
        evaluators["holdout"] = _evaluator(*shared, data.holdout)
    return evaluators


def _wrong(experiment, method, data, strategy):
    """Returns the evaluator of wrongly labelled images, None without any."""
    wrong = memorisation.wrong_labels(experiment, data)
    if wrong is None:
        return None
    return _evaluator(experiment, method, data, strategy, wrong)


def _evaluator(experiment, method, data, strategy, dataset, labels=None):
    return evaluation.Evaluator(
        method,
        dataset,
        data.augmentation,
        experiment.eval_batch_size,
        strategy,
        labels,
    )


def default_folder(method, dataset_name, noise, seed):
    """Returns the run folder used when none is named."""
    noise = noise.replace(":", "_")
    return str(
        pathlib.Path("runs") / f"{dataset_name}-{noise}" / f"{method}-{seed}"
    )
