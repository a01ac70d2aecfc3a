"""Runs that begin with given weights, on views of a part of each image."""

import keras
import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.methods import baseline
from tfnoisy.nets import applications, registry
from tfnoisy.training import evaluate_run, experiment, optimizer

SIDE = 84  # Of which the view shows 78; the network wants 75.


def tiny(include_top, weights, input_shape):
    """In the place of keras.applications' InceptionResNetV2."""
    images = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 3, strides=4, use_bias=False)(images)
    x = keras.layers.BatchNormalization(scale=False)(x)
    model = keras.Model(images, keras.layers.Activation("relu")(x))
    if weights:
        model.load_weights(weights)
    return model


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for split, count in (("train", 6), ("test", 3)):
        for name in ("ant", "bee"):
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for k in range(count):
                pixels = rng.integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{k}.png")
    return tmp_path / "photos"


@pytest.fixture
def weights(monkeypatch, tmp_path):
    monkeypatch.setattr(keras.applications, "InceptionResNetV2", tiny)
    path = tmp_path / "tiny.weights.h5"
    tiny(False, None, (SIDE, SIDE, 3)).save_weights(path)
    return path


def describe(path, photos, weights, **kwargs):
    values = {
        "dataset_name": "folder",
        "data_dir": str(photos),
        "studentnet": "keras_inception_resnet_v2",
        "pretrained": str(weights),
        "augment": "dividemix_webvision",
        "max_number_of_steps": 2,
        "batch_size": 4,
        **kwargs,
    }
    made = []

    def make_method(build, _):
        method = baseline.Baseline(build())
        method.compile(optimizer.TF1Momentum(0.0))  # Weights stay.
        made.append(method)
        return method

    return made, experiment.Experiment(
        method="baseline",
        command="test",
        flags={name: str(v) for name, v in values.items()},
        make_method=make_method,
        train_log_dir=str(path),
        deterministic=False,
        **values,
    )


def test_a_run_needs_its_first_weights_once(tmp_path, photos, weights):
    run = tmp_path / "run"
    made, described = describe(run, photos, weights)
    results = experiment.run(described)
    (method,) = made
    expected = registry.build(
        "keras_inception_resnet_v2",
        2,
        (78, 78, 3),
        pretrained=applications.Pretrained(
            str(weights), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        ),
    )
    for v, w in zip(
        method.student.trainable_variables, expected.trainable_variables
    ):
        np.testing.assert_allclose(v, w, atol=1e-6)

    weights.unlink()
    [row] = evaluate_run.RunEvaluator(run).once()
    assert row["accuracy"] == results["test"]["accuracy"]
    assert row["loss"] == pytest.approx(results["test"]["loss"], rel=1e-5)
    made, described = describe(run, photos, weights, max_number_of_steps=4)
    assert experiment.run(described)["steps"] == 4
    for v, w in zip(
        made[0].student.trainable_variables, method.student.trainable_variables
    ):
        np.testing.assert_array_equal(v, w)


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"augment": "mentornet"}, "--augment=mentornet, which standardises"),
        ({"pretrained": "nowhere.h5"}, "=nowhere.h5: there is no such file"),
        ({"studentnet": "small_cnn"}, "holds no weights of small_cnn"),
        (
            {"studentnet": "small_cnn", "pretrained": "imagenet"},
            "small_cnn has no published weights",
        ),
    ],
)
def test_mistakes(tmp_path, photos, weights, kwargs, message):
    _, described = describe(tmp_path / "run", photos, weights, **kwargs)
    with pytest.raises(errors.UserError, match=message):
        experiment.run(described)
    assert not (tmp_path / "run").exists()
