from typing import Literal

import pytest
from absl import flags

from tfnoisy import errors
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.cli import flag_groups, method_flags
from tfnoisy.methods import base


class Own(base.Method):
    def __init__(
        self,
        student,
        *,
        rounds: int,
        own_rate=0.5,
        own_switch=True,
        own_mode: Literal["soft", "hard"] = "soft",
        own_drops=(1, 2),
        own_limit: float | None = None,
        own_mentor=None,
        batch_size=1,
        num_ids=None,
        **kwargs,
    ):
        """Makes the method.

        Args:
            own_rate: the rate.
        """
        super().__init__(student, **kwargs)


@pytest.fixture
def values(monkeypatch):
    """Stands for the flags of a script; returns a parser of words."""
    for each in (flags, method_flags, flag_groups):
        monkeypatch.setattr(each, "FLAGS", flags.FlagValues())
    new = method_flags.FLAGS
    monkeypatch.setattr(flag_groups, "FLAGS", new)
    for kind, define in method_flags._DEFINE.items():
        monkeypatch.setitem(
            method_flags._DEFINE,
            kind,
            lambda *args, define=define: define(*args, flag_values=new),
        )
    for name in ("DEFINE_list", "DEFINE_enum", "mark_flag_as_required"):
        define = getattr(flags, name)
        monkeypatch.setattr(
            flags,
            name,
            lambda *args, define=define: define(*args, flag_values=new),
        )
    flags.DEFINE_integer(
        "batch_size", 32, "A flag of all trainers.", flag_values=new
    )
    return new


def entry(cls=Own, **arguments):
    return catalogue.Method(name="own", target=cls, arguments=arguments)


def test_each_argument_is_a_flag(values):
    method_flags.define(entry())
    assert set(values) == {
        "rounds",
        "own_rate",
        "own_switch",
        "own_mode",
        "own_drops",
        "own_limit",
        "batch_size",
    }
    assert values["own_rate"].help == "the rate."
    assert "own_limit" in values["own_limit"].help
    values(["x", "--rounds=3"])
    assert method_flags.values(entry()) == {
        "rounds": 3,
        "own_rate": 0.5,
        "own_switch": True,
        "own_mode": "soft",
        "own_drops": [1, 2],
        "own_limit": None,
        "batch_size": 32,
    }
    values(["x", "--noown_switch", "--own_mode=hard", "--own_drops=4,5"])
    found = method_flags.values(entry())
    assert found["own_switch"] is False and found["own_mode"] == "hard"
    assert found["own_drops"] == [4, 5]


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "rounds"),
        (["--rounds=3.5"], "rounds"),
        (["--rounds=3", "--own_mode=weak"], "own_mode"),
        (["--rounds=3", "--own_rate=much"], "own_rate"),
    ],
)
def test_wrong_values(values, words, message):
    method_flags.define(entry())
    with pytest.raises(flags.Error, match=message):
        values(["x", *words])


def test_a_wrong_value_in_a_list(values):
    method_flags.define(entry())
    values(["x", "--rounds=3", "--own_drops=1,b"])
    with pytest.raises(errors.UserError, match="--own_drops=1,b: .* int"):
        method_flags.values(entry())


def test_a_name_has_defaults_of_its_own(values):
    method_flags.define(entry(own_rate=0.25))
    values(["x", "--rounds=3"])
    assert method_flags.values(entry(own_rate=0.25))["own_rate"] == 0.25


def test_an_argument_that_no_flag_can_set(values):
    class Odd(base.Method):
        def __init__(self, student, *, mentor):
            super().__init__(student)

    with pytest.raises(errors.UserError, match="--method=own: .* mentor has"):
        method_flags.define(entry(Odd))
