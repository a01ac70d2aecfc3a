import numpy as np
import pytest
from scipy import special

import little_folder
import slow_cases
from tfnoisy import choices
from tfnoisy.audit import frozen_head, geometry
from tfnoisy.audit import head as head_lib
from tfnoisy.audit.features import networks
from tfnoisy.datasets.sources import folder
from tfnoisy.nets import registry
from tfnoisy.training import optimizer


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("images")
    little_folder.write(path, each=20)
    return folder.read(str(path), "train")


@pytest.fixture(scope="module")
def student(data):
    return registry.build("frozen_efficientnet_lite0", 2, data.images.shape[1:])


@pytest.mark.parametrize("head", slow_cases.but(["ridge"], choices.HEADS))
def test_the_network_gives_the_heads_scores(data, student, head, tmp_path):
    method = frozen_head.FrozenHead(student, head=head, cache_dir=tmp_path)
    method.compile(optimizer.TF1Momentum(0.0))
    wrong = data.given_labels.copy()
    wrong[:4] = 1 - wrong[:4]
    noisy = data.take(np.arange(len(data)))
    object.__setattr__(noisy, "given_labels", wrong)
    ids, errors = method.fit_head(noisy)
    views = (data.images[:].astype(np.float32) - 127.5) / 127.5
    logits = student.predict(views, verbose=0)
    # Bright and dark are easily told apart.
    assert np.mean(logits.argmax(1) == data.given_labels) > 0.9
    features = networks.get("efficientnet_lite0")(data.images[:])
    measured = geometry.measure(features)
    if head == "ridge":
        plain = head_lib.ridge(measured, errors.posterior, errors.penalty)
        scores = plain.scores(features)
        factor = np.sum(scores * logits) / np.sum(scores**2)
        np.testing.assert_allclose(logits, factor * scores, atol=1e-2)
    method._found = ids, errors
    evidence = method.evidence()
    assert evidence["ids"].tolist() == sorted(data.ids.tolist())
    np.testing.assert_array_equal(
        evidence["is_label_issue"], errors.is_label_issue[np.argsort(ids)]
    )


def test_a_logistic_head_is_the_best_of_its_kind():
    draws = np.random.default_rng(0)
    features = draws.normal(size=(80, 6))
    targets = special.softmax(2 * draws.normal(size=(80, 3)), axis=1)
    measured = geometry.measure(features)

    def loss(found):
        scores = found.scores(features)
        fit = special.logsumexp(scores, 1) - np.sum(targets * scores, 1)
        centred = measured.unit - measured.unit.mean(0)
        deviation = np.sqrt(measured.eigenvalues / 80)
        kernel = (measured.right.T @ found.kernel) * deviation[:, None]
        assert centred.shape == (80, 6)
        return fit.sum() + np.sum(kernel**2) / (2 * 0.5)

    best = head_lib.logistic(measured, targets, strength=0.5)
    for _ in range(20):
        other = head_lib.Head(
            best.mean,
            best.kernel + 0.02 * draws.normal(size=best.kernel.shape),
            best.bias + 0.02 * draws.normal(size=3),
        )
        assert loss(best) <= loss(other) + 1e-6


def test_a_temperature_makes_probabilities_and_moves_no_label():
    draws = np.random.default_rng(1)
    labels = np.arange(200) % 4
    features = np.eye(4)[labels] + 0.5 * draws.normal(size=(200, 4))
    targets = np.eye(4)[labels]
    measured = geometry.measure(features)
    plain = head_lib.ridge(measured, targets, 1.0)
    scaled = plain.with_temperature(measured, targets, 1.0)
    np.testing.assert_array_equal(
        plain.predict(features), scaled.predict(features)
    )
    new = np.eye(4)[labels] + 0.5 * draws.normal(size=(200, 4))

    def loss(found):
        scores = found.scores(new)
        return np.mean(
            special.logsumexp(scores, 1) - scores[np.arange(200), labels]
        )

    assert loss(scaled) < loss(plain)


def test_leaving_one_out_is_refitting_without_it():
    draws = np.random.default_rng(2)
    features, targets = draws.normal(size=(40, 5)), draws.random((40, 2))
    measured = geometry.measure(features)
    held_out = head_lib.leave_one_out(measured, targets, 0.3)
    unit = measured.unit.astype(np.float64)
    for row in (0, 7, 39):
        rest = np.arange(40) != row
        design = np.hstack([np.ones([39, 1]), unit[rest]])
        shrink = 0.3 * np.eye(6)
        shrink[0, 0] = 0
        fitted = np.linalg.solve(
            design.T @ design + shrink, design.T @ targets[rest]
        )
        wanted = np.concatenate([[1.0], unit[row]]) @ fitted
        np.testing.assert_allclose(held_out[row], wanted, atol=2e-4)


def test_there_are_no_other_heads(student):
    with pytest.raises(ValueError, match="none of ridge"):
        frozen_head.FrozenHead(student, head="tree")
