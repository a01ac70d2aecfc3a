"""Ways of Keras's own tests of `fit`: they hold here too."""

import keras
import numpy as np
import pytest

import tiny_methods

IMAGES, LABELS = tiny_methods.digits()[0]


def fitted(method=None, x=IMAGES, y=LABELS, **kwargs):
    method = method or tiny_methods.compiled("mixup")
    given = {"epochs": 2, "verbose": 0, **kwargs}
    if y is not None:
        given.setdefault("batch_size", 32)
    return method, method.fit(x, y, **given).history


@pytest.fixture(scope="module")
def plain():
    return fitted()


@pytest.mark.parametrize(
    "how", [{"steps_per_execution": 2}, {"jit_compile": True}]
)
def test_how_steps_are_executed_changes_nothing(plain, how):
    method = tiny_methods.make("mixup")
    method.compile(
        plain[0].optimizer.from_config(plain[0].optimizer.get_config()), **how
    )
    _, history = fitted(method)
    assert method.steps_made() == 6
    for name, values in plain[1].items():
        np.testing.assert_allclose(history[name], values, rtol=1e-4)


def test_two_fits_are_one_longer_one(plain):
    method, _ = fitted(epochs=1)
    fitted(method, epochs=2, initial_epoch=1)
    for ours, theirs in zip(plain[0].get_weights(), method.get_weights()):
        np.testing.assert_array_equal(ours, theirs)


def test_callbacks_are_called_as_by_keras():
    calls = []
    count = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: calls.append("begin"),
        on_epoch_begin=lambda epoch, logs: calls.append(epoch),
        on_train_batch_end=lambda batch, logs: calls.append(f"b{batch}"),
        on_epoch_end=lambda epoch, logs: calls.append(sorted(logs)),
        on_train_end=lambda logs: calls.append("end"),
    )
    fitted(callbacks=[count], steps_per_epoch=2)
    epoch = ["b0", "b1", ["accuracy", "loss"]]
    assert calls == ["begin", 0, *epoch, 1, *epoch, "end"]


class Sequence(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(32 * index, 32 * index + 32)
        return IMAGES[rows], LABELS[rows]


def test_other_sources_of_batches():
    batches = [Sequence()[k] for k in range(3)]
    expected, _ = fitted(x=Sequence(), y=None, epochs=1)
    generated, _ = fitted(x=iter(batches), y=None, epochs=1)
    assert expected.steps_made() == generated.steps_made() == 3
    for ours, theirs in zip(expected.get_weights(), generated.get_weights()):
        np.testing.assert_array_equal(ours, theirs)


def test_batches_by_hand(plain):
    method = plain[0]
    logs = method.test_on_batch(IMAGES[:8], LABELS[:8], return_dict=True)
    found = method.evaluate(IMAGES[:8], LABELS[:8], verbose=0, return_dict=True)
    assert logs == pytest.approx(found, rel=1e-5)
    np.testing.assert_allclose(
        method.predict_on_batch(IMAGES[:8]),
        method.predict(IMAGES[:8], verbose=0),
        rtol=1e-5,
    )
