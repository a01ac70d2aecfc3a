#!/usr/bin/env python3
r"""Finds labels that look wrong; writes labels.csv and report.html.

    bin/audit_labels.py --dataset_name=folder --data_dir=my_images \
        --output_dir=my_audit
    bin/audit_labels.py --run_dir=runs/demo/mentormix
    bin/audit_labels.py --method=crossval --dataset_name=folder \
        --data_dir=my_images --output_dir=my_audit
    bin/audit_labels.py --pred_probs=probabilities.npy \
        --dataset_name=cifar10 --output_dir=my_audit

It judges by the features of a network that was trained on ImageNet
(--method=features, what it does unless told otherwise), by what a training
knows of its examples (--run_dir), by a plain network trained by
cross-validation (--method=crossval), or by a file of predicted probabilities
(--pred_probs).  labels.csv has a line for each
example, report.html shows the most suspicious ones; both are in --output_dir,
or in RUN_DIR/audit.
"""

if __name__ == "__main__":
    import _check_installed  # noqa: F401

import dataclasses
import functools
import pathlib
import sys
import threading

import numpy as np
from absl import flags
from etils import epy

from tfnoisy import choices, errors, output_file
from tfnoisy.cli import command_line, flag_groups, plugin_flag, shared_flags

with epy.lazy_imports():
    from tfnoisy.audit import (
        checklist,
        cross_validate,
        detection,
        from_evidence,
        from_features,
        health_section,
        label_quality,
        pred_probs,
        report,
        review,
        review_server,
        table,
        trust,
    )
    from tfnoisy.augment import standard
    from tfnoisy.datasets import corrections, csv_cells, splits
    from tfnoisy.datasets.sources import survey
    from tfnoisy.runs import data as run_data
    from tfnoisy.runs import evidence as run_evidence
    from tfnoisy.training import evaluate_run, loss_features

_JUDGE = "What to judge by"
_CROSSVAL = "Training by cross-validation (--method=crossval)"

shared_flags.define(
    "run_dir",
    group=_JUDGE,
    more={"run_dir": "Its evidence or its losses judge its labels."},
)
with flag_groups.group(_JUDGE):
    flags.DEFINE_string(
        "pred_probs",
        "",
        "A file of out-of-sample predicted probabilities, N x K: .npy, .npz or "
        ".csv.",
    )
    flags.DEFINE_enum(
        "method",
        None,
        ["features", "run", "losses", "crossval", "pred_probs"],
        "features: those of a frozen network, see --features. run: the "
        "evidence that the training's own method left in --run_dir, or else "
        "losses. losses: the losses of the trained network. crossval: "
        "plain networks trained by cross-validation on --dataset_name. "
        "pred_probs: the file --pred_probs. If not given, what the other flags "
        "imply, else features.",
    )
    flags.DEFINE_string(
        "features",
        "efficientnet_lite0",
        "features: what describes the images: efficientnet_lite0 (ImageNet's "
        "weights, installed with tfnoisy), keras:NAME (a network of "
        "keras.applications, whose weights are downloaded), a run folder (its "
        "student), or a file .npy or .npz of N rows. Computed features are "
        "kept in the user's cache.",
    )
    flags.DEFINE_boolean(
        "health",
        True,
        "features: look for near duplicates, test images that are in training, "
        "odd ones out, dark and blurred pictures as well.",
    )
    flags.DEFINE_enum(
        "score",
        "self_confidence",
        choices.LABEL_SCORES,
        "crossval and pred_probs: the label score, as in cleanlab.",
    )
shared_flags.define(
    "plugin",
    "data_dir",
    "labels_csv",
    "corrections",
    "skip_broken",
    "min_class_images",
    "image_size",
    "train_split",
    "test_split",
    "noise",
    "noise_seed",
    "noise_manifest",
    "cache_mib",
    dataset_name=None,
)
shared_flags.define(
    "studentnet",
    "augment",
    "batch_size",
    "mixed_precision",
    "seed",
    group=_CROSSVAL,
    more={
        "studentnet": "If not given, small_cnn for images below 16 pixels, "
        "else cifar_resnet20."
    },
    num_epochs=20.0,
    learning_rate=0.05,
)
with flag_groups.group(_CROSSVAL):
    flags.DEFINE_integer("folds", 5, "Parts that the data are divided into.", 2)
with flag_groups.group("Checking labels by hand"):
    flags.DEFINE_integer(
        "budget",
        0,
        "How many labels a person will check: first a random sample of 100, "
        "then by --order. They are on review.html (200 if this is 0) and, to "
        "be filled in elsewhere, in to_check.csv (none if this is 0).",
        0,
        1_000_000,
    )
    flags.DEFINE_enum(
        "order",
        "wrongness",
        choices.CHECK_ORDERS,
        "wrongness: what is probably wrong comes first. entropy: what is least "
        "certain, where a better model is the aim.",
    )
    flags.DEFINE_string(
        "answers",
        "",
        "A filled in to_check.csv, or a corrections.csv: the share of wrong "
        "labels gets a 95 % interval, scores and flags are corrected.",
    )
    flags.DEFINE_integer(
        "serve",
        None,
        "Serve review.html on this machine, at this port (0: any that is "
        "free), until Ctrl-C: decisions are saved to corrections.csv beside "
        "it. If not given, nothing is served.",
        0,
        65_535,
    )
with flag_groups.group(flag_groups.OUTPUT):
    flags.DEFINE_string(
        "output_dir",
        "",
        "The folder to write labels.csv and report.html to; RUN_DIR/audit if "
        "empty.",
    )
    flags.DEFINE_integer(
        "max_images", 500, "Most images that the report shows.", 0
    )

FLAGS = flags.FLAGS
# Labels on the page where --budget does not say how many.
_DEFAULT_BUDGET = 200


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
    method = FLAGS.method or (named[0] if named else "features")
    if len(named) > 1 or (named and method in ("crossval", "features")):
        raise errors.UserError(
            "--run_dir, --pred_probs, --method=crossval and --method=features "
            "exclude each other"
        )
    if method in ("run", "losses") and not FLAGS.run_dir:
        raise errors.UserError(f"--method={method} needs --run_dir")
    if method == "pred_probs" and not FLAGS.pred_probs:
        raise errors.UserError("--method=pred_probs needs --pred_probs=FILE")
    if not FLAGS.run_dir and not FLAGS.dataset_name:
        raise errors.UserError(
            "--dataset_name says which data to audit; or --run_dir=RUN names a "
            "run to judge by"
        )
    return method


def load():
    """Returns the training data that the flags name, noise applied."""
    return run_data.load_training(data_options())


def data_options():
    """Returns the `DataOptions` that the flags amount to."""
    names = run_data.DataOptions.__dataclass_fields__
    values = {name: FLAGS[name].value for name in names if name in FLAGS}
    return run_data.DataOptions(**values)


def test_images():
    """Returns the test `ImageDataset`, or why there is none, in words."""
    if splits.base(FLAGS.train_split) == splits.base(FLAGS.test_split):
        return f"it is {FLAGS.train_split} itself that is audited"
    options = dataclasses.replace(
        data_options(), test_share=0.0, corrections="", skip_broken=True
    )
    try:
        return run_data.load_split(options, FLAGS.test_split)
    except errors.UserError as error:
        # The first of the problems, where there is a list, without remedy.
        lines = str(error).splitlines()[:2]
        return lines[-1].strip().partition(";")[0]


def from_run(folder, losses_only):
    """Returns the data set of a run and the evidence that it left."""
    judged = evaluate_run.RunEvaluator(
        folder, "train", batch_size=250, overrides=plugin_flag.overrides()
    )
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
        found = label_quality.LabelQuality.from_losses(
            losses=loss_features.cross_entropies(logits, data.given_labels),
            **common_arguments,
        )
        return data, with_trust(found, judged)
    evidence = run_evidence.read(file, judged.recorded)
    known = evidence.known(data.ids)
    left_out = (
        ()
        if known.all()
        else (
            f"{(~known).sum():,} of {len(data):,} examples are left out: the "
            "run has no evidence of them.",
        )
    )
    data = data.take(known)
    arguments = {
        name: value[known] if isinstance(value, np.ndarray) else value
        for name, value in common_arguments.items()
    }
    found = from_evidence.of(evidence.take(data.ids), **arguments)
    found = dataclasses.replace(found, notes=(*found.notes, *left_out))
    return data, with_trust(found, judged)


def with_trust(found, judged):
    """Says how far a run's judgement can be trusted.

    Args:
        found: its `LabelQuality`.
        judged: its `evaluate_run.RunEvaluator`.
    """
    results = judged.folder.read_results() or {}
    agreement = (results.get("holdout") or {}).get("accuracy")
    agreement = (results.get("head") or {}).get("held_out_agreement", agreement)
    if agreement is None:
        told = (
            "The run held out no labels (--holdout=0.1 would have): nothing "
            "says how far its judgement can be trusted."
        )
        return dataclasses.replace(found, notes=(told, *found.notes))
    doubt = trust.doubt(
        agreement,
        found.given_labels,
        found.num_classes,
        "This run",
        "its network has not learned the classes",
    )
    told = f"Of held-out given labels {agreement:.0%} are predicted."
    notes = (*filter(None, [doubt]), told, *found.notes)
    return dataclasses.replace(found, notes=notes, doubt=doubt)


def from_predictions(method, output):
    """Returns the data set and the evidence of predicted probabilities."""
    data = load()
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


def check(found, data, output, decided):
    """Takes answers into account, and writes the list of what to check."""
    done, revised = np.array([], int), found
    if decided is not None:
        answered = checklist.answers(decided, data)
        revised, _ = checklist.revise(found, data, answered, FLAGS.seed)
        done = answered.rows
    # By the scores before any answer, as the sample was drawn.
    budget = FLAGS.budget or _DEFAULT_BUDGET
    order = functools.partial(
        checklist.rows, found, order=FLAGS.order, seed=FLAGS.seed
    )
    review.write(
        output / "review.html", found, data, order(budget), seed=FLAGS.seed
    )
    if FLAGS.budget:
        chosen = order(budget, done=done)
        output_file.write(
            output / "to_check.csv", checklist.to_csv(chosen, found, data)
        )
        print(f"{len(chosen):,} labels to check: {output / 'to_check.csv'}")
    return revised


def main(_):
    """Audits."""
    method = source()
    if not FLAGS.output_dir and not FLAGS.run_dir:
        raise errors.UserError("--output_dir says where to write")
    output = pathlib.Path(
        FLAGS.output_dir or pathlib.Path(FLAGS.run_dir) / "audit"
    ).expanduser()
    output_file.check_folder(output, "--output_dir")
    decided = corrections.read(FLAGS.answers) if FLAGS.answers else None
    if method in ("run", "losses"):
        data, found = from_run(FLAGS.run_dir, method == "losses")
    elif method == "features":
        data = load()
        found = from_features.judge(
            data,
            FLAGS.features,
            test=test_images() if FLAGS.health else None,
            with_health=FLAGS.health,
        )
    else:
        data, found = from_predictions(method, output)
    found = check(found, data, output, decided)
    table.write(output / "labels.csv", found, data.class_names, data.paths)
    report.write(
        output / "report.html",
        found,
        data,
        table_name="labels.csv",
        max_images=FLAGS.max_images,
    )
    if data.skipped:
        columns = survey.skipped_columns(list(data.skipped))
        output_file.write(output / "skipped.csv", csv_cells.to_csv(columns))
    if found.health is not None:
        health_section.write(output / "health.csv", found, data)
    notes = [*data.notes, *found.notes]
    if found.health is not None:
        notes += [found.health.describe(), *found.health.notes]
    for note in dict.fromkeys(notes):
        print(note)
    if FLAGS.serve is None:
        print(f"decide label by label: open {output / 'review.html'}")
    print(
        f"{found.is_label_issue.sum()} of {len(found)} labels "
        f"{'would be flagged' if found.doubt else 'look wrong'} "
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
    if FLAGS.serve is not None:
        serve(output)


def serve(output):
    """Serves the page until Ctrl-C."""
    file = output / "corrections.csv"
    served = review_server.ReviewServer(
        output / "review.html", file, FLAGS.serve
    )
    try:
        print(f"decisions go to {file}; Ctrl-C ends\n{served.url}", flush=True)
        threading.Event().wait()
    except KeyboardInterrupt:
        print(f"ended; decisions are in {file}", file=sys.stderr)
    finally:
        served.close()


def run():
    """Is the command's entry point."""
    command_line.run(main)


if __name__ == "__main__":
    run()
