import json
import shutil

import keras
import pytest

from tfnoisy import errors
from tfnoisy.catalogue import networks
from tfnoisy.methods import baseline
from tfnoisy.nets import small_cnn
from tfnoisy.training import (
    evaluate_run,
    experiment,
    loss_features,
    optimizer,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished run and its results."""
    path = tmp_path_factory.mktemp("run")
    values = {
        "dataset_name": "digits",
        "train_split": "train[:300]",
        "studentnet": "small_cnn",
        "noise": "symmetric:0.4",
        "max_number_of_steps": 8,
        "batch_size": 32,
        "holdout": 0.1,
        "eval_every": 4,
    }

    def make_method(build, _):
        method = baseline.Baseline(build(), ema_decay=0.99)
        # A schedule, so that the optimiser's variables are not those of the
        # optimiser that the evaluation makes.
        rate = keras.optimizers.schedules.ExponentialDecay(0.05, 10, 0.9)
        method.compile(optimizer.TF1Momentum(rate))
        return method

    results = experiment.run(
        experiment.Experiment(
            method="baseline",
            command="test",
            flags={
                **{name: str(v) for name, v in values.items()},
                "ema_decay": "0.99",
            },
            make_method=make_method,
            train_log_dir=str(path),
            deterministic=False,
            **values,
        )
    )
    return path, results


def test_the_last_checkpoint_is_judged_as_in_training(finished):
    path, results = finished
    [row] = evaluate_run.RunEvaluator(path).once()
    assert row["step"] == 8
    assert row["weights"] == "ema"
    assert row["accuracy"] == pytest.approx(results["test"]["accuracy"])
    assert row["loss"] == pytest.approx(results["test"]["loss"], rel=1e-5)


def test_the_checkpoint_folder_names_the_run_too(finished):
    path, _ = finished
    evaluator = evaluate_run.RunEvaluator(path / "checkpoints", batch_size=7)
    assert [row["step"] for row in evaluator.follow(0)] == [8]


def test_the_best_checkpoint(finished):
    path, results = finished
    [row] = evaluate_run.RunEvaluator(path).once(best=True)
    assert row["step"] == results["holdout"]["best_step"]


def test_the_training_split_is_the_runs_own(finished, tmp_path):
    path, results = finished
    evaluator = evaluate_run.RunEvaluator(path, "train")
    [row] = evaluator.once()
    assert row["accuracy"] == pytest.approx(
        results["train"]["given_label_accuracy"]
    )
    loss_features.write(evaluator, tmp_path / "features.csv")
    lines = (tmp_path / "features.csv").read_text().splitlines()
    assert len(lines) == results["train_examples"] == 270
    example, percentage, given, clean, loss = lines[0].split(" ")
    assert int(example) == evaluator.dataset.ids[0]
    assert percentage == "99"
    assert int(given) == evaluator.dataset.given_labels[0]
    assert int(clean) == evaluator.dataset.clean_labels[0]
    assert len(loss.partition(".")[2]) == 6
    mean = sum(float(line.split(" ")[4]) for line in lines) / len(lines)
    assert mean == pytest.approx(row["loss"], abs=1e-4)


def test_an_unfinished_run_is_followed_to_its_end(finished):
    path, _ = finished
    evaluator = evaluate_run.RunEvaluator(path)
    results = path / "results.json"
    text = results.read_text()
    results.unlink()
    try:
        rows = evaluator.follow(0)
        assert next(rows)["step"] == 8
        results.write_text(text)
        assert list(rows) == []
    finally:
        results.write_text(text)


def test_no_run_and_another_network_are_refused(finished, tmp_path):
    with pytest.raises(errors.UserError, match="no run folder"):
        evaluate_run.RunEvaluator(tmp_path)
    with pytest.raises(errors.UserError, match="studentnet=small_cnn"):
        evaluate_run.RunEvaluator(
            finished[0], overrides={"studentnet": "resnet29"}
        )
    with pytest.raises(errors.UserError, match="say train"):
        evaluate_run.RunEvaluator(finished[0], "train[:10%]")


def copied(run, path, studentnet):
    """Copies a run, which then says that it has trained another network."""
    shutil.copytree(run, path)
    flags = path / "flags.flags"
    flags.write_text(flags.read_text().replace("small_cnn", f"{studentnet}\n#"))
    return path


@pytest.mark.usefixtures("forget_plugins")
def test_a_network_that_has_changed_since_or_is_not_known(finished, tmp_path):
    path = copied(finished[0], tmp_path / "unknown", "my_cnn")
    with pytest.raises(errors.UserError, match="unknown network my_cnn; .*--p"):
        evaluate_run.RunEvaluator(path)

    @networks.register("my_cnn")
    def build(num_classes, image_shape, seed):
        """The first layers of the network that was trained."""
        whole = small_cnn.small_cnn(num_classes, image_shape, seed)
        last = keras.layers.Dense(num_classes, name="logits")
        pooled = keras.layers.GlobalAveragePooling2D()
        return keras.Model(
            whole.input, last(pooled(whole.get_layer("conv1").output))
        )

    evaluator = evaluate_run.RunEvaluator(path)
    with pytest.raises(errors.UserError, match="does not fit --studentnet=my"):
        evaluator.once()
    path = copied(finished[0], tmp_path / "another", "cifar_resnet20")
    with pytest.raises(errors.UserError, match="does not fit --studentnet=ci"):
        evaluate_run.RunEvaluator(path).once()


def test_a_run_without_checkpoints(finished, tmp_path):
    flags = (finished[0] / "flags.flags").read_text()
    (tmp_path / "flags.flags").write_text(flags)
    manifest = (finished[0] / "noise_manifest.npz").read_bytes()
    (tmp_path / "noise_manifest.npz").write_bytes(manifest)
    evaluator = evaluate_run.RunEvaluator(tmp_path)
    with pytest.raises(errors.UserError, match="no checkpoint yet"):
        evaluator.once()
    assert loss_features.num_steps(evaluator) == 8
    assert json.loads((finished[0] / "results.json").read_text())["steps"] == 8


@pytest.fixture
def damaged(finished, tmp_path):
    """A copy of the run, with checkpoints of 4 and 8, its newest cut short."""
    run = tmp_path / "run"
    shutil.copytree(finished[0], run)
    [data] = (run / "checkpoints").glob("ckpt-8.data*")
    data.write_bytes(data.read_bytes()[:100])
    return run


def test_a_damaged_checkpoint_is_one_line(damaged):
    evaluator = evaluate_run.RunEvaluator(damaged)
    for use in (
        evaluator.once,
        evaluator.logits,
        lambda: list(evaluator.follow(0)),
    ):
        with pytest.raises(errors.UserError, match="ckpt-8 is damaged") as e:
            use()
        assert "\n" not in str(e.value)
        # Which has it made again, and does, see test_opening.
        assert "training command with --restore_step=4" in str(e.value)
    [row] = evaluator.once(step=4)
    assert row["step"] == 4
    (damaged / "results.json").unlink()
    with pytest.raises(errors.UserError, match="let the training command make"):
        evaluator.once()


def test_a_lost_list_of_checkpoints_costs_nothing(damaged, finished):
    shutil.copytree(finished[0], damaged, dirs_exist_ok=True)
    (damaged / "checkpoints/checkpoint").write_bytes(b"\xff\xfe{{{")
    [row] = evaluate_run.RunEvaluator(damaged).once()
    assert row["step"] == 8


def test_a_checkpoint_that_is_replaced_while_it_is_read(damaged, monkeypatch):
    evaluator = evaluate_run.RunEvaluator(damaged)
    folder = damaged / "checkpoints"
    paths = iter([str(folder / "ckpt-8"), *3 * [str(folder / "ckpt-4")]])
    monkeypatch.setattr(evaluator, "latest", lambda best=False: next(paths))
    (damaged / "results.json").unlink()
    assert next(evaluator.follow(0))["step"] == 4
