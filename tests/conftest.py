"""What every test can count on: two logical CPUs, and no network."""

import json
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import tempfile

# Before anything else is imported; the processes that tests start inherit it.
_LOOPBACK_ONLY = pathlib.Path(__file__).parent / "helpers/loopback_only"
_SCRATCH = tempfile.TemporaryDirectory()
_ATTEMPTS = pathlib.Path(_SCRATCH.name, "attempts")
_ATTEMPTS.touch()
os.environ["TFNOISY_NETWORK_ATTEMPTS"] = str(_ATTEMPTS)
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(_LOOPBACK_ONLY), os.environ.get("PYTHONPATH")])
)
runpy.run_path(str(_LOOPBACK_ONLY / "sitecustomize.py"))

from tfnoisy.cli import tensorflow_start

tensorflow_start.prepare()

import hypothesis
import pytest
import registries
import tensorflow as tf

from tfnoisy import plugins

# The same examples in each run: a test that fails, fails again.
# HYPOTHESIS_PROFILE=default draws new ones.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 2,
)


@pytest.fixture(autouse=True)
def no_network():
    """Fails a test that asks for a host other than this one."""
    known = len(_ATTEMPTS.read_text())
    yield
    tried = _ATTEMPTS.read_text()[known:]
    assert not tried, f"a test went to the network:\n{tried}"


@pytest.fixture(scope="session")
def two_replicas():
    """Returns a MirroredStrategy of two CPU replicas.

    One for all: the collectives of a second one in the process would be
    taken for those of the first.
    """
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


# A script defines its flags for a whole process, and TensorFlow is not needed
# for that: a process is forked off for each.
_LIST_FLAGS = """
import importlib, json, os, pathlib
from absl import flags
import tfnoisy.bin

for path in sorted(pathlib.Path(tfnoisy.bin.__file__).parent.glob("*.py")):
    if path.stem.startswith("_"):
        continue
    if os.fork():
        os.wait()
        continue
    importlib.import_module(f"tfnoisy.bin.{path.stem}")
    print(json.dumps([path.name, list(flags.FLAGS)]), flush=True)
    os._exit(0)
"""


@pytest.fixture(scope="session")
def script_flags():
    """Returns {script: the names of its flags, a set}, as `--help` has them."""
    done = subprocess.run(
        [sys.executable, "-c", _LIST_FLAGS], capture_output=True, text=True
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    lines = map(json.loads, done.stdout.splitlines())
    return {script: set(names) for script, names in lines}


@pytest.fixture
def forget_plugins(monkeypatch):
    """Forgets afterwards what a test has registered and imported."""
    for each in registries.ALL:
        monkeypatch.setattr(each, "_entries", dict(each._entries))
    monkeypatch.setattr(plugins, "_loaded", dict(plugins._loaded))
    monkeypatch.setattr(plugins, "_modules", set(plugins._modules))
    monkeypatch.setattr(plugins, "_installed_are_loaded", False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in plugins._modules:
        for module in set(sys.modules) - before:
            if module == name or module.startswith(f"{name}."):
                del sys.modules[module]


# A suite that was started in the background has Ctrl-C ignored, and so would
# have the processes that its tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
