import time

import pytest

from tfnoisy.benchmarks import timing


def test_functions_take_turns_and_the_first_calls_do_not_count():
    called = []
    runs = {name: lambda name=name: called.append(name) for name in "ab"}
    wall, cpu = timing.interleaved(runs, repeats=3, warm_up=2)
    assert called == ["a", "b"] * 5
    for times in (wall, cpu):
        assert {name: len(seconds) for name, seconds in times.items()} == {
            "a": 3,
            "b": 3,
        }


def test_the_clock_runs_on_while_the_processor_rests():
    wall, cpu = timing.interleaved({"rest": lambda: time.sleep(0.05)}, 1, 0)
    assert wall["rest"][0] >= 0.05
    assert cpu["rest"][0] < 0.04


def test_the_processor_works():
    def work():
        started = time.process_time()
        while time.process_time() - started < 0.02:
            pass

    wall, cpu = timing.interleaved({"work": work}, 1, 0)
    assert cpu["work"][0] == pytest.approx(0.02, abs=0.01)
    assert wall["work"][0] >= cpu["work"][0] * 0.99
