"""A small real comparison; tests/training/test_comparison*.py has the rest."""

import csv
import json
import shlex

import pytest

FLAGS = [
    "--noise=symmetric:0.4",
    "--num_epochs=1",
    "--flags=--train_split=train[:120] --test_split=test[:60]",
    "--flags=--batch_size=60",
    "--method_flags=dividemix:--batch_size=20",
]


def results_of(path):
    """{run: contents of its results.json}."""
    return {
        file.parent.name: json.loads(file.read_text())
        for file in path.glob("*/results.json")
    }


@pytest.fixture(scope="module")
def compared(tmp_path_factory, run_script):
    """Two methods with one seed, then another seed of one of them.

    Returns the folder, and of either call its end and the runs' results.
    """
    path = tmp_path_factory.mktemp("compare") / "out"
    calls = []
    for more in (
        ["--methods=dividemix,baseline", "--seeds=1"],
        ["--methods=baseline", "--seeds=2"],
    ):
        done = run_script("compare.py", *FLAGS, f"--output_dir={path}", *more)
        assert done.returncode == 0, done.stderr
        calls.append((done, results_of(path)))
    return path, *calls


@pytest.mark.slow
def test_every_method_has_the_same_budget(compared):
    _, (done, results), _ = compared
    assert set(results) == {"dividemix-0", "baseline-0"}
    found = {
        name: (run["train_examples"], run["batch_size"], run["steps"])
        for name, run in results.items()
    }
    # The warm-up's batches are twice as large, for either network.
    assert found == {"baseline-0": (120, 60, 2), "dividemix-0": (120, 20, 6)}
    first, second = done.stderr.splitlines()
    assert first.startswith("[1/2] dividemix seed 0 ... test accuracy 0.")
    assert second.startswith("[2/2] baseline seed 0 ... test accuracy 0.")
    assert "| dividemix " in done.stdout and "| baseline " in done.stdout


@pytest.mark.slow
def test_another_seed_joins_and_nothing_is_trained_anew(compared):
    path, (_, before), (done, after) = compared
    # With the seconds that they took.
    assert before.items() <= after.items()
    assert set(after) - set(before) == {"baseline-1"}
    one, other = after["baseline-0"], after["baseline-1"]
    assert one["noise"]["seed"] == one["seed"] == 0
    assert other["noise"]["seed"] == other["seed"] == 1
    with (path / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["test_accuracy"]) for row in rows] == [
        run["test"]["accuracy"] for run in (one, other)
    ]
    mean = (one["test"]["accuracy"] + other["test"]["accuracy"]) / 2
    page = (path / "comparison.md").read_text()
    assert f"| baseline | {mean:.3f} ± " in page
    assert page.split("\n\n")[1] in done.stdout
    assert (path / "comparison.png").read_bytes()[1:4] == b"PNG"


def test_an_unknown_method_is_the_users_mistake(tmp_path, run_script):
    path = tmp_path / "out"
    done = run_script(
        "compare.py", "--methods=baseline,mixmup", f"--output_dir={path}"
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "compare.py: no method 'mixmup'; did you mean mixup? (there are "
        "baseline, mixup, mentornet, mentormix, gce, tgce, sce, elr, elr_plus, "
        "ido, sop, sop_plus, pes, pes_semi, promix, ieg, l2r, fsr, dividemix, "
        "bkd; --plugin=MODULE adds more)\n"
    )
    assert not path.exists()


def test_a_dry_run_prints_the_commands(tmp_path, run_script):
    path = tmp_path / "out"
    done = run_script(
        "compare.py", *FLAGS, "--seeds=2", "--dry_run", f"--output_dir={path}"
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) == 20 * 2
    assert lines[18].startswith("bin/cifar_train_dividemix.py --studentnet=")
    assert " --batch_size=60 --batch_size=20 " in lines[18]
    assert lines[39].endswith(f" --seed=1 --train_log_dir={path}/bkd-1")
    assert not path.exists()


def commands(run_script, *flags):
    done = run_script("compare.py", "--dry_run", "--seeds=1", *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_noise_is_added_where_labels_are_known_to_be_right(
    run_script, tmp_path
):
    (tmp_path / "c.csv").write_text("path,given_label\n")
    for flags, noise in (
        (["--dataset_name=digits"], "symmetric:0.4"),
        (["--dataset_name=cifar10", "--num_epochs=1"], "symmetric:0.4"),
        (["--dataset_name=folder", "--num_epochs=1"], "none"),
        (["--dataset_name=clothing1m", "--num_epochs=1"], "none"),
        (["--dataset_name=digits", "--noise=pairflip:0.2"], "pairflip:0.2"),
        ([f"--corrections={tmp_path}/c.csv"], "none"),
    ):
        lines = commands(run_script, f"--output_dir={tmp_path}/out", *flags)
        assert all(f"--noise={noise} " in line + " " for line in lines)


def test_the_data_flags_reach_every_trainer(run_script, tmp_path):
    lines = commands(
        run_script,
        "--dataset_name=folder",
        f"--data_dir={tmp_path}/my images",
        "--num_epochs=1",
        "--image_size=32",
        "--skip_broken",
        "--test_share=0.3",
        "--methods=baseline,dividemix",
        f"--output_dir={tmp_path}/out",
    )
    assert len(lines) == 2
    for line in lines:
        words = shlex.split(line)
        assert f"--data_dir={tmp_path}/my images" in words
        assert {"--image_size=32", "--test_share=0.3"} <= set(words)
        assert "--skip_broken=True" in words
