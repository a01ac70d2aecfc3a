#!/usr/bin/env python3
"""Which labels are wrong?  Writes labels.csv and report.html.

From a finished or running run folder (--run_dir), from a plain network trained
by cross-validation (--method=crossval), or from a file of predicted
probabilities (--pred_probs).
"""

import pathlib

import numpy as np
from absl import flags

from tfnoisy.cli import common  # First: it keeps TensorFlow quiet.

# isort: split
from tfnoisy import errors
from tfnoisy.audit import (
    cross_validate,
    detection,
    from_evidence,
    label_quality,
    pred_probs,
    report,
    scores,
    table,
)
from tfnoisy.augment import standard
from tfnoisy.datasets.images import streamed
from tfnoisy.nets import precision
from tfnoisy.runs import data as run_data
from tfnoisy.training import evaluate_run

flags.DEFINE_string("run_dir", "", "A run folder: judge by its own evidence.")
flags.DEFINE_enum(
    "method",
    None,
    ["run", "losses", "crossval", "pred_probs"],
    "run: the method's own evidence, or else the losses of its network; "
    "losses; crossval; pred_probs.  By default what the other flags imply.",
)
flags.DEFINE_string(
    "pred_probs",
    "",
    "Out-of-sample probabilities: .npy or .npz of N x K, or a .csv.",
)
flags.DEFINE_string(
    "output_dir", "", "Where to write; RUN/audit with --run_dir."
)
flags.DEFINE_enum(
    "score", "self_confidence", scores.NAMES, "The label score of predictions."
)
flags.DEFINE_integer("max_images", 500, "Images in the report.", 0)
flags.DEFINE_string("dataset_name", None, "digits, folder, or any TFDS set.")
flags.DEFINE_string("data_dir", "", "As for the trainers.")
flags.DEFINE_string("labels_csv", "", "As for the trainers.")
flags.DEFINE_integer("image_size", 0, "As for the trainers.", 0)
flags.DEFINE_integer("cache_mib", streamed.CACHE_MIB, "As for the trainers.", 0)
flags.DEFINE_string("train_split", "train", "The examples to audit.")
flags.DEFINE_string("noise", "none", "As for the trainers, to try the audit.")
flags.DEFINE_integer("noise_seed", 0, "Seed of the noise.", 0)
flags.DEFINE_string("noise_manifest", "", "A noise_manifest.npz to use.")
flags.DEFINE_integer("folds", 5, "crossval: how many.", 2)
flags.DEFINE_string("studentnet", None, "crossval: the network.")
flags.DEFINE_string("augment", "standard", "crossval: the training view.")
flags.DEFINE_float("num_epochs", 20.0, "crossval: passes over the data.", 0.1)
flags.DEFINE_integer("batch_size", 128, "crossval: examples per step.", 1)
flags.DEFINE_float("learning_rate", 0.05, "crossval: the first.", 0.0)
flags.DEFINE_enum(
    "mixed_precision",
    "none",
    precision.NAMES,
    "crossval: what networks are trained in; they predict in float32.",
)
flags.DEFINE_integer("seed", 0, "crossval: of everything but the noise.", 0)

FLAGS = flags.FLAGS


def source():
    """Returns where the evidence comes from.

    Raises:
        UserError: if the flags do not say so, or say it twice.
    """
    named = [
        name
        for name, given in {
            "run": FLAGS.run_dir,
            "pred_probs": FLAGS.pred_probs,
        }.items()
        if given
    ]
    method = FLAGS.method or (named[0] if named else None)
    if method is None:
        raise errors.UserError(
            "name what to judge by: --run_dir=RUN, --pred_probs=FILE or "
            "--method=crossval with --dataset_name"
        )
    if len(named) > 1 or (named and method == "crossval"):
        raise errors.UserError(
            "--run_dir, --pred_probs and --method=crossval exclude each other"
        )
    if method in ("run", "losses") and not FLAGS.run_dir:
        raise errors.UserError(f"--method={method} needs --run_dir")
    if method == "pred_probs" and not FLAGS.pred_probs:
        raise errors.UserError("--method=pred_probs needs --pred_probs=FILE")
    if not FLAGS.run_dir and not FLAGS.dataset_name:
        raise errors.UserError("--dataset_name says which data to audit")
    return method


def load():
    """Returns the training data that the flags name, noise applied."""
    names = run_data.DataOptions.__dataclass_fields__
    values = {name: FLAGS[name].value for name in names if name in FLAGS}
    return run_data.load(run_data.DataOptions(**values))


def from_run(folder, losses_only):
    """Returns the data set of a run and the evidence that it left."""
    judged = evaluate_run.RunEvaluator(folder, "train", batch_size=250)
    data = judged.dataset
    logits = judged.logits()
    common_arguments = {
        "ids": data.ids,
        "given_labels": data.given_labels,
        "predicted_labels": logits.argmax(axis=1),
        "num_classes": data.num_classes,
        "clean_labels": data.clean_labels,
    }
    file = judged.folder.evidence
    if losses_only or not file.exists():
        return data, label_quality.LabelQuality.from_losses(
            losses=evaluate_run.cross_entropies(logits, data.given_labels),
            **common_arguments,
        )
    with np.load(file) as arrays:
        left = {name: arrays[name] for name in arrays.files}
    rows = np.searchsorted(left["ids"], data.ids)
    rows = np.minimum(rows, len(left["ids"]) - 1)
    known = left["ids"][rows] == data.ids
    data = data.take(known)
    arguments = {
        name: value[known] if isinstance(value, np.ndarray) else value
        for name, value in common_arguments.items()
    }
    left = {name: values[rows[known]] for name, values in left.items()}
    return data, from_evidence.of(left, **arguments)


def from_predictions(method, output):
    """Returns the data set and the evidence of predicted probabilities."""
    data = load().train
    if method == "pred_probs":
        found = pred_probs.read(FLAGS.pred_probs, data.ids, data.class_names)
    else:
        if not FLAGS.studentnet:
            FLAGS.studentnet = (
                "small_cnn" if data.images.shape[1] < 16 else "cifar_resnet20"
            )
        found = cross_validate.pred_probs(
            data,
            standard.get(FLAGS.augment, data.images.shape[1:], data.mirror),
            output / "folds",
            studentnet=FLAGS.studentnet,
            folds=FLAGS.folds,
            num_epochs=FLAGS.num_epochs,
            batch_size=FLAGS.batch_size,
            learning_rate=FLAGS.learning_rate,
            mixed_precision=FLAGS.mixed_precision,
            seed=FLAGS.seed,
        )
        np.savez_compressed(
            output / "pred_probs.npz", ids=data.ids, pred_probs=found
        )
    return data, label_quality.LabelQuality.from_pred_probs(
        data.ids,
        data.given_labels,
        found,
        score=FLAGS.score,
        clean_labels=data.clean_labels,
    )


def main(_):
    """Audits."""
    method = source()
    if not FLAGS.output_dir and not FLAGS.run_dir:
        raise errors.UserError("--output_dir says where to write")
    output = pathlib.Path(
        FLAGS.output_dir or pathlib.Path(FLAGS.run_dir) / "audit"
    ).expanduser()
    if method in ("run", "losses"):
        data, found = from_run(FLAGS.run_dir, method == "losses")
    else:
        data, found = from_predictions(method, output)
    table.write(output / "labels.csv", found, data.class_names, data.paths)
    report.write(
        output / "report.html",
        found,
        data,
        table_name="labels.csv",
        max_images=FLAGS.max_images,
    )
    print(
        f"{found.is_label_issue.sum()} of {len(found)} labels look wrong "
        f"(estimated noise rate {found.noise_rate:.3f}); see "
        f"{output / 'report.html'} and labels.csv beside it"
    )
    measured = detection.measure(found)
    if measured:
        print(
            "against the clean labels: "
            + ", ".join(
                f"{name} {measured[name]:.4f}"
                for name in ("precision", "recall", "f1", "auc")
                if measured[name] is not None
            )
        )


def run():
    """Is the command's entry point."""
    common.run(main)


if __name__ == "__main__":
    run()
