"""The arguments of a method's constructor, as a command line needs them.

A method's hyper-parameters are the keyword arguments of its `__init__` and,
where that passes `**kwargs` on, of its parents' below `base.Method`.  Their
types come from annotations or defaults, their meaning from the docstrings.
"""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from tfnoisy.methods import base

REQUIRED = inspect.Parameter.empty


@dataclasses.dataclass(frozen=True)
class Argument:
    """A keyword argument.

    Attributes:
        name: its name.
        default: its default, or `REQUIRED`.
        type: bool, int, float or str; None for any other.
        choices: the only values it takes, strings; empty for no such list.
        is_list: whether it is a list or tuple of that type.
        help: what the docstring says of it, in one line.
    """

    name: str
    default: Any
    type: type | None
    choices: tuple[str, ...] = ()
    is_list: bool = False
    help: str = ""


def of(
    cls: type, defaults: Mapping[str, Any] | None = None
) -> dict[str, Argument]:
    """Returns {name: `Argument`} of a method's own keyword arguments.

    Args:
        cls: a subclass of `base.Method`.
        defaults: {name: default} in place of the constructor's.
    """
    found: dict[str, Argument] = {}
    for owner, parameter in _parameters(cls):
        if parameter.name not in found and owner is not base.Method:
            found[parameter.name] = _argument(owner, parameter)
    for name, value in (defaults or {}).items():
        found[name] = dataclasses.replace(found[name], default=value)
    return found


def accepted(cls: Callable, values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those of the values that a constructor has arguments for.

    Args:
        cls: a subclass of `base.Method`, or a `functools.partial` of one.
        values: {name: value}.
    """
    names = {p.name for _, p in _parameters(getattr(cls, "func", cls))}
    return {name: v for name, v in values.items() if name in names}


def _parameters(cls: Any) -> list[tuple[type, inspect.Parameter]]:
    """Returns (class, keyword argument) along the chain of `**kwargs`."""
    found = []
    for owner in cls.__mro__:
        init = owner.__dict__.get("__init__")
        if init is None:
            continue
        # Neither self nor the student.
        parameters = list(inspect.signature(init).parameters.values())[2:]
        found += [
            (owner, p)
            for p in parameters
            if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)
        ]
        passes_on = any(p.kind is p.VAR_KEYWORD for p in parameters)
        if owner is base.Method or not passes_on:
            break
    return found


def _argument(owner: Any, parameter: inspect.Parameter) -> Argument:
    try:
        hint = typing.get_type_hints(owner.__init__).get(parameter.name)
    except NameError:
        # Of a name that only a type checker imports.
        hint = None
    if hint is None and parameter.default not in (None, REQUIRED):
        hint = type(parameter.default)
        if hint in (list, tuple):
            hint = types.GenericAlias(
                list, type(next(iter(parameter.default), ""))
            )
    kind, choices, is_list = _type_of(hint)
    return Argument(
        parameter.name,
        parameter.default,
        kind,
        choices,
        is_list,
        _help(owner, parameter.name),
    )


def _type_of(hint: Any) -> tuple[type | None, tuple[str, ...], bool]:
    """Returns (type, choices, whether it is a list of them) of a type hint."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        others = [a for a in arguments if a is not type(None)]
        return _type_of(others[0]) if len(others) == 1 else (None, (), False)
    if origin is typing.Literal:
        if all(isinstance(choice, str) for choice in arguments):
            return str, arguments, False
        return None, (), False
    if origin in (list, tuple):
        kind, choices, _ = _type_of(arguments[0])
        return kind, choices, True
    if hint in (bool, int, float, str):
        return hint, (), False
    return None, (), False


def _help(owner: Any, name: str) -> str:
    """Returns what the section Args of a docstring says of an argument."""
    doc = inspect.getdoc(owner.__init__) or inspect.getdoc(owner) or ""
    _, _, section = doc.partition("Args:\n")
    found = re.search(
        rf"^( +){re.escape(name)}:((?:.*\n?)(?:\1 +.*\n?)*)", section, re.M
    )
    return " ".join(found[2].split()) if found else ""
