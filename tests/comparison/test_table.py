import csv
import io

import pytest

from tfnoisy.comparison import outcomes as outcome_lib
from tfnoisy.comparison import plan
from tfnoisy.comparison import protocol as protocol_lib
from tfnoisy.comparison import table as table_lib


def outcome(method, seed, accuracy=None, status=outcome_lib.FINISHED, **more):
    if accuracy is None:
        return outcome_lib.Outcome(method, seed, status, run="a,b")
    numbers = {
        "best_test_accuracy": accuracy + 0.01,
        "wrong_labels_fitted": 0.25,
        "noise_rate": 0.3,
        "train_images": 1437,
        "trusted_images": 0,
        "batch_size": 128,
        "steps": 1011,
        "seconds": 20.0,
        "processor_seconds": 33.0,
        "run": "a,b",
        **more,
    }
    return outcome_lib.Outcome(method, seed, status, accuracy, **numbers)


OUTCOMES = [
    outcome("baseline", 0, 0.7),
    outcome("ieg", 0, 0.98, trusted_images=100, seconds=90.0),
    outcome(
        "dividemix",
        0,
        0.9,
        wrong_labels_fitted=None,
        steps=3000,
        processor_seconds=None,
    ),
    outcome("bkd", 0, status=outcome_lib.MISSING),
    outcome("baseline", 1, 0.8, noise_rate=0.4, processor_seconds=None),
    outcome("ieg", 1, status=outcome_lib.FAILED),
    outcome(
        "dividemix",
        1,
        0.9,
        wrong_labels_fitted=None,
        steps=3100,
        processor_seconds=None,
    ),
    outcome("bkd", 1, status=outcome_lib.MISSING),
]


@pytest.fixture
def page(tmp_path):
    protocol = protocol_lib.make_protocol(
        "digits", "symmetric:0.4", 90, ["--augment='a b'"]
    )
    methods = ["baseline", "ieg", "dividemix", "bkd"]
    runs = plan.make_runs(protocol, methods, [0, 1], tmp_path / "out")
    return table_lib.to_markdown(protocol, runs, OUTCOMES)


def cells_of(page):
    """{method: {column: cell}} of the table, each cell as it is aligned."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    # Aligned, so that it can be read as it is.
    assert len({len(line) for line in lines}) == 1
    head, rule, *rows = [line[2:-2].split(" | ") for line in lines]
    assert all(set(cell) == {"-"} for cell in rule)
    names = [cell.strip() for cell in head]
    return {
        row[0].strip(): dict(zip(names, (cell.strip() for cell in row)))
        for row in rows
    }


def test_the_table_of_methods(page):
    rows = cells_of(page)
    assert rows["baseline"] == {
        "method": "baseline",
        "test accuracy": "0.750 ± 0.071",
        "lowest": "0.700",
        "highest": "0.800",
        "best on test": "0.760",
        "wrong labels fitted": "0.250",
        "seeds": "2",
        "steps": "1011 of 128",
        "seconds": "20",
        # Of the run that knows it.
        "processor minutes": "0.55",
    }
    ieg = rows["ieg (100 trusted images)"]
    assert ieg["test accuracy"] == "0.980"
    assert ieg["seeds"] == "1 of 2: 1 failed"
    assert rows["dividemix"]["wrong labels fitted"] == "-"
    assert rows["dividemix"]["processor minutes"] == "-"
    assert rows["dividemix"]["steps"] == "3050 of 128"
    assert rows["dividemix"]["test accuracy"] == "0.900 ± 0.000"
    bkd = list(rows["bkd"].values())
    assert bkd == ["bkd", "missing", *["-"] * 8]


def test_the_page_states_the_budget_and_the_commands(page, tmp_path):
    assert page.startswith("# digits, symmetric:0.4, 90 epochs\n")
    assert "every method makes 90 passes" in page
    assert "dividemix and of bkd make as many each" in page
    assert "32.0 % of the given labels are wrong" in page
    commands = [line for line in page.splitlines() if line[:8] == "    bin/"]
    assert len(commands) == 4
    assert "bin/cifar_train_ieg.py" in commands[1]
    assert "'--augment=a b'" in commands[1]
    assert commands[1].endswith(f"--train_log_dir={tmp_path}/out/ieg-0")


def test_what_is_not_there_is_not_explained(tmp_path):
    protocol = protocol_lib.make_protocol("digits", "human:worse", 1)
    runs = plan.make_runs(protocol, ["mixup"], [3], tmp_path)
    waiting = [outcome("mixup", 3, status=outcome_lib.WAITING)]
    page = table_lib.to_markdown(protocol, runs, waiting)
    assert "| not yet" in page and "1 epoch\n" in page and "seed 3:" in page
    assert "dividemix" not in page and "labels are wrong" not in page


def test_the_csv_has_a_line_for_each_run():
    rows = list(csv.DictReader(io.StringIO(table_lib.to_csv(OUTCOMES))))
    assert [row["method"] for row in rows] == [one.method for one in OUTCOMES]
    assert rows[1] == {
        "method": "ieg",
        "seed": "0",
        "status": "finished",
        "test_accuracy": "0.98",
        "best_test_accuracy": "0.99",
        "wrong_labels_fitted": "0.25",
        "noise_rate": "0.3",
        "train_images": "1437",
        "trusted_images": "100",
        "batch_size": "128",
        "steps": "1011",
        "seconds": "90.0",
        "processor_seconds": "33.0",
        "run": "a,b",
    }
    assert rows[5]["status"] == "failed"
    assert rows[5]["test_accuracy"] == rows[5]["steps"] == ""
