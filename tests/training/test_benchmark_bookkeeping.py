import pytest

from tfnoisy.training import benchmark_bookkeeping


def test_every_part_is_measured():
    rows = list(
        benchmark_bookkeeping.bookkeeping_suite(
            5000, ["divide", "tipping_curve", "paths"]
        )
    )
    assert [row["part"] for row in rows] == ["divide", "tipping_curve", "paths"]
    for row in rows:
        assert row["examples"] == 5000 and row["peak_mib"] >= 0
    assert rows[0]["seconds_per_epoch"] > 0
    # float32: 2 networks, of each a probability and five losses.
    assert rows[0]["checkpoint_mib"] == pytest.approx(
        2 * 6 * 4 * 5000 / 2**20, rel=0.5
    )


@pytest.mark.parametrize("part", benchmark_bookkeeping.PARTS)
def test_a_part_times_what_it_says(part):
    data = benchmark_bookkeeping._pixels(2000)
    found = benchmark_bookkeeping.PARTS[part](data)
    assert found and all(value >= 0 for value in found.values())
