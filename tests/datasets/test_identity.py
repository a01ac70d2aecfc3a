import os

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from tfnoisy.datasets import identity


def digests(*numbers):
    """A digest for each number: equal numbers stand for equal contents."""
    return np.repeat(np.array(numbers, np.uint8)[:, None], 32, axis=1)


def match(before, now):
    """Matches {key: number of the contents}, before and now."""
    return identity.match(
        list(before),
        digests(*before.values()),
        list(now),
        digests(*now.values()),
    )


BEFORE = {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize(
    "now, rows, text",
    [
        (BEFORE, [0, 1, 2], ""),
        ({"c": 3, "a": 1, "b": 2}, [2, 0, 1], ""),
        ({"a": 1, "c": 3}, [0, 2], "1 is gone (e.g. b)"),
        ({"a": 1, "z": 2, "c": 3}, [0, 1, 2], "1 is renamed (e.g. z)"),
        (
            {"a": 2, "b": 1, "c": 3},
            [1, 0, 2],
            "2 are renamed (e.g. a)",
        ),
        (
            {"a": 1, "b": 9, "c": 3},
            [0, -1, 2],
            "1 is gone (e.g. b), 1 is replaced (e.g. b)",
        ),
        (BEFORE | {"d": 4}, [0, 1, 2, -1], "1 is new (e.g. d)"),
        # A copy is new, the original stays what it is.
        (BEFORE | {"a2": 1}, [0, 1, 2, -1], "1 is new (e.g. a2)"),
    ],
)
def test_what_becomes_of_a_folder(now, rows, text):
    found = match(BEFORE, now)
    assert found.rows.tolist() == rows
    assert found.describe(list(BEFORE), list(now)) == text
    assert found.is_whole == (not text)


def test_without_contents_names_decide():
    found = identity.match(["a", "b"], None, ["b", "c"], digests(1, 2))
    assert found.rows.tolist() == [1, -1]
    assert found.gone.tolist() == [0] and not found.renamed.any()


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(
    strategies.dictionaries(
        strategies.integers(0, 30), strategies.integers(0, 9)
    ),
    strategies.dictionaries(
        strategies.integers(0, 30), strategies.integers(0, 9)
    ),
)
def test_nobody_gets_what_was_anothers(before, now):
    found = match(
        {str(key): value for key, value in before.items()},
        {str(key): value for key, value in now.items()},
    )
    contents = list(before.values())
    known = found.rows[found.rows >= 0]
    assert len(set(known.tolist())) == len(known)
    for (key, value), row in zip(now.items(), found.rows):
        if row >= 0:
            assert contents[row] == value
        if before.get(key) == value:
            assert row == list(before).index(key)
    assert len(known) + len(found.gone) == len(before)


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(
    strategies.lists(
        strategies.binary(min_size=1).filter(lambda name: b"\0" not in name),
        min_size=1,
    )
)
def test_names_of_files_survive(names):
    keys = tuple(map(os.fsdecode, names))
    assert identity.from_array(identity.to_array(keys)) == keys


def test_other_arrays_are_refused():
    with pytest.raises(ValueError, match="array of bytes"):
        identity.from_array(np.zeros(3))
