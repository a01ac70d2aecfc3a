"""What a command costs before it does what it is for: bars that must hold."""

import itertools
import pathlib

from tfnoisy.benchmarks import start

SCRIPTS = pathlib.Path(__file__).parents[2] / "bin"


def test_the_help_of_every_script_takes_less_than_a_second():
    number = 1 + len(list(SCRIPTS.glob("[a-z]*.py")))
    rows = list(itertools.islice(start.start_suite(SCRIPTS, 1), number))
    assert rows[0]["what"] == "import tfnoisy"
    assert rows[0]["processor_seconds"] < 0.3
    for row in rows[1:]:
        assert row["what"].endswith(" --help")
        assert 0 < row["processor_seconds"] < 1


def test_the_first_step_is_made_within_six_seconds():
    row = start.first_step(SCRIPTS / "cifar_train_baseline.py", 1)
    # TensorFlow cannot be imported in less: something was trained.
    assert 1 < row["processor_seconds"] < 6
    assert row["what"] == "first step of cifar_train_baseline.py on digits"
