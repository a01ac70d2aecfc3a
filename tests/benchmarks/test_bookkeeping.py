import pytest

from tfnoisy.benchmarks import bookkeeping as bookkeeping_suite


@pytest.mark.parametrize("part", bookkeeping_suite.PARTS)
def test_a_part_times_what_it_says(part):
    data = bookkeeping_suite._pixels(2000)
    found = bookkeeping_suite.PARTS[part](data)
    assert found and all(value >= 0 for value in found.values())
    if part == "divide":
        # float32: two networks, of each a probability and five losses; and
        # the networks themselves.
        remembered = 2 * 6 * 4 * 2000 / 2**20
        assert remembered < found["checkpoint_mib"] < remembered + 1


@pytest.mark.slow
def test_each_is_measured_by_itself():
    [row] = bookkeeping_suite.bookkeeping_suite(100_000, ["paths"])
    assert row["part"] == "paths" and row["examples"] == 100_000
    # 60 characters, at least as many bytes, twice.
    assert row["peak_mib"] > 2 * 60 * 100_000 / 2**20
