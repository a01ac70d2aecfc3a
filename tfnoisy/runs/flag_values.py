"""What the text of a run folder's flags means, by the type that is wanted.

A boolean's text is `true` or `false`, and every text that is not empty is true
to Python's `bool`: so no type is called on a text here but through `convert`.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from tfnoisy import errors

T = TypeVar("T")

# As absl reads them; a flag without a value is one that is switched on.
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "1", "yes", "y", "on", ""), True),
    **dict.fromkeys(("false", "f", "0", "no", "n", "off"), False),
}
_WORDS = {int: "a whole number", float: "a number", bool: "true or false"}


def convert(name: str, text: str, kind: Any) -> Any:
    """Returns the value of a flag's text.

    Args:
        name: the flag's, for the message.
        text: its text in a run folder's flag file.
        kind: bool, int, float or str, or one of them or None.

    Raises:
        UserError: for a text that is no such value.
        TypeError: for any other type.
    """
    kind = _without_none(kind)
    if kind is str:
        return text
    if kind not in _WORDS:
        raise TypeError(f"--{name} cannot be read as {kind}")
    word = text.strip()
    try:
        return _BOOLEANS[word.lower()] if kind is bool else kind(word)
    except (KeyError, ValueError):
        raise errors.UserError(
            f"--{name}={word} in the flags of the run is not {_WORDS[kind]}"
        ) from None


def get(flags: Mapping[str, str], name: str, default: T) -> T:
    """Returns a flag's value of the type that the default has.

    Args:
        flags: {flag name: value as text}.
        name: the flag's.
        default: what it is if it is not recorded.
    """
    if name not in flags:
        return default
    return convert(name, flags[name], type(default))


def of_dataclass(cls: type, flags: Mapping[str, str]) -> dict[str, Any]:
    """Returns {field: value} of those flags that a dataclass has fields for.

    Args:
        cls: a dataclass; a flag's value is of the type of its field.
        flags: {flag name: value as text}.
    """
    hints = typing.get_type_hints(cls)
    return {
        field.name: convert(field.name, flags[field.name], hints[field.name])
        for field in dataclasses.fields(cls)
        if field.name in flags
    }


def _without_none(kind: Any) -> Any:
    """Returns T of `T | None`."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        others = [k for k in typing.get_args(kind) if k is not type(None)]
        return others[0] if len(others) == 1 else kind
    return kind
