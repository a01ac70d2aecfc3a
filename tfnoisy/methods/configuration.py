"""The constructor arguments of a method, kept for `get_config`."""

import inspect

import keras
import numpy as np


class Arguments:
    """What a method was made with, by name.

    Not a container that Keras or TensorFlow would look into for weights.
    """

    def __init__(self, cls, args, kwargs):
        """Binds the arguments of a constructor.

        Args:
            cls: the class that is constructed.
            args: its positional arguments.
            kwargs: its named ones.

        Raises:
            TypeError: if the constructor does not take them.
        """
        signature = inspect.signature(cls.__init__)
        bound = signature.bind(None, *args, **kwargs)
        values = dict(list(bound.arguments.items())[1:])
        for name, parameter in signature.parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                values |= values.pop(name, {})
        self._values = values

    def __contains__(self, name):
        """Whether an argument was given, not left at its default."""
        return name in self._values

    def get(self, name):
        """Returns an argument that was given, else None."""
        return self._values.get(name)

    def config(self, left_out=(), **replaced):
        """Returns {name: what JSON can hold}.

        Args:
            left_out: names that it does not have.
            **replaced: values in place of those that were given.
        """
        values = {**self._values, **replaced}
        return serialised(
            {name: v for name, v in values.items() if name not in left_out}
        )


class Compilation:
    """What a method was compiled with, hidden from Keras as `Arguments` are.

    Attributes:
        values: the arguments of `compile`.
        names_metrics: whether metrics are among them.
        sparse: whether the metrics see labels as integers.
    """

    values = None
    names_metrics = False
    sparse = True


class Hidden:
    """A value that Keras does not look into for weights.

    Attributes:
        value: it.
    """

    def __init__(self, value):
        self.value = value


def serialised(values):
    """Returns {name: value} as JSON can hold it; see `deserialised`."""
    return {name: _serialised(value) for name, value in values.items()}


def deserialised(config):
    """Returns {name: value} of what `serialised` returned."""
    return {name: _deserialised(value) for name, value in config.items()}


def _serialised(value):
    if isinstance(value, (list, tuple)):
        return [_serialised(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return keras.saving.serialize_keras_object(value)


def _deserialised(value):
    if isinstance(value, list):
        return [_deserialised(item) for item in value]
    if isinstance(value, dict):
        return keras.saving.deserialize_keras_object(value)
    return value
