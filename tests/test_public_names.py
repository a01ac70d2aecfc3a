"""`import tfnoisy` costs little and gives all that it promises."""

import pathlib
import re
import subprocess
import sys

import tfnoisy

PROGRAM = """
import sys, time
begin = time.process_time()
import tfnoisy
print(time.process_time() - begin)
print([m for m in ("tensorflow", "numpy", "sklearn") if m in sys.modules])
"""


def test_importing_it_is_fast_and_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True
    )
    seconds, heavy = done.stdout.splitlines()
    assert float(seconds) < 0.3
    assert heavy == "[]"


def test_every_public_name_is_there():
    for name in tfnoisy.__all__:
        assert getattr(tfnoisy, name) is not None
        assert name in dir(tfnoisy)
    assert tfnoisy.IEG.__name__ == "IEG"
    assert tfnoisy.audit.__name__ == "tfnoisy.audit"


def test_the_docstrings_example_uses_public_names_only():
    used = set(re.findall(r"tfnoisy\.(\w+)\(", tfnoisy.__doc__))
    assert used and used <= set(tfnoisy.__all__)


def test_type_checkers_are_told_that_there_are_types():
    assert (pathlib.Path(tfnoisy.__file__).parent / "py.typed").exists()
