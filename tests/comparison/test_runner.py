"""With trainers that take no time; tests/bin/test_compare.py has real ones."""

import csv
import signal

import pytest

from tfnoisy import errors
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.comparison import outcomes as outcome_lib
from tfnoisy.comparison import plan
from tfnoisy.comparison import protocol as protocol_lib
from tfnoisy.comparison import runner as runner_lib

# --momentum says how the training ends: by exit code, or a signal if negative.
TRAINER = """
import json, os, pathlib, sys

flags = dict(word[2:].split("=", 1) for word in sys.argv[1:])
folder = pathlib.Path(flags["train_log_dir"])
with open(os.environ["CALLS"], "a") as file:
    file.write(folder.name + " ")
end = int(flags.get("momentum", 0))
if end < 0:
    os.kill(os.getpid(), -end)
if end:
    print("train.py: it ends with", end, file=sys.stderr)
    sys.exit(end)
folder.mkdir(exist_ok=True)
lines = [f"--{name}={value}" for name, value in flags.items()]
(folder / "flags.flags").write_text("\\n".join(lines))
(folder / "results.json").write_text(json.dumps({
    "steps": 40,
    "batch_size": 32,
    "train_examples": 1437,
    "probe_examples": 0,
    "noise": {"measured_rate": 0.36},
    "test": {"accuracy": 0.5 + int(flags["seed"]) / 10},
    "best_test_accuracy": 0.9,
    "train": {"wrong_labels_fitted": 0.2},
    "wall_seconds": 12.5,
}))
"""


@pytest.fixture
def compare(tmp_path, monkeypatch):
    """Returns a function that runs a comparison.

    Of method_flags and the methods; bkd has no trainer.  It returns its
    `Runner` and the names of the runs that were trained.
    """
    scripts = tmp_path / "bin"
    scripts.mkdir()
    for method in catalogue.METHODS:
        if "bkd" not in method.script:
            (scripts / method.script).write_text(TRAINER)

    def run(*method_flags, methods=("baseline", "ieg"), seeds=2):
        calls = tmp_path / "calls"
        calls.write_text("")
        monkeypatch.setenv("CALLS", str(calls))
        protocol = protocol_lib.make_protocol(
            "digits", "none", 1, method_flags=method_flags
        )
        output = tmp_path / "out"
        runs = plan.make_runs(protocol, methods, range(seeds), output)
        runner = runner_lib.Runner(protocol, runs, output, scripts)
        try:
            runner.run()
        finally:
            runner.trained = calls.read_text().split()
        return runner

    return run


def rows(tmp_path):
    with (tmp_path / "out" / "comparison.csv").open() as file:
        return list(csv.DictReader(file))


def test_all_runs_are_trained_and_written(compare, tmp_path, capsys):
    runner = compare()
    names = ["baseline-0", "ieg-0", "baseline-1", "ieg-1"]
    assert runner.trained == names
    assert runner.count(outcome_lib.FINISHED) == 4
    found = rows(tmp_path)
    assert [row["run"].rpartition("/")[2] for row in found] == names
    assert [row["test_accuracy"] for row in found] == ["0.5", "0.5", "0.6"] + [
        "0.6"
    ]
    out = tmp_path / "out"
    assert "0.550 ± 0.071" in (out / "comparison.md").read_text()
    assert (out / "comparison.png").read_bytes()[1:4] == b"PNG"
    said = capsys.readouterr().err.splitlines()
    assert said[1].startswith("[2/4] ieg seed 0 ... test accuracy 0.5000, ")
    assert said[1].endswith("; about 1 min to go")
    assert said[3].endswith(" s")


def test_the_same_command_trains_nothing_anew(compare, tmp_path, capsys):
    compare(methods=["baseline"], seeds=1)
    files = [
        (tmp_path / "out" / f"comparison.{end}").read_bytes()
        for end in ("md", "csv", "png")
    ]
    capsys.readouterr()
    assert compare(methods=["baseline"], seeds=1).trained == []
    # The training's own time: that of the start is not known any more.
    assert (
        capsys.readouterr().err
    ) == "[1/1] baseline seed 0 ... test accuracy 0.5000, 12 s\n"
    assert files == [
        (tmp_path / "out" / f"comparison.{end}").read_bytes()
        for end in ("md", "csv", "png")
    ]
    # More of both join what there is.
    assert compare(methods=["baseline", "mixup"]).trained == [
        "mixup-0",
        "baseline-1",
        "mixup-1",
    ]


def test_a_failure_is_noted_and_the_others_go_on(compare, tmp_path, capsys):
    runner = compare("ieg:--momentum=1", methods=["ieg", "l2r"])
    assert runner.trained == ["ieg-0", "l2r-0", "ieg-1", "l2r-1"]
    assert runner.count(outcome_lib.FAILED) == 2
    log = tmp_path / "out" / "logs" / "ieg-0.log"
    assert f"failed: it ends with 1 (see {log})" in capsys.readouterr().err
    assert [row["status"] for row in rows(tmp_path)] == [
        "failed",
        "finished",
    ] * 2
    assert "| failed " in (tmp_path / "out" / "comparison.md").read_text()
    # The same command tries them again.
    assert compare(methods=["ieg", "l2r"]).trained == ["ieg-0", "ieg-1"]


def test_a_killed_trainer_has_failed(compare, capsys):
    runner = compare(f"ieg:--momentum={-signal.SIGKILL}", seeds=1)
    assert runner.count(outcome_lib.FAILED) == 1
    assert "failed: ended by signal 9 (see " in capsys.readouterr().err


def test_a_mistake_that_the_first_trainer_finds_ends_it_all(compare, tmp_path):
    with pytest.raises(errors.UserError) as found:
        compare("baseline:--momentum=2")
    assert str(found.value) == "baseline-0: it ends with 2"
    assert not (tmp_path / "out").exists()


def test_a_mistake_that_a_later_trainer_finds_does_not(compare):
    runner = compare("ieg:--momentum=2")
    assert runner.count(outcome_lib.FAILED) == 2
    assert runner.count(outcome_lib.FINISHED) == 2


def test_a_method_without_a_trainer_is_named(compare, tmp_path, capsys):
    runner = compare(methods=["bkd", "mixup"], seeds=1)
    assert runner.trained == ["mixup-0"]
    assert "missing: there is no bin/cifar_train_bkd.py" in (
        capsys.readouterr().err
    )
    assert [row["status"] for row in rows(tmp_path)] == ["missing", "finished"]


def test_after_ctrl_c_what_was_finished_stays(compare, tmp_path):
    with pytest.raises(errors.Interrupted) as found:
        compare(f"ieg:--momentum={-signal.SIGINT}")
    assert str(found.value) == (
        "stopped in ieg-0, with 1 of 4 runs finished; the same command goes "
        "on from there"
    )
    assert [row["status"] for row in rows(tmp_path)] == ["finished"] + [
        "not yet"
    ] * 3
    assert compare().trained == ["ieg-0", "baseline-1", "ieg-1"]


def test_nothing_is_trained_where_nothing_can_be_written(compare, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(errors.UserError, match="cannot write"):
        compare()
    assert (tmp_path / "calls").read_text() == ""
