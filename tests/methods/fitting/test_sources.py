import numpy as np
import pytest
import tensorflow as tf

import tiny_methods
from tfnoisy import errors
from tfnoisy.methods.fitting import arrays, sources

X, Y = tiny_methods.digits()[0]


def source(name="baseline", x=X, y=Y, steps=None, **kwargs):
    method = tiny_methods.compiled(name)
    given = arrays.Arguments(**{"batch_size": 8, **kwargs})
    return method, sources.make(method, x, y, given, steps)


def numbers(made, most, epochs=1):
    return [
        [number for _, _, number in made.stretches(most)] for _ in range(epochs)
    ]


def test_an_epoch_of_arrays_is_cut_into_stretches():
    method, made = source()
    assert made.steps_per_epoch == 12
    assert numbers(made, 5) == [[5, 5, 2]]
    assert source(steps=3)[1].steps_per_epoch == 3
    assert made.sparse and not source(y=np.eye(10)[Y])[1].sparse
    assert made.example.shape == (4, 8, 8, 1)
    # What is remembered of the examples has its room now.
    assert method.num_ids == 96


def test_more_examples_than_ids_are_refused():
    method = tiny_methods.compiled("baseline", num_ids=50)
    with pytest.raises(errors.ArgumentError, match="ids up to 95"):
        sources.make(method, X, Y, arrays.Arguments())


def test_an_epoch_of_two_networks_is_their_own():
    _, made = source("dividemix")
    assert made.steps_per_epoch is None
    with pytest.raises(errors.ArgumentError, match="a pass over its data"):
        source("dividemix", steps=3)


@pytest.mark.parametrize("steps, expected", [(None, [6]), (4, [4])])
def test_a_data_set_of_known_length(steps, expected):
    pairs = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    _, made = source(x=pairs, y=None, steps=steps, batch_size=None)
    assert numbers(made, 99, 3) == [expected] * 3


def test_a_data_set_of_unknown_length_ends_with_the_data():
    pairs = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    unknown = pairs.filter(lambda x, y: True)
    with pytest.warns(UserWarning, match="no evidence"):
        _, made = source(x=unknown, y=None, batch_size=None)
    assert made.steps_per_epoch is None
    assert numbers(made, 99, 2) == [[1] * 6] * 2


def test_data_sets_become_arrays_for_methods_that_divide_them():
    pairs = tf.data.Dataset.from_tensor_slices((X, Y)).batch(16)
    _, made = source("bkd", x=pairs, y=None, batch_size=None)
    assert isinstance(made, sources.Stages)
    with pytest.raises(errors.ArgumentError, match="gives its labels itself"):
        source(x=pairs)
