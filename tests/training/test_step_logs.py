import pytest
import tensorflow as tf

from tfnoisy import errors
from tfnoisy.training import step_logs


@pytest.mark.parametrize(
    "names, words",
    [
        (["loss"], "returns no 'accuracy', only loss"),
        (["accuracy", "a"], "returns no 'loss', only a, accuracy"),
        ([], "returns no 'loss', only nothing"),
    ],
)
def test_a_step_that_does_not_say_how_it_went(names, words):
    """As a plugin's may be: it is told at the first step."""
    logs = step_logs.StepLogs(progress=None)
    with pytest.raises(errors.TrainingError, match=words):
        logs.add(1, {name: tf.constant([0.5]) for name in names})
