"""tfnoisy/README.md: its code is the plugin's, and runs."""

import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from tfnoisy.augment import standard
from tfnoisy.datasets import load

TESTS = pathlib.Path(__file__).parent
README = (TESTS.parent / "tfnoisy" / "README.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", README, re.S)


def test_the_plugin_is_what_the_readme_shows():
    assert CODE[0] == (TESTS / "plugin" / "my_gce.py").read_text()
    lines = [line for line in CODE[0].splitlines() if line.strip()]
    assert len(lines) <= 50


@pytest.mark.usefixtures("forget_plugins")
def test_the_data_and_views_of_the_readme():
    exec(CODE[1], {"__name__": "readme"})
    data = load.load("my_stripes", "train", image_size=6)
    assert data.images.shape == (200, 6, 6, 1)
    level, upright = data.images[:2, :, :, 0]
    np.testing.assert_array_equal(level, upright.T)
    assert level[0].tolist() == [0] * 6 and level[1].tolist() == [255] * 6
    view = standard.get("my_view", (6, 6, 1))
    draws = tf.constant([[0.5], [1.0]])
    seen = view.train(tf.constant(data.images[:2]), draws)
    np.testing.assert_allclose(
        seen - view.evaluate(data.images[:2]),
        np.broadcast_to([[[[0.0]]], [[[0.1]]]], (2, 6, 6, 1)),
        atol=1e-6,
    )


def test_the_commands_of_the_readme_name_flags_that_there_are(script_flags):
    own = {"help", "q"}
    for command in re.findall(r"^    bin/((?:.*\\\n)*.*)", README, re.M):
        script, *words = command.replace("\\\n", " ").split()
        for word in words:
            name = word.removeprefix("--").partition("=")[0]
            assert name in script_flags[script] | own, (script, name)
