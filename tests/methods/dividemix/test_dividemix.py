import json
import pathlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.methods import mixup
from tfnoisy.methods.dividemix import dividemix
from tfnoisy.nets import layers, pair
from tfnoisy.training import optimizer

GOLDEN = pathlib.Path(__file__).parents[2] / "goldens/dividemix_step.json"


def array(values):
    return tf.constant(values, tf.float32)


# The formulas.  The numbers were worked out from those of Train_cifar.py.


@pytest.mark.parametrize(
    "p, temperature, expected",
    [
        ([0.6, 0.3, 0.1], 0.5, [0.782609, 0.195652, 0.021739]),
        ([0.25] * 4, 0.5, [0.25] * 4),
        ([0.6, 0.3, 0.1], 1.0, [0.6, 0.3, 0.1]),
    ],
)
def test_sharpening(p, temperature, expected):
    found = mixup.sharpen(array([p]), temperature)
    np.testing.assert_allclose(found, [expected], atol=1e-6)


@pytest.mark.parametrize(
    "w, expected",
    [
        (1.0, [0, 0, 1]),
        (0.8, [0.013904, 0.005006, 0.981090]),
        (0.5, [0.140449, 0.050562, 0.808989]),
        (0.0, [0.657895, 0.236842, 0.105263]),
    ],
)
def test_co_refinement(w, expected):
    found = dividemix.co_refine(
        array([w]),
        tf.one_hot([2], 3),
        # Two views with this mean.
        [array([[0.6, 0.2, 0.2]]), array([[0.4, 0.4, 0.2]])],
        0.5,
    )
    np.testing.assert_allclose(found, [expected], atol=1e-6)


def test_co_guessing():
    predictions = [[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.2, 0.6, 0.2]]
    predictions.append([0.4, 0.4, 0.2])
    predictions = [array([p]) for p in predictions]
    for temperature, expected in [
        (1.0, [0.45, 0.40, 0.15]),
        (0.5, [0.525974, 0.415584, 0.058442]),
    ]:
        found = dividemix.co_guess(predictions, temperature)
        np.testing.assert_allclose(found, [expected], atol=1e-6)


@pytest.mark.parametrize(
    "epoch, warm_up, lambda_u, expected",
    [
        (0, 10, 25, 0),
        (10, 10, 25, 0),
        (10.5, 10, 25, 0.78125),
        (11, 10, 25, 1.5625),
        (14, 10, 25, 6.25),
        (18, 10, 25, 12.5),
        (25.5, 10, 25, 24.21875),
        (26, 10, 25, 25),
        (300, 10, 25, 25),
        (34, 30, 150, 37.5),
        (38, 30, 150, 75),
        (46, 30, 150, 150),
    ],
)
def test_ramp(epoch, warm_up, lambda_u, expected):
    found = dividemix.ramp_up(array(epoch), warm_up, lambda_u)
    assert float(found) == pytest.approx(expected, abs=1e-5)


def test_losses():
    logits = array([[2, 0, -1], [0, 0, 0]])
    targets = array([[0.8, 0.1, 0.1], [0.2, 0.5, 0.3]])
    for value, expected in [
        (dividemix.labelled_loss(logits, targets), 0.884229),
        # The paper's sum over classes is C times as much.
        (dividemix.unlabelled_loss(logits, targets), 0.00869150),
        (3 * dividemix.unlabelled_loss(logits, targets), 0.0260745),
        (dividemix.negative_entropy(logits), -0.811440),
        (dividemix.regulariser(logits), 0.134818),
        (dividemix.negative_entropy(tf.zeros([2, 10])), -2.302585),
    ]:
        assert float(value) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "mean, expected",
    [
        ([0.7, 0.1, 0.1, 0.1], 0.429813),
        ([0.97, 0.01, 0.01, 0.01], 2.075198),
        ([0.25] * 4, 0.0),
        ([1.0, 0.0, 0.0, 0.0], np.inf),
    ],
)
def test_regulariser(mean, expected):
    found = dividemix.regulariser(tf.math.log(array([mean, mean])))
    assert float(found) == pytest.approx(expected, abs=1e-6)


def test_large_logits_stay_finite():
    logits = tf.Variable([[200.0, 0.0, -200.0], [100.0, 0.0, 0.0]])
    with tf.GradientTape() as tape:
        value = dividemix.negative_entropy(logits)
        value += dividemix.regulariser(logits)
    # ln 3 and a third of ln(exp(-300) / 2), of class 2; of class 1 ln(e-100/2).
    expected = -np.log(3) + (2 * np.log(2) + 200) / 3
    assert float(value) == pytest.approx(expected, rel=1e-5)
    assert np.isfinite(tape.gradient(value, logits)).all()


def test_no_unlabelled_rows_have_no_loss():
    logits = tf.Variable(tf.ones([2, 3]))
    with tf.GradientTape() as tape:
        value = dividemix.unlabelled_loss(logits[2:], tf.ones([0, 3]))
    assert float(value) == 0.0
    gradient = tf.convert_to_tensor(tape.gradient(value, logits))
    np.testing.assert_array_equal(gradient, np.zeros([2, 3]))


@pytest.mark.parametrize("draw", [0.3, 0.7])
def test_mixing(draw):
    targets = array([[1, 0, 0], [0, 0.5, 0.5], [0.2, 0.3, 0.5]])
    images = tf.reshape(array([1, 2, 3]), [3, 1, 1, 1])
    x, y = mixup.mixmatch(images, targets, tf.constant([1, 2, 0]), draw)
    np.testing.assert_allclose(y[0], [0.7, 0.15, 0.15], atol=1e-6)
    np.testing.assert_allclose(tf.reduce_sum(y, 1), [1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(np.ravel(x), [1.3, 2.3, 2.4], atol=1e-6)
    few, _ = mixup.mixmatch(
        images, targets, tf.constant([1, 2, 0]), draw, tf.constant(2)
    )
    np.testing.assert_array_equal(few, x[:2])


@pytest.mark.parametrize(
    "alpha, expected", [(4.0, 0.63671875), (0.5, 0.5 + 1 / np.pi)]
)
def test_mean_of_the_coefficient(alpha, expected):
    draws = mixup.beta([1, 2], [200000], alpha)
    larger = tf.maximum(draws, 1 - draws)
    assert float(tf.reduce_mean(larger)) == pytest.approx(expected, abs=2e-3)


def test_the_sum_of_logits_judges():
    # Train_cifar.py, line 155: as the renormalised product of probabilities.
    student = tiny_pair()
    images = tf.random.stateless_normal([20, 4, 4, 3], [1, 2])
    logits = [
        network(images, training=False).numpy() for network in student.networks
    ]
    method = dividemix.DivideMix(student, num_ids=1)
    found = method.evaluation_logits(images).numpy()
    np.testing.assert_allclose(found, sum(logits), atol=1e-5)
    product = np.prod([tf.nn.softmax(z) for z in logits], axis=0)
    product /= product.sum(1, keepdims=True)
    np.testing.assert_allclose(tf.nn.softmax(found), product, atol=1e-5)


# The step, against the original code in PyTorch.


def wave(shape, shift, scale=1.0, offset=0.0):
    count = np.prod(shape)
    values = offset + scale * np.sin(np.arange(count) + 1 + shift)
    return values.reshape(shape)


def tiny_network(k, num_classes=5):
    """Convolution, normalisation, average, matrix; weights by formula."""
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(inputs)
    x = keras.layers.ReLU()(layers.BatchNorm()(x))
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, keras.layers.Dense(num_classes)(x))
    values = [
        wave((3, 3, 3, 4), 10 * k, 0.4),
        wave((4,), 10 * k + 1, 0.1, 1.0),
        wave((4,), 10 * k + 2, 0.1),
        wave((4, num_classes), 10 * k + 3),
        wave((num_classes,), 10 * k + 4, 0.1),
    ]
    for v, value in zip(model.trainable_variables, values):
        v.assign(value)
    return model


def tiny_pair():
    return pair.Pair(tiny_network(0), tiny_network(1))


def views(size, part):
    """[size, 2, 4, 4, 3] by formula."""
    count = size * 2 * 4 * 4 * 3
    return (
        array(np.cos(0.37 * np.arange(count) + part))
        .numpy()
        .reshape(size, 2, 4, 4, 3)
    )


BATCHES = [
    {
        "labelled": {
            "images": views(3, 0),
            "labels": tf.constant([0, 3, 4]),
            "clean_probability": array([0.75, 0.5, 1.0]),
        },
        "unlabelled": {"images": views(2, 5)},
    },
    {
        "labelled": {
            "images": views(1, 1),
            "labels": tf.constant([2]),
            "clean_probability": array([0.25]),
        },
        "unlabelled": {"images": views(3, 6)},
    },
]


class Spied(dividemix.DivideMix):
    """Mixes as it is told; remembers the gradients of its loss."""

    def __init__(self, *args, mixings, **kwargs):
        super().__init__(*args, **kwargs)
        self.draws, self.partners = (list(part) for part in zip(*mixings))
        self.gradients = []

    def draw_beta(self, batch):
        return tf.constant(self.draws.pop(0))

    def draw_partners(self, num_rows):
        partners = self.partners.pop(0)
        assert int(num_rows) == len(partners)
        return tf.constant(partners)

    def minimize(self, loss, tape, variables=None):
        before = [v.numpy() for v in variables]
        old = [self.optimizer.accumulator(v).numpy() for v in variables]
        super().minimize(loss, tape, variables)
        self.gradients.append(
            [
                self.optimizer.accumulator(v) - 0.9 * a - 5e-4 * w
                for v, a, w in zip(variables, old, before)
            ]
        )


def spied(golden, **kwargs):
    """A method in its epoch 14, with 11 labelled examples."""
    mixings = zip(golden["draws"], golden["partners"])
    method = Spied(
        tiny_pair(), mixings=mixings, num_ids=1, batch_size=4, **kwargs
    )
    method.compile(optimizer.TF1Momentum(0.02, 0.9))
    method.stage_index.assign(2 * 14)
    method.num_labelled.assign(11)
    return method


@pytest.mark.parametrize("original", ["cifar", "clothing1m"])
def test_two_iterations_are_the_originals(original, monkeypatch):
    golden = json.loads(GOLDEN.read_text())
    expected = golden[original]
    method = spied(golden, mix_unlabelled=original == "cifar")
    peer = method.student.networks[1]
    before = [v.numpy() for v in peer.variables]
    mixmatch, given = mixup.mixmatch, []

    def spy(images, targets, *args):
        given.append(targets.numpy())
        return mixmatch(images, targets, *args)

    monkeypatch.setattr(mixup, "mixmatch", spy)
    for batch, row in zip(BATCHES, expected["iterations"]):
        weights = [v.numpy() for v in method.student.trainable_variables[:5]]
        logs = method.train_iteration(0, batch)
        size = len(batch["labelled"]["labels"])
        targets = given[-1]
        for part, name in [
            (targets[:size], "targets_x"),
            (targets[size : 2 * size], "targets_x"),
            (targets[2 * size :], "targets_u"),
        ]:
            wanted = np.array(row[name])
            wanted = np.tile(wanted, [len(part) // len(wanted), 1])
            np.testing.assert_allclose(part, wanted, atol=2e-6, err_msg=name)
        # Ours is with weight decay.
        row["loss"] += 2.5e-4 * sum(np.sum(w**2) for w in weights)
        for name in (
            "loss",
            "labelled_loss",
            "unlabelled_loss",
            "regulariser",
            "lambda_u",
        ):
            if name in row:
                assert float(logs[name]) == pytest.approx(
                    row[name], rel=1e-5, abs=1e-6
                ), name
        for found, wanted in zip(method.gradients[-1], row["gradients"]):
            np.testing.assert_allclose(found, wanted, atol=5e-6)
    if original == "clothing1m":
        assert float(logs["unlabelled_loss"]) == 0.0
    network = method.student.networks[0]
    for v, wanted in zip(network.trainable_variables, expected["weights"]):
        np.testing.assert_allclose(v, wanted, atol=2e-6)
    statistics = [expected["moving_mean"], expected["moving_variance"]]
    for v, wanted in zip(network.non_trainable_variables, statistics):
        np.testing.assert_allclose(v, wanted, atol=2e-6)
    for old, v in zip(before, peer.variables):
        np.testing.assert_array_equal(old, v)


def test_a_warm_up_iteration_is_the_originals():
    golden = json.loads(GOLDEN.read_text())
    images = BATCHES[0]["labelled"]["images"][:, 0]
    batch = {"images": images, "labels": tf.constant([0, 3, 4])}
    method = spied(golden, confidence_penalty=True)
    method.warm_up_iteration(0, batch)
    expected = golden["warm_up"]["gradients"]
    for found, wanted in zip(method.gradients[0], expected):
        np.testing.assert_allclose(found, wanted, atol=5e-6)
    losses = [
        float(
            spied(golden, weight_decay=0.0, **kwargs).warm_up_iteration(
                0, batch
            )["loss"]
        )
        for kwargs in ({"confidence_penalty": True}, {})
    ]
    assert losses[0] == pytest.approx(golden["warm_up"]["loss"], abs=1e-6)
    logits = tiny_network(0)(images, training=True)
    penalty = dividemix.negative_entropy(logits)
    assert losses[1] == pytest.approx(losses[0] - float(penalty), abs=1e-6)


def test_guesses_in_evaluation_mode(monkeypatch):
    golden = json.loads(GOLDEN.read_text())
    method = spied(golden, pseudo_label_mode="eval")
    mixmatch, seen = mixup.mixmatch, []

    def spy(images, targets, *args):
        mixed = mixmatch(images, targets, *args)
        seen.extend([images, targets, mixed[0]])
        return mixed

    monkeypatch.setattr(mixup, "mixmatch", spy)
    method.train_iteration(0, BATCHES[0])
    images, targets, mixed = seen
    student = tiny_pair()
    p, q = (
        tf.nn.softmax(network(images, training=False))
        for network in student.networks
    )
    # Rows 6 and 8 are the first unlabelled image's views.
    guess = mixup.sharpen((p[6:7] + p[8:9] + q[6:7] + q[8:9]) / 4)
    np.testing.assert_allclose(targets[6:7], guess, atol=1e-6)
    refined = 0.75 * tf.one_hot([0], 5) + 0.25 * (p[0:1] + p[3:4]) / 2
    np.testing.assert_allclose(targets[:1], mixup.sharpen(refined), atol=1e-6)
    # Only the pass on the mixed batch has moved the statistics.
    student.networks[0](mixed, training=True)
    for network, reference in zip(method.student.networks, student.networks):
        for v, w in zip(
            network.non_trainable_variables, reference.non_trainable_variables
        ):
            np.testing.assert_allclose(v, w, atol=1e-6)


def compiled(**kwargs):
    kwargs = {"num_ids": 1, "batch_size": 4, **kwargs}
    method = dividemix.DivideMix(tiny_pair(), **kwargs)
    method.compile(optimizer.TF1Momentum(0.02, 0.9))
    method.num_labelled.assign(11)
    return method


def test_without_an_unlabelled_part():
    method = compiled()
    batch = {"labelled": BATCHES[0]["labelled"]}
    logs = method.train_iteration(0, batch)
    assert float(logs["unlabelled_loss"]) == 0.0
    assert np.isfinite(float(logs["loss"]))
    assert int(method.step) == 1


def test_a_step_leaves_the_other_network_alone():
    method = compiled()
    first, second = method.student.networks
    method.train_iteration(0, BATCHES[0])
    before = [v.numpy() for v in first.variables]
    kept = [
        method.optimizer.accumulator(v).numpy()
        for v in first.trainable_variables
    ]
    old = [v.numpy() for v in second.trainable_variables]
    method.train_iteration(1, BATCHES[1])
    assert int(method.step) == 2
    for w, v in zip(before, first.variables):
        np.testing.assert_array_equal(w, v)
    for a, v in zip(kept, first.trainable_variables):
        np.testing.assert_array_equal(a, method.optimizer.accumulator(v))
    for w, v in zip(old, second.trainable_variables):
        assert np.abs(w - v).max() > 0


def test_steps_repeat_bit_for_bit_and_differ_by_seed():
    def weights_after(seed):
        method = compiled(seed=seed)
        for batch in BATCHES:
            method.train_iteration(0, batch)
        return [v.numpy() for v in method.student.variables]

    first, again, other = weights_after(1), weights_after(1), weights_after(2)
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(first, other))


def test_mixing_is_drawn_anew_in_every_step():
    method = compiled()
    draw, partners = method.draw_beta({}), method.draw_partners(50)
    np.testing.assert_array_equal(np.sort(partners), np.arange(50))
    assert draw.shape == () and 0 <= float(draw) <= 1
    method.step.assign(1)
    other_draw, other_partners = (
        method.draw_beta({}),
        method.draw_partners(50),
    )
    assert float(draw) != float(other_draw)
    assert np.any(partners != other_partners)


def test_replicas_take_the_mean_of_their_steps(two_replicas):
    draw, partners = (
        tf.constant(0.3),
        tf.constant([4, 9, 0, 7, 2, 1, 8, 3, 6, 5]),
    )
    batches = [
        BATCHES[0],
        {
            **BATCHES[0],
            "labelled": {
                **BATCHES[0]["labelled"],
                "labels": tf.constant([1, 1, 2]),
            },
        },
    ]

    def updated(train):
        method = compiled()
        method.draw_beta = lambda _: draw
        method.draw_partners = lambda _: partners
        train(method)
        return [
            tf.convert_to_tensor(v.value).numpy()
            for v in method.student.networks[1].trainable_variables
        ]

    singles = [
        updated(lambda method, batch=batch: method.train_iteration(1, batch))
        for batch in batches
    ]

    def mirrored(method):
        values = two_replicas.experimental_distribute_values_from_function(
            lambda context: batches[context.replica_id_in_sync_group]
        )

        def step(batch):
            return method.train_iteration(1, batch)

        tf.function(
            lambda: two_replicas.run(step, (values,)), autograph=False
        )()

    with two_replicas.scope():
        both = updated(mirrored)
    for a, b, c in zip(*singles, both):
        np.testing.assert_allclose((a + b) / 2, c, atol=1e-6)


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({"T": 0.0}, "--T=0.0"),
        ({"alpha": 0.0}, "--alpha=0.0"),
        ({"pseudo_label_mode": "both"}, "there are train, eval"),
    ],
)
def test_values_out_of_range(kwargs, message):
    with pytest.raises(errors.UserError, match=message):
        compiled(**kwargs)


def test_defaults_are_the_originals():
    method = compiled(batch_size=64)
    assert (method.lambda_u, method.T, method.alpha) == (25.0, 0.5, 4.0)
    assert (method.p_threshold, method.lr, method.weight_decay) == (
        0.5,
        0.02,
        5e-4,
    )
    assert (method.warm_up, method.num_epochs) == (10, 300)
    assert method.lr_drop_epochs == (150,)
    assert method.reg_covar == 5e-4
    assert method.pseudo_label_mode == "train"
    assert not method.confidence_penalty
