import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import noise_rate


def drawn(seed, count=2000):
    """Wrongness that is too sure of itself, and what is truly wrong."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(0.15, 0.6, count)
    wrong = rng.random(count) < chance
    return (chance**1.5).clip(0, 1), wrong


def test_intervals_hold_the_truth_and_are_narrow():
    held, widths, plain = [], [], []
    for seed in range(60):
        wrongness, wrong = drawn(seed)
        checks = noise_rate.choose_checks(wrongness, 100, seed)
        found = noise_rate.estimate_noise_rate(
            wrongness, checks, wrong[checks.rows].tolist()
        )
        low, high = found.interval
        held.append(low <= wrong.mean() <= high)
        widths.append(found.width)
        rate = wrong.mean()
        plain.append(2 * 1.96 * np.sqrt(rate * (1 - rate) / 100))
    assert np.mean(held) >= 0.9
    assert np.mean(widths) < 0.7 * np.mean(plain)


def test_all_labels_checked_leave_nothing_open():
    wrongness, wrong = drawn(0, 50)
    checks = noise_rate.choose_checks(wrongness, 50)
    assert sorted(checks.rows) == list(range(50))
    found = noise_rate.estimate_noise_rate(
        wrongness, checks, wrong[checks.rows].tolist()
    )
    assert found.rate == pytest.approx(wrong.mean())
    assert found.width == pytest.approx(0)
    np.testing.assert_array_equal(found.is_label_issue, wrong)


def test_unanswered_checks_are_left_out():
    wrongness, wrong = drawn(1)
    checks = noise_rate.choose_checks(wrongness, 100)
    answers = wrong[checks.rows].tolist()
    answers[::2] = [None] * len(answers[::2])
    found = noise_rate.estimate_noise_rate(wrongness, checks, answers)
    assert found.checked == len(checks) // 2
    with pytest.raises(errors.UserError, match="0 of 100"):
        noise_rate.estimate_noise_rate(wrongness, checks, [None] * 100)


def test_class_rates_hold_the_truth():
    wrongness, wrong = drawn(2)
    given = np.arange(2000) % 4
    rows = noise_rate.choose_checks(wrongness, 100).rows
    found = noise_rate.class_rates(wrongness, given, 5, rows, wrong[rows])
    assert found[4] is None
    for rate in found[:4]:
        low, high = rate.interval
        assert low <= wrong[given == rate.label].mean() <= high
