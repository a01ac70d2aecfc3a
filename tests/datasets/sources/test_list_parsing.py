import pathlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import odd_bytes
from tfnoisy import errors
from tfnoisy.datasets.sources import list_parsing

ROOT = pathlib.Path("images")
_PATHS = st.text(
    st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=20
)


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """Returns the list of a file with these bytes, and its problems."""
    path = tmp_path_factory.mktemp("lists") / "train.txt"

    def read(contents):
        path.write_bytes(contents)
        problems = []
        return list_parsing.read_labels(path, ROOT, problems), problems

    return read


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.tuples(_PATHS, st.integers(0, 999)), max_size=8))
def test_a_list_is_read_as_it_was_written(read, rows):
    text = "".join(f"{path} {label}\n\n" for path, label in rows)
    found, problems = read(text.encode())
    assert not problems
    assert list(found.paths) == [path for path, _ in rows]
    assert found.labels.tolist() == [label for _, label in rows]


@settings(max_examples=150, deadline=None)
@given(
    contents=st.one_of(
        odd_bytes.anything(b"a/1.jpg 3\nb/2.jpg 14\n"),
        st.text().map(lambda text: text.encode("utf-8", "surrogatepass")),
    )
)
@example(b"a.jpg " + b"9" * 30)
@example(b"a.jpg " + b"9" * 5000)
@example("a.jpg \u0661".encode())
@example("a.jpg \u00b2".encode())
def test_whatever_the_bytes_are_each_line_is_read_or_named(read, contents):
    try:
        found, problems = read(contents)
    except errors.UserError as error:
        assert "train.txt cannot be read" in str(error)
        return
    lines = [x for x in contents.decode("utf-8-sig").split("\n") if x.strip()]
    assert len(found) + len(problems) >= len(lines)
    assert found.labels.dtype == np.int64 and np.all(found.labels >= 0)
    assert all("train.txt:" in problem for problem in problems)
