"""JSON to arrays and back, as TensorFlow Serving has them.

The rules are those of its `util/json_tensor.cc`: which JSON types a tensor
takes, and how requests and answers are written in rows and in columns.  It is
stricter in three ways: an integer that its type cannot hold is refused, and a
decimal that would be infinite; and no answer holds NaN or Infinity, which are
not JSON.
"""

import base64
import binascii
import itertools
import json

import numpy as np

from tfnoisy.serving.server import request_error

ROWS, COLUMNS = "instances", "inputs"
# What NumPy's kinds of types take; for bytes see `_bytes_of`.
_TAKEN = {"f": {int, float}, "i": {int}, "u": {int}, "b": {bool}}
_TYPE_NAMES = {
    dict: "Object",
    list: "Array",
    str: "String",
    int: "Number",
    float: "Number",
    type(None): "Null",
}
# An output of this name is bytes, not text.
_BYTES_SUFFIX = "_bytes"


def parse(body):
    """Returns the JSON object of a request's body.

    Raises:
        RequestError: if it is none.
    """
    try:
        request = json.loads(body)
    except RecursionError as error:
        raise request_error.RequestError(
            "JSON Parse error: it is nested too deeply"
        ) from error
    except ValueError as error:
        raise request_error.RequestError(
            f"JSON Parse error: {error}"
        ) from error
    if not isinstance(request, dict):
        raise request_error.RequestError(
            f"JSON Value: {_shown(request)} is not an object with either "
            "instances or inputs"
        )
    return request


def signature_name(request):
    """Returns the name of the signature that a request asks for, or "".

    Raises:
        RequestError: if it is no name.
    """
    name = request.get("signature_name", "")
    if not isinstance(name, str):
        raise request_error.RequestError(
            "'signature_name' key must be a string value."
        )
    return name


def arrays(request, signature):
    """Reads the inputs of a request.

    Args:
        request: {"instances": rows} or {"inputs": columns}.
        signature: a `c_loader.Signature`.

    Returns:
        Whether the request is in rows, and {input: array}.

    Raises:
        RequestError: if they do not fit the signature.
    """
    if (ROWS in request) == (COLUMNS in request):
        raise request_error.RequestError(
            "a request has either instances or inputs: expecting only one of "
            f"'{COLUMNS}' or '{ROWS}' keys to exist"
        )
    by_rows = ROWS in request
    values = request[ROWS if by_rows else COLUMNS]
    if by_rows and not (isinstance(values, list) and values):
        raise request_error.RequestError(
            f"Expecting '{ROWS}' to be a list with at least one element"
        )
    columns = (_of_rows if by_rows else _of_columns)(values, signature.inputs)
    return by_rows, {
        name: array(columns[name], tensor.dtype)
        for name, tensor in signature.inputs.items()
    }


def _of_rows(rows, inputs):
    """Returns {input: values} of rows: values, or objects with all inputs."""
    if not _is_named(rows[0]):
        return _of_single_input(rows, inputs)
    for number, row in enumerate(rows):
        if not (_is_named(row) and set(row) == set(inputs)):
            raise request_error.RequestError(
                f"Failed to process element: {number} of '{ROWS}' list: "
                f"{_not_inputs(row, inputs)}"
            )
    return {name: [row[name] for row in rows] for name in inputs}


def _of_columns(values, inputs):
    """Returns {input: values} of an object, or of a single input's values."""
    if not _is_named(values):
        return _of_single_input(values, inputs)
    if set(values) != set(inputs):
        raise request_error.RequestError(_not_inputs(values, inputs))
    return values


def _of_single_input(values, inputs):
    if len(inputs) != 1:
        raise request_error.RequestError(
            f"an object is expected, as there are several inputs: "
            f"{', '.join(inputs)}"
        )
    return dict.fromkeys(inputs, values)


def _is_named(value):
    """Returns whether values are named, and not bytes."""
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value):
    return set(value) == {"b64"} and isinstance(value["b64"], str)


def _not_inputs(value, inputs):
    found = sorted(value) if isinstance(value, dict) else _shown(value)
    return f"inputs are {sorted(inputs)}, not {found}"


def array(values, dtype):
    """Returns the array of nested lists.

    Args:
        values: a value, or lists in lists of values, all of one depth.
        dtype: of the array; `object` for bytes.

    Raises:
        RequestError: if the lists are of different lengths or depths, or a
            value is not of this type.
    """
    shape, values = _flattened(values)
    if dtype.kind == "O":
        values = [_bytes_of(value) for value in values]
    elif not set(map(type, values)) <= _TAKEN[dtype.kind]:
        _refuse(values, dtype)
    try:
        flat = _filled(values, dtype)
    except (OverflowError, FloatingPointError):
        _refuse(values, dtype)
    try:
        return flat.reshape(shape)
    except ValueError as error:
        raise request_error.RequestError(
            f"a tensor has no {len(shape)} axes"
        ) from error


def _filled(values, dtype):
    """Returns the array of values, unless it cannot hold one."""
    if dtype.kind == "O":
        flat = np.empty(len(values), object)
        flat[:] = values
        return flat
    with np.errstate(over="raise"):
        return np.fromiter(values, dtype, len(values))


def _flattened(values):
    """Returns the shape of nested lists, and all values in one list.

    Neither recursive, as lists may be nested deeply, nor value by value in
    Python, as there may be millions.
    """
    values, shape = [values], []
    while values and list in (kinds := set(map(type, values))):
        lengths = set(map(len, values)) if kinds == {list} else ()
        if len(lengths) != 1:
            raise request_error.RequestError(
                "the lists at one level are inhomogeneous: they have different "
                f"lengths, or only some are lists, at level {len(shape)}"
            )
        shape += lengths
        values = list(itertools.chain.from_iterable(values))
    return shape, values


def _bytes_of(value):
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise request_error.RequestError(
                f"JSON Value: {_shown(value)} is not text"
            ) from error
    if not (isinstance(value, dict) and _is_base64(value)):
        raise _type_error(value, "string")
    try:
        return base64.b64decode(value["b64"], validate=True)
    except (binascii.Error, ValueError) as error:
        raise request_error.RequestError(
            f"Unable to base64 decode: {error}"
        ) from error


def _refuse(values, dtype):
    """Raises for the first value that the type does not take."""
    for value in values:
        if type(value) not in _TAKEN[dtype.kind]:
            raise _type_error(value, dtype)
        try:
            _filled([value], dtype)
        except (OverflowError, FloatingPointError):
            raise _type_error(value, dtype) from None


def _type_error(value, dtype):
    name = _TYPE_NAMES.get(type(value), str(value))
    return request_error.RequestError(
        f"JSON Value: {_shown(value)} Type: {name} is not of expected type: "
        f"{dtype}"
    )


def _shown(value):
    """Returns the beginning of a value as JSON."""
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):
        text = "..."
    return text if len(text) <= 100 else f"{text[:100]}..."


def answer(outputs, by_rows):
    """Returns what is sent as JSON.

    Args:
        outputs: {name: array}; strings as arrays of bytes.
        by_rows: whether the request was in rows.

    Returns:
        {"predictions": rows} or {"outputs": columns}; the name of a single
        output is left out.

    Raises:
        RequestError: if JSON has no word for a value.
    """
    columns = {name: _json_of(name, values) for name, values in outputs.items()}
    if not by_rows:
        return {"outputs": _unnamed(columns)}
    lengths = {
        len(column) if isinstance(column, list) else None
        for column in columns.values()
    }
    if len(lengths) != 1 or None in lengths:
        raise request_error.RequestError(
            "the outputs have no rows in common; ask in columns, by "
            f"'{COLUMNS}'"
        )
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    return {"predictions": [_unnamed(row) for row in rows]}


def _unnamed(outputs):
    """Returns a single output without its name."""
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs


def _json_of(name, values):
    if values.dtype == object:
        texts = [_text_of(name, value) for value in values.flat]
        return np.array(texts, object).reshape(values.shape).tolist()
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise request_error.RequestError(
            f"output {name} is not finite, which JSON has no word for; ask by "
            "gRPC"
        )
    return values.tolist()


def _text_of(name, value):
    if name.endswith(_BYTES_SUFFIX):
        return {"b64": base64.b64encode(value).decode()}
    return value.decode(errors="replace")
