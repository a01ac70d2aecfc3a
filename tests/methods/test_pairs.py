import keras
import numpy as np
import pytest

import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import pairs


def test_a_pair_of_one_student_has_it_and_another():
    student = tiny_methods.dense()
    pair = pairs.of(student)
    assert pairs.of(pair) is pair
    images = tiny_methods.digits()[0][0]
    first, second = pair.networks
    np.testing.assert_array_equal(first(images), student(images))
    np.testing.assert_allclose(
        pair(images), first(images) + second(images), rtol=1e-6
    )
    assert (first.get_weights()[0] != second.get_weights()[0]).any()


def test_a_pair_of_a_function_with_or_without_the_number():
    numbered = pairs.of(tiny_methods.dense)
    for network, seed in zip(numbered.networks, (0, 1)):
        np.testing.assert_array_equal(
            network.get_weights()[0], tiny_methods.dense(seed).get_weights()[0]
        )
    with pytest.raises(errors.ArgumentError, match="same weights"):
        pairs.of(lambda: tiny_methods.dense())


def test_what_there_is_no_pair_of():
    unbuilt = keras.Sequential([keras.layers.Dense(3)])
    with pytest.raises(errors.ArgumentError, match="is not built"):
        pairs.of(unbuilt)
    with pytest.raises(errors.ArgumentError, match="must be a keras.Model"):
        pairs.of(3)


def test_a_pair_is_saved_and_loaded(tmp_path):
    pair = pairs.of(tiny_methods.dense())
    pair.save(tmp_path / "pair.keras")
    loaded = keras.models.load_model(tmp_path / "pair.keras")
    assert [n.name for n in loaded.networks] == [n.name for n in pair.networks]
    for ours, theirs in zip(pair.get_weights(), loaded.get_weights()):
        np.testing.assert_array_equal(ours, theirs)
