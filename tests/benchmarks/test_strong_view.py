import numpy as np

from tfnoisy.augment import pillow_view, policies
from tfnoisy.benchmarks import strong_view as strong_view_suite
from tfnoisy.datasets import load

# That `pillow_view` is the same as ours is in test_strong.py.


def images():
    digits = load.load("digits", "train", image_size=32).images[:96]
    return np.repeat(digits, 3, axis=-1)


def test_pillow_choices():
    policy = policies.get("autoaugment_svhn")
    draws = np.full([2, 14], 0.5, np.float32)
    draws[:, 0] = 0.01  # The first sub-policy: ShearX 0.9 4, Invert 0.2 3.
    draws[0, 1:3] = 0.89, 0.4
    draws[1, 5] = 0.1
    draws[1, -5:] = 0.99, 0.0, 0.49, 0.0, 0.99
    first, second = pillow_view.pillow_choices(policy, draws)
    shear = policy.magnitudes[policies.OP["ShearX"], 4]
    assert first == ([("ShearX", -shear, (16, 16))], (4, 4, False, 16, 16))
    assert [name for name, _, _ in second[0]] == ["ShearX", "Invert"]
    assert second[0][0][1] == shear
    assert second[1] == (7, 0, True, 0, 31)
    unmirrored = pillow_view.pillow_choices(policy, draws, mirror=False)
    assert unmirrored[1][1] == (7, 0, False, 0, 31)


def test_pillow_view_without_alpha_is_black_outside():
    image = np.full([32, 32, 3], 255, np.uint8)
    moved = [("TranslateX", 9.0, (0, 0))]
    at_end = (4, 4, False, 0, 0)
    grey, black = (
        pillow_view.pillow_view(image, moved, at_end, alpha)
        for alpha in (True, False)
    )
    assert (grey[8:, 23:] == 0).all() and (black[8:, 23:] == -1).all()
    assert (grey[8:, :23] == 1).all() and (black[8:, :23] == 1).all()
    assert (grey[:8, :8] == 0).all() and (black[:8, :8] == 0).all()


def test_measure():
    measured = strong_view_suite.measure(
        images(), batch_size=32, num_batches=2, rounds=1, jit=False
    )
    ours, pillows = (
        measured[f"{name}images_per_second_per_core"]
        for name in ("", "pillow_")
    )
    assert ours > 0 and pillows > 0
    assert abs(measured["ratio"] - ours / pillows) < 0.02
