import numpy as np
import pytest
import tensorflow as tf

import tiny_methods
from tfnoisy import errors
from tfnoisy.datasets import load
from tfnoisy.methods.fitting import evaluation

X, Y = tiny_methods.digits()[1]


def method():
    return tiny_methods.compiled("baseline")


def test_forms_of_data_are_judged_alike():
    made = method()
    pairs = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    expected = made.evaluate(X, Y, verbose=0)
    for given in ((X, Y[:, None]), (X, np.eye(10)[Y]), (pairs,)):
        again = method()
        again.set_weights(made.get_weights())
        np.testing.assert_allclose(
            again.evaluate(*given, verbose=0), expected, rtol=1e-5
        )


def test_the_last_batch_of_our_own_data_counts_once():
    made = method()
    dataset = load.load("digits", "train[:50]")
    images = dataset.images.astype("float32") / 127.5 - 1.0
    np.testing.assert_allclose(
        made.evaluate(dataset, batch_size=32, verbose=0),
        made.evaluate(images, dataset.given_labels, verbose=0),
        rtol=1e-4,
    )


def test_the_share_that_is_held_back_is_the_last():
    train, held = evaluation.split((X, Y, None), 0.25)
    np.testing.assert_array_equal(train[1], Y[:30])
    assert train[2] is None
    assert len(held) == 2
    np.testing.assert_array_equal(held[1], Y[30:])


@pytest.mark.parametrize("share", [-0.5, 0.0, 1.0, 0.999])
def test_shares_that_leave_nothing(share):
    with pytest.raises(errors.ArgumentError, match="validation_split"):
        evaluation.split((X, Y, None), share)


@pytest.mark.parametrize(
    "frequency, due", [(1, [0, 1, 2, 3]), (2, [1, 3]), ([1, 4], [0, 3])]
)
def test_when_it_is_due(frequency, due):
    made = method()
    made.build_metrics(True)
    judge = evaluation.Validation(made, (X, Y), 16, None, frequency, None)
    assert [e for e in range(4) if judge(e, None)] == due
    nothing = evaluation.Validation(made, None, 16, None, frequency, None)
    assert nothing(0, None) == {}


def test_weights_of_validation():
    made = method()
    weights = np.zeros(len(X))
    weights[:10] = 1.0
    judge = evaluation.Validation(made, (X, Y, weights), 40, None, 1, None)
    logs = judge(0, None)
    alone = evaluation.Validation(made, (X[:10], Y[:10]), 40, None, 1, None)
    assert logs["val_loss"] * len(X) / 10 == pytest.approx(
        alone(0, None)["val_loss"], rel=1e-4
    )
