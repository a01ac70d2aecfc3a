"""What a user gets wrong in `fit`, for every method: a line that says it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import slow_cases
import tiny_methods
from tfnoisy import errors

X, Y = tiny_methods.digits()[0]
VAL_X, VAL_Y = tiny_methods.digits()[1]


def replaced(row, value, array=Y):
    changed = array.copy()
    changed[row] = value
    return changed


def pairs(x=X, y=Y):
    return tf.data.Dataset.from_tensor_slices((x, y)).batch(8)


def generator():
    yield X[:8], replaced(4, -1)[:8]


BAD_IMAGES = replaced(5, np.nan, X)
HALVES = Y + 0.5
NINE = np.eye(9, dtype="float32")[np.minimum(Y, 8)]

# name: (arguments beside those that the method needs, words of the line)
ARRAYS = {
    "strings": ({"y": Y.astype(str)}, "labels are of type <U"),
    "objects": ({"y": np.array([None] * 96)}, "labels are of type object"),
    "halves": ({"y": HALVES}, "96 of 96 labels are no integers"),
    "NaN": ({"y": replaced(3, np.nan, 1.0 * Y)}, r"labels\[3\] = nan"),
    "no rates": ({"y": 2 * np.eye(10)[Y]}, "no probabilities that sum to 1"),
    "9 of 10": ({"y": NINE}, r"labels of shape \(96, 9\) for 10 classes"),
    "-1": ({"y": replaced(4, -1)}, r"outside 0\.\.\.9: labels\[4\] = -1"),
    "10": ({"y": replaced(4, 10)}, r"outside 0\.\.\.9: labels\[4\] = 10"),
    "no y": ({"y": None}, "needs the labels y"),
    "short y": ({"y": Y[:50]}, "96 images, but 50 labels"),
    "scalar y": ({"y": 3}, r"labels of shape \(\)"),
    "no x": ({"x": None}, "images x are needed"),
    "a dict": ({"x": {"a": X}}, "not dict"),
    "a name": ({"x": "cifar10"}, "not str"),
    "3 axes": ({"x": X[..., 0]}, r"\(96, 8, 8\) for a student of"),
    "channels first": ({"x": np.zeros((96, 1, 8, 8))}, "numpy.moveaxis"),
    "nothing": ({"x": X[:0], "y": Y[:0]}, "there are no images"),
    "NaN images": ({"x": BAD_IMAGES}, r"not finite.*images\[5\]"),
    "words": ({"x": np.full(X.shape, "a")}, "images are of type <U1"),
    "no epochs": ({"epochs": -1}, "epochs=-1: an integer of at least 0"),
    "1.5 epochs": ({"epochs": 1.5}, "epochs=1.5: an integer"),
    "true": ({"epochs": True}, "epochs=True: an integer"),
    "before 0": ({"initial_epoch": -1}, "initial_epoch=-1"),
    "no steps": ({"steps_per_epoch": 0}, "steps_per_epoch=0: an integer of"),
    "batch 0": ({"batch_size": 0}, "batch_size=0: an integer of at least 1"),
    "batch 8.5": ({"batch_size": 8.5}, "batch_size=8.5: an integer"),
    "val labels": (
        {"validation_data": (VAL_X, VAL_Y + 9)},
        r"validation_data: .* labels are outside",
    ),
    "val length": (
        {"validation_data": (VAL_X, VAL_Y[:5])},
        "validation_data: 40 images, but 5 labels",
    ),
    "val x": ({"validation_data": VAL_X}, "validation_data: labels y are"),
    "val parts": ({"validation_data": (VAL_X,)}, "validation_data of 1 parts"),
    "val endless": (
        {"validation_data": pairs().repeat()},
        "validation_data has no end: give fit validation_steps",
    ),
    "val steps": (
        {"validation_data": pairs(), "validation_steps": 0},
        "validation_steps=0",
    ),
    "val never": (
        {"validation_data": pairs(), "validation_freq": 0},
        "validation_freq=0",
    ),
    "val share": ({"validation_split": 2.0}, "between 0 and 1"),
    "callbacks": ({"callbacks": ["early"]}, "'early' is no keras.callb"),
    "augment": ({"augment": "rotat"}, "augment='rotat'"),
}
DATASETS = {
    "single": (pairs().unbatch(), "single examples: dataset.batch"),
    "strings": (pairs(y=Y.astype(str)), "labels are of type object"),
    "halves": (pairs(y=HALVES), "8 of 8 labels are no integers"),
    "-1": (pairs(y=replaced(4, -1)), r"labels\[4\] = -1"),
    "images alone": (pairs().map(lambda x, y: x), "must give batches"),
    "9 of 10": (pairs(y=NINE), r"labels of shape \(8, 9\)"),
    "nothing": (pairs(X[:0], Y[:0]), "the data set is empty"),
    "NaN images": (pairs(BAD_IMAGES), "not finite.*example 5"),
}
OF_WEIGHTS = {
    "short": ({"sample_weight": np.ones(5)}, r"of shape \(5,\) for 96"),
    "negative": ({"sample_weight": -np.ones(96)}, "negative or not finite"),
    "words": ({"sample_weight": np.full(96, "a")}, "of type <U1: numbers"),
    "no class": ({"class_weight": {11: 1.0}}, "has the class 11"),
    "a word": ({"class_weight": "balanced"}, "a dictionary {class: weight}"),
    "below 0": ({"class_weight": {0: -1.0}}, "class 0 is -1.0: a number"),
    "no number": ({"class_weight": {0: np.nan}}, "class 0 is nan"),
    "both": (
        {"class_weight": {0: 1.0}, "sample_weight": np.ones(96)},
        "give one of the two",
    ),
}


@pytest.fixture(
    scope="module",
    params=slow_cases.but(slow_cases.METHODS, tiny_methods.NAMES),
)
def method(request):
    made = tiny_methods.compiled(request.param)
    made.tiny_name = request.param
    return made


def refused(method, words, **arguments):
    given = {"x": X, "y": Y, **tiny_methods.fit_arguments(method)}
    if "batch_size" not in arguments and arguments.get("y", Y) is not Y:
        given.pop("batch_size", None)
    steps = method.steps_made()
    with pytest.raises(errors.ArgumentError, match=words) as caught:
        method.fit(**{**given, **arguments})
    assert str(caught.value).count("\n") < 2
    assert method.steps_made() == steps == 0


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_and_numbers(method, case):
    arguments, words = ARRAYS[case]
    refused(method, words, **arguments)


@pytest.mark.parametrize("case", DATASETS)
def test_data_sets(method, case):
    dataset, words = DATASETS[case]
    refused(method, words, x=dataset, y=None)


def test_data_sets_that_do_not_end(method):
    refused(method, "no end|without repeat", x=pairs().repeat(), y=None)


def test_labels_beside_a_data_set(method):
    with pytest.raises(errors.ArgumentError, match="gives its labels itself"):
        method.fit(pairs(), Y)


def test_a_generator_is_looked_at(method):
    words = r"labels\[4\] = -1"
    if method.needs_ids:
        words = "read only once"
    if method.trains_in_epochs:
        words = "reads all examples before it trains"
    fresh = tiny_methods.compiled(method.tiny_name)
    given = tiny_methods.fit_arguments(fresh)
    given.pop("batch_size", None)
    weights = fresh.student.get_weights()
    with pytest.raises(errors.ArgumentError, match=words):
        fresh.fit(generator(), steps_per_epoch=1, **given)
    for before, after in zip(weights, fresh.student.get_weights()):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("case", OF_WEIGHTS)
def test_weights_of_examples(method, case):
    arguments, words = OF_WEIGHTS[case]
    if not method.takes_sample_weights:
        words = "has no place for weights"
    refused(method, words, **arguments)


def test_a_probe(method):
    if not method.needs_probe:
        refused(method, "takes no probe", probe=(VAL_X, VAL_Y))
        return
    refused(method, "needs trusted images", probe=None)
    refused(method, "probe labels are outside", probe=(VAL_X, VAL_Y + 9))
    refused(method, "40 probe images, but 5", probe=(VAL_X, VAL_Y[:5]))
    refused(method, "probe images of shape", probe=(VAL_X[:, :4], VAL_Y))
    refused(method, "the pair", probe=VAL_X)


def test_evaluate(method):
    for arguments, words in [
        ((X, replaced(4, 10)), r"labels\[4\] = 10"),
        ((X, Y[:5]), "96 images, but 5 labels"),
        ((X, None), "labels y are needed"),
        ((None, Y), "images x are needed"),
        ((pairs().repeat(), None), "no end: give evaluate steps"),
        ((pairs(y=HALVES), None), "no integers"),
    ]:
        with pytest.raises(errors.ArgumentError, match=words):
            method.evaluate(*arguments, verbose=0)
    with pytest.raises(errors.ArgumentError, match="steps=0"):
        method.evaluate(X, Y, steps=0)


PREDICTED = {
    "3 axes": (X[..., 0], r"\(96, 8, 8\) for a student of"),
    "channels first": (np.zeros((4, 1, 8, 8)), "numpy.moveaxis"),
    "half": (X[:, :4], r"\(96, 4, 8, 1\) for a student of"),
    "NaN": (BAD_IMAGES, r"images\[5\]"),
    "nothing": (X[:0], "there are no images"),
    "none": (None, "images x are needed"),
    "a name": ("x", "not str"),
}


@pytest.mark.parametrize("case", PREDICTED)
def test_predict(method, case):
    images, words = PREDICTED[case]
    for use in (method.predict, method.predict_on_batch):
        with pytest.raises(errors.ArgumentError, match=words):
            use(images)


def test_predict_in_batches_of_nothing(method):
    with pytest.raises(errors.ArgumentError, match="batch_size=0"):
        method.predict(X, batch_size=0)
    with pytest.raises(errors.ArgumentError, match="steps=0"):
        method.predict(pairs().map(lambda x, y: x), steps=0)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"seed": "a"}, "seed='a': an integer"),
        ({"seed": 0.5}, "seed=0.5: an integer"),
        ({"ema_decay": 1.0}, "ema_decay=1.0: a number from 0 on and below 1"),
        ({"ema_decay": -0.1}, "ema_decay=-0.1"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0: a number of at least 0"),
        ({"weight_decay": np.nan}, "weight_decay=nan"),
        ({"weight_decay": "much"}, "weight_decay='much'"),
    ],
)
def test_numbers_of_all_methods(method, arguments, words):
    if method.tiny_name == "mentormix" and "weight_decay" in arguments:
        pytest.skip("it has no decay with a second weighting")
    with pytest.raises(errors.ArgumentError, match=words):
        type(method)(tiny_methods.dense(), **arguments)


def test_what_needs_a_built_student():
    def unbuilt():
        student = keras.Sequential(
            [keras.layers.Flatten(), keras.layers.Dense(10)]
        )
        method = tiny_methods.make("baseline", student)
        method.compile("sgd")
        return method

    for use in (
        lambda m: m.classifier(),
        lambda m: m.export("nowhere"),
        lambda m: m.predict(pairs().map(lambda x, y: x)),
    ):
        with pytest.raises(errors.ArgumentError, match="is not built"):
            use(unbuilt())
    assert unbuilt().predict(X, verbose=0).shape == (96, 10)


def test_steps_per_execution(method):
    raw = type(method).from_config(method.get_config())
    with pytest.raises(errors.ArgumentError, match="steps_per_execution=0"):
        raw.compile("sgd", steps_per_execution=0)


def test_before_compile(method):
    raw = type(method).from_config(method.get_config())
    for use in (raw.fit, raw.evaluate):
        with pytest.raises(ValueError, match="compile"):
            use(X, Y)
    with pytest.raises(errors.ArgumentError, match="its own loss"):
        raw.compile("sgd", loss="mse")
    with pytest.raises(ValueError):
        raw.compile("no_such_optimiser")


def test_a_student_of_probabilities(method):
    with pytest.raises(errors.ArgumentError, match="ends in softmax"):
        tiny_methods.make(
            method.tiny_name, tiny_methods.dense(activation="softmax")
        )


def test_callbacks_of_keras_are_taken(method):
    method.fit(
        X,
        Y,
        epochs=0,
        callbacks=[keras.callbacks.LambdaCallback()],
        **tiny_methods.fit_arguments(method),
    )
