import json

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.benchmarks import serving as serving_suite
from tfnoisy.serving.loader import c_loader


def test_an_untrained_network_is_timed_beside_keras():
    rows = serving_suite.serving_suite(
        studentnet="small_cnn",
        repeats=5,
        image_shape=(8, 8, 1),
        batch_sizes=(1, 8),
    )
    assert [(row["through"], row["batch_size"]) for row in rows] == [
        ("c_loader", 1),
        ("c_loader", 8),
        ("grpc", 1),
        ("grpc", 8),
        ("rest", 1),
        ("rest", 8),
        ("keras", 8),
    ]
    for row in rows:
        assert 0 < row["median_ms"] <= row["p99_ms"]
        assert row["repeats"] == 5
        assert row["images_per_second"] == pytest.approx(
            1e3 * row["batch_size"] / row["median_ms"], rel=0.05
        )
        assert json.dumps(row)
    # A tiny network on a busy machine: bounds that only a mistake breaks.
    assert -0.95 < rows[-1]["loader_overhead"] < 20


def test_an_exported_model_is_timed(exported):
    rows = serving_suite.serving_suite(
        exported.path.parent, repeats=2, batch_sizes=(1, 3)
    )
    ways = ["c_loader", "grpc", "rest"]
    assert [(row["through"], row["batch_size"]) for row in rows] == [
        (way, size) for way in ways for size in (1, 3)
    ]


def test_the_numbers_are_those_of_the_times():
    seconds = np.arange(1, 102) / 1000
    times = {
        ("grpc", 64): [0.5] * 101,
        ("c_loader", 64): list(seconds),
        ("keras", 64): [0.02] * 101,
        ("c_loader alone", 64): [0.021] * 101,
    }
    cpu = {**times, ("c_loader alone", 64): [0.03] * 101}
    first, _, last = serving_suite._rows(times, cpu, 64)
    assert first == {
        "through": "c_loader",
        "batch_size": 64,
        "repeats": 101,
        "median_ms": 51.0,
        "p99_ms": 100.0,
        "images_per_second": round(64 / 0.051, 1),
    }
    assert last["through"] == "keras" and last["loader_overhead"] == 0.05
    assert last["loader_cpu_overhead"] == 0.5


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(errors.UserError, match="is no exported model"):
        serving_suite.serving_suite(tmp_path)


def test_an_untrained_network_has_all_signatures(tmp_path):
    for number in (1, 2):
        classifier = serving_suite.export_untrained(
            tmp_path / "m", "small_cnn", (8, 8, 1)
        )
        with c_loader.Session(tmp_path / "m" / str(number)) as session:
            assert set(session.signatures) == set(classifier.signatures())
