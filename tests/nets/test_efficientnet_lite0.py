"""Against a golden of the weights' own PyTorch network, in float64."""

import json
import pathlib

import keras
import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.nets import (
    applications,
    efficientnet_lite0,
    layers,
    registry,
)

GOLDEN = json.loads(
    (
        pathlib.Path(__file__).parents[1] / "goldens/efficientnet_lite0.json"
    ).read_text()
)


def pictures(side):
    """The two images of the golden, uint8 [2, side, side, 3]."""
    y, x, c = np.meshgrid(
        np.arange(side), np.arange(side), np.arange(3), indexing="ij"
    )
    stripes = (7 * y + 3 * x + 40 * c + (x * y) // 5) % 256
    waves = (127 + 120 * np.sin(y / (5 + c)) * np.cos(x / 9)).astype(np.int64)
    return np.stack([stripes, waves]).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    model = efficientnet_lite0.efficientnet_lite0(1000, (None, None, 3), 0)
    efficientnet_lite0.load_weights(model, last_layer=True)
    return model


@pytest.mark.parametrize("side", [128, 97])
def test_equals_the_published_network(model, side):
    """97 pixels: maps of odd sides pad differently at a stride of 2."""
    views = (pictures(side).astype(np.float32) - 127) / 128
    both = keras.Model(
        model.input, [model.get_layer("logits").input, model.output]
    )
    pooled, logits = (np.asarray(out) for out in both(views, training=False))
    golden = GOLDEN[str(side)]
    np.testing.assert_allclose(pooled[:, ::20], golden["pooled"], atol=1e-4)
    np.testing.assert_allclose(logits[:, ::50], golden["logits"], atol=1e-4)
    np.testing.assert_allclose(
        pooled.sum(axis=1), golden["pooled_sums"], atol=0.01
    )
    np.testing.assert_allclose(
        np.square(pooled).sum(axis=1), golden["pooled_squares"], rtol=1e-4
    )


def test_has_the_published_number_of_parameters(model):
    assert sum(np.prod(w.shape) for w in model.trainable_variables) == 4652008
    norms = [x for x in model.layers if isinstance(x, layers.BatchNorm)]
    assert {(x.momentum, x.epsilon) for x in norms} == {(0.99, 1e-3)}
    assert len(norms) == 49


def test_takes_views_of_any_normalisation(model):
    """Within the image; pixels outside are of the views' mean colour."""
    mean, deviation = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
    ours = registry.build(
        "efficientnet_lite0",
        5,
        (64, 64, 3),
        pretrained=applications.Pretrained("imagenet", mean, deviation),
    )
    pixels = pictures(64).astype(np.float32)
    stems = [
        keras.Model(net.input, net.get_layer("stem_bn").output)
        for net in (ours, model)
    ]
    found = stems[0]((pixels / 255 - mean) / deviation, training=False)
    wanted = stems[1]((pixels - 127) / 128, training=False)
    inside = np.s_[:, :-1, :-1]
    np.testing.assert_allclose(found[inside], wanted[inside], atol=1e-3)


def test_wants_colours():
    with pytest.raises(errors.UserError, match="three channels, not 1"):
        registry.build(
            "efficientnet_lite0",
            5,
            (64, 64, 1),
            pretrained=applications.Pretrained("imagenet", (0.5,), (0.5,)),
        )


def test_names_a_checkpoint_of_another_network(model, tmp_path):
    path = tmp_path / "other.pth"
    path.write_bytes(b"nothing")
    with pytest.raises(errors.UserError, match=r"other\.pth"):
        efficientnet_lite0.load_weights(model, path)


def test_draws_by_fan_out():
    drawn = efficientnet_lite0.efficientnet_lite0(3, (32, 32, 3), seed=1)
    depthwise = drawn.get_layer("block_0_depthwise").kernel.numpy()
    assert depthwise.std() == pytest.approx((2 / 9) ** 0.5, rel=0.15)
    head = drawn.get_layer("head").kernel.numpy()
    assert head.std() == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    logits = drawn.get_layer("logits").kernel.numpy()
    assert np.abs(logits).max() == pytest.approx(3**-0.5, rel=0.01)


def test_a_new_last_layer_on_loaded_weights_begins_undecided():
    """Else few classes would have logits of 20, and features would be lost."""
    images = np.random.default_rng(0).normal(size=(8, 32, 32, 3))
    pretrained = applications.Pretrained("imagenet", (0.5,) * 3, (0.5,) * 3)
    for classes in (2, 5):
        loaded = registry.build(
            "efficientnet_lite0", classes, (32, 32, 3), 0, pretrained=pretrained
        )
        assert np.std(loaded(images, training=False)) < 2
        assert np.std(loaded.layers[-1].get_weights()[0]) < 0.02
