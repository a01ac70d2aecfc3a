import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.augment import standard
from tfnoisy.datasets import load
from tfnoisy.serving.export import export, lite
from tfnoisy.training import evaluate_run


@pytest.fixture(scope="module")
def classifier(trained, tmp_path_factory):
    run = evaluate_run.RunEvaluator(trained)
    run.restore(run.checkpoint())
    return export._classifier(run, None, tmp_path_factory.mktemp("labels"))


@pytest.fixture(scope="module")
def digits():
    return load.load("digits", "test[:200]"), load.load("digits", "train")


@pytest.mark.parametrize(
    "quantise, tolerance, bits",
    [("none", 1e-5, 32), ("float16", 5e-3, 16), ("int8", 0.2, 8)],
)
def test_a_file_answers_as_the_network(
    classifier, digits, quantise, tolerance, bits
):
    test, train = digits
    contents = lite.convert(classifier, quantise, train.images)
    found = lite.probabilities(contents, test.images)
    expected = classifier.probabilities(test.images)["probabilities"].numpy()
    difference = np.abs(found - expected).max()
    assert difference < tolerance
    assert (difference > 1e-5) == (quantise != "none")
    same = found.argmax(axis=1) == expected.argmax(axis=1)
    assert same.mean() >= 0.98
    # What is not weights is the graph, a few kilobytes.
    weights = classifier.network.count_params() * bits / 8
    assert weights < len(contents) < weights + 15_000


def test_int8_computes_in_integers(classifier, digits):
    contents = lite.convert(classifier, "int8", digits[1].images)
    with pytest.warns(UserWarning, match="LiteRT"):
        interpreter = tf.lite.Interpreter(model_content=contents)
    taken = interpreter.get_signature_list()["serving_default"]
    assert taken == {"inputs": ["images"], "outputs": ["probabilities"]}
    [image] = interpreter.get_input_details()
    assert image["dtype"] == np.float32
    assert image["shape_signature"].tolist() == [-1, 8, 8, 1]
    dtypes = [
        tensor["dtype"]
        for tensor in interpreter.get_tensor_details()
        if len(tensor["shape"]) == 4
    ]
    # All maps and kernels but the image itself.
    assert dtypes.count(np.float32) == 1
    assert dtypes.count(np.int8) >= 7


def test_calibration_looks_at_the_images_it_is_given(classifier, digits):
    """Of black images nothing can be learned about others."""
    test, train = digits
    found = [
        lite.probabilities(
            lite.convert(classifier, "int8", images), test.images
        )
        for images in (train.images, np.zeros_like(train.images))
    ]
    expected = classifier.probabilities(test.images)["probabilities"].numpy()
    good, bad = (np.abs(p - expected).mean() for p in found)
    assert good < bad / 5


def test_other_views_are_converted_too(classifier, digits, monkeypatch):
    """Standardisation, which is made of operations on whole images."""
    test, train = digits
    view = standard.get("mentornet", (8, 8, 1)).evaluate
    monkeypatch.setattr(classifier, "_view", view)
    expected = classifier.probabilities(test.images)["probabilities"].numpy()
    contents = lite.convert(classifier, "none", train.images)
    found = lite.probabilities(contents, test.images)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    contents = lite.convert(classifier, "int8", train.images)
    assert np.isfinite(lite.probabilities(contents, test.images)).all()
