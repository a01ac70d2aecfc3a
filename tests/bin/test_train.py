"""The plugin of tests/plugin, by every command that a method goes through."""

import itertools
import json
import pathlib
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import plugins
from tfnoisy.comparison import plan, runner, trainer_process
from tfnoisy.comparison import protocol as protocol_lib

ROOT = pathlib.Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "plugin" / "my_gce.py"


def small(path, **flags):
    """Flags of a run of the plugin's method, network and noise."""
    values = {
        "plugin": PLUGIN,
        "method": "my_gce",
        "studentnet": "my_cnn",
        "noise": "my_noise:0.3",
        "dataset_name": "digits",
        "train_split": "train[:300]",
        "test_split": "test[:100]",
        "q": 0.5,
        "batch_size": 32,
        "learning_rate": 0.02,
        "lr_schedule": "constant",
        "num_epochs": 0,
        "max_number_of_steps": 60,
        "eval_every": 30,
        "train_log_dir": path,
        **flags,
    }
    return [f"--{name}={value}" for name, value in values.items()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run_script):
    """The folder of a run, and the contents of its results.json."""
    path = tmp_path_factory.mktemp("plugin") / "run"
    done = run_script("train.py", *small(path))
    assert done.returncode == 0, done.stderr
    return path, json.loads((path / "results.json").read_text())


def variables(path):
    reader = tf.train.load_checkpoint(str(path / "checkpoints"))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.endswith("VARIABLE_VALUE") and "save_counter" not in name
    }


def test_trained(trained):
    path, results = trained
    assert results["method"] == "my_gce"
    assert results["noise"]["spec"] == "my_noise:0.3"
    assert 0.2 < results["noise"]["measured_rate"] < 0.4
    assert results["test"]["accuracy"] > 0.5
    # It finds wrong labels better than chance.
    assert results["detection"]["auc"] > 0.7
    flags = (path / "flags.flags").read_text().splitlines()
    assert {f"--plugin={PLUGIN}", "--q=0.5"} <= set(flags)


def test_resumed_without_being_told_of_the_plugin(
    trained, tmp_path, run_script
):
    """To the same bytes as the run that was not stopped."""
    path, results = trained
    done = run_script("train.py", *small(tmp_path, max_number_of_steps=40))
    assert done.returncode == 0, done.stderr
    flags = [f for f in small(tmp_path) if not f.startswith("--plugin")]
    done = run_script("train.py", *flags)
    assert done.returncode == 0, done.stderr
    assert "resuming at step 40 of 60" in done.stdout + done.stderr
    expected, found = variables(path), variables(tmp_path)
    assert expected.keys() == found.keys() and len(expected) > 20
    for name, value in expected.items():
        np.testing.assert_array_equal(value, found[name], err_msg=name)
    again = json.loads((tmp_path / "results.json").read_text())
    for name in ("test", "detection"):
        assert again[name] == results[name]


def test_evaluated(trained, run_script):
    path, results = trained
    done = run_script(
        "cifar_eval.py",
        f"--checkpoint_dir={path}",
        "--once",
        "--split_name=test[:100]",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"] == results["test"]["accuracy"]


def test_a_plugin_that_has_moved(trained, tmp_path, run_script):
    path, _ = trained
    run = tmp_path / "run"
    shutil.copytree(path, run)
    flags = run / "flags.flags"
    flags.write_text(flags.read_text().replace(str(PLUGIN), "/gone/my_gce.py"))
    command = ("cifar_eval.py", f"--checkpoint_dir={run}", "--once")
    done = run_script(*command)
    assert done.returncode == 2
    assert done.stderr == (
        "cifar_eval.py: --plugin=/gone/my_gce.py: there is no file "
        f"/gone/my_gce.py; {run} records it, and --plugin names another place\n"
    )
    done = run_script(*command, f"--plugin={PLUGIN}")
    assert done.returncode == 0, done.stderr
    # Where it lies does not make it another run.
    done = run_script("train.py", *small(run))
    assert done.returncode == 0 and "is finished" in done.stderr


def test_audited(trained, tmp_path, run_script):
    path, results = trained
    done = run_script(
        "audit_labels.py", f"--run_dir={path}", f"--output_dir={tmp_path}"
    )
    assert done.returncode == 0, done.stderr
    detection = results["detection"]
    headline = (
        f"{detection['flagged']} of {detection['examples']} labels look wrong "
    )
    assert any(line.startswith(headline) for line in done.stdout.splitlines())
    # Without held-out labels nothing says how far to trust it.
    assert "The run held out no labels" in done.stdout
    for name in ("precision", "recall", "f1", "auc"):
        assert f"{name} {detection[name]:.4f}" in done.stdout
    page = (tmp_path / "report.html").read_text()
    assert "The mean p^q of the given label is below 0.5." in page
    assert "DivideMix" not in page


def test_exported(trained, tmp_path, run_script):
    path, _ = trained
    done = run_script(
        "export_savedmodel.py",
        f"--run_dir={path}",
        f"--export_dir={tmp_path / 'models' / 'mine'}",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "models/mine/1/export.json").read_text())
    assert report["savedmodel"]["max_probability_difference"] < 1e-5


@pytest.mark.usefixtures("forget_plugins")
def test_compared(tmp_path, run_script, monkeypatch):
    """And once more, finished, without naming the plugin."""

    def run(words, log):
        done = run_script(pathlib.Path(words[1]).name, *words[2:])
        log.write((done.stdout + done.stderr).encode())
        return done.returncode

    monkeypatch.setattr(trainer_process, "run", run)
    protocol = protocol_lib.make_protocol(
        "digits",
        "my_noise:0.3",
        1,
        ["--train_split=train[:120] --test_split=test[:60] --batch_size=60"],
        ["my_gce:--studentnet=my_cnn --q=0.5"],
        plugins.load(str(PLUGIN)),
    )
    runs = plan.make_runs(protocol, ["my_gce"], [0], tmp_path)
    compared = runner.Runner(protocol, runs, tmp_path, ROOT / "bin")
    compared.run()
    table = (tmp_path / "comparison.md").read_text()
    assert re.search(r"^\| my_gce +\| 0\.\d+", table, re.M)
    assert plan.recorded_plugins(tmp_path) == [str(PLUGIN)]
    done = run_script(
        # A path: by a process that has TensorFlow, which the plugin imports.
        ROOT / "bin" / "compare.py",
        "--noise=my_noise:0.3",
        "--num_epochs=1",
        "--methods=my_gce",
        "--seeds=1",
        "--flags=--train_split=train[:120] --test_split=test[:60]",
        "--flags=--batch_size=60",
        "--method_flags=my_gce:--studentnet=my_cnn --q=0.5",
        f"--output_dir={tmp_path}",
    )
    assert done.returncode == 0, done.stderr
    # It is finished: nothing is trained again.
    assert "| my_gce" in done.stdout and "seed 0 ... test" in done.stderr


def test_steps_that_are_asked_for_win_over_the_default_epochs(
    tmp_path, run_script
):
    path = tmp_path / "run"
    flags = [f for f in small(path) if not f.startswith("--num_epochs")]
    done = run_script("train.py", *flags, "--max_number_of_steps=7")
    assert done.returncode == 0, done.stderr
    assert json.loads((path / "results.json").read_text())["steps"] == 7


@pytest.mark.slow
def test_ido_trains_whole_epochs_with_its_strong_view(tmp_path, run_script):
    flags = {
        **{"plugin": "", "studentnet": "small_cnn", "noise": "symmetric:0.3"},
        **{"train_split": "train[:70]", "num_epochs": 4, "stage1_epochs": 2},
        **{"eval_every": 0, "method": "ido", "strong": "randaugment:1:3"},
    }
    words = [f for f in small(tmp_path, **flags) if f[:4] != "--q="]
    done = run_script("train.py", *words)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["steps"] == 4 * 3
    assert len(results["label_wave"]["changes"]) == 2
    evidence = np.load(tmp_path / "evidence.npz")
    assert (evidence["visits"] == 2 + 2 * 2).all()
    words = [
        f"--{'strong=no_view' if '--strong' in w else w[2:]}" for w in words
    ]
    done = run_script("train.py", *words, "--overwrite")
    assert done.returncode == 2 and "no_view" in done.stderr


def test_elr_plus_trains_each_network_in_each_epoch(tmp_path, run_script):
    flags = {
        **{"plugin": "", "studentnet": "small_cnn", "noise": "symmetric:0.3"},
        **{"train_split": "train[:70]", "num_epochs": 2, "ema_step": 10},
        **{"eval_every": 0, "method": "elr_plus"},
    }
    words = [f for f in small(tmp_path, **flags) if f[:4] != "--q="]
    done = run_script("train.py", *words)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["steps"] == 2 * 2 * 3
    assert len(np.load(tmp_path / "evidence.npz")["ids"]) == 70


@pytest.mark.slow
def test_pes_counts_its_refinement_beside_the_epochs(tmp_path, run_script):
    flags = {
        **{"plugin": "", "studentnet": "small_cnn", "noise": "symmetric:0.3"},
        **{"train_split": "train[:70]", "num_epochs": 4, "eval_every": 0},
        **{"method": "pes", "T1": 1, "T2": 2, "T3": 1, "lr": 0.1},
        **{"lr_drop_epochs": "2,3"},
    }
    words = [f for f in small(tmp_path, **flags) if f[:4] != "--q="]
    done = run_script("train.py", *words)
    assert done.returncode == 0, done.stderr
    rows = [
        json.loads(line)
        for line in (tmp_path / "metrics.jsonl").read_text().splitlines()
    ]
    full = rows[0]["step"]
    # An epoch of plain training, one of three passes, and those of what is
    # confident.
    assert [row["step"] for row in rows[:2]] == [full, 4 * full]
    assert len(rows) == 4
    assert all(
        1 <= b["step"] - a["step"] <= full
        for a, b in itertools.pairwise(rows[1:])
    )
    rates = [row["learning_rate"] for row in rows]
    np.testing.assert_allclose(rates, [0.1, 0.1, 0.01, 0.001], rtol=1e-5)
    assert len(np.load(tmp_path / "evidence.npz")["ids"]) == 70
    done = run_script("train.py", *words, "--T2=-1", "--overwrite")
    assert done.returncode == 2 and "--T2=-1: it is 0 or more" in done.stderr


@pytest.mark.parametrize(
    "flags, words",
    [
        ({"plugin": "nowhere.py"}, "--plugin=nowhere.py: there is no file"),
        ({"plugin": ""}, "no method 'my_gce'; did you mean gce? (there are"),
        ({"method": "my_gcee"}, "no method 'my_gcee'; did you mean my_gce?"),
        ({"method": "bkd"}, "has a script of its own: bin/cifar_train_bkd.py"),
        ({"q": "much"}, "--q=much"),
        ({"studentnet": "my_cn"}, "unknown network my_cn; did you mean my_cnn"),
        ({"noise": "my_nois:1"}, "no kind 'my_nois'; did you mean my_noise:R"),
        ({"noise": "my_noise"}, "is not of the form my_noise:R"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, run_script, flags, words):
    path = tmp_path / "run"
    done = run_script("train.py", *small(path, **flags))
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("train.py: ") and words in line
    assert not path.exists()


def test_the_help_of_a_method(run_script):
    done = run_script(
        "train.py", f"--plugin={PLUGIN}", "--method=my_gce", "--help"
    )
    assert done.returncode == 0, done.stderr
    words = " ".join(done.stdout.split())
    assert "--q=X above 0, which is cross-entropy, to 1" in words
    assert "Default: 0.7." in words
    assert "small_cnn, wrn-D-K, my_cnn" in words and "my_noise:R" in words


@pytest.mark.slow
def test_a_method_that_compares_two_views(tmp_path, run_script):
    """The strong view is by its argument; what is served never saw it."""
    flags = {"method": "sop_plus", "max_number_of_steps": 8, "eval_every": 4}
    words = [
        w
        for w in small(tmp_path / "run", studentnet="small_cnn", **flags)
        if not w.startswith(("--plugin", "--q=", "--noise="))
    ]
    done = run_script("train.py", *words, "--strong=sharpest")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no strong augmentation 'sharpest'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
    # Of what fit needs to be told, and data sets of ours say.
    done = run_script("train.py", *words, "--noflip")
    assert done.returncode == 2 and "flip" in done.stderr
    done = run_script("train.py", *words, "--strong=autoaug")
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert len(rows) == 2
    recorded = (tmp_path / "run/flags.flags").read_text()
    assert "--strong=autoaug\n" in recorded
