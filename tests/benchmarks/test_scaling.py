import json

import pytest

import slow_cases
from tfnoisy.benchmarks import scaling as scaling_suite
from tfnoisy.benchmarks import step_passes


def test_what_is_made_of_the_times():
    # Seconds and processor seconds of a step of one batch, or of two.
    times = {
        "1_device": (0.5, 0.4),
        "2_devices": (0.625, 1.0),
        "1_worker": (0.5, 0.5),
        "2_workers": (1.0, 0.8),
    }
    asked = []

    def measure(name, method, described, repeats):
        asked.append((method, described.batch_size, repeats))
        return times[name]

    rows = {
        row["setting"]: row
        for row in scaling_suite.scaling_suite(
            "l2r", "small_cnn", 10, 7, measure=measure
        )
    }
    assert asked == [("l2r", 10, 7)] * 4
    assert [row["replicas"] for row in rows.values()] == [1, 2, 1, 2]
    speeds = [row["images_per_second"] for row in rows.values()]
    assert speeds == [20.0, 32.0, 20.0, 20.0]
    efficiencies = [row["efficiency"] for row in rows.values()]
    assert efficiencies == [1.0, 0.8, 1.0, 0.5]
    overheads = [row["cpu_overhead"] for row in rows.values()]
    assert overheads == pytest.approx([0.0, 0.25, 0.25, 0.0])


@pytest.mark.parametrize(
    "name", slow_cases.but(["2_devices"], ["2_devices", "2_workers"])
)
def test_two_replicas_of_either_kind(name):
    described = step_passes.Setting("small_cnn", 4, (8, 8, 1))
    seconds, cpu_seconds = scaling_suite.measured(
        name, "mentornet", described, 2
    )
    assert 0 < seconds < 100 and 0 < cpu_seconds < 100


def test_a_process_that_fails_is_told(monkeypatch):
    monkeypatch.setattr(json, "dumps", lambda _: "no json")
    with pytest.raises(RuntimeError, match="1_device failed"):
        scaling_suite.measured(
            "1_device", "mentornet", step_passes.Setting("small_cnn", 4), 1
        )
