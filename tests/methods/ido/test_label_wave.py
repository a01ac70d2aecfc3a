import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.methods.ido import label_wave


@pytest.mark.parametrize(
    "changes, epoch",
    [
        ([], None),
        ([0, 9], None),
        ([0, 9, 8, 7, 6], None),
        ([0, 9, 8, 8, 9], 3),
        ([0, 9, 10, 3, 4], 2),
        # The first epoch has nothing before it.
        ([0, 0, 5], 2),
    ],
)
def test_the_epoch_in_which_changes_do_not_fall(changes, epoch):
    assert label_wave.wave_epoch(changes) == epoch


def test_changes_are_counted_and_the_weights_of_the_rise_are_kept():
    weight = tf.keras.Variable([0.0, 0.0])
    wave = label_wave.LabelWave(5, 4, [weight])
    ids = tf.constant([0, 1, 4], tf.int64)
    predictions = [[0, 1, 2], [1, 2, 2], [1, 2, 0], [1, 0, 1]]
    for epoch, classes in enumerate(predictions):
        wave.record(ids, tf.one_hot(classes, 3))
        weight.assign([epoch, epoch])
        wave.end_epoch(epoch, [weight])
    assert wave.changes.numpy().tolist() == [0, 2, 1, 2]
    assert wave.predicted.numpy().tolist() == [1, 0, -1, -1, 1]
    assert wave.method_metrics(4) == {
        "label_wave": {"changes": [0, 2, 1, 2], "epoch": 3}
    }
    weight.assign([7.0, 7.0])
    assert wave.restore([weight])
    np.testing.assert_array_equal(weight, [3, 3])


def test_where_changes_fall_nothing_is_kept():
    weight = tf.keras.Variable([0.0])
    wave = label_wave.LabelWave(2, 3, [weight])
    wave.end_epoch(0, [weight])
    assert not wave.restore([weight])
    assert wave.method_metrics(1)["label_wave"]["epoch"] is None
