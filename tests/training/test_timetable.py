import pytest

from tfnoisy.training import timetable


def due(plan, stage_ended=False):
    return [step for step in range(1, 13) if plan.is_due(step, stage_ended)]


def test_what_is_due():
    assert due(timetable.Timetable(12, 5, [7], 1)) == [5, 7, 10, 12]
    # An interval takes the place of the stages' ends.
    assert due(timetable.Timetable(12, 5, [], 1), True) == [5, 10, 12]
    assert due(timetable.Timetable(12, 0, [7], 1)) == [7, 12]
    assert due(timetable.Timetable(12, 0, [], 1), True) == [*range(1, 13)]


@pytest.mark.parametrize("most", [1, 3, 100])
def test_calls_end_where_something_is_due(most):
    plan = timetable.Timetable(12, 5, [7], most)
    step, ends = 0, []
    while step < 11:
        number = plan.next_call(step, 11)
        assert 1 <= number <= most
        step += number
        ends.append(step)
    assert {5, 7, 10, 11} <= {*ends}
    assert len(ends) == {1: 11, 3: 5, 100: 4}[most]
