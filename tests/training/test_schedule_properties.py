"""What holds for learning rates, whatever the numbers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tfnoisy.training import restart_schedules, schedules

_RATES = st.floats(1e-6, 10)
_STEPS = st.integers(1, 50_000)


def values(schedule, steps):
    return np.array([float(schedule(step)) for step in steps])


@settings(max_examples=25, deadline=None)
@given(_RATES, _STEPS, st.floats(1, 3), st.floats(0.1, 1))
def test_cosine_with_restarts(rate, first, t_mul, m_mul):
    schedule = restart_schedules.cosine(rate, first, t_mul, m_mul)
    steps = [0, first // 2, first - 1, first, first + 1, 3 * first, 10**6]
    found = values(schedule, steps)
    assert np.all(np.isfinite(found)) and np.all(found >= -1e-6 * rate)
    assert found.max() <= rate * (1 + 1e-5)
    assert np.isclose(found[0], rate, rtol=1e-5)
    ends = restart_schedules.cycle_ends(first, 20 * first, t_mul)
    assert list(ends) == sorted(set(ends)) and ends[0] == first


@settings(max_examples=25, deadline=None)
@given(_RATES, _STEPS)
def test_one_cosine_falls_to_nothing(rate, num_steps):
    schedule = restart_schedules.cosine_one(rate, num_steps)
    steps = np.linspace(0, num_steps, 9).astype(int)
    found = values(schedule, steps)
    assert np.all(np.diff(found) <= 1e-6 * rate)
    assert np.isclose(found[0], rate, rtol=1e-5)
    assert abs(found[-1]) <= 1e-5 * rate


@settings(max_examples=25, deadline=None)
@given(
    _RATES,
    st.lists(_STEPS, min_size=1, max_size=4, unique=True),
    st.floats(0.01, 1),
)
def test_drops_only_fall(rate, drops, factor):
    schedule = restart_schedules.custom_step(rate, sorted(drops), factor)
    around = sorted({0, *drops, *(step + 1 for step in drops), 10**6})
    found = values(schedule, around)
    assert np.all(np.diff(found) <= 1e-6 * rate)
    assert np.isclose(found[-1], rate * factor ** len(drops), rtol=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4, unique=True),
    st.integers(1, 10**6),
)
def test_points_of_drops_are_in_the_training(fractions, length):
    points = schedules.drop_points(sorted(fractions), length)
    assert len(points) == len(fractions)
    assert all(0 <= point <= length for point in points)
    assert list(points) == sorted(points)
