import json

import pytest


@pytest.fixture
def run(run_script):
    def succeed(*flags):
        done = run_script("benchmark.py", *flags)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return succeed


def test_a_line_for_each_method(run):
    rows = run(
        "--suite=step",
        "--method=mentormix",
        "--method=mentornet",
        "--studentnet=small_cnn",
        "--batch_size=2",
        "--repeats=2",
    )
    assert [row["method"] for row in rows] == ["mentormix", "mentornet"]
    assert all(row["ratio"] > 0 for row in rows)


@pytest.mark.slow
def test_the_passes_of_a_look_ahead_and_its_two_modes(run):
    (row,) = run(
        "--method=l2r",
        "--studentnet=small_cnn",
        "--batch_size=4",
        "--repeats=1",
    )
    assert row["method"] == "l2r" and row["batch_size"] == 4
    assert row["ratio"] > 0 and row["reverse_seconds_ratio"] > 0
    assert row["peak_mib"] >= 0 and row["reverse_peak_mib"] >= 0


@pytest.mark.slow
def test_the_methods_of_two_networks(run):
    rows = run(
        "--method=dividemix",
        "--method=bkd",
        "--studentnet=small_cnn",
        "--batch_size=4",
        "--repeats=1",
    )
    assert [row["method"] for row in rows] == ["dividemix", "bkd"]
    assert all(row["ratio"] > 0 for row in rows)
    assert rows[0]["evaluation_seconds"] > 0
    assert rows[0]["mixed_update_seconds"] > 0


@pytest.mark.slow
def test_what_is_served(run):
    rows = run("--suite=serving", "--studentnet=small_cnn", "--repeats=2")
    assert {row["suite"] for row in rows} == {"serving"}
    assert [(row["through"], row["batch_size"]) for row in rows] == [
        (through, size)
        for through in ("c_loader", "grpc", "rest")
        for size in (1, 8, 64)
    ] + [("keras", 64)]
    assert rows[-1]["loader_overhead"] > -1
