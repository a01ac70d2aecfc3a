"""A run folder to a model that TensorFlow Serving loads: MODEL/VERSION.

    saved_model.pb, variables/, assets/labels.txt   the SavedModel
    assets.extra/tf_serving_warmup_requests         see `warm_up`
    model.tflite                                    if asked for, see `lite`
    export.json                                     what it is, and how good

Beside MODEL lie the server's own files, see `server_files`.  What was written
is loaded again, by the loader of the server, and judged on test images next to
the network as training judges it.
"""

import dataclasses
import hashlib
import json
import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf

import tfnoisy
from tfnoisy import errors
from tfnoisy.datasets.sources import tfds_images
from tfnoisy.runs import data as run_data
from tfnoisy.serving.export import (
    lite,
    server_files,
    signatures,
    verify,
    warm_up,
)
from tfnoisy.serving.loader import version_folder
from tfnoisy.training import evaluate_run, evaluation

LABELS = "labels.txt"
REPORT = "export.json"
_TOP_K = 5
# Read by `datasets.sources.published_list`, which keeps an image's proportions.
_CROPPED = ("clothing1m", "webvision")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What to export; the names are those of the script's flags.

    Attributes:
        run_dir: the run folder.
        export_dir: the model's folder, whose name is the model's.
        checkpoint: `best` (by the held-out data), `last`, or None for the
            best where the run kept one.
        top_k: how many classes an answer names; None for five, or for all of
            fewer.
        tflite: whether to write a LiteRT file too.
        quantize: of that file, one of `lite.QUANTISATIONS`.
        max_accuracy_drop: the largest loss of accuracy that is passed off.
        num_test_images: how many images of the run's test split to judge by,
            evenly spaced; 0 for all.
        overrides: {flag name: value} in place of the run's own, such as
            data_dir.
    """

    run_dir: str
    export_dir: str
    checkpoint: str | None = None
    top_k: int | None = None
    tflite: bool = False
    quantize: str = "none"
    max_accuracy_drop: float = 0.01
    num_test_images: int = 1000
    overrides: dict = dataclasses.field(default_factory=dict)


def export(options):
    """Exports a run as the next version of a model.

    Args:
        options: an `Options`.

    Returns:
        The version's path and what its export.json says.

    Raises:
        UserError: before anything is written.
        ExportError: if the exported model is too much worse than the trained
            one; nothing is left behind.
    """
    model_dir = pathlib.Path(options.export_dir).expanduser().absolute()
    if model_dir.name.isdecimal():
        raise errors.UserError(
            f"--export_dir={options.export_dir} names a version: versions are "
            "numbered by themselves, say models/NAME"
        )
    server_files.read_models(model_dir.parent)
    recorded = evaluate_run.find_run(options.run_dir).read_flags()
    run = evaluate_run.RunEvaluator(
        options.run_dir,
        recorded.get("test_split", "test"),
        overrides=options.overrides,
    )
    best = options.checkpoint == "best" or (
        options.checkpoint is None and run.latest(best=True) is not None
    )
    run.restore(run.checkpoint(best))
    yardstick = _yardstick(run, options)
    with tempfile.TemporaryDirectory() as scratch:
        classifier = _classifier(run, options.top_k, scratch)
        with version_folder.beside(model_dir) as beside:
            classifier.save(beside)
            warm_up.write(
                beside,
                model_dir.name,
                classifier.signatures(),
                yardstick.images[0],
            )
            report = {
                **_describe(run, classifier, "best" if best else "last"),
                **_measure(run, classifier, options, yardstick, beside),
            }
            (beside / REPORT).write_text(json.dumps(report, indent=2) + "\n")
            version = version_folder.publish(beside)
    server_files.write(model_dir.parent, model_dir.name)
    return version, report


def _yardstick(run, options):
    """Judges the run's restored network on its test images."""
    tests = run.dataset
    if tests.clean_labels is not None:
        # An image of no class cannot be judged.
        tests = tests.take(tests.clean_labels >= 0)
    if 0 < options.num_test_images < len(tests):
        # Evenly spaced: data sets are often sorted by class.
        count = options.num_test_images
        tests = tests.take(np.arange(count) * len(tests) // count)
    labels = tests.clean_labels
    logits = evaluation.predict_logits(run.method, tests, run.augmentation)
    return verify.Yardstick(
        tests.images,
        tests.given_labels if labels is None else labels,
        tf.nn.softmax(logits).numpy(),
        options.max_accuracy_drop,
    )


def _classifier(run, top_k, scratch):
    """Returns the `Classifier` of the weights that the run is judged by."""
    classes = run.dataset.num_classes
    top_k = min(_TOP_K, classes) if top_k is None else top_k
    if not 1 <= top_k <= classes:
        raise errors.UserError(
            f"--top_k={top_k} of {classes} classes: from 1 to {classes}"
        )
    names = run.dataset.class_names
    if any(not name or "\n" in name or "\r" in name for name in names):
        raise errors.UserError(
            "a class name is empty or more than one line; rename its class"
        )
    labels = pathlib.Path(scratch) / LABELS
    signatures.write_labels(labels, names)
    student = run.method.student
    for average, variable in zip(
        run.method.averages or [], student.trainable_variables
    ):
        variable.assign(average)
    return signatures.Classifier(
        student,
        run.augmentation.evaluate,
        run.dataset.images.shape[1:],
        labels,
        top_k,
        crop=tfds_images.base_name(run.dataset.name) in _CROPPED,
    )


def _describe(run, classifier, checkpoint):
    """Returns what was exported."""
    return {
        "run": str(run.folder.path),
        "flags_sha256": hashlib.sha256(
            run.folder.flags.read_bytes()
        ).hexdigest(),
        "checkpoint": checkpoint,
        "step": int(run.method.step),
        "weights": run.method.evaluated_weights,
        "networks": run.folder.networks(),
        "studentnet": run.recorded["studentnet"],
        "augment": run.augmentation.name,
        "dataset": run.dataset.name,
        "image_shape": [int(n) for n in classifier.image_shape],
        "num_classes": classifier.num_classes,
        "top_k": classifier.top_k,
        "signatures": sorted(classifier.signatures()),
        "versions": {
            "tfnoisy": tfnoisy.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
    }


def _measure(run, classifier, options, yardstick, path):
    """Writes the LiteRT file if asked for, and judges all that was written.

    Args:
        run: the `RunEvaluator`.
        classifier: the `Classifier` that was saved.
        options: an `Options`.
        yardstick: a `verify.Yardstick`.
        path: where the SavedModel is.

    Returns:
        {test, savedmodel, and perhaps tflite}, for export.json.

    Raises:
        ExportError: if one is too much worse.
    """
    size = verify.size(path)
    found = verify.served(path, yardstick.images)
    report = {
        "test": {
            "split": run.recorded.get("test_split", "test"),
            "images": len(yardstick.images),
            "accuracy": yardstick.accuracy,
        },
        "savedmodel": {
            **yardstick.compare("SavedModel", found),
            "bytes": size,
        },
    }
    if not options.tflite:
        return report
    training_images = None
    if options.quantize == "int8":
        training_images = run_data.load_split(
            run.options, run.options.train_split
        ).images
    contents = lite.convert(classifier, options.quantize, training_images)
    found = lite.probabilities(contents, yardstick.images)
    report["tflite"] = {
        "quantize": options.quantize,
        **yardstick.compare(f"LiteRT file ({options.quantize})", found),
        "bytes": len(contents),
        "share_of_savedmodel_bytes": len(contents) / size,
    }
    (path / lite.FILE).write_bytes(contents)
    return report
