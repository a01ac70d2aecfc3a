"""The proof that a server answers as training judges, without a server."""

import concurrent.futures
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

import slow_cases
from tfnoisy import errors
from tfnoisy.datasets import load
from tfnoisy.serving.export import warm_up
from tfnoisy.serving.loader import c_loader
from tfnoisy.training import evaluate_run

PROGRAM = pathlib.Path(__file__).with_name("without_tensorflow.py")
NAMES = ["features", "serving_bytes", "serving_default", "serving_uint8"]


@pytest.fixture(scope="module")
def thousand():
    """1,000 images of the digits: the test split and more."""
    test, more = load.load("digits", "test"), load.load("digits", "train")
    return np.concatenate([test.images, more.images])[:1000]


def in_training(run_dir, images):
    """Returns the probabilities by which training judges a run's last step."""
    run = evaluate_run.RunEvaluator(run_dir)
    run.restore(run.checkpoint())
    logits = run.method.evaluation_logits(run.augmentation.evaluate(images))
    assert run.method.evaluated_weights == (
        "raw" if run.folder.networks() == 2 else "ema"
    )
    return tf.nn.softmax(logits).numpy()


@pytest.mark.parametrize(
    "run, version",
    slow_cases.but(
        [("trained", "exported")],
        [("trained", "exported"), ("trained_pair", "exported_pair")],
        several=True,
    ),
)
def test_a_process_without_tensorflows_python_answers_as_training(
    run, version, thousand, tmp_path, request
):
    run = request.getfixturevalue(run)
    version = request.getfixturevalue(version).path
    np.savez(tmp_path / "images.npz", images=thousand)
    done = subprocess.run(
        [
            *(sys.executable, PROGRAM, version),
            *(tmp_path / "images.npz", tmp_path / "answers.npz"),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "answers.npz", allow_pickle=True) as file:
        answers = dict(file)

    modules = set(answers.pop("modules"))
    assert "tensorflow.core.protobuf.meta_graph_pb2" in modules
    assert not {"tensorflow.python", "keras", "tfnoisy.nets"} & modules

    expected = in_training(run, thousand)
    assert np.abs(answers["probabilities"] - expected).max() < 1e-5
    np.testing.assert_array_equal(answers["class_ids"], expected.argmax(axis=1))
    # The digits are called by their numbers.
    assert [int(name) for name in answers["class_names"]] == list(
        answers["class_ids"]
    )

    replayed = {
        tuple(name.split("/")[1:3])
        for name in answers
        if name.startswith("warm_up/")
    }
    assert len(replayed) == len(NAMES) * len(warm_up.BATCH_SIZES)
    assert {name for _, name in replayed} == set(NAMES)
    # The first record of each holds the first test image.
    for number, name in sorted(replayed):
        if name != "features" and int(number) % len(warm_up.BATCH_SIZES) == 0:
            found = answers[f"warm_up/{number}/{name}/probabilities"]
            np.testing.assert_allclose(found, expected[:1], atol=1e-5)


@pytest.fixture(scope="module")
def session(exported):
    with c_loader.Session(exported.path) as session:
        yield session


def test_the_signatures_say_what_they_take(session):
    assert sorted(session.signatures) == NAMES
    taken = {
        name: (key, tensor.dtype, tensor.shape)
        for name, signature in session.signatures.items()
        for key, tensor in signature.inputs.items()
    }
    assert taken == {
        "serving_default": ("images", np.float32, (None, 8, 8, 1)),
        "serving_uint8": ("images", np.uint8, (None, 8, 8, 1)),
        "serving_bytes": ("image_bytes", object, (None,)),
        "features": ("images", np.float32, (None, 8, 8, 1)),
    }
    outputs = session.signatures["serving_bytes"].outputs
    assert {name: tensor.shape for name, tensor in outputs.items()} == {
        "probabilities": (None, 10),
        "class_ids": (None,),
        "class_names": (None,),
        "top_k_probabilities": (None, 5),
        "top_k_class_ids": (None, 5),
        "top_k_class_names": (None, 5),
    }
    assert outputs["class_names"].dtype == object
    assert outputs["class_ids"].dtype == np.int64


def test_all_signatures_answer_alike(session, thousand):
    images = thousand[:5]
    files = [tf.io.encode_png(image).numpy() for image in images]
    by_pixels = session.run("serving_uint8", {"images": images})
    for name, inputs in (
        ("serving_default", {"images": images.astype(np.float32)}),
        ("serving_bytes", {"image_bytes": np.array(files, object)}),
    ):
        answer = session.run(name, inputs)
        for key, values in by_pixels.items():
            np.testing.assert_array_equal(answer[key], values)
    some = session.run("serving_uint8", {"images": images}, ["class_ids"])
    assert list(some) == ["class_ids"]


def test_decimals_are_images_too(session, thousand):
    images = thousand[:1].astype(np.float32)
    whole, half = (
        session.run("serving_default", {"images": images + shift})
        for shift in (0, 0.5)
    )
    difference = np.abs(whole["probabilities"] - half["probabilities"]).max()
    assert 0 < difference < 0.05


@pytest.mark.parametrize(
    "signature, inputs, words",
    [
        ("serve", {}, "no signature 'serve'; there are features, serving"),
        ("features", {"image": None}, "no input 'image'; there are images"),
        ("features", {}, "must feed a value"),
        ("features", {"images": np.zeros([1, 8, 8, 1])}, "float but double"),
        (
            "features",
            {"images": np.zeros([1, 9, 8, 1], np.float32)},
            r"\[1,9,8,1\] is not compatible",
        ),
        ("features", {"images": np.zeros([1], "m8")}, "timedelta64"),
        ("serving_bytes", {"image_bytes": [b"GIF?"]}, "Unknown image file"),
        ("serving_bytes", {"image_bytes": ["text"]}, "<U4"),
        (
            "serving_bytes",
            {"image_bytes": np.array(["text"], object)},
            "must be bytes",
        ),
    ],
)
def test_what_does_not_fit_is_refused(session, signature, inputs, words):
    with pytest.raises(errors.UserError, match=words):
        session.run(signature, inputs)


def test_an_output_that_is_not_there(session, thousand):
    with pytest.raises(errors.UserError, match="no output 'scores'; there"):
        session.run("serving_uint8", {"images": thousand[:1]}, ["scores"])


def test_several_threads_may_ask(session, thousand):
    """Each gets its own answer."""

    def ask(start):
        images = thousand[start : start + 7]
        return session.run("serving_uint8", {"images": images})["probabilities"]

    starts = range(0, 700, 7)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = np.concatenate(list(pool.map(ask, starts)))
    whole = session.run("serving_uint8", {"images": thousand[:700]})
    np.testing.assert_allclose(answers, whole["probabilities"], atol=1e-6)


def test_a_configuration_reaches_tensorflow(exported):
    config = config_pb2.ConfigProto(device_count={"CPU": 1})
    with c_loader.Session(exported.path, config.SerializeToString()) as one:
        assert sorted(one.signatures) == NAMES
    with pytest.raises(errors.UserError, match="Unparseable ConfigProto"):
        c_loader.Session(exported.path, b"no ConfigProto")


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(errors.UserError, match="Could not find SavedModel"):
        c_loader.Session(tmp_path)
