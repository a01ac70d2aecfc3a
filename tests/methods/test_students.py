import keras
import numpy as np
import pytest

import tiny_methods
from tfnoisy import errors
from tfnoisy.methods import students
from tfnoisy.nets import precision


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    """A network without a graph of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.flatten = keras.layers.Flatten()
        self.dense = keras.layers.Dense(10)

    def call(self, images):
        return self.dense(self.flatten(images))

    def get_config(self):
        return {"name": self.name}


def test_a_subclassed_student_becomes_functional_and_shares_its_weights():
    student = Subclassed()
    assert students.checked(student) is student
    built = students.build(student, (8, 8, 1))
    assert built.output_shape == (None, 10)
    assert built.trainable_variables[0] is student.dense.kernel
    again = students.checked(student)
    assert again.input_shape == (None, 8, 8, 1)


def test_a_copy_begins_with_weights_of_its_own():
    student = tiny_methods.conv()
    copies = [students.reinitialised(student, number) for number in (1, 1, 2)]
    kernels = [m.get_weights()[0] for m in (student, *copies)]
    np.testing.assert_array_equal(kernels[1], kernels[2])
    assert (kernels[0] != kernels[1]).any()
    assert (kernels[1] != kernels[3]).any()


def test_a_copy_in_float32_predicts_what_half_precision_rounds():
    student = students.checked(tiny_methods.dense(dtype="mixed_float16"))
    assert isinstance(student.layers[-2].dtype_policy, precision.MixedPolicy)
    assert student.outputs[0].dtype == "float32"
    copy = students.in_float32(student)
    images = tiny_methods.digits()[0][0]
    assert students.compute_dtypes(copy) == {"float32"}
    with precision.in_float32():
        exact = student(images).numpy()
    np.testing.assert_array_equal(copy(images), exact)
    np.testing.assert_allclose(student(images), exact, atol=0.02)
    assert (student(images).numpy() != exact).any()


def test_frozen_weights_are_trainable_in_principle_and_stay_frozen():
    inner = keras.Sequential([keras.Input([2]), keras.layers.Dense(3)])
    student = keras.Sequential([inner, keras.layers.Dense(4)])
    inner.trainable = False
    found = students.trainable_in_principle(student)
    assert [tuple(v.shape) for v in found] == [(2, 3), (3,), (3, 4), (4,)]
    assert not inner.trainable and not inner.layers[0].trainable
    assert len(student.trainable_variables) == 2


def test_what_cannot_be_a_student():
    inputs = [keras.Input([2]), keras.Input([3])]
    dense = keras.layers.Dense(4)(keras.layers.Concatenate()(inputs))
    one = keras.layers.Dense(4)(inputs[0])
    maps = keras.layers.Conv2D(4, 3)(image := keras.Input([8, 8, 1]))
    for student, words in [
        (keras.layers.Dense(3), "must be a keras.Model, not Dense"),
        (keras.Model(inputs, dense), "has 2 inputs"),
        (keras.Model(inputs[0], [one, one]), "has 2 outputs"),
        (keras.Model(image, maps), "logits are"),
    ]:
        with pytest.raises(errors.ArgumentError, match=words):
            students.checked(student)
