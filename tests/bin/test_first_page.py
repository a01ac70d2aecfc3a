"""The commands of README.md, run in their order with a budget of two steps."""

import pathlib
import re
import shlex

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# One serves until it is stopped, the other asks it: see test_predict.py.
_NOT_RUN = ("local_server.py", "predict.py")
_MORE = {
    "cifar_train_baseline.py": ["--max_number_of_steps=2"],
    "cifar_train_mentormix.py": ["--max_number_of_steps=2"],
    "compare.py": ["--dry_run"],
}


def commands_of(text):
    text = re.sub(r"\\\n\s+", " ", text)
    lines = re.findall(
        r"^\s+(?:@\$\(BIN\)/python )?bin/(\w+\.py .*)$", text, re.M
    )
    return [shlex.split(line) for line in lines]


DEMO = (
    (ROOT / "Makefile").read_text().partition("\ndemo:")[2].partition("\n\n")[0]
)
COMMANDS = [
    *commands_of(DEMO.replace("$(DEMO)", "runs/demo")),
    *commands_of((ROOT / "README.md").read_text()),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("first_page")


def test_there_are_some():
    scripts = {words[0] for words in COMMANDS}
    assert {"cifar_train_mentormix.py", "export_savedmodel.py"} <= scripts


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(words, id=f"{number}-{words[0]}")
        for number, words in enumerate(COMMANDS)
        if words[0] not in _NOT_RUN and "DIR" not in " ".join(words)
    ],
)
def test_it_runs_as_it_stands(run_script, folder, words):
    script, *flags = words
    flags = [
        re.sub(r"(=|,)(runs|models)/", rf"\1{folder}/\2/", flag)
        for flag in flags
    ]
    done = run_script(script, *flags, *_MORE.get(script, ()))
    assert done.returncode == 0, done.stderr
    assert done.stdout
