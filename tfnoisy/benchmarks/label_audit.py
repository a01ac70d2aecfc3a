"""How well wrong labels are found: the table of `tfnoisy/audit/README.md`."""

import time

import numpy as np

from tfnoisy import errors, metrics
from tfnoisy.audit import geometry, issues, label_errors
from tfnoisy.audit.features import compute
from tfnoisy.datasets import load
from tfnoisy.noise import manifest
from tfnoisy.runs import folder as run_folder

NOISES = (
    *(
        f"human:{s}"
        for s in ["worse", "aggre", "random1", "random2", "random3"]
    ),
    *(f"symmetric:{rate}" for rate in (0.05, 0.1, 0.2, 0.4, 0.6, 0.8)),
    *(f"asymmetric:{rate}" for rate in (0.1, 0.2, 0.4)),
    *(f"pairflip:{rate}" for rate in (0.2, 0.45)),
    *(f"instance:{rate}" for rate in (0.2, 0.4)),
)


def label_audit_suite(
    dataset_name="cifar10_n", split="train[:20%]", noises=NOISES, features=None
):
    """Judges the rule beside cleanlab, on the same features.

    Args:
        dataset_name: a data set whose labels are clean.
        split: the examples.
        noises: specs, see `noise.spec`.
        features: floats [N, D]; EfficientNet-Lite0's if None.

    Yields:
        {noise, wrong, f1, auc, cleanlab_f1, cleanlab_auc, cpu_seconds} for
        each noise; the seconds are the rule's, without features and
        neighbours.
    """
    data = load.load(dataset_name, split)
    if features is None:
        features = compute.of(data, "efficientnet_lite0").values
    measured = geometry.measure(features)
    rows = np.arange(len(data))
    for noise in noises:
        noisy = manifest.inject(data, noise, 0).apply(data)
        given, wrong = (
            noisy.given_labels,
            noisy.given_labels != data.clean_labels,
        )
        started = time.process_time()
        found = label_errors.find_label_errors(
            given, features, num_classes=data.num_classes, measured=measured
        )
        seconds = time.process_time() - started
        cleanlab = issues.find(given, found.pred_probs)
        yield {
            "noise": noise,
            "wrong": float(wrong.mean()),
            "f1": metrics.detection_scores(found.is_label_issue, wrong)["f1"],
            "auc": metrics.auc(found.label_score, wrong),
            "cleanlab_f1": metrics.detection_scores(cleanlab, wrong)["f1"],
            "cleanlab_auc": metrics.auc(found.pred_probs[rows, given], wrong),
            "cpu_seconds": seconds,
        }


def run_rows(folders):
    """Judges the evidence that trainings left of their own labels.

    Args:
        folders: the paths of finished runs on data whose clean labels are
            known.

    Yields:
        {run, method, noise, wrong, f1, auc, precision, recall, test_accuracy,
        wall_seconds}.

    Raises:
        UserError: for a folder without a finished run, and for a run without
            evidence or clean labels.
    """
    for path in folders:
        results = run_folder.RunFolder(path).read_results()
        if results is None:
            raise errors.UserError(f"--runs: {path} is no finished run")
        found = results.get("detection")
        if not found:
            raise errors.UserError(
                f"--runs: {path} has no evidence of its labels, or their truth "
                "is not known"
            )
        yield {
            "run": str(path),
            "method": results["method"],
            "noise": results["noise"]["spec"],
            "wrong": found["wrong_labels"] / found["examples"],
            **{
                name: found[name]
                for name in ("f1", "auc", "precision", "recall")
            },
            "test_accuracy": results["test"]["accuracy"],
            "wall_seconds": results["wall_seconds"],
        }
