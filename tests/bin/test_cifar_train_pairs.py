"""DivideMix's and BKD's trainers, and the audit of what they leave behind."""

import csv
import itertools
import json

import numpy as np
import pytest
import tensorflow as tf

import slow_cases
from tfnoisy.methods.bkd import plot as tipping_plot


def small(path, **flags):
    """Flags of a run of a few epochs on a few digits."""
    values = {
        "dataset_name": "digits",
        "train_split": "train[:240]",
        "noise": "symmetric:0.4",
        "batch_size": 16,
        "train_log_dir": path,
        **flags,
    }
    return [f"--{name}={value}" for name, value in values.items()]


DIVIDEMIX = {
    "num_epochs": 3,
    "warm_up": 2,
    "lr_drops": "0.25,0.75",
    # Not the usual one, which the audit must flag by too.
    "p_threshold": 0.9,
}
BKD = {"n_epoch": 7, "batch_size": 32, "clean_test_freq": 3}


def results_of(path):
    return json.loads((path / "results.json").read_text())


@pytest.fixture(scope="module")
def dividemix(tmp_path_factory, run_script):
    """The folder of a DivideMix run."""
    path = tmp_path_factory.mktemp("dividemix") / "run"
    done = run_script("cifar_train_dividemix.py", *small(path, **DIVIDEMIX))
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def bkd(tmp_path_factory, run_script):
    """The folder of a BKD run."""
    path = tmp_path_factory.mktemp("bkd") / "run"
    done = run_script("cifar_train_bkd.py", *small(path, **BKD))
    assert done.returncode == 0, done.stderr
    return path


def rows_of(path):
    lines = (path / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_dividemix_trains_whole_epochs(dividemix):
    results = results_of(dividemix)
    assert results["method"] == "dividemix"
    # Epochs 0 to 3: two of warm-up, judged after both networks each.
    rows = rows_of(dividemix)
    assert len(rows) == 4
    assert [row["step"] for row in rows[:2]] == [16, 32]
    # Fractions of four epochs, whatever their lengths.
    rates = [row["learning_rate"] for row in rows]
    assert rates == pytest.approx([0.05, 0.005, 0.005, 0.0005])
    assert rows[-1]["step"] == results["steps"] <= 32 + 2 * 2 * 15
    assert results["detection"]["examples"] == 240
    assert 0.3 < results["detection"]["auc"] <= 1
    evidence = np.load(dividemix / "evidence.npz")
    assert evidence["clean_probability"].shape == (240,)


def test_bkd_trains_whole_epochs(bkd):
    results = results_of(bkd)
    assert results["steps"] == 7 * 8
    assert [row["step"] for row in rows_of(bkd)] == [8, 32, 56]
    assert set(np.load(bkd / "evidence.npz")["group"]) <= {1, 2, 3, 4}
    assert 0 <= results["detection"]["f1"] <= 1


def test_bkd_leaves_its_tipping_curve(bkd, tmp_path, run_script):
    found = results_of(bkd)["tipping"]
    assert len(found["confidence"]) == 7
    assert all(0.1 < m < 1 for m in found["confidence"])
    drawn = tipping_plot.plot(
        found["confidence"],
        tmp_path / "expected.png",
        found["epoch"],
        found["judged_epoch"],
    )
    picture = (bkd / "tipping.png").read_bytes()
    assert picture == drawn.read_bytes()
    # A finished run, which is not trained again, gives it once more.
    (bkd / "tipping.png").unlink()
    done = run_script("cifar_train_bkd.py", *small(bkd, **BKD))
    assert done.returncode == 0 and "is finished" in done.stderr
    assert (bkd / "tipping.png").read_bytes() == picture


@pytest.mark.parametrize("run", ["dividemix", "bkd"])
def test_both_networks_are_evaluated(run, request, run_script):
    path = request.getfixturevalue(run)
    done = run_script("cifar_eval.py", f"--checkpoint_dir={path}")
    assert done.returncode == 0, done.stderr
    judged, expected = json.loads(done.stdout), results_of(path)["test"]
    assert judged["accuracy"] == expected["accuracy"]
    assert judged["loss"] == pytest.approx(expected["loss"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "script, flags, at",
    [
        ("cifar_train_dividemix.py", DIVIDEMIX, 45),
        ("cifar_train_bkd.py", BKD, 20),
    ],
)
def test_a_run_goes_on_where_it_stopped(
    tmp_path, request, run_script, script, flags, at
):
    """Within an epoch, to the same weights."""
    flags = small(tmp_path, **flags)
    done = run_script(script, *flags, f"--max_number_of_steps={at}")
    assert done.returncode == 0, done.stderr
    done = run_script(script, *flags, "--max_number_of_steps=9999")
    assert done.returncode == 0, done.stderr
    name = "bkd" if "bkd" in script else "dividemix"
    whole = request.getfixturevalue(name)
    readers = [
        tf.train.load_checkpoint(str(path / "checkpoints"))
        for path in (whole, tmp_path)
    ]
    names = readers[0].get_variable_to_shape_map()
    for variable in names:
        if variable.startswith(("student", "state", "optimizer")):
            np.testing.assert_array_equal(
                *(reader.get_tensor(variable) for reader in readers),
                err_msg=variable,
            )
    if name == "bkd":
        pictures = [path / "tipping.png" for path in (whole, tmp_path)]
        assert pictures[0].read_bytes() == pictures[1].read_bytes()


@pytest.mark.parametrize(
    "run, method",
    slow_cases.but(
        [("dividemix", "run"), ("bkd", "losses")],
        itertools.product(["dividemix", "bkd"], ["run", "losses"]),
        several=True,
    ),
)
def test_an_audit_of_a_run(run, method, request, tmp_path, run_script):
    path = request.getfixturevalue(run)
    done = run_script(
        "audit_labels.py",
        f"--run_dir={path}",
        f"--method={method}",
        f"--output_dir={tmp_path}",
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 240
    assert {"id", "given_label", "predicted_label", "label_score"} <= set(
        rows[0]
    )
    flagged = sum(row["is_label_issue"] == "True" for row in rows)
    assert f"{flagged} of 240 labels look wrong" in done.stdout
    assert "against the clean labels: precision" in done.stdout
    if method == "run":
        found = results_of(path)["detection"]
        assert flagged == found["flagged"]
        for name in ("precision", "recall", "f1", "auc"):
            assert f"{name} {found[name]:.4f}" in done.stdout
    page = (tmp_path / "report.html").read_text()
    assert "digits" in page and "://" not in page


def test_an_audit_by_cross_validation(tmp_path, run_script):
    flags = [
        "--method=crossval",
        "--dataset_name=digits",
        "--train_split=train[:300]",
        "--noise=symmetric:0.3",
        "--folds=2",
        "--num_epochs=8",
        "--batch_size=16",
        f"--output_dir={tmp_path}",
    ]
    done = run_script("audit_labels.py", *flags)
    assert done.returncode == 0, done.stderr
    first = (tmp_path / "labels.csv").read_text()
    again = run_script(
        "audit_labels.py",
        f"--pred_probs={tmp_path / 'pred_probs.npz'}",
        *flags[1:4],
        f"--output_dir={tmp_path / 'again'}",
    )
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again/labels.csv").read_text() == first
    auc = float(done.stdout.strip().rpartition("auc ")[2])
    assert auc > 0.7


@pytest.mark.parametrize(
    "flags, words",
    [
        ([], "--dataset_name says which data to audit"),
        (["--run_dir=a", "--pred_probs=b.npy"], "exclude each other"),
        (["--method=losses"], "needs --run_dir"),
        (["--method=crossval"], "--dataset_name"),
        (["--method=crossval", "--dataset_name=digits"], "--output_dir"),
        (["--run_dir=nowhere"], "no run folder"),
    ],
)
def test_mistakes_of_an_audit(flags, words, run_script):
    done = run_script("audit_labels.py", *flags)
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("audit_labels.py: ") and words in line


@pytest.mark.parametrize(
    "script, flags, words",
    [
        ("cifar_train_dividemix.py", ["--T=0"], "--T=0"),
        ("cifar_train_dividemix.py", ["--p_threshold=1"], "--p_threshold"),
        ("cifar_train_bkd.py", ["--alpha1=2"], "--alpha1=2"),
        ("cifar_train_bkd.py", ["--noise_type=worst"], "--noise_type=worst"),
    ],
)
def test_mistakes_of_the_trainers(tmp_path, run_script, script, flags, words):
    done = run_script(script, *small(tmp_path / "run"), *flags)
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert line.startswith(f"{script}: ") and words in line
    assert not (tmp_path / "run").exists()
