"""Which machine and code a run was made by."""

import subprocess

import pytest
import tensorflow as tf

from tfnoisy.training import provenance

XEON = """\
processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8488C CPU @ 2.40GHz
flags\t\t: fpu avx2 avx512f avx512_bf16 amx_bf16
"""
EPYC = "model name\t: AMD EPYC 7B12\nflags\t\t: fpu sse4_2 avx2\n"


def test_a_processor_in_words(monkeypatch):
    monkeypatch.setattr(
        provenance.os, "sched_getaffinity", lambda _: {0, 1}, raising=False
    )
    monkeypatch.setattr(provenance.os, "cpu_count", lambda: 8)
    assert provenance.processor(XEON) == (
        "2 cores of Intel Xeon Platinum 8488C (AMX)"
    )
    assert provenance.processor(EPYC) == "2 cores of AMD EPYC 7B12 (AVX2)"
    assert provenance.processor("") == "8 cores"


@pytest.mark.parametrize(
    "names, words",
    [
        (["NVIDIA H200"], "1 x NVIDIA H200"),
        (["A", "B", "A"], "2 x A and 1 x B"),
    ],
)
def test_gpus_in_words(names, words, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: names)
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda name: {"device_name": name},
    )
    assert provenance.hardware() == words


def test_the_commit_says_whether_files_differ(tmp_path):
    assert provenance.commit(tmp_path) is None
    git = ["git", "-C", str(tmp_path)]
    subprocess.run([*git, "init", "-q"], check=True)
    (tmp_path / "a").write_text("1")
    (tmp_path / "of_the_user").write_text("1")
    kept = tmp_path / "data/results/runs/row-0.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("1")
    subprocess.run([*git, "add", "a", "data"], check=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, *identity, "commit", "-qm", "one"], check=True)
    found = provenance.commit(tmp_path)
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    )
    assert found == head.stdout[:7]
    # A run kept between two seeds is no other code.
    kept.write_text("2")
    assert provenance.commit(tmp_path) == found
    (tmp_path / "a").write_text("2")
    assert provenance.commit(tmp_path) == found + "+"
