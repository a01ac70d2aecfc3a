"""ProMix beside the running original: its epochs, from the first step on."""

import numpy as np
import pytest
import tensorflow as tf

import golden
from tfnoisy.augment import standard
from tfnoisy.datasets import dataset as dataset_lib
from tfnoisy.datasets import pipeline
from tfnoisy.methods import base
from tfnoisy.methods.promix import fmix, promix
from tfnoisy.nets import pair

NUMBERS = golden.read("promix_steps")
SETTINGS = ["cifar10", "cifar100", "guesses_as_they_are"]
COUNT, BATCH = 20, 8
LABELS = np.tile(golden.LABELS, 2)
WEAK, STRONG = (
    golden.images(COUNT, *view) for view in ((0.1, 1.5), (0.7, 1.2))
)


def unchanged(images, draws=None):
    return tf.identity(images)


def make_data():
    """Returns the examples in the views that the original saw."""
    dataset = dataset_lib.ImageDataset(
        name="sines",
        images=WEAK,
        given_labels=LABELS,
        clean_labels=None,
        ids=np.arange(COUNT),
        class_names=tuple("abcd"),
    )
    view = standard.Augmentation(
        "as it is", 0, unchanged, unchanged, unchanged, (3, 3, 1)
    )
    return pipeline.TrainingData(dataset, view, BATCH, 0, view)


class Drawn(promix.ProMix):
    """Mixes by the draws of the original."""

    def begin(self, expected, monkeypatch):
        """Takes the draws in their order: a view after the other."""
        self._expected = expected
        self._partners = iter(expected["partners"])
        drawn = iter(zip(expected["masks"], expected["shares"]))

        def draw(seed, height, width):
            ones, share = next(drawn)
            ones = np.float32(list(map(int, ones))).reshape(height, width)
            return tf.constant(ones), tf.constant(share, tf.float32)

        monkeypatch.setattr(fmix, "draw", draw)

    def draw_beta(self, batch):
        made = int(base.value_of(self.step)) - 3
        draws = self._expected["beta"][4 * made : 4 * made + 4]
        return tf.reshape(tf.constant(draws, tf.float32), [2, 2])

    def draw_orders(self, k, head, used):
        used = used.numpy()
        orders = np.zeros([2, len(used)], np.float32)
        for order in orders:
            order[used] = np.argsort(next(self._partners))
        return tf.constant(orders)

    def scaled_gradients(self, loss, tape, variables):
        self.gradients = super().scaled_gradients(loss, tape, variables)
        return self.gradients


def make(expected):
    networks = [
        golden.network(k, sharpness=expected["sharpness"])
        for k in (0, expected["second"])
    ]
    method = golden.compiled(
        Drawn(
            pair.Pair(*networks),
            num_ids=COUNT,
            lr=0.02,
            weight_decay=0.02,
            **expected["options"],
        )
    )
    for k, heads in zip((0, expected["second"]), method.heads):
        heads.pseudo.kernel.assign(golden.wave((5, 4), 2.5 + k))
        heads.pseudo.bias.assign(golden.wave((4,), 5.5 + k, 0.3))
    return method


def check_weights(method, expected):
    for network, heads, numbers in zip(
        method.student.networks, method.heads, expected, strict=True
    ):
        variables = [
            *golden.weights(network),
            *heads.pseudo.trainable_variables,
        ]
        for v, value in zip(variables, numbers, strict=True):
            golden.assert_near(v, value, name=v.path)


def check_gradients(method, expected):
    heads = len(method.heads[0].trainable_variables)
    own = len(method.gradients) // 2 - heads
    for k, numbers in enumerate(expected):
        found = method.gradients[k * own : (k + 1) * own]
        begin = 2 * own + k * heads
        found = [*found, *method.gradients[begin : begin + heads]]
        for n, (g, value) in enumerate(zip(found, numbers, strict=True)):
            golden.assert_near(g, value, name=f"gradient {n} of network {k}")


@pytest.mark.parametrize("name", SETTINGS)
def test_all_epochs_are_the_originals(name, monkeypatch):
    expected = NUMBERS[name]
    method, data, losses = make(expected), make_data(), []
    method.begin(expected, monkeypatch)
    views = {"images": WEAK, "images_strong": STRONG, "labels": LABELS}
    for epoch, batches in enumerate(expected["rows"]):
        stage = method.stage(len(losses), data, 1000)
        assert stage.last_step - stage.first_step == len(batches)
        if epoch:
            found = [np.flatnonzero(m) for m in base.value_of(method.selected)]
            for rows, chosen in zip(found, expected["selected"][epoch - 1]):
                assert rows.tolist() == chosen
        for rows in batches:
            decay = float(method.decay_loss(method.trained_variables))
            if not epoch:
                decay = float(method.decay_loss())
            logs = stage.train_step(golden.batch(rows, **views))
            losses.append(float(logs["loss"]) - decay)
            if not epoch:
                continue
            used = np.mean(expected["used"][len(losses) - 4]) / BATCH
            assert float(logs["used"]) == pytest.approx(used)
            if len(losses) == 4:
                check_gradients(method, expected["gradients"])
        if epoch:
            golden.assert_near(
                method.priors, expected["priors"][epoch - 1], name="priors"
            )
        if epoch < 2:
            check_weights(method, expected["weights"][epoch])
    assert method.stage(len(losses), data, 1000) is None
    check_weights(method, expected["weights"][2])
    golden.assert_near(losses, expected["losses"], name="losses")
