import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.datasets import load, long_tail


def test_sizes_fall_by_one_factor_from_class_to_class():
    assert long_tail.sizes(5000, 0.02, 10) == [
        *(5000, 3237, 2096, 1357, 878, 568, 368, 238, 154, 100)
    ]
    assert long_tail.sizes(100, 1.0, 3) == [100, 100, 100]
    assert long_tail.sizes(10, 0.001, 2) == [10, 1]


def test_each_class_keeps_its_first_images():
    data = load.load("digits", "train[:600]")
    kept = long_tail.of(data, 0.1)
    largest = np.bincount(data.given_labels).max()
    counts = np.bincount(kept.given_labels)
    wanted = long_tail.sizes(largest, 0.1, 10)
    # A class may have had fewer before.
    assert np.all(counts <= wanted)
    assert counts[9] == wanted[9]
    nines = data.ids[data.given_labels == 9]
    assert kept.ids[kept.given_labels == 9].tolist() == (
        nines[: counts[9]].tolist()
    )


def test_a_share_out_of_range_is_refused():
    data = load.load("digits", "train[:100]")
    with pytest.raises(errors.UserError, match="--imbalance=1.5"):
        long_tail.of(data, 1.5)
