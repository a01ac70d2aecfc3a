"""A step beside PyTorch's; PyTorch is optional, taking turns is not."""

import importlib.util
import time

import pytest

from tfnoisy import errors
from tfnoisy.benchmarks import peer_step

HAS_TORCH = importlib.util.find_spec("torch") is not None


def make_quick(milliseconds):
    peer_step._step = lambda: _work(milliseconds)


def make_slow(milliseconds):
    peer_step._step = lambda: _work(3 * milliseconds)


def _work(milliseconds):
    end = time.process_time() + milliseconds / 1000
    while time.process_time() < end:
        pass


@pytest.mark.slow
def test_each_has_a_process_of_its_own_and_processor_time_counts():
    makers = {"quick": make_quick, "slow": make_slow}
    found = peer_step._taking_turns(makers, (20,), repeats=3, warm_up=1)
    assert 0.02 <= found["quick"] < 0.05
    assert 0.06 <= found["slow"] < 0.12
    assert peer_step._step is None


@pytest.mark.skipif(HAS_TORCH, reason="PyTorch is installed")
def test_without_pytorch_one_line_says_so():
    with pytest.raises(errors.UserError, match="pip install torch"):
        list(peer_step.peer_suite(8, 1))


@pytest.mark.skipif(not HAS_TORCH, reason="PyTorch is optional")
def test_both_steps_are_timed():
    (row,) = peer_step.peer_suite(4, 2, precisions=("none",))
    assert row["ours_seconds"] > 0 and row["torch_seconds"] > 0
    assert 0.1 < row["ratio"] < 10
