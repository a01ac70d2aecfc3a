"""How TensorFlow comes in: late, quietly, with oneDNN, without extras."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import json, os, sys
from tfnoisy.cli import tensorflow_start
tensorflow_start.prepare()
early = "tensorflow" in sys.modules
import tensorflow as tf
import keras
extras = sorted({"sklearn", "matplotlib"} & set(sys.modules))
used = [
    keras.wrappers.SKLearnClassifier.__name__,
    tf.keras.visualization.plot_image_gallery.__name__,
]
print(json.dumps({
    "early": early,
    "onednn": os.environ["TF_ENABLE_ONEDNN_OPTS"],
    "level": os.environ["TF_CPP_MIN_LOG_LEVEL"],
    "extras": extras,
    "used": used,
    "sum": float(tf.reduce_sum(tf.ones(3))),
}))
"""


PREPARED = """
import json, os
from absl import logging
from tfnoisy.cli import tensorflow_start
tensorflow_start.prepare()
print(json.dumps({
    "onednn": os.environ["TF_ENABLE_ONEDNN_OPTS"],
    "level": os.environ["TF_CPP_MIN_LOG_LEVEL"],
    "absl": logging.get_verbosity() == logging.ERROR,
}))
"""


def start(program, **variables):
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**environment, **variables},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def usual():
    return start(PROGRAM)


def test_preparing_imports_nothing_and_importing_says_nothing(usual):
    found, said = usual
    assert not found["early"] and found["sum"] == 3
    assert said == ""


def test_onednn_is_on_and_messages_are_off(usual):
    found, _ = usual
    assert found["onednn"] == "1" and found["level"] == "2"


@pytest.mark.parametrize(
    "variables, expected",
    [
        (
            {"TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "0"},
            {"onednn": "0", "level": "0", "absl": False},
        ),
        # Of several workers' ends TensorFlow speaks as of errors.
        (
            {"TF_CONFIG": "{}"},
            {"onednn": "1", "level": "3", "absl": True},
        ),
    ],
)
def test_the_users_own_settings_win(variables, expected):
    assert start(PREPARED, **variables) == (expected, "")


def test_what_keras_would_import_for_others_comes_when_it_is_used(usual):
    found, _ = usual
    assert found["extras"] == []
    assert found["used"] == ["SKLearnClassifier", "plot_image_gallery"]
