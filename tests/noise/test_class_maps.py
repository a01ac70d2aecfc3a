import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.noise import class_maps

CIFAR10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def test_cifar10_map():
    flips = class_maps.asymmetric(CIFAR10)
    # IEG and DivideMix: 9->1, 2->0, 4->7, 3<->5, the others stay.
    assert flips.tolist() == [0, 1, 0, 5, 7, 3, 6, 7, 8, 1]


def test_cifar10_map_goes_by_name_not_by_position():
    names = sorted(CIFAR10, reverse=True)
    flips = class_maps.asymmetric(names)
    assert names[flips[names.index("deer")]] == "horse"
    assert names[flips[names.index("frog")]] == "frog"


def test_cifar100_map_is_a_cycle_of_five_within_each_superclass():
    groups = [t.split() for t in class_maps.CIFAR100_SUPERCLASSES.values()]
    names = sorted(name for group in groups for name in group)
    assert len(groups) == 20 and len(set(names)) == 100
    assert all(group == sorted(group) for group in groups)
    flips = class_maps.asymmetric(names)
    assert names[flips[names.index("beaver")]] == "dolphin"
    assert names[flips[names.index("whale")]] == "beaver"
    assert names[flips[names.index("woman")]] == "baby"
    # The published numbers: beaver 4, dolphin 30, ... whale 95.
    assert flips[[4, 30, 55, 72, 95]].tolist() == [30, 55, 72, 95, 4]
    power = np.arange(100)
    for turn in range(1, 6):
        power = flips[power]
        assert np.array_equal(power, np.arange(100)) == (turn == 5)


def test_other_data_get_the_ring():
    assert class_maps.asymmetric(("a", "b", "c")).tolist() == [1, 2, 0]
    assert class_maps.ring(4).tolist() == [1, 2, 3, 0]


def test_cifar10_only_refuses_other_classes():
    with pytest.raises(errors.UserError, match="for CIFAR-10 only"):
        class_maps.cifar10_only(("a", "b"), "dividemix_asym:0.4")
    assert class_maps.cifar10_only(CIFAR10, "")[9] == 1
