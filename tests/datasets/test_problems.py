import os

import pytest

from tfnoisy import errors
from tfnoisy.datasets import problems


def test_nothing_is_refused_without_problems():
    problems.refuse("DIR", [])


def test_one_problem_is_one_line():
    with pytest.raises(errors.DataError, match=r"^DIR: a.png: it is empty$"):
        problems.refuse("DIR", ["a.png: it is empty"])


def test_several_are_a_list_with_a_bound():
    lines = [f"{k}.png: it is empty" for k in range(1234)]
    with pytest.raises(errors.DataError) as caught:
        problems.refuse("DIR", lines, ["b.png: broken"], remedy="do this")
    shown = str(caught.value).splitlines()
    assert shown[0] == "DIR: 1,235 problems"
    assert shown[1] == "  0.png: it is empty"
    assert shown[problems.SHOWN] == f"  {problems.SHOWN - 1}.png: it is empty"
    assert shown[-3:] == [
        f"  ... and {1234 - problems.SHOWN:,} more",
        "  b.png: broken",
        "  do this",
    ]


def test_any_file_name_can_be_printed():
    assert problems.printable("Größe 図.png") == "Größe 図.png"
    assert problems.printable("a\nb\x1b[31m") == r"a\nb\x1b[31m"
    name = os.fsdecode(b"caf\xe9.png")
    assert problems.printable(name) == r"caf\xe9.png"
    problems.printable(name).encode("ascii")


def test_ten_in_a_line():
    line = problems.describe("DIR", [f"{k}" for k in range(13)])
    assert line == "DIR: 13 problems: 0; 1; 2; 3; 4; 5; 6; 7; 8; 9; and 3 more"
