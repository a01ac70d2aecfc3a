"""Runs to export, of one network and of a pair, and a server: seconds each."""

import dataclasses
import pathlib

import pytest

from tfnoisy.methods import baseline
from tfnoisy.nets import pair
from tfnoisy.serving.export import export
from tfnoisy.serving.server import local_server
from tfnoisy.training import experiment, optimizer

_VALUES = {
    "dataset_name": "digits",
    "train_split": "train[:600]",
    "studentnet": "small_cnn",
    "noise": "symmetric:0.2",
    "max_number_of_steps": 60,
    "batch_size": 32,
    "eval_every": 20,
}


def train(path, networks=1, **values):
    """Trains digits for some steps; returns results.json."""
    values = {**_VALUES, **values}

    def make_method(build, _):
        student = pair.Pair(build(0), build(1)) if networks == 2 else build()
        method = baseline.Baseline(
            student, ema_decay=values.get("ema_decay", 0.0)
        )
        method.compile(optimizer.TF1Momentum(0.05))
        return method

    names = [field.name for field in dataclasses.fields(experiment.Experiment)]
    return experiment.run(
        experiment.Experiment(
            method="baseline",
            command="test",
            flags={name: str(value) for name, value in values.items()},
            make_method=make_method,
            train_log_dir=str(path),
            deterministic=False,
            **{name: v for name, v in values.items() if name in names},
        )
    )


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of a run with a moving average and held-out data."""
    path = tmp_path_factory.mktemp("run")
    train(path, ema_decay=0.99, holdout=0.1)
    return path


@pytest.fixture(scope="session")
def trained_pair(tmp_path_factory):
    """The folder of a run of two networks."""
    path = tmp_path_factory.mktemp("pair")
    train(path, networks=2)
    return path


@dataclasses.dataclass(frozen=True)
class Exported:
    """A version's folder and its export.json."""

    path: pathlib.Path
    report: dict


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """The last checkpoint of `trained`, with an int8 file."""
    models = tmp_path_factory.mktemp("models")
    return Exported(
        *export.export(
            export.Options(
                run_dir=str(trained),
                export_dir=str(models / "digits"),
                checkpoint="last",
                num_test_images=0,
                tflite=True,
                quantize="int8",
            )
        )
    )


@pytest.fixture(scope="session")
def exported_pair(trained_pair, tmp_path_factory):
    """The last checkpoint of `trained_pair`."""
    models = tmp_path_factory.mktemp("models")
    return Exported(
        *export.export(
            export.Options(
                run_dir=str(trained_pair), export_dir=str(models / "pair")
            )
        )
    )


@pytest.fixture(scope="session")
def server(exported):
    """The model of `exported`, served by gRPC and REST."""
    with local_server.LocalServer(exported.path.parent) as running:
        yield running
