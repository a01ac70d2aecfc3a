"""One experiment from its description to its results.json.

Nothing is written before everything that a user may have got wrong has been
looked at: flags, data, noise, network, and the run folder that is there.
"""

import dataclasses
import pathlib
import resource
import sys
import warnings
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

import tfnoisy
from tfnoisy import errors, output_file, replicas
from tfnoisy.nets import applications, precision, registry
from tfnoisy.noise import manifest as noise_manifest
from tfnoisy.runs import data as run_data
from tfnoisy.runs import evidence as run_evidence
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import distribution, evaluation
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
        studentnet: the name of a network, see `nets.registry`.
        pretrained: its weights to begin with, see `nets.applications`; None
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
        restore_step: go on from the checkpoint of this step; 0 for the last.
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
    """

    method: str
    command: str
    flags: dict[str, str]
    make_method: Callable
    studentnet: str
    train_log_dir: str
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


@dataclasses.dataclass(frozen=True)
class Budget:
    """What a method may know of the run it is made for.

    Attributes:
        num_steps: T.
        num_examples: N, the training examples.
        batch_size: B, examples per step over all replicas.
        num_ids: the largest id of a training example plus one.
    """

    num_steps: int
    num_examples: int
    batch_size: int
    num_ids: int


def run(experiment):
    """Trains, or resumes, or reports a finished run.

    Each of several workers runs this; only the chief writes.

    Args:
        experiment: an `Experiment`.

    Returns:
        The contents of results.json, a dict; None on a worker that is not the
        chief.

    Raises:
        UserError: before anything is written.
        TrainingError: if training cannot go on.
        WorkerLost: if another worker has ended.
    """
    cluster = distribution.read_cluster()
    with distribution.losing_workers(cluster), warnings.catch_warnings():
        if not cluster.is_chief:
            warnings.simplefilter("ignore")
        return _run(experiment, cluster)


def _run(experiment, cluster):
    folder = run_folder.RunFolder(experiment.train_log_dir)
    folder.check_usable()
    if not experiment.overwrite and folder.read_flags() is not None:
        same = run_folder.compare_flags(folder, experiment.flags)
        if same and folder.read_results() is not None:
            if not cluster.is_chief:
                return None
            print(
                f"{folder.path} is finished; --overwrite trains it anew",
                file=sys.stderr,
            )
            return folder.read_results()
    # Before any operation of TensorFlow, see `make_strategy`.
    strategy = distribution.make_strategy(
        experiment.strategy, experiment.num_virtual_devices
    )
    if experiment.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(experiment.seed)
    with replicas.failing_together(strategy):
        data = run_data.load(experiment)
        budget = _budget(experiment, data.train, strategy.num_replicas_in_sync)
        pretrained = _pretrained(experiment, folder, data.augmentation)
    _check_alike(strategy, data.manifest)

    def build(index=0):
        return registry.build(
            experiment.studentnet,
            data.train.num_classes,
            data.augmentation.view_shape,
            # Two networks of a run never begin as those of two runs do.
            seed=experiment.seed + index * _BETWEEN_SEEDS,
            dtype=precision.policy(experiment.mixed_precision),
            pretrained=pretrained,
            sync_batch_norm=experiment.sync_batch_norm,
        )

    with strategy.scope():
        method = experiment.make_method(build, budget)
    evaluators = _evaluators(experiment, method, data, strategy)
    loop = training_loop.Loop(
        method,
        data.training(experiment.batch_size, experiment.seed),
        folder,
        strategy,
        num_steps=budget.num_steps,
        eval_every=_eval_every(experiment, budget),
        eval_steps=experiment.eval_steps(budget),
        restore_step=experiment.restore_step,
        evaluators=evaluators,
        save_interval_secs=experiment.save_interval_secs,
        save_summaries_secs=experiment.save_summaries_secs,
        steps_per_execution=experiment.steps_per_execution,
        jit_compile=experiment.jit_compile,
    )
    with replicas.failing_together(strategy):
        if cluster.is_chief:
            _open(folder, experiment, method, data.manifest)
            print(data.manifest.describe(), file=sys.stderr)
    with replicas.failing_together(strategy):
        if not cluster.is_chief:
            folder.wait_for(folder.flags)
    history = loop.run()
    memorised = _memorised(experiment, method, data, strategy)
    results = None
    if cluster.is_chief:
        results = _results(experiment, method, budget, data, history, memorised)
        _close(folder, experiment.method, method, data.manifest, results)
    # None ends before the run has.
    replicas.gathered(strategy, np.int64(0))
    return results


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


def _close(folder, name, method, manifest, results):
    """Adds what the method found out to the results, and writes them.

    Raises:
        TrainingError: for evidence that cannot be kept; the rest is.
    """
    results |= method.method_metrics()
    results["extended_from"] = folder.extended_from()
    try:
        evidence = run_evidence.of(method, name)
    except errors.TrainingError:
        folder.write_results(results)
        raise
    if evidence is not None:
        output_file.write(folder.evidence, evidence.to_bytes())
        results["detection"] = run_evidence.judge(evidence, manifest)
    folder.write_results(results)


def _pretrained(experiment, folder, augmentation):
    """Returns the weights to begin with, or None.

    A run that goes on takes those of its checkpoint.
    """
    resumed = tf.train.latest_checkpoint(str(folder.checkpoints))
    if not experiment.pretrained or (resumed and not experiment.overwrite):
        return None
    if augmentation.statistics is None:
        raise errors.UserError(
            f"--pretrained={experiment.pretrained} does not go with --augment="
            f"{augmentation.name}, which standardises each image by itself"
        )
    return applications.Pretrained(
        experiment.pretrained, *augmentation.statistics
    )


def _budget(experiment, train, replicas):
    num_examples = len(train)
    batch_size = experiment.batch_size * replicas
    if experiment.batch_size < 1 or experiment.batch_size > num_examples:
        raise errors.UserError(
            f"--batch_size={experiment.batch_size} must be between 1 and the "
            f"{num_examples} training examples"
        )
    num_steps = experiment.max_number_of_steps
    if experiment.most_steps:
        num_steps = experiment.most_steps(num_examples, batch_size)
    elif experiment.num_epochs:
        num_steps = run_data.steps_of(
            experiment.num_epochs, num_examples, batch_size
        )
    if num_steps < 1:
        raise errors.UserError(
            f"{num_steps} training steps: set --max_number_of_steps or "
            "--num_epochs to at least 1"
        )
    return Budget(num_steps, num_examples, batch_size, train.num_ids)


def _eval_every(experiment, budget):
    """Twenty evaluations a run by default, but no more than one an epoch."""
    if experiment.eval_every or experiment.most_steps:
        return experiment.eval_every
    epoch = -(-budget.num_examples // budget.batch_size)
    return max(budget.num_steps // 20, epoch)


def _evaluators(experiment, method, data, strategy):
    def on(dataset, labels=None):
        return evaluation.Evaluator(
            method,
            dataset,
            data.augmentation,
            experiment.eval_batch_size,
            strategy,
            labels,
        )

    evaluators = {"test": on(data.test, data.test.clean_labels)}
    if data.holdout is not None:
        evaluators["holdout"] = on(data.holdout)
    return evaluators


def _open(folder, experiment, method, manifest):
    """The first moment at which anything is written.

    Raises:
        UserError: if it cannot be, or the folder's run had other labels.
    """
    try:
        _begin(folder, experiment, method, manifest)
    except OSError as error:
        raise errors.UserError(
            f"--train_log_dir={folder.path} cannot be written: {error.strerror}"
        ) from error


def _begin(folder, experiment, method, manifest):
    if experiment.overwrite:
        folder.clear()
    elif folder.manifest.exists():
        before = noise_manifest.NoiseManifest.load(folder.manifest)
        if before.sha256() != manifest.sha256():
            raise errors.UserError(
                f"{folder.path} was trained on other labels (its "
                "noise_manifest.npz differs): the data have changed since; "
                "choose another --train_log_dir, or --overwrite"
            )
        there = folder.replicas()
        here = method.distribute_strategy.num_replicas_in_sync
        if there != here:
            raise errors.UserError(
                f"{folder.path} was trained by {there} replicas, here are "
                f"{here}: its steps would go on with other examples; choose "
                "another --train_log_dir, or --overwrite"
            )
    folder.path.mkdir(parents=True, exist_ok=True)
    ended = folder.extended_from()
    if folder.read_results():
        ended.append(folder.read_results()["steps"])
    # In this order: a run killed in between must not count as finished.
    folder.results.unlink(missing_ok=True)
    networks = len(getattr(method.student, "networks", [method.student]))
    folder.write_flags(
        experiment.flags,
        experiment.command,
        ended,
        networks,
        method.distribute_strategy.num_replicas_in_sync,
    )
    manifest.save(folder.manifest)


def _results(experiment, method, budget, data, history, memorised):
    last = history[-1]
    steps = last["step"]
    return {
        "method": experiment.method,
        "dataset": experiment.dataset_name,
        "train_split": experiment.train_split,
        "studentnet": experiment.studentnet,
        "noise": {
            "spec": str(data.manifest.spec),
            "seed": int(data.manifest.seed),
            "measured_rate": data.manifest.measured_rate(),
            "manifest_sha256": data.manifest.sha256(),
        },
        "seed": experiment.seed,
        "steps": steps,
        "batch_size": budget.batch_size,
        "train_examples": budget.num_examples,
        "probe_examples": 0 if data.probe is None else len(data.probe),
        "test": {
            "accuracy": last["test_accuracy"],
            "top5": last["test_top5"],
            "loss": last["test_loss"],
            "weights": method.evaluated_weights,
        },
        "best_test_accuracy": max(row["test_accuracy"] for row in history),
        "holdout": _holdout(history, data),
        "train": memorised,
        "wall_seconds": last["seconds"],
        "images_per_second": round(
            steps * budget.batch_size / max(last["seconds"], 1e-9), 1
        ),
        "peak_memory_mib": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        ),
        "versions": {
            "tfnoisy": tfnoisy.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "python": sys.version.split()[0],
        },
    }


def _holdout(history, data):
    """The evaluation that the held-out noisy data would pick, if any."""
    if data.holdout is None:
        return None
    best = max(history, key=lambda row: row["holdout_accuracy"])
    return {
        "examples": len(data.holdout),
        "accuracy": history[-1]["holdout_accuracy"],
        "best_accuracy": best["holdout_accuracy"],
        "best_step": best["step"],
        "test_accuracy_at_best": best["test_accuracy"],
    }


def _memorised(experiment, method, data, strategy):
    """How much of the training labels, and of the wrong ones, is fitted.

    By the evaluated weights, on a random sample that is not much more work
    than the test.
    """
    chosen = run_data.by_lot(data.train, "evaluation", experiment.seed)
    count = min(5000, max(1000, len(data.test)))
    sample = data.train.take(np.sort(chosen[:count]))
    logits = evaluation.predict_logits(
        method,
        sample,
        data.augmentation,
        experiment.eval_batch_size,
        strategy,
    )
    fitted = logits.argmax(axis=1) == sample.given_labels
    wrong = np.zeros(len(sample), bool)
    if sample.clean_labels is not None:
        wrong = sample.given_labels != sample.clean_labels
    return {
        "examples": len(sample),
        "given_label_accuracy": float(fitted.mean()),
        "wrong_labels_fitted": (
            float(fitted[wrong].mean()) if wrong.any() else None
        ),
    }


def default_folder(method, dataset_name, noise, seed):
    """Returns the run folder used when none is named."""
    noise = noise.replace(":", "_")
    return str(
        pathlib.Path("runs") / f"{dataset_name}-{noise}" / f"{method}-{seed}"
    )
