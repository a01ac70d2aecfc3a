"""Weights of a network's body, which is all of it but the last layer.

A network that begins with the body of another one has a last layer of its own,
as it was drawn: the classes may be others.
"""

import dataclasses
import pathlib
import posixpath
import tempfile
from collections.abc import Callable, Sequence

import keras
import numpy as np

from tfnoisy import errors

_LAST = "logits"
_WEIGHTS, _MODEL = ".weights.h5", ".keras"


@dataclasses.dataclass(frozen=True)
class Body:
    """The weights that a network begins with.

    Attributes:
        source: what the user named.
        read: a `keras.Model` of a body -> its weights, arrays in the order of
            its variables; a `UserError` if they are not there.
    """

    source: str
    read: Callable[[keras.Model], Sequence[np.ndarray]]

    def give(self, network):
        """Gives a network these weights; its last layer stays as it is.

        Args:
            network: a `keras.Model` whose last layer is named `logits`.

        Raises:
            UserError: if they are those of another network.
        """
        body = keras.Model(network.input, network.get_layer(_LAST).input)
        body.name = network.name
        values = self.read(body)
        for variable, value in zip(body.variables, values, strict=True):
            variable.assign(value)


def is_file(path):
    """Returns whether a file may hold a body, and not published weights.

    Those of keras.applications may be in a `.weights.h5` file too, whose
    normalisations have another name.

    Args:
        path: a `pathlib.Path`.
    """
    if path.name.endswith(_MODEL):
        return True
    if not path.name.endswith(_WEIGHTS) or not path.is_file():
        return False
    try:
        return not any("/batch_normalization" in n for n in _shapes(path))
    except OSError:
        return False


def of_file(source):
    """Returns the body in a file that Keras has saved.

    Args:
        source: the path: a `.weights.h5` file of the network, with or without
            its last layer, or a `.keras` file of it, of a method of tfnoisy
            around it, or of that method's `classifier()`.

    Returns:
        A `Body`.

    Raises:
        UserError: if there is no such file.
    """
    path = pathlib.Path(source).expanduser()
    if not path.exists():
        raise errors.UserError(
            f"--pretrained={source}: there is no such file or run folder"
        )
    if path.name.endswith(_WEIGHTS):
        return Body(source, lambda body: _of_weights(source, path, body))
    if path.name.endswith(_MODEL):
        return Body(source, lambda body: _of_model(source, path, body))
    raise errors.UserError(
        f"--pretrained={source}: a run folder or a {_WEIGHTS} or {_MODEL} file "
        "of Keras is wanted"
    )


def of_values(source, shown, values):
    """Returns the body of a network whose variables are known by their order.

    Args:
        source: what the user named.
        shown: the network's name, for a message.
        values: arrays, of all variables, those of the last layer at the end.

    Returns:
        A `Body`.
    """

    def read(body):
        own = body.variables
        # Those of the last layer: a kernel and a bias.
        if len(values) != len(own) + 2:
            raise _other(
                source,
                body,
                f"it has {len(values)} variables of {shown}, {body.name} has "
                f"{len(own) + 2}",
            )
        for variable, value in zip(own, values):
            _check_shape(
                source, body, _name(variable), value.shape, variable.shape
            )
        return values[: len(own)]

    return Body(source, read)


def _of_weights(source, path, body):
    """Returns the weights in a `.weights.h5` file."""
    try:
        found = _shapes(path)
    except OSError as error:
        raise _unreadable(source, error) from error
    with tempfile.TemporaryDirectory() as folder:
        # Keras alone knows what it calls the variables in such a file.
        own = pathlib.Path(folder) / f"own{_WEIGHTS}"
        body.save_weights(own)
        wanted = _shapes(own)
    extra = {posixpath.dirname(name) for name in found.keys() - wanted.keys()}
    # One is the last layer.
    _check(source, body, found, wanted, sorted(extra)[1:])
    copy = keras.models.clone_model(body)
    try:
        copy.load_weights(path)
    except Exception as error:  # Keras raises half a dozen kinds.
        raise _unreadable(source, error) from error
    return copy.get_weights()


def _shapes(path):
    """Returns {name: shape} of the arrays in an HDF5 file."""
    import h5py

    found = {}

    def look(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item.shape

    with h5py.File(path) as file:
        file.visititems(look)
    return found


def _of_model(source, path, body):
    """Returns the weights in a `.keras` file."""
    try:
        model = keras.models.load_model(path, compile=False)
    except Exception as error:  # Keras raises half a dozen kinds.
        raise _unreadable(source, error) from error
    model = getattr(model, "student", model)
    if hasattr(model, "networks"):
        raise errors.UserError(
            f"--pretrained={source} holds two networks: save one of them"
        )
    found = {_name(v): keras.ops.convert_to_numpy(v) for v in model.variables}
    found = {k: v for k, v in found.items() if k.split("/")[0] != _LAST}
    wanted = {_name(v): tuple(v.shape) for v in body.variables}
    shapes = {name: value.shape for name, value in found.items()}
    _check(source, body, shapes, wanted, sorted(found.keys() - wanted.keys()))
    return [found[name] for name in wanted]


def _name(variable):
    """Returns what its layer and the layer's variable are called."""
    return "/".join(variable.path.split("/")[-2:])


def _check(source, body, found, wanted, extra):
    """Refuses arrays that are not those of a body.

    Args:
        source: what the user named.
        body: a `keras.Model`.
        found: {name: shape} of the arrays that are there.
        wanted: {name: shape} of the body's.
        extra: names of those that the body has not.
    """
    missing = [name for name in wanted if name not in found]
    if missing:
        raise _other(source, body, f"it has no {missing[0]}")
    if extra:
        raise _other(source, body, f"it has {extra[0]} too")
    for name, shape in wanted.items():
        _check_shape(source, body, name, found[name], shape)


def _check_shape(source, body, name, found, wanted):
    found, wanted = list(found), list(wanted)
    if found != wanted:
        raise _other(source, body, f"{name} is {found} there and {wanted} here")


def _other(source, body, what):
    return errors.UserError(
        f"--pretrained={source} holds no weights of {body.name} for such "
        f"images: {what}"
    )


def _unreadable(source, error):
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return errors.UserError(
        f"--pretrained={source} cannot be read as weights of Keras ({reason})"
    )
