"""The final metrics of a run: results.json, and evidence.npz beside it."""

import resource
import sys

import keras
import numpy as np
import tensorflow as tf

import tfnoisy
from tfnoisy import errors
from tfnoisy.runs import evidence as run_evidence
from tfnoisy.training import provenance


def write(folder, name, method, manifest, results):
    """Adds what the method tells of the labels, and writes both files.

    Args:
        folder: the run's `runs.folder.RunFolder`.
        name: the method's, for the evidence.
        method: the trained `methods.base.Method`.
        manifest: its `NoiseManifest`.
        results: see `final_metrics`; completed in place.

    Raises:
        TrainingError: for evidence that cannot be kept; the rest is.
        StorageError: if the disk does not take the files.
    """
    results |= method.method_metrics()
    results["extended_from"] = folder.extended_from()
    try:
        evidence = run_evidence.of(method, name)
    except errors.TrainingError:
        folder.write_results(results)
        raise
    if evidence is not None:
        folder.write_evidence(evidence.to_bytes())
        results["detection"] = run_evidence.judge(evidence, manifest)
    # Last: from then on the run counts as finished.
    folder.write_results(results)


def final_metrics(experiment, method, budget, data, progress, memorised):
    """Returns the contents of results.json but for what the method tells.

    Args:
        experiment: an `experiment.Experiment`.
        method: its trained `methods.base.Method`.
        budget: its `budget.Budget`.
        data: its `runs.data.Data`.
        progress: the loop's `progress.Progress`.
        memorised: see `memorisation.measure`.
    """
    history = progress.rows
    last = history[-1]
    steps, seconds = last["step"], progress.seconds
    return {
        "method": experiment.method,
        **_chosen(experiment),
        "dataset": experiment.dataset_name,
        "train_split": experiment.train_split,
        "studentnet": experiment.studentnet,
        **_pretrained(experiment),
        "view_shape": list(data.augmentation.view_shape),
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
        **_skipped(experiment, progress),
        "wall_seconds": round(seconds, 3),
        "processor_seconds": _rounded(progress.processor_seconds),
        "images_per_second": round(
            steps * budget.batch_size / max(seconds, 1e-9), 1
        ),
        "peak_memory_mib": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        ),
        "hardware": provenance.hardware(),
        "versions": {
            "tfnoisy": tfnoisy.__version__,
            **_commit(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
            "python": sys.version.split()[0],
        },
    }


def _chosen(experiment):
    """Why the method was chosen, where a rule did it."""
    chosen = experiment.auto_choice
    return {"auto_choice": chosen} if chosen else {}


def _pretrained(experiment):
    """What the network began with, where that was not drawn."""
    source = experiment.flags.get("pretrained", experiment.pretrained)
    return {"pretrained": str(source)} if source else {}


def _rounded(seconds):
    """To milliseconds; None if it is not known."""
    return None if seconds is None else round(seconds, 3)


def _commit():
    """The commit, where tfnoisy runs from a checkout."""
    commit = provenance.commit()
    return {} if commit is None else {"commit": commit}


def _skipped(experiment, progress):
    """The updates that --on_nonfinite=skip left out."""
    if experiment.on_nonfinite != "skip" and not progress.num_skipped:
        return {}
    return {
        "skipped_updates": {
            "count": progress.num_skipped,
            "steps": progress.skipped,
        }
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
