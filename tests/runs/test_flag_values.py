import dataclasses

import pytest

from tfnoisy import errors
from tfnoisy.runs import flag_values


@dataclasses.dataclass
class Options:
    whole: int = 1
    share: float = 0.5
    name: str = ""
    on: bool = True
    perhaps: float | None = None
    rest: dict = dataclasses.field(default_factory=dict)


@pytest.mark.parametrize(
    "text, kind, value",
    [
        ("false", bool, False),
        ("false\n", bool, False),
        ("False", bool, False),
        ("0", bool, False),
        ("no", bool, False),
        ("true", bool, True),
        ("1", bool, True),
        ("", bool, True),
        ("32", int, 32),
        (" 32\n", int, 32),
        ("1e-3", float, 0.001),
        ("false", str, "false"),
        ("2", float | None, 2.0),
        ("no", bool | None, False),
    ],
)
def test_values(text, kind, value):
    found = flag_values.convert("name", text, kind)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    "text, kind, words",
    [
        ("maybe", bool, "--name=maybe in the flags of the run is not true or"),
        ("3.5", int, "is not a whole number"),
        ("many", float, "is not a number"),
    ],
)
def test_texts_that_are_no_such_value(text, kind, words):
    with pytest.raises(errors.UserError, match=words):
        flag_values.convert("name", text, kind)


def test_types_that_no_flag_has():
    with pytest.raises(TypeError, match="--name"):
        flag_values.convert("name", "x", dict)
    with pytest.raises(TypeError, match="--name"):
        flag_values.convert("name", "x", int | float | None)


def test_a_dataclass():
    flags = {"whole": "7", "on": "false", "perhaps": "0.25", "other": "x"}
    assert flag_values.of_dataclass(Options, flags) == {
        "whole": 7,
        "on": False,
        "perhaps": 0.25,
    }
    assert Options(**flag_values.of_dataclass(Options, {})) == Options()


def test_one_value():
    assert flag_values.get({"on": "false"}, "on", True) is False
    assert flag_values.get({}, "on", True) is True
    assert flag_values.get({"share": "1"}, "share", 0.5) == 1.0
