"""When ProMix does what: its epochs, ramps and learning rate."""

import numpy as np
import pytest

import tiny_methods
import tiny_runs
from tfnoisy import errors
from tfnoisy.methods import base
from tfnoisy.methods.promix import ramps, selection


@pytest.mark.parametrize(
    "epoch, expected", [(10, 0.2), (30, 0.6), (50, 1.0), (99, 1.0), (100, 1.0)]
)
def test_the_ramp(epoch, expected):
    assert float(ramps.ramp(float(epoch), 50)) == pytest.approx(expected)
    assert ramps.ramp(float(epoch), 0) == 1


@pytest.mark.parametrize(
    "epoch, expected",
    [
        (0, 0.05),
        (10, 0.049966),
        (50, 0.049149),
        (300, 0.025025),
        (599, 0.00005),
        (600, 0.00005),
    ],
)
def test_the_learning_rate(epoch, expected):
    assert ramps.cosine_rate(0.05, epoch, 601) == pytest.approx(
        expected, abs=6e-7
    )


def test_epochs_of_plain_training_end_with_a_short_batch():
    method = tiny_methods.compiled("promix", pretrain_ep=2)
    # 40 examples: 3 batches, of which 2 are full.
    data = tiny_runs.make_data(batch_size=15)
    found = [method.epoch_of(step, data) for step in range(10)]
    assert found == [
        *[(0, 0, 3)] * 3,
        *[(1, 3, 6)] * 3,
        *[(2, 6, 8)] * 2,
        *[(3, 8, 10)] * 2,
    ]


def test_the_steps_of_a_run_are_those_of_its_epochs():
    method = tiny_methods.compiled("promix", pretrain_ep=2)
    data = tiny_runs.make_data(batch_size=15)
    for count, steps in ((1, 3), (2, 6), (3, 8), (9, 20)):
        found = method.steps_of_run(count, 40, 15, {"pretrain_ep": 2})
        assert found == steps
        assert method.epoch_of(steps - 1, data)[::2] == (count - 1, steps)
    # A batch that is larger than the data is short in each epoch.
    assert method.steps_of_run(5, 40, 64, {"pretrain_ep": 2}) == 5


def staged(step=0, num_steps=1000, **kwargs):
    method = tiny_methods.compiled("promix", num_ids=40, **kwargs)
    data = tiny_runs.make_data(batch_size=20)
    return method, data, method.stage(step, data, num_steps)


def test_what_each_epoch_trains():
    method, data, stage = staged(pretrain_ep=1, num_epochs=9, lr=0.1)
    assert stage.train_step == method.warm_up_step
    assert "images_strong" not in stage.batches().element_spec
    assert not base.value_of(method.selected).any()
    stage = method.stage(2, data, 1000)
    assert stage.train_step == method.selected_step
    assert stage.evaluate and stage.ends_epoch
    assert (stage.first_step, stage.last_step) == (2, 4)
    assert "images_strong" in stage.batches().element_spec
    assert base.value_of(method.selected).any()
    assert float(method.optimizer.learning_rate) == pytest.approx(
        ramps.cosine_rate(0.1, 1, 9)
    )
    assert method.stage(17, data, 1000).last_step == 18
    assert method.stage(18, data, 1000) is None


def test_labels_are_guessed_in_the_last_epochs():
    method, data, _ = staged(pretrain_ep=0, num_epochs=9, start_expand=3)
    for epoch in range(9):
        method.stage(2 * epoch, data, 1000)
        assert bool(method.expands.numpy()) == (epoch >= 6)
    # Where nothing says how many there are, the steps do.
    method, data, _ = staged(pretrain_ep=0, num_epochs=0, start_expand=3)
    for epoch in range(5):
        method.stage(2 * epoch, data, 10)
        assert bool(method.expands.numpy()) == (epoch >= 2)
    assert method.stage(10, data, 10) is None


def test_each_network_selects_by_its_own_losses():
    method, data, _ = staged(
        pretrain_ep=0, rho_start=0.3, rho_end=0.3, num_epochs=9
    )
    images = data.augmentation.evaluate(data.dataset.images)
    labels = data.dataset.given_labels
    for k, network in enumerate(method.student.networks):
        z = network(images).numpy().astype(np.float64)
        losses = np.log(np.exp(z).sum(1)) - z[np.arange(40), labels]
        found = base.value_of(method.judged)[data.dataset.ids]
        np.testing.assert_allclose(found[:, k], losses, rtol=1e-4)
        np.testing.assert_array_equal(
            base.value_of(method.selected)[k, data.dataset.ids],
            selection.small_losses(found[:, k], labels, 10, 0.3),
        )
    first, second = base.value_of(method.selected)
    assert (first != second).any()


def test_rho_moves_in_a_line(monkeypatch):
    seen = []

    def small_losses(losses, labels, num_classes, rho, ids):
        seen.append(rho)
        return np.ones(len(labels), bool)

    monkeypatch.setattr(selection, "small_losses", small_losses)
    method, data, _ = staged(
        pretrain_ep=0,
        warmup_ep=4,
        rho_start=0.2,
        rho_end=0.6,
        num_epochs=9,
    )
    for epoch in range(1, 6):
        method.stage(2 * epoch, data, 1000)
    np.testing.assert_allclose(
        seen[::2], [0.2, 0.3, 0.4, 0.5, 0.6, 0.6], atol=1e-6
    )


def test_losses_that_are_not_finite_end_the_run():
    method, data, _ = staged(pretrain_ep=1, num_epochs=9)
    weights = method.student.networks[0].trainable_variables[0]
    weights.assign(np.full(weights.shape, np.nan, np.float32))
    with pytest.raises(errors.TrainingError, match="not finite at step"):
        method.select(data, 1)
