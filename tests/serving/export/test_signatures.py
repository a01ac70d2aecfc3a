import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import pictures
from tfnoisy.augment import standard
from tfnoisy.nets import pair, registry
from tfnoisy.serving.export import signatures

CLASSES = ("ant", "bee", "cat", "dog")


def classifier(
    tmp_path, shape=(8, 8, 1), augment="standard", top_k=3, **kwargs
):
    """An untrained one."""
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"{name}\n" for name in CLASSES))
    views = standard.get(augment, shape)
    network = kwargs.pop("network", None) or registry.build(
        "small_cnn", len(CLASSES), views.view_shape, seed=1
    )
    return signatures.Classifier(
        network, views.evaluate, shape, labels, top_k, **kwargs
    )


@pytest.mark.parametrize("augment", standard.names())
def test_floats_and_bytes_are_seen_alike(tmp_path, augment):
    shape = (32, 32, 3)
    images = np.stack(
        [pictures.photograph(32, 32, seed=seed) for seed in range(2)]
    )
    images[1] = 77  # No contrast, of which standardisation must not make any.
    served = classifier(tmp_path, shape, augment)
    expected = tf.nn.softmax(
        served.network(standard.get(augment, shape).evaluate(images))
    )
    for dtype in (np.uint8, np.float32):
        answer = served.classify(tf.constant(images.astype(dtype)))
        np.testing.assert_allclose(
            answer["probabilities"], expected, rtol=1e-4, atol=1e-6
        )


def test_the_answer_names_the_most_likely_classes_in_order(tmp_path):
    images = np.stack([pictures.photograph(8, 8, 1, k) for k in range(20)])
    answer = classifier(tmp_path).classify(tf.constant(images))
    probabilities = answer["probabilities"].numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(answer["top_k_class_ids"], order)
    np.testing.assert_array_equal(answer["class_ids"], order[:, 0])
    np.testing.assert_array_equal(
        answer["top_k_probabilities"],
        np.take_along_axis(probabilities, order, axis=1),
    )
    names = np.array(CLASSES)
    for key, ids in (
        ("class_names", order[:, 0]),
        ("top_k_class_names", order),
    ):
        found = np.char.decode(answer[key].numpy().astype(bytes))
        np.testing.assert_array_equal(found, names[ids])


def test_certain_classes_keep_the_order_of_their_logits(tmp_path):
    """Where rounding leaves nothing of the others' probabilities."""
    served = classifier(tmp_path, top_k=4)
    kernel, bias = served.network.get_layer("logits").variables
    kernel.assign(tf.zeros_like(kernel))
    bias.assign([-500.0, 0.0, -300.0, -400.0])
    answer = served.classify(tf.zeros([1, 8, 8, 1]))
    assert answer["probabilities"].numpy().tolist() == [[0, 1, 0, 0]]
    assert answer["top_k_class_ids"].numpy().tolist() == [[1, 2, 3, 0]]


def test_files_are_answered_as_their_pixels(tmp_path):
    served = classifier(tmp_path)
    images = np.stack([pictures.photograph(8, 8, 1, seed) for seed in range(3)])
    files = [
        pictures.file_of(Image.fromarray(image[..., 0])) for image in images
    ]
    expected = served.classify(tf.constant(images))
    answer = served.classify_files(tf.constant(files))
    for name, values in expected.items():
        if values.dtype.is_floating:
            np.testing.assert_allclose(
                answer[name], values, rtol=1e-4, atol=1e-6
            )
        else:
            np.testing.assert_array_equal(answer[name], values)


def test_features_are_what_the_last_layer_sees(tmp_path):
    images = np.stack([pictures.photograph(8, 8, 1, seed) for seed in range(3)])
    served = classifier(tmp_path)
    features = served.features(tf.constant(images, tf.float32))["features"]
    assert features.shape == (3, 64)
    np.testing.assert_allclose(
        served.network.get_layer("logits")(features),
        served.logits(tf.constant(images)),
        rtol=1e-4,
        atol=1e-5,
    )


def test_a_pair_sums_logits_and_shows_both_features(tmp_path):
    networks = [
        registry.build("small_cnn", len(CLASSES), (8, 8, 1), seed=seed)
        for seed in (1, 2)
    ]
    served = classifier(tmp_path, network=pair.Pair(*networks))
    images = np.stack([pictures.photograph(8, 8, 1, seed) for seed in range(3)])
    view = standard.to_unit_range(images)
    logits = networks[0](view) + networks[1](view)
    np.testing.assert_allclose(
        served.classify(tf.constant(images))["probabilities"],
        tf.nn.softmax(logits),
        rtol=1e-4,
        atol=1e-6,
    )
    features = served.features(tf.constant(images, tf.float32))["features"]
    halves = tf.split(features, 2, axis=1)
    np.testing.assert_allclose(
        sum(
            network.get_layer("logits")(half)
            for network, half in zip(networks, halves)
        ),
        logits,
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize("signature", ["serving_default", "features"])
def test_images_of_another_size_are_refused(tmp_path, signature):
    function, spec = classifier(tmp_path).signatures()[signature]
    assert spec.shape.as_list() == [None, 8, 8, 1]
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        function(tf.zeros([2, 16, 16, 1]))
