"""Files that are nearly right, for property tests: bytes changed or cut."""

from hypothesis import strategies as st


@st.composite
def damaged(draw, contents):
    """Returns the bytes of a file with up to four changed, and then cut.

    Args:
        draw: hypothesis's.
        contents: the bytes of a good file.
    """
    contents = bytearray(contents)
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(contents) - 1))
        contents[place] = draw(st.integers(0, 255))
    return bytes(contents[: draw(st.integers(0, len(contents)))])


def anything(contents):
    """Returns a strategy of damaged files and of any bytes."""
    return st.one_of(damaged(contents), st.binary(max_size=200))
