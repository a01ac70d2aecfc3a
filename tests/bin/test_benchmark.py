import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def run(*flags):
    done = subprocess.run(
        [sys.executable, str(ROOT / "bin/benchmark.py"), *flags],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_line_for_each_method():
    rows = run(
        "--suite=step",
        "--method=mentormix",
        "--method=mentornet",
        "--studentnet=cifar_resnet20",
        "--batch_size=2",
        "--repeats=2",
    )
    assert [row["method"] for row in rows] == ["mentormix", "mentornet"]
    assert all(row["ratio"] > 0 for row in rows)
