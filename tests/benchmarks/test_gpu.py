import importlib.util

import pytest

import slow_cases
from tfnoisy.benchmarks import gpu, torch_step


@pytest.mark.parametrize(
    "method", slow_cases.but(["baseline"], ["baseline", "dividemix"])
)
def test_every_way_has_a_line(method):
    lines = list(
        gpu.gpu_suite(
            [method],
            "small_cnn",
            8,
            1,
            steps=(1, 3),
            precisions=("none", "bfloat16"),
            jit=(False,),
            deterministic=(True,),
            image_shape=(8, 8, 1),
        )
    )
    ours = [line for line in lines if line["method"] == method]
    inputs = ["host", "device"] if method == "baseline" else ["host"]
    assert list(dict.fromkeys(line["input"] for line in ours)) == inputs
    assert len(ours) == 4 * len(inputs)
    from_host = [line for line in ours if line["input"] == "host"]
    ways = [
        (line["mixed_precision"], line["steps_per_execution"])
        for line in from_host
    ]
    assert ways == [("none", 1), ("none", 3), ("bfloat16", 1), ("bfloat16", 3)]
    for line in ours:
        assert line["deterministic"] and not line["jit_compile"]
        assert line["batch_size"] == 8
        assert line["images_per_second"] == pytest.approx(
            8000 / line["step_ms"], rel=0.01
        )
        assert line["first_call_seconds"] > line["step_ms"] / 1000


@pytest.mark.slow
def test_what_tensorflow_refuses_is_a_line():
    # XLA has no deterministic gradient of maximum pooling.
    lines = gpu.gpu_suite(
        ["baseline"],
        "small_cnn",
        8,
        1,
        steps=(1,),
        precisions=("none",),
        jit=(True,),
        deterministic=(True,),
        image_shape=(8, 8, 1),
    )
    refused = [line for line in lines if line["method"] == "baseline"]
    assert [line["input"] for line in refused] == ["host", "device"]
    for line in refused:
        assert "step_ms" not in line
        assert "MaxPool" in line["error"]


@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is optional"
)
def test_pytorchs_network_is_ours():
    network = torch_step.preact_resnet18(10)
    assert sum(p.numel() for p in network.parameters()) == 11171274


def test_without_pytorch_its_step_is_left_out(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert list(torch_step.torch_step_suite(8, 1)) == []
