import functools
from typing import Literal

from tfnoisy.catalogue import methods as catalogue
from tfnoisy.methods import arguments, base

Argument = arguments.Argument


class Parent(base.Method):
    def __init__(self, student, *, rounds, rate: float | None = None, **kwargs):
        """Makes the parent.

        Args:
            student: a network.
            rounds: how many,
                in a second line.
            rate: from 0
                to 1: a share.
            **kwargs: as for `base.Method`.
        """
        super().__init__(student, **kwargs)


class Child(Parent):
    def __init__(
        self,
        student,
        *,
        q=0.7,
        truncated=False,
        mode: Literal["soft", "hard"] = "soft",
        steps=(1, 2),
        names: list[str] | None = None,
        mentor=None,
        rate: float = 0.5,
        **kwargs,
    ):
        """Makes the child.

        Args:
            q: the exponent.
        """
        super().__init__(student, rate=rate, **kwargs)


def test_a_constructors_arguments_and_its_parents():
    assert list(arguments.of(Child).values()) == [
        Argument("q", 0.7, float, help="the exponent."),
        Argument("truncated", False, bool),
        Argument("mode", "soft", str, choices=("soft", "hard")),
        Argument("steps", (1, 2), int, is_list=True),
        Argument("names", None, str, is_list=True),
        Argument("mentor", None, None),
        # The child's own, not its parent's.
        Argument("rate", 0.5, float),
        Argument(
            "rounds",
            arguments.REQUIRED,
            None,
            help="how many, in a second line.",
        ),
    ]
    assert arguments.of(Parent)["rate"] == Argument(
        "rate", None, float, help="from 0 to 1: a share."
    )


def test_defaults_that_belong_to_a_name():
    found = arguments.of(Child, {"q": 0.5, "rounds": 3})
    assert (found["q"].default, found["rounds"].default) == (0.5, 3)
    assert arguments.of(Child)["q"].default == 0.7


def test_only_what_a_constructor_takes():
    values = {"rounds": 3, "num_ids": 5, "seed": 1}
    expected = {"rounds": 3, "seed": 1}
    assert arguments.accepted(Child, values) == expected
    partial = functools.partial(Child, q=0.5)
    assert arguments.accepted(partial, values) == expected


def test_a_class_that_passes_nothing_on():
    class Alone(Parent):
        def __init__(self, student, *, q=0.1):
            super().__init__(student, rounds=1)

    assert list(arguments.of(Alone)) == ["q"]
    assert arguments.accepted(Alone, {"seed": 1, "q": 2}) == {"q": 2}


def test_every_shipped_method_can_be_read():
    for entry in catalogue.METHODS:
        cls = getattr(entry.load(), "func", entry.load())
        found = arguments.of(cls)
        for argument in found.values():
            # Each is described.
            assert argument.help, (entry.name, argument.name)
        assert "student" not in found
