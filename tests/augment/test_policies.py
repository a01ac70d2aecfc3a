import collections
import re

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.augment import policies

NAMES = (
    "autoaugment_cifar10",
    "autoaugment_svhn",
    "autoaugment_imagenet",
    "autoaugment_ieg",
)


def sub_policies(name):
    """Returns all sub-policies of a policy, through its `choose`."""
    policy = policies.get(name)
    count = 95 if name == "autoaugment_ieg" else 25
    draws = (np.arange(count, dtype=np.float32)[:, None] + 0.5) / count
    ops, probabilities, levels = (x.numpy() for x in policy.choose(draws))
    return [
        tuple(
            (policies.OPS[o], round(float(p), 3), int(m))
            for o, p, m in zip(*row)
        )
        for row in zip(ops, probabilities, levels)
    ]


def test_sizes():
    for name in NAMES[:3]:
        assert len(set(sub_policies(name))) == 25
    # IEG's list holds one sub-policy twice.
    counts = collections.Counter(sub_policies("autoaugment_ieg"))
    assert sum(counts.values()) == 95


def test_ieg_rows():
    ieg = sub_policies("autoaugment_ieg")
    for row, expected in {
        1: (("Invert", 0.1, 7), ("Contrast", 0.2, 6)),
        10: (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, 1)),
        21: (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
        62: (("Cutout", 0.2, 4), ("Equalize", 0.1, 1)),
        65: (("ShearY", 0.4, 2), ("Rotate", 0.7, 0)),
        76: (("Solarize", 0.2, 3), ("ShearX", 0.0, 0)),
        95: (("Equalize", 0.6, 9), ("Equalize", 0.4, 4)),
    }.items():
        assert ieg[row - 1] == expected


def test_ieg_holds_twenty_of_the_papers():
    paper = sub_policies("autoaugment_cifar10")
    ieg = sub_policies("autoaugment_ieg")
    missing = [k for k, sub in enumerate(paper) if sub not in ieg]
    assert missing == [15, 16, 17, 18, 19]
    # In both lists' published orders.
    assert ieg[:5] == paper[:5]
    assert ieg[5:10] == paper[20:]
    assert ieg[20:25] == paper[5:10]
    assert ieg[55:60] == paper[10:15]


def test_imagenet_v0():
    v0 = sub_policies("autoaugment_imagenet")
    assert v0[0] == (("Equalize", 0.8, 1), ("ShearY", 0.8, 4))
    assert v0[6] == (("Equalize", 0.4, 8), ("SolarizeAdd", 0.8, 3))
    assert v0[22] == (("Posterize", 0.8, 2), ("Solarize", 0.6, 10))
    used = {op for sub in v0 for op, _, _ in sub}
    assert "Contrast" not in used and "SolarizeAdd" in used


def test_svhn_is_geometric_and_inverted():
    used = collections.Counter(
        op for sub in sub_policies("autoaugment_svhn") for op, _, _ in sub
    )
    assert used["Invert"] == 12
    assert used["ShearX"] + used["ShearY"] == 14
    assert used["Sharpness"] == used["Color"] == used["Brightness"] == 0


def magnitude(name, op, level, **kwargs):
    return policies.get(name, **kwargs).magnitudes[policies.OP[op], level]


def test_magnitudes_of_cifar():
    for op, level, expected in (
        ("Rotate", 7, 21),
        ("ShearX", 9, 0.27),
        ("TranslateY", 9, 9),
        ("Posterize", 7, 2),
        ("Posterize", 2, 4),
        ("Solarize", 5, 128),
        ("Solarize", 3, 256 - 76),
        ("Solarize", 0, 256),
        ("Color", 5, 1.0),
        ("Sharpness", 0, 0.1),
        ("Cutout", 4, 8),
    ):
        found = magnitude("autoaugment_ieg", op, level)
        assert found == pytest.approx(expected), op


def test_magnitudes_of_imagenet():
    for op, level, expected in (
        ("Rotate", 9, 27),
        ("TranslateY", 9, 225),
        ("Posterize", 6, 2),
        ("Solarize", 4, 102),
        ("Solarize", 10, 256),
        ("SolarizeAdd", 7, 77),
        ("Color", 9, 1.72),
    ):
        found = magnitude("autoaugment_imagenet", op, level, image_height=224)
        assert found == pytest.approx(expected), op


def test_pixels_scale_with_the_height():
    name = "autoaugment_ieg"
    assert magnitude(name, "TranslateX", 9, image_height=8) == 2
    assert magnitude(name, "Cutout", 4, image_height=64) == 16
    assert magnitude(name, "Rotate", 9, image_height=8) == 27


def test_sub_policies_are_drawn_uniformly():
    policy = policies.get("autoaugment_cifar10")
    draws = tf.random.stateless_uniform([50000, 1], [1, 2])
    ops, probabilities, levels = policy.choose(draws)
    rows = np.concatenate([ops, levels, probabilities * 10], axis=1)
    _, counts = np.unique(np.round(rows), axis=0, return_counts=True)
    assert len(counts) == 25
    assert counts.min() > 1800 and counts.max() < 2200


def test_randaugment():
    policy = policies.get("randaugment:3:5")
    assert (policy.num_ops, policy.num_draws) == (3, 3)
    draws = tf.random.stateless_uniform([14000, 3], [3, 4])
    ops, probabilities, levels = (x.numpy() for x in policy.choose(draws))
    assert (probabilities == 1).all() and (levels == 5).all()
    used, counts = np.unique(ops, return_counts=True)
    assert len(used) == 14 and counts.min() > 2700 and counts.max() < 3300
    names = {policies.OPS[k] for k in used}
    assert names.isdisjoint({"Invert", "Cutout", "SolarizeAdd"})
    # With replacement.
    assert np.mean(ops[:, 0] == ops[:, 1]) == pytest.approx(1 / 14, abs=0.01)


def test_randaugment_promix():
    policy = policies.get("randaugment_promix", 8, 6)
    assert (policy.num_ops, policy.num_draws) == (3, 6)
    draws = tf.random.stateless_uniform([14000, 6], [3, 4])
    ops, probabilities, levels = policy.choose(draws)
    assert (probabilities.numpy() == 1).all()
    found = policy.magnitude(ops, levels).numpy()
    for name, low, high in (
        ("Identity", 0, 0),
        ("Brightness", 0.05, 0.95),
        ("Posterize", 4, 8),
        ("Rotate", 0, 30),
        ("ShearY", 0, 0.3),
        ("Solarize", 0, 256),
        ("TranslateX", 0, 1.8),
        ("TranslateY", 0, 2.4),
    ):
        drawn = found[ops.numpy() == policies.OP[name]]
        assert 2700 < len(drawn) < 3300
        assert low <= drawn.min() <= low + (high - low) / 100 + 1e-9
        assert high - (high - low) / 100 - 1e-9 <= drawn.max() <= high
        assert drawn.mean() == pytest.approx((low + high) / 2, rel=0.05), name
    thresholds = found[ops.numpy() == policies.OP["Solarize"]]
    np.testing.assert_array_equal(thresholds, np.round(thresholds))


def test_randaugment_ieg_draws_once_per_batch():
    policy = policies.get("randaugment_ieg")
    seen = []
    for k in range(300):
        draws = tf.random.stateless_uniform([7, policy.num_draws], [k, 0])
        ops, probabilities, levels = (x.numpy() for x in policy.choose(draws))
        assert (ops == ops[0]).all() and (levels == levels[0]).all()
        assert ops.shape == (7, 2) and (probabilities == 0.5).all()
        seen.append((ops[0], levels[0]))
    ops, levels = zip(*seen)
    assert len(np.unique(ops)) == 14
    assert list(np.unique(levels)) == list(range(1, 10))


@pytest.mark.parametrize(
    "name",
    ["autoaugment", "randaugment", "randaugment:2", "randaugment:0:9"]
    + ["randaugment:2:11", "randaugment:a:b", "randaugment:2:9:1", ""],
)
def test_unknown(name):
    with pytest.raises(errors.UserError, match=re.escape(repr(name))) as error:
        policies.get(name)
    assert "randaugment:N:M" in str(error.value)
