"""The README files: their commands name flags that exist, their Python runs.

Every indented line `bin/SCRIPT.py ...` of any README is looked at.  Those of
the first page are run by `tests/bin/test_first_page.py`.
"""

import json
import pathlib
import re
import shlex
import subprocess
import sys

import keras
import pytest

import slow_cases

ROOT = pathlib.Path(__file__).parents[1]
README = ROOT / "README.md"
READMES = sorted(
    path
    for path in ROOT.glob("**/*.md")
    if path.relative_to(ROOT).parts[0] != "runs"
    and not path.relative_to(ROOT).parts[0].startswith(".venv")
)
_MOST_LINES = 180
# Flags of a method come from its class, see bin/train.py.
_FLAGS_OF_METHODS = ("train",)

# All scripts' flags, in a process that imports no TensorFlow.
PROGRAM = """
import importlib, json
from absl import flags
from tfnoisy.cli import document_scripts, flag_groups
found = {}
for script in document_scripts.scripts():
    before = set(flags.FLAGS)
    importlib.import_module(f"tfnoisy.bin.{script}")
    found[script] = sorted(set(flags.FLAGS) - before)
    # The next script may have a flag of the same name.
    flags.FLAGS.remove_flag_values(found[script])
    flag_groups.forget()
print(json.dumps(found))
"""


def commands(path):
    """The commands of a README that run a script: lists of words."""
    text = re.sub(r"\\\n\s+", " ", path.read_text())
    found = []
    for line in re.findall(r"^    .*?\bbin/(\w+\.py .*)$", text, re.M):
        line = line.partition("  #")[0].partition(";")[0]
        found.append(shlex.split(re.sub(r"\$\(.*", "", line)))
    return found


ALL = [(p, words) for p in READMES for words in commands(p)]


@pytest.fixture(scope="module")
def known():
    """{script: names of its flags}."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_every_command_names_a_script_and_flags_that_exist(known):
    assert len(ALL) > 50
    wrong = []
    for path, (script, *words) in ALL:
        name = script.removesuffix(".py")
        if name.startswith("my_"):  # A script of the reader's.
            continue
        if name not in known:
            wrong.append(f"{path.name}: no script {script}")
            continue
        for word in words:
            flag = word.lstrip("-").partition("=")[0]
            names = {flag, flag.removeprefix("no")}
            if (
                word.startswith("--")
                and not names & {*known[name], "flagfile", "help"}
                and name not in _FLAGS_OF_METHODS
            ):
                wrong.append(f"{path.name}: {script} has no --{flag}")
    assert not wrong


def test_every_flag_file_of_a_command_exists():
    for path, words in ALL:
        for word in words:
            if word.startswith("--flagfile=flags/"):
                file = ROOT / word.partition("=")[2]
                assert file.exists(), f"{path.name}: {file}"


def test_every_link_and_picture_leads_somewhere():
    for path in READMES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
            if not re.match(r"\w+://", target):
                assert (path.parent / target).exists(), f"{path}: {target}"


def test_the_first_page_is_short():
    assert len(README.read_text().splitlines()) <= _MOST_LINES


def python_of(path):
    """The Python blocks of a README."""
    return re.findall(r"```python\n(.*?)```", path.read_text(), re.S)


# What it prints at the end, judged.  The Python of methods/README.md is that of
# tests/examples, tfnoisy/README.md's that of tests/plugin: run there.
PRINTED = {
    # On as many processors as this runs on, 0.87 was the least.
    "README.md": lambda result: result["accuracy"] > 0.8,
    "tfnoisy/audit/README.md": lambda wrong, right: wrong > 0.5 > 0.1 > right,
    "tfnoisy/datasets/README.md": lambda result: result["accuracy"] > 0.95,
    "tfnoisy/nets/README.md": lambda count: count > 260_000,
    "tfnoisy/noise/README.md": lambda rate: 0.3 < rate < 0.42,
}
# For more than a moment.
_TRAINED = {"README.md", "tfnoisy/datasets/README.md"}


def test_all_python_is_run_somewhere():
    run = {*PRINTED, "tfnoisy/methods/README.md", "tfnoisy/README.md"}
    names = {
        path.relative_to(ROOT).as_posix() for path in READMES if python_of(path)
    }
    assert names <= run


@pytest.mark.parametrize(
    "name", slow_cases.but(PRINTED.keys() - _TRAINED, PRINTED)
)
def test_python_runs_as_it_stands(name):
    [code] = python_of(ROOT / name)
    printed = []
    keras.utils.set_random_seed(1)
    exec(code, {"print": lambda *values: printed.append(values)})
    assert PRINTED[name](*printed[-1])


def test_the_first_commands_are_the_promised_ones():
    found = re.findall(r"^    (make \w+)", README.read_text(), re.M)
    assert found[:2] == ["make demo", "make test"]
