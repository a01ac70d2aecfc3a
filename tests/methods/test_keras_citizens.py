"""Each method as a Keras user meets it: trained, interrupted, saved, served.

The table in tfnoisy/methods/README.md has a column for each group of tests.
"""

import dataclasses
import functools
import json
import os
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

import slow_cases
import tiny_methods
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.methods.fitting import arrays
from tfnoisy.runs import folder as run_folder
from tfnoisy.training import loop

_STEPS = 60
_EPOCHS = 10


class Interruption(keras.callbacks.Callback):
    """Stops the program in the middle of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self._epoch, self._now = epoch, None

    def on_epoch_begin(self, epoch, logs=None):
        self._now = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self._now == self._epoch and batch == 2:
            raise KeyboardInterrupt


class Until(keras.callbacks.Callback):
    """Ends training after so many steps, as a script's --max_steps."""

    def on_train_batch_end(self, batch, logs=None):
        if self.model.steps_made() >= _STEPS:
            self.model.stop_training = True


def fit(method, epochs=_EPOCHS, **kwargs):
    train, validation, _ = tiny_methods.digits()
    return method.fit(
        *train,
        epochs=epochs,
        validation_data=validation,
        **{**tiny_methods.fit_arguments(method), **kwargs},
    )


def make(name):
    top2 = keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")
    return tiny_methods.compiled(name, metrics=["accuracy", top2])


@dataclasses.dataclass
class Story:
    """A method that was interrupted, made anew, resumed, and let end.

    Attributes:
        method: it, after 60 steps.
        history: {name: values} of the epochs since it was resumed.
        folder: what callbacks wrote.
    """

    method: keras.Model
    history: dict
    folder: pathlib.Path


@pytest.fixture(
    scope="module",
    params=slow_cases.but(slow_cases.METHODS, tiny_methods.NAMES),
)
def story(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    backup = functools.partial(
        keras.callbacks.BackupAndRestore, folder / "backup"
    )
    interrupted = make(request.param)
    with pytest.raises(KeyboardInterrupt):
        fit(interrupted, callbacks=[backup(), Interruption(1)])
    method = keras.models.clone_model(interrupted)
    method.compile_from_config(interrupted.get_compile_config())
    callbacks = keras.callbacks
    history = fit(
        method,
        callbacks=[
            backup(),
            Until(),
            callbacks.TensorBoard(folder / "logs"),
            callbacks.CSVLogger(folder / "log.csv"),
            callbacks.TerminateOnNaN(),
            callbacks.LearningRateScheduler(lambda epoch, rate: rate),
            callbacks.EarlyStopping("val_accuracy", patience=99),
            callbacks.ModelCheckpoint(
                folder / "best.weights.h5",
                monitor="val_top2",
                save_best_only=True,
                save_weights_only=True,
            ),
        ],
    )
    return Story(method, history.history, folder)


def by_script(name, folder):
    """Trains a method of the same arguments by the scripts' loop."""
    again = make(name)
    train, _, _ = tiny_methods.digits()
    given = tiny_methods.fit_arguments(again)
    data = arrays.training_data(
        again,
        *train,
        arrays.Arguments(
            batch_size=given.get("batch_size"), probe=given.get("probe")
        ),
    )
    if again.remembers and again.num_ids is None:
        again.keep_ids(len(train[1]))
    training = loop.Loop(
        again,
        data,
        run_folder.RunFolder(folder),
        tf.distribute.get_strategy(),
        num_steps=_STEPS,
        eval_every=0 if again.trains_in_epochs else _STEPS,
        evaluators={},
        progress=False,
    )
    training.run()
    return again


@pytest.mark.behaviour("fit arrays")
@pytest.mark.filterwarnings("ignore:no tipping point")
def test_fit_gives_the_weights_of_the_script(story, request, tmp_path):
    """... bit for bit, also of a fit that was interrupted and resumed."""
    name = request.node.callspec.params["story"]
    again = by_script(name, tmp_path / "run")
    assert story.method.steps_made() == again.steps_made() == _STEPS
    assert len(story.method.weights) == len(again.weights)
    for ours, theirs in zip(story.method.weights, again.weights):
        np.testing.assert_array_equal(ours, theirs, ours.path)
    before, after = again.evidence(), story.method.evidence()
    assert (before is None) == (after is None)
    for key in before or {}:
        np.testing.assert_array_equal(before[key], after[key], key)


@pytest.mark.behaviour("callbacks")
def test_the_history_is_that_of_keras(story):
    history = story.history
    epochs = len(history["loss"])
    # The first epoch was the interrupted process's.
    assert epochs >= 2
    for key in ("accuracy", "top2", "val_loss", "val_accuracy", "val_top2"):
        assert len(history[key]) == epochs
    assert np.isfinite(history["loss"]).all()
    for key in ("accuracy", "val_accuracy"):
        top2 = np.array(history[key.replace("accuracy", "top2")])
        assert (top2 >= np.array(history[key]) - 1e-6).all()
    rows = (story.folder / "log.csv").read_text().splitlines()
    assert len(rows) == 1 + epochs
    assert list(story.folder.glob("logs/train/events*"))
    assert list(story.folder.glob("logs/validation/events*"))
    assert (story.folder / "best.weights.h5").exists()
    assert not (story.folder / "backup").exists()


@pytest.mark.behaviour("save, load")
def test_what_is_saved_is_loaded(story, tmp_path):
    _, (images, labels), _ = tiny_methods.digits()
    method = story.method
    method.save(tmp_path / "method.keras")
    loaded = keras.models.load_model(tmp_path / "method.keras")
    assert type(loaded) is type(method)
    assert len(loaded.variables) == len(method.variables)
    for ours, theirs in zip(method.variables, loaded.variables):
        np.testing.assert_array_equal(ours, theirs, ours.path)
    for ours, theirs in zip(
        method.optimizer.variables, loaded.optimizer.variables
    ):
        np.testing.assert_array_equal(ours, theirs, ours.path)
    assert loaded.evaluate(images, labels, verbose=0) == method.evaluate(
        images, labels, verbose=0
    )
    found, expected = loaded.evidence(), method.evidence()
    for key in expected or {}:
        np.testing.assert_array_equal(found[key], expected[key], key)
    config = method.get_config()
    assert json.loads(json.dumps(config)).keys() == config.keys()
    assert type(method).from_config(config).get_config() == config


@pytest.mark.behaviour("export")
def test_what_is_exported_predicts_the_same(story, tmp_path):
    _, (images, labels), _ = tiny_methods.digits()
    probabilities = story.method.predict(images, verbose=0)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    right = probabilities.argmax(1) == labels
    accuracy = story.method.evaluate(
        images, labels, verbose=0, return_dict=True
    )["accuracy"]
    assert accuracy == pytest.approx(right.mean(), abs=1e-6)
    classifier = story.method.classifier()
    np.testing.assert_allclose(
        classifier(images), probabilities, rtol=1e-5, atol=1e-7
    )
    story.method.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(tmp_path / "served")
    np.testing.assert_allclose(
        served.serve(images), probabilities, rtol=1e-5, atol=1e-7
    )


@pytest.mark.behaviour("fit arrays")
def test_evidence_is_by_the_position_in_the_arrays(story):
    evidence = story.method.evidence()
    if not story.method.remembers:
        assert evidence is None
        assert story.method.evidence_frame() is None
        return
    assert evidence["ids"].tolist() == list(range(tiny_methods.TRAIN))
    frame = story.method.evidence_frame()
    assert frame.index.name == "id"
    assert frame.index.tolist() == evidence["ids"].tolist()
    assert set(frame.columns) == evidence.keys() - {"ids"}


@pytest.mark.behaviour("fit data set", "callbacks")
def test_fit_takes_a_data_set(story):
    """... and EarlyStopping brings back the weights of the best epoch."""
    method = story.method
    # Which a debugger needs, and is soon done with so little to do.
    method.run_eagerly = True
    seen = []
    remember = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(method.get_weights())
    )
    given = tiny_methods.fit_arguments(method)
    given.pop("batch_size", None)
    train, validation, _ = tiny_methods.digits()
    batches = tf.data.Dataset.from_tensor_slices(train).batch(
        tiny_methods.BATCH
    )
    history = method.fit(
        batches,
        epochs=2,
        validation_data=tf.data.Dataset.from_tensors(validation),
        callbacks=[
            remember,
            keras.callbacks.EarlyStopping(
                # Never better than at first.
                "val_accuracy",
                mode="max",
                min_delta=2.0,
                patience=1,
                restore_best_weights=True,
            ),
        ],
        **given,
    ).history
    assert len(history["loss"]) == len(history["val_loss"]) == len(seen) == 2
    for best, restored in zip(seen[0], method.get_weights()):
        np.testing.assert_array_equal(best, restored)


@pytest.mark.behaviour("mirrored")
@pytest.mark.filterwarnings("ignore:no tipping point")
@pytest.mark.parametrize(
    "name", slow_cases.but(slow_cases.METHODS, tiny_methods.NAMES)
)
def test_replicas_share_a_fit(name, two_replicas):
    train, _, _ = tiny_methods.digits()
    with two_replicas.scope():
        method = tiny_methods.compiled(name)
    method.run_eagerly = True
    steps = 2
    few = [part[: steps * tiny_methods.BATCH] for part in train]
    history = method.fit(*few, **tiny_methods.fit_arguments(method)).history
    assert np.isfinite(history["loss"]).all()
    assert method.steps_made() >= steps
    for v in method.student.trainable_variables:
        first, second = v.value.values
        np.testing.assert_array_equal(first, second, v.path)


_README = pathlib.Path(__file__).parents[2] / "tfnoisy/methods/README.md"
_COLUMNS = (
    *("fit arrays", "fit data set", "save, load"),
    *("export", "callbacks", "mirrored"),
)
# Where the weights of examples that a user gives have their place.
_WEIGHTS = {
    "baseline": "they multiply the cross-entropy",
    "mixup": "each part of a mixed example has its own",
    "mentornet": "they multiply the weighted losses; MentorNet and the "
    "percentile do not see them",
    "mentormix": "they multiply the losses of the update, of a mixed example "
    "each part's own",
    "gce": "they multiply the losses",
    "sce": "they multiply the losses",
    "elr": "they multiply the losses, regulariser and all",
    "sop": "they multiply the losses",
    "sop_plus": "they multiply the two losses that look at labels",
}


def table_of(behaviours):
    """Returns the table of methods and behaviours, as Markdown."""
    titles = {"baseline": "Plain cross-entropy", "bkd": "BKD"}
    lines = [
        "| method | " + " | ".join((*_COLUMNS, "weights of examples")) + " |",
        "|---" * (len(_COLUMNS) + 2) + "|",
    ]
    for name in tiny_methods.NAMES:
        taken = tiny_methods.make(name).takes_sample_weights
        assert taken == (name in _WEIGHTS)
        cells = [
            titles.get(name, catalogue.METHODS[name].heading),
            *("yes" if behaviours[c, name] else "no" for c in _COLUMNS),
            f"yes: {_WEIGHTS[name]}" if taken else "refused",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


@pytest.mark.slow
def test_the_readme_has_the_table_of_what_was_found_here(behaviours):
    """With TFNOISY_WRITE_TABLE=1 it is written."""
    wanted = {(c, name) for c in _COLUMNS for name in tiny_methods.NAMES}
    if set(behaviours) < wanted:
        pytest.skip("not all of the tests of this file were run")
    table = table_of(behaviours)
    head, _, rest = _README.read_text().partition("| method | fit arrays |")
    assert rest
    tail = rest[rest.index("\n\n") + 1 :]
    if os.environ.get("TFNOISY_WRITE_TABLE"):
        _README.write_text(head + table + tail)
    assert _README.read_text() == head + table + tail
    assert all(behaviours.values())
