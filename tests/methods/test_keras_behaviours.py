"""What Keras promises of a model that is trained, one test a promise.

The promises are those that Keras's own tests hold: of trainers with a
`train_step` of their own, of callbacks, optimisers and saving.  The list in
tfnoisy/methods/README.md names these tests.
"""

import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

import slow_cases
import tiny_methods
from tfnoisy import errors

X, Y = tiny_methods.digits()[0]
VAL = tiny_methods.digits()[1]
# One network, two networks; what holds for one of a kind is said of all by
# test_keras_citizens.py.
KINDS = ("baseline", "elr", "dividemix")


def make(name="baseline", optimizer=None, student=None):
    method = tiny_methods.make(name, student)
    method.compile(optimizer or keras.optimizers.SGD(0.1))
    return method


def fit(method, **kwargs):
    given = {"epochs": 1, **tiny_methods.fit_arguments(method), **kwargs}
    return method.fit(X, Y, **given)


def moved(method, weights):
    pairs = zip(method.student.get_weights(), weights, strict=True)
    return max(np.abs(a - b).max() for a, b in pairs)


def with_last_layer(**kwargs):
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(10, **kwargs),
        ]
    )


@pytest.mark.parametrize("name", slow_cases.but(["baseline"], KINDS))
def test_fit_returns_a_history(name):
    history = fit(make(name), epochs=2, validation_data=VAL)
    assert history.epoch == [0, 1]
    for key in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert len(history.history[key]) == 2


def test_a_second_fit_goes_on_and_counts_epochs_from_nothing():
    method = make()
    fit(method)
    assert method.steps_made() == 12
    assert fit(method, epochs=3, initial_epoch=1).epoch == [1, 2]
    assert method.steps_made() == 36


def test_evaluate_and_predict_take_what_fit_takes():
    method = make()
    fit(method)
    pairs = tf.data.Dataset.from_tensor_slices(VAL).batch(16)
    as_list = method.evaluate(*VAL, verbose=0)
    named = method.evaluate(*VAL, verbose=0, return_dict=True)
    assert as_list == [named["loss"], named["accuracy"]]
    np.testing.assert_allclose(
        method.evaluate(pairs, verbose=0), as_list, rtol=1e-5
    )
    probabilities = method.predict(VAL[0], verbose=0)
    np.testing.assert_allclose(probabilities.sum(1), 1.0, rtol=1e-5)
    for other in (
        method.predict(pairs.map(lambda x, y: x), verbose=0),
        method.predict_on_batch(VAL[0]),
    ):
        np.testing.assert_allclose(other, probabilities, atol=1e-6)


def test_batches_by_hand_return_lists_or_dictionaries():
    method = make()
    as_list = method.train_on_batch(X[:8], Y[:8])
    assert len(as_list) == 2
    named = method.train_on_batch(X[:8], Y[:8], return_dict=True)
    assert {*named} == {"loss", "accuracy"}
    assert method.steps_made() == 2
    method.test_on_batch(X[:8], Y[:8])
    assert method.steps_made() == 2


def test_compiling_again_keeps_the_weights_and_begins_the_optimizer_anew():
    method = make()
    fit(method)
    weights = method.student.get_weights()
    method.compile("adam")
    assert moved(method, weights) == 0
    assert method.steps_made() == 0
    fit(method)
    assert moved(method, weights) > 0


def test_what_is_frozen_stays():
    student = tiny_methods.conv()
    student.layers[0].trainable = False
    method = make(student=student)
    kernel = student.layers[0].kernel.numpy()
    fit(method)
    np.testing.assert_array_equal(student.layers[0].kernel.numpy(), kernel)


@pytest.mark.parametrize("name", KINDS)
def test_a_callback_stops_training_within_an_epoch(name):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch >= 2

    method = make(name)
    history = fit(method, epochs=5, callbacks=[Stop()])
    assert method.steps_made() == 3
    assert len(history.epoch) == 1


def test_the_last_part_validates_and_as_often_as_asked():
    history = fit(
        make(), epochs=4, validation_split=0.25, validation_freq=[2, 4]
    )
    assert len(history.history["val_loss"]) == 2
    assert len(history.history["loss"]) == 4


def test_the_learning_rate_can_be_set():
    method = make()
    method.optimizer.learning_rate = 0.0
    weights = method.student.get_weights()
    fit(method)
    assert moved(method, weights) == 0
    plateau = keras.callbacks.ReduceLROnPlateau(
        "val_loss", factor=0.5, patience=0, min_delta=100.0
    )
    method.optimizer.learning_rate = 0.1
    fit(method, epochs=3, validation_data=VAL, callbacks=[plateau])
    assert float(method.optimizer.learning_rate) == pytest.approx(0.025)


@pytest.mark.parametrize(
    "how",
    slow_cases.but(
        ["global_clipnorm"], ["clipnorm", "global_clipnorm", "clipvalue"]
    ),
)
def test_gradients_are_clipped(how):
    method = make(optimizer=keras.optimizers.SGD(0.1, **{how: 1e-6}))
    weights = method.student.get_weights()
    fit(method)
    assert 0 < moved(method, weights) < 12 * 1e-7 * 1.1


def test_an_optimizer_decays_weights_and_averages_them():
    method = make(optimizer=keras.optimizers.SGD(0.0, weight_decay=0.5))
    weights = method.student.get_weights()
    fit(method)
    assert moved(method, weights) == 0  # The rate is a factor of it.
    moves = []
    for use_ema in (False, True):
        method = make(
            optimizer=keras.optimizers.SGD(
                0.1, use_ema=use_ema, ema_momentum=0.99
            )
        )
        weights = method.student.get_weights()
        fit(method)
        moves.append(moved(method, weights))
    # Training ends with the average.
    assert moves[1] < 0.7 * moves[0]


def test_constraints_hold():
    student = with_last_layer(kernel_constraint=keras.constraints.NonNeg())
    fit(make(student=student))
    assert student.get_weights()[0].min() >= 0


def test_regularisers_of_weights_count():
    plain, regularised = (
        fit(make(student=student)).history["loss"][0]
        for student in (
            with_last_layer(kernel_initializer="zeros"),
            with_last_layer(
                kernel_initializer="zeros", bias_regularizer=lambda b: 3.0
            ),
        )
    )
    assert regularised == pytest.approx(plain + 3.0, rel=1e-4)


def test_losses_that_would_be_ignored_are_refused():
    student = with_last_layer(activity_regularizer="l2")
    with pytest.raises(errors.ArgumentError, match="activity_regularizer"):
        make(student=student)

    class Adds(keras.layers.Layer):
        def call(self, inputs):
            self.add_loss(tf.reduce_mean(inputs))
            return inputs

    student = keras.Sequential([keras.Input((8, 8, 1)), Adds()])
    for layer in with_last_layer().layers:
        student.add(layer)
    with pytest.raises(errors.ArgumentError, match="add_loss"):
        fit(make(student=student))


def test_gradient_accumulation_is_refused():
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    with pytest.raises(errors.ArgumentError, match="larger batch_size"):
        make(optimizer=optimizer)


@pytest.mark.parametrize(
    "name", slow_cases.but(slow_cases.METHODS, tiny_methods.NAMES)
)
def test_copies_and_pickles_predict_the_same(name):
    method = make(name)
    expected = method.predict(VAL[0], verbose=0)
    for other in (copy.deepcopy(method), pickle.loads(pickle.dumps(method))):
        np.testing.assert_array_equal(
            other.predict(VAL[0], verbose=0), expected
        )


def test_json_makes_the_same_model():
    method = make("mentormix")
    other = keras.models.model_from_json(method.to_json())
    assert type(other) is type(method)
    assert other.mixup_alpha == method.mixup_alpha
    assert other.count_params() == method.count_params()


def test_a_call_gives_logits_and_a_summary_is_printed():
    method = make()
    np.testing.assert_array_equal(
        method(VAL[0]), method.student(VAL[0], training=False)
    )
    lines = []
    method.summary(print_fn=lines.append)
    assert "dense" in "".join(lines).lower() or lines
