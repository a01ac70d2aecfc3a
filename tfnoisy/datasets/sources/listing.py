"""The examples of an own data set before their images are looked at."""

import collections
import collections.abc
import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """An example whose image has not been read yet.

    Attributes:
        path: the image file.
        key: the example's name wherever it is remembered: the path from the
            folder of the data on, with slashes.
        where: what a message calls the example: its key, or file and line.
        given: its given label, in [0, C), or -1 where that is the fault.
        clean: its clean label, -1 where no class is right, None if unknown.
        fault: why it cannot be used, or empty.
    """

    path: str
    key: str
    where: str
    given: int
    clean: int | None = None
    fault: str = ""


@dataclasses.dataclass
class Listing:
    """The classes of a data set and the rows of its splits.

    Attributes:
        class_names: the classes.
        splits: {name: rows}.
        others: files beside the images, by kind, see `class_folders`.
        notes: what a user should know of how the data were read.
        problems: a line for each thing that is wrong with the whole.
        can_hold_out: whether examples of `train` may become a test part, as
            there are no other splits.
    """

    class_names: tuple[str, ...]
    splits: dict[str, collections.abc.Sequence[Row]]
    others: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    notes: list[str] = dataclasses.field(default_factory=list)
    problems: list[str] = dataclasses.field(default_factory=list)
    can_hold_out: bool = False


# What people call the parts of their data.
_CALLED = {
    "training": "train",
    "testing": "test",
    "valid": "val",
    "validation": "val",
}
SPLITS = frozenset(("train", "test", "val", *_CALLED))


def split_name(text):
    """Returns a split's usual name: `train` for `Training`.

    Args:
        text: what a folder or a cell calls it.
    """
    plain = text.strip().lower()
    plain = _CALLED.get(plain, plain)
    return plain if plain in SPLITS else text
