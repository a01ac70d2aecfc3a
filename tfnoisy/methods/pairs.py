"""Two networks of a pair, made from what a user gives for a student."""

import inspect

import keras
import numpy as np

from tfnoisy import errors
from tfnoisy.methods import students
from tfnoisy.nets import pair


def of(student):
    """Returns the `nets.pair.Pair` of two networks with weights of their own.

    Args:
        student: a `Pair`; a built `keras.Model`, which is the first network,
            while the second is its copy with initial weights of its own; or a
            function that makes the k-th network, k = 0, 1, as pre-trained
            ones need it, with or without the argument k.

    Raises:
        ArgumentError: if there cannot be two networks of it, or they begin
            alike.
    """
    if isinstance(student, pair.Pair):
        return student
    if isinstance(student, keras.Model):
        if not students.is_built(student):
            raise errors.ArgumentError(
                f"{student.name} is not built, so there is no copy of it: "
                "call it on a batch of images first, or give a function that "
                "makes a network"
            )
        first = students.checked(student)
        second = students.reinitialised(first)
    elif callable(student):
        takes_number = bool(inspect.signature(student).parameters)
        first, second = (
            students.checked(student(k) if takes_number else student())
            for k in (0, 1)
        )
    else:
        students.checked(student)
    if all(map(np.array_equal, first.get_weights(), second.get_weights())):
        raise errors.ArgumentError(
            "the two networks begin with the same weights, so that they would "
            "learn the same: let their initialisers have different seeds"
        )
    return pair.Pair(first, second)
