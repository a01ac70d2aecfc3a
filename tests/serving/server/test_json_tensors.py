import json
import types

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from tfnoisy.serving.loader import c_loader
from tfnoisy.serving.server import json_tensors, request_error

UINT8, FLOAT32, TEXT = (
    np.dtype(np.uint8),
    np.dtype(np.float32),
    np.dtype(object),
)


def signature(**dtypes):
    return types.SimpleNamespace(
        inputs={
            name: c_loader.Tensor(f"{name}:0", np.dtype(dtype), None)
            for name, dtype in dtypes.items()
        }
    )


def arrays(request, **dtypes):
    by_rows, found = json_tensors.arrays(request, signature(**dtypes))
    assert by_rows == ("instances" in request)
    return {name: array.tolist() for name, array in found.items()}


@pytest.mark.parametrize(
    "values, dtype",
    [
        (7, UINT8),
        ([0, 255], UINT8),
        ([[[1, 2], [3, 4], [5, 6]]], UINT8),
        ([], UINT8),
        ([[], []], FLOAT32),
        ([1, 2.5, -3e30], FLOAT32),
        ([float("inf"), -float("inf")], FLOAT32),  # As TensorFlow Serving.
        ([-(2**63), 2**63 - 1], np.dtype(np.int64)),
        ([True, False], np.dtype(bool)),
        ([0.1], np.dtype(np.float16)),
    ],
)
def test_values_are_numpys(values, dtype):
    found = json_tensors.array(values, dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, np.array(values, dtype), strict=True)


def test_text_and_base64_are_bytes():
    found = json_tensors.array([["é", {"b64": "AP8="}]], TEXT)
    assert found.tolist() == [["é".encode(), b"\0\xff"]]


WRONG = {
    UINT8: [300, -1, 0.9, 1.0, "1", True, None, {}, {"b64": "AA=="}, 10**400],
    np.dtype(np.int64): [2**63, -(2**63) - 1, 1.5, False, 10**400],
    FLOAT32: ["1.5", True, None, {}, 1e39, -1e39, 10**400, {"b64": "AA=="}],
    np.dtype(np.float16): [70_000, 1e39],
    np.dtype(bool): [0, 1, "true", None],
    TEXT: [1, 1.5, True, None, {}, {"b64": 1}, {"b64": "AA==", "x": 1}],
}


@pytest.mark.parametrize(
    "dtype, value",
    [(t, value) for t, values in WRONG.items() for value in values],
)
def test_values_of_another_type_are_refused(dtype, value):
    good = {"O": "text", "b": True}.get(dtype.kind, 1)
    for values in (value, [value], [[good, good], [good, value]]):
        with pytest.raises(
            request_error.RequestError, match="is not of expected type: "
        ) as caught:
            json_tensors.array(values, dtype)
        assert caught.value.code == "INVALID_ARGUMENT"
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["?", "AA", "AA==\n", "é", "A" * 9])
def test_what_is_no_base64(text):
    with pytest.raises(request_error.RequestError, match="base64 decode"):
        json_tensors.array([{"b64": text}], TEXT)


@pytest.mark.parametrize(
    "values", [[[1], [1, 2]], [1, [1]], [[1], 1], [[[1]], [[1], [2]]], [[], 1]]
)
def test_lists_of_different_lengths(values):
    with pytest.raises(request_error.RequestError, match="inhomogeneous"):
        json_tensors.array(values, UINT8)


@pytest.mark.parametrize("depth", [65, 900])
def test_lists_may_be_nested_too_deeply(depth):
    body = '{"inputs": ' + "[" * depth + "1" + "]" * depth + "}"
    with pytest.raises(request_error.RequestError, match="has no .* axes"):
        arrays(json_tensors.parse(body), a=UINT8)


BODIES = {
    "nothing": b"",
    "half an object": b'{"instances": [',
    "no object": b"[1]",
    "null": b"null",
    "text after the end": b'{"inputs": 1} x',
    "no UTF-8": b'{"inputs": "\xff"}',
    "100,000 deep": b"[" * 100_000,
    "a million objects deep": b'{"a":' * 1_000_000,
    "a number of 5,000 digits": b'{"inputs": ' + b"9" * 5_000 + b"}",
}


@pytest.mark.parametrize("case", BODIES)
def test_what_is_no_json_object(case):
    with pytest.raises(request_error.RequestError, match="JSON") as caught:
        json_tensors.parse(BODIES[case])
    assert caught.value.http_status == 400


def test_rows_and_columns():
    dtypes = {"a": UINT8, "b": TEXT}
    columns = {"a": [1, 2], "b": ["x", "y"]}
    expected = {"a": [1, 2], "b": [b"x", b"y"]}
    rows = [{"b": "x", "a": 1}, {"a": 2, "b": "y"}]
    assert arrays({"inputs": columns}, **dtypes) == expected
    assert arrays({"instances": rows}, **dtypes) == expected
    # A single input needs no name.
    assert arrays({"inputs": [[1]]}, a=UINT8) == {"a": [[1]]}
    assert arrays({"instances": [[1]]}, a=UINT8) == {"a": [[1]]}
    assert arrays({"inputs": {"a": 7}}, a=UINT8) == {"a": 7}
    files = [{"b64": "AA=="}]
    assert arrays({"instances": files}, b=TEXT) == {"b": [b"\0"]}
    assert arrays({"inputs": {"b64": "AA=="}}, b=TEXT) == {"b": b"\0"}


@pytest.mark.parametrize(
    "request_, words",
    [
        ({}, "either instances or inputs"),
        ({"instances": [1], "inputs": [1]}, "either instances or inputs"),
        ({"instances": []}, "at least one element"),
        ({"instances": 1}, "at least one element"),
        ({"instances": {"a": [1]}}, "at least one element"),
        ({"instances": [1]}, "several inputs: a, b"),
        ({"inputs": [1]}, "several inputs: a, b"),
        ({"instances": [{"a": 1}]}, "element: 0 .* not \\['a'\\]"),
        ({"instances": [{"a": 1, "b": "x"}, 3]}, "element: 1 .* not 3"),
        ({"inputs": {"a": [1], "c": [1]}}, "not \\['a', 'c'\\]"),
    ],
)
def test_requests_that_do_not_fit(request_, words):
    with pytest.raises(request_error.RequestError, match=words):
        arrays(request_, a=UINT8, b=TEXT)


def test_a_signature_is_named_by_text():
    assert json_tensors.signature_name({}) == ""
    with pytest.raises(request_error.RequestError, match="must be a string"):
        json_tensors.signature_name({"signature_name": 3})


OUTPUTS = {
    "p": np.array([[0.5, 0.25]], np.float32),
    "n": np.array([b"\xe9t\xe9"], object),
    "raw_bytes": np.array([b"\xff"], object),
}


def test_answers_in_rows_and_columns():
    # A class may have a name that is no UTF-8.
    row = {"p": [0.5, 0.25], "n": "\ufffdt\ufffd", "raw_bytes": {"b64": "/w=="}}
    assert json_tensors.answer(OUTPUTS, True) == {"predictions": [row]}
    columns = {key: [value] for key, value in row.items()}
    assert json_tensors.answer(OUTPUTS, False) == {"outputs": columns}
    single = {"p": OUTPUTS["p"]}
    assert json_tensors.answer(single, True) == {"predictions": [[0.5, 0.25]]}
    assert json_tensors.answer(single, False) == {"outputs": [[0.5, 0.25]]}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_json_has_no_word_for(value):
    outputs = {"p": np.array([[0.5, value]], np.float32)}
    with pytest.raises(request_error.RequestError, match="p is not finite"):
        json_tensors.answer(outputs, True)


def test_outputs_without_common_rows():
    outputs = {"a": np.zeros(2), "b": np.zeros(3)}
    with pytest.raises(request_error.RequestError, match="no rows in common"):
        json_tensors.answer(outputs, True)
    with pytest.raises(request_error.RequestError, match="no rows in common"):
        json_tensors.answer({"a": np.float32(1)}, True)
    assert json_tensors.answer({"a": np.float32(1)}, False) == {"outputs": 1.0}


JSON = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text(max_size=3),
    lambda part: (
        strategies.lists(part, max_size=3)
        | strategies.dictionaries(
            strategies.sampled_from(["a", "b64", "x"]), part, max_size=2
        )
    ),
    max_leaves=8,
)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
    JSON,
    strategies.sampled_from(["instances", "inputs"]),
    strategies.sampled_from([UINT8, FLOAT32, TEXT, np.dtype(bool)]),
)
def test_any_json_is_an_array_or_refused(value, key, dtype):
    request = json_tensors.parse(json.dumps({key: value}))
    try:
        _, found = json_tensors.arrays(request, signature(a=dtype))
    except request_error.RequestError:
        return
    assert found["a"].dtype == dtype
