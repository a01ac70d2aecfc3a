"""That what ships is there, and that its names cost no TensorFlow."""

import inspect
import pathlib
import subprocess
import sys

import pytest
import registries

from tfnoisy import errors, registry
from tfnoisy.benchmarks import step_passes
from tfnoisy.catalogue import (
    methods,
    noises,
    pretrainings,
)
from tfnoisy.methods import base

ROOT = pathlib.Path(__file__).parents[2]


def test_the_names_cost_no_tensorflow():
    program = (
        "import sys\n"
        "from tfnoisy.catalogue import datasets, methods, networks\n"
        "from tfnoisy.catalogue import noises, views\n"
        "from tfnoisy.comparison import protocol, plan\n"
        "from tfnoisy.noise import spec\n"
        "spec.parse('symmetric:0.4')\n"
        "p = protocol.make_protocol('digits', 'symmetric:0.4', 0)\n"
        "for name in methods.METHODS.names(): protocol.flags_of(name, p)\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


@pytest.mark.parametrize(
    "entries", registries.ALL, ids=lambda entries: entries.kind
)
def test_whatever_ships_can_be_imported(entries):
    for entry in entries:
        assert callable(entry.load()), entry.name
        # Its arguments are ones that the function takes.
        inspect.signature(entry.load())


def test_methods():
    for entry in methods.METHODS:
        cls = registry.resolve(entry.target)
        assert issubclass(cls, base.Method), entry.name
        assert callable(registry.resolve(entry.recipe))
        step = registry.resolve(entry.step)
        assert isinstance(step, step_passes.Step)
        assert (ROOT / "bin" / entry.script).exists()
        # What gives evidence says how to read it, and the other way round.
        leaves = cls.evidence is not base.Method.evidence
        assert leaves == (entry.evidence is not None), entry.name


def test_pretrainings():
    for entry in pretrainings.PRETRAININGS:
        assert issubclass(registry.resolve(entry.target), base.Method)
        assert entry.name not in methods.METHODS


def test_parameters_that_a_noise_cannot_have():
    with pytest.raises(errors.UserError, match="parameters='A:B'"):
        noises.register("odd", parameters="A:B")(len)
    assert "odd" not in noises.NOISE_KINDS
