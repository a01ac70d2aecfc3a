"""A network trained without labels, and the methods that begin with it."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

SHORT = (
    "--dataset_name=digits",
    "--train_split=train[:96]",
    "--test_split=test[:40]",
    "--batch_size=32",
    "--save_interval_secs=0",
)
_KEY = "student/{}/.ATTRIBUTES/VARIABLE_VALUE"
# Variables of small_cnn, and of its last layer.
ALL, LAST = 17, 2


@pytest.fixture(scope="module")
def start(run_script, tmp_path_factory):
    path = tmp_path_factory.mktemp("pretrained") / "start"
    done = run_script(
        "pretrain.py",
        *SHORT,
        "--max_number_of_steps=6",
        "--noise=symmetric:0.5",
        f"--train_log_dir={path}",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith(f"--pretrained={path}")
    return path


def weights(run, step):
    reader = tf.train.load_checkpoint(f"{run}/checkpoints/ckpt-{step}")
    count = sum(
        n.startswith("student/") for n in reader.get_variable_to_shape_map()
    )
    return [reader.get_tensor(_KEY.format(k)) for k in range(count)]


def results_of(run):
    return json.loads((run / "results.json").read_text())


def begin(run_script, script, run, start, *flags):
    """Trains one step at a rate of 0, so that weights stay as they began."""
    return run_script(
        script,
        *SHORT,
        "--noise=symmetric:0.5",
        "--studentnet=small_cnn",
        "--augment=standard",
        "--learning_rate=0",
        "--max_number_of_steps=1",
        f"--train_log_dir={run}",
        f"--pretrained={start}",
        *flags,
    )


def trained(values):
    """The numbers of a body that no pass in training mode changes."""
    # Behind each kernel are gamma, beta, and two moving statistics.
    return [v for k, v in enumerate(values[: ALL - LAST]) if k % 5 < 3]


def test_it_is_a_run_like_any_other(start, run_script):
    results = results_of(start)
    assert results["method"] == "simclr" and results["steps"] == 6
    assert results["view_shape"] == [8, 8, 1]
    judged = run_script(
        "cifar_eval.py",
        f"--checkpoint_dir={start}",
        "--split_name=test[:40]",
        "--once",
    )
    assert judged.returncode == 0, judged.stderr
    row = json.loads(judged.stdout)
    assert row["accuracy"] == results["test"]["accuracy"]
    # By a linear classifier on what six steps made of the images.
    assert row["accuracy"] > 0.3
    rows = (start / "metrics.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["train_accuracy"] > 1 / 63
    again = run_script("pretrain.py", f"--flagfile={start}/flags.flags")
    assert again.returncode == 0 and "is finished" in again.stderr


def test_labels_change_the_last_layer_alone(start, run_script, tmp_path):
    done = run_script(
        "pretrain.py",
        *SHORT,
        "--max_number_of_steps=6",
        f"--train_log_dir={tmp_path}",
    )
    assert done.returncode == 0, done.stderr
    before, after = weights(start, 6), weights(tmp_path, 6)
    for one, other in zip(before[:-LAST], after[:-LAST], strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.any(before[-1] != after[-1])


@pytest.mark.parametrize(
    "script, flags, networks",
    [
        ("cifar_train_baseline.py", [], 1),
        ("cifar_train_dividemix.py", [], 2),
        pytest.param(
            "cifar_train_bkd.py", ["--holdout=0"], 2, marks=pytest.mark.slow
        ),
        pytest.param(
            "train.py", ["--method=elr_plus"], 2, marks=pytest.mark.slow
        ),
    ],
)
def test_methods_begin_with_it(
    start, run_script, tmp_path, script, flags, networks
):
    run = tmp_path / "run"
    done = begin(run_script, script, run, start, *flags)
    assert done.returncode == 0, done.stderr
    assert results_of(run)["pretrained"] == str(start)
    assert f"--pretrained={start}\n" in (run / "flags.flags").read_text()
    found, body = weights(run, 1), weights(start, 6)
    assert len(found) == networks * ALL
    heads = []
    for k in range(networks):
        own = found[k * ALL : (k + 1) * ALL]
        for value, expected in zip(trained(own), trained(body), strict=True):
            np.testing.assert_array_equal(value, expected)
        heads.append(own[-LAST])
        assert np.any(own[-LAST] != body[-LAST])
    if networks == 2:
        assert np.any(heads[0] != heads[1])


def test_a_run_that_goes_on_does_not_look_for_it(start, run_script, tmp_path):
    copy, run = tmp_path / "copy", tmp_path / "run"
    shutil.copytree(start, copy)
    script = "cifar_train_baseline.py"
    done = begin(run_script, script, run, copy)
    assert done.returncode == 0, done.stderr
    before = weights(run, 1)
    shutil.rmtree(copy)
    more = "--max_number_of_steps=2"
    done = begin(run_script, script, run, copy, more)
    assert done.returncode == 0, done.stderr
    for value, expected in zip(trained(weights(run, 2)), trained(before)):
        np.testing.assert_array_equal(value, expected)
    # Anew it is looked for, before the run that is there is touched.
    kept = sorted(p.name for p in run.rglob("*"))
    done = begin(run_script, script, run, copy, more, "--overwrite")
    assert done.returncode == 2
    assert done.stderr.endswith("there is no such file or run folder\n")
    assert sorted(p.name for p in run.rglob("*")) == kept


def unfinished(start, path):
    shutil.copytree(start, path)
    (path / "results.json").unlink()


def without_checkpoints(start, path):
    shutil.copytree(start, path)
    shutil.rmtree(path / "checkpoints")


def empty(_, path):
    path.mkdir()


@pytest.mark.parametrize(
    "make, flags, message",
    [
        (empty, [], "is no run folder of tfnoisy (it has no flags.flags)"),
        (unfinished, [], "has not ended: the command that began it goes on"),
        (without_checkpoints, [], "has no checkpoint that can be read"),
        (
            shutil.copytree,
            ["--studentnet=cifar_resnet20"],
            "holds no weights of cifar_resnet20 for such images: it has 17 "
            "variables of small_cnn",
        ),
        (
            shutil.copytree,
            ["--augment=dividemix_cifar10"],
            "normalised as by --augment=standard, this run has "
            "--augment=dividemix_cifar10",
        ),
        (
            shutil.copytree,
            ["--image_size=16"],
            "was trained on views of 8x8x1, this run has 16x16x1",
        ),
    ],
)
def test_mistakes(start, run_script, tmp_path, make, flags, message):
    path, run = tmp_path / "given", tmp_path / "run"
    make(start, path)
    script = "cifar_train_baseline.py"
    done = begin(run_script, script, run, path, *flags)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr and len(done.stderr.splitlines()) == 1
    assert f"--pretrained={path}" in done.stderr
    assert not run.exists()


def test_neither_the_run_itself_nor_a_pair(start, run_script, tmp_path):
    script, run = "cifar_train_dividemix.py", tmp_path / "run"
    assert begin(run_script, script, run, start).returncode == 0
    done = begin(run_script, script, tmp_path / "other", run)
    assert done.returncode == 2
    assert "trained 2 networks together" in done.stderr
    done = begin(run_script, script, run, run, "--overwrite")
    assert done.returncode == 2 and "the folder of this run" in done.stderr
    assert results_of(run)["steps"] == 1


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--method=simclrr"], "no pre-training 'simclrr'; did you mean"),
        (["--augment=mentornet"], "standardises each image"),
        (["--temp=0"], "temp above 0"),
        (["--ema_decay=0.9"], "no moving average"),
        (["--batch_size=97"], "between 1 and the 96 training examples"),
    ],
)
def test_mistakes_of_the_pretraining(run_script, tmp_path, flags, message):
    done = run_script(
        "pretrain.py",
        *SHORT,
        f"--train_log_dir={tmp_path / 'run'}",
        *flags,
    )
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert not (tmp_path / "run").exists()
