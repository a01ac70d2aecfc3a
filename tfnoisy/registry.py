"""Names that a user can choose from, ours and those of plugins alike.

What ships is registered as text, "module:attribute", and imported when it is
used: listing the names imports nothing.  What others add is registered by a
decorator in a module of their own:

    @catalogue.NETWORKS.register("my_cnn", least_side=4)
    def my_cnn(num_classes, image_shape, seed):
        ...

The registries themselves are in `tfnoisy.catalogue`; how a plugin's module is
found and imported is in `tfnoisy.plugins`.
"""

import dataclasses
import difflib
import functools
import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from tfnoisy import errors

# A name is a word of a command line and part of a file name, and what follows
# a colon are its parameters.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """One registered object and what is known of it before it is imported.

    Attributes:
        name: how a user names it.
        target: the object, or where it is as "module:attribute".
        arguments: keyword arguments that belong to the name.
    """

    name: str
    target: Any
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def form(self) -> str:
        """How it is written on a command line, with its parameters."""
        return self.name

    @property
    def module(self) -> str:
        """The module that the object comes from."""
        if isinstance(self.target, str):
            return self.target.partition(":")[0]
        return getattr(self.target, "__module__", type(self.target).__module__)

    def load(self) -> Any:
        """Returns the object; imports it if need be."""
        target = resolve(self.target)
        if self.arguments:
            return functools.partial(target, **self.arguments)
        return target


# The modules that registered something, once for each time.
_registered: list[str] = []

EntryT = TypeVar("EntryT", bound=Entry)


class Registry(Generic[EntryT]):
    """The entries of one kind, by name, in the order of registration."""

    def __init__(
        self, kind: str, entry_type: type[EntryT], entries: Iterable[EntryT]
    ):
        """Makes a registry.

        Args:
            kind: what an entry is called in messages, e.g. `network`.
            entry_type: a subclass of `Entry`; its fields are what `register`
                takes.
            entries: those that ship.
        """
        self.kind = kind
        self._entry_type = entry_type
        self._entries = {entry.name: entry for entry in entries}

    def register(self, name: str, **facts: Any) -> Callable:
        """Returns a decorator that registers a class or function.

        Registering the same class or function of the same module again
        replaces it, as in a notebook whose cell is run twice.

        Args:
            name: a new name of letters, digits and `_`, `-`, `.`.
            **facts: further fields of the kind's entries.

        Raises:
            UserError: for a name that is taken or cannot be one, and for
                fields that the entries do not have.
        """
        if not is_name(name):
            raise errors.UserError(
                f"a {self.kind} cannot be called {name!r}: a name has letters, "
                "digits, _, - and . only, and starts with a letter or digit"
            )

        def decorate(target: Any) -> Any:
            try:
                entry = self._entry_type(name=name, target=target, **facts)
            except TypeError as error:
                raise errors.UserError(
                    f"{self.kind} {name}: {_reason(error)}"
                ) from None
            self._add(entry)
            return target

        return decorate

    def _add(self, entry: EntryT) -> None:
        before = self._entries.get(entry.name)
        if before is not None and not _same(before, entry):
            raise errors.UserError(
                f"{self.kind} {entry.name} of {entry.module} is registered "
                f"already, by {before.module}; choose another name"
            )
        self._entries[entry.name] = entry
        _registered.append(entry.module)

    def names(self) -> list[str]:
        """Returns all names."""
        return list(self._entries)

    def forms(self) -> list[str]:
        """Returns how each is written, for help texts."""
        return [entry.form for entry in self]

    def get(self, name: str) -> EntryT | None:
        """Returns the entry of that name, or None."""
        return self._entries.get(name)

    def __getitem__(self, name: str) -> EntryT:
        """Returns the entry of that name.

        Raises:
            UserError: for an unknown name; it tells a similar one, and all.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise errors.UserError(f"no {self.kind} {name!r}{self.hint(name)}")
        return entry

    def hint(self, name: str) -> str:
        """Returns the rest of a message about an unknown name."""
        near = difflib.get_close_matches(name, self._entries, n=1)
        question = ""
        if near:
            question = f"; did you mean {self._entries[near[0]].form}?"
        return (
            f"{question} (there are {', '.join(self.forms())}; "
            "--plugin=MODULE adds more)"
        )

    def load(self, name: str) -> Any:
        """Returns the object of that name; see `__getitem__`."""
        return self[name].load()

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[EntryT]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)


def count() -> int:
    """Returns how often something was registered, in all registries."""
    return len(_registered)


def registered_by(module: str) -> bool:
    """Returns whether a module, or one of its package, has registered."""
    return any(
        name == module or name.startswith(f"{module}.") for name in _registered
    )


def is_name(name: object) -> bool:
    """Returns whether an entry can be called so."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name))


def resolve(target: Any) -> Any:
    """Returns the object that "module:attribute" stands for; others as is."""
    if not isinstance(target, str):
        return target
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def _same(before: Entry, after: Entry) -> bool:
    """Whether the second is the first one, defined once more."""

    def key(entry: Entry) -> tuple:
        name = getattr(entry.target, "__qualname__", None)
        return entry.module, name or id(entry.target)

    return key(before) == key(after)


def _reason(error: TypeError) -> str:
    """Returns what a constructor says of a wrong argument, without itself."""
    return str(error).rpartition("__init__() ")[2]
