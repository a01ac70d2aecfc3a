"""Each mistake in the table costs one line and exit code 2, nothing more."""

import collections
import hashlib
import pathlib
import re

import pytest

import odd_files
import odd_inputs

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def places(tmp_path_factory, run_script):
    """Returns {name: path} of the folders that the table speaks of."""
    folder = tmp_path_factory.mktemp("odd")
    places = {name: folder / name for name in ("odd", "runs", "run", "models")}
    for name in ("odd", "runs"):
        places[name].mkdir()
    odd_files.write(places["odd"])
    for script, *flags in (
        (
            "cifar_train_mentormix.py",
            "--dataset_name=digits",
            "--studentnet=small_cnn",
            "--max_number_of_steps=12",
            f"--train_log_dir={places['run']}",
        ),
        (
            "export_savedmodel.py",
            f"--run_dir={places['run']}",
            f"--export_dir={places['models']}",
        ),
    ):
        done = run_script(script, *flags)
        assert done.returncode == 0, done.stderr
    odd_files.damage_runs(places["run"], places["runs"])
    return places


def state(folder):
    """Returns {path: contents' hash} of what is below a folder."""
    return {
        path: path.is_file() and hashlib.sha256(path.read_bytes()).digest()
        for path in folder.rglob("*")
        if path.name != "lock"
    }


@pytest.fixture(scope="module")
def untouched(places):
    return state(places["odd"].parent)


def ids():
    count = collections.Counter()
    for kind, script, *_ in odd_inputs.ROWS:
        count[kind, script] += 1
        yield f"{kind}-{script.removesuffix('.py')}-{count[kind, script]}"


def rows():
    """Returns the table: of each kind and script one row is quick."""
    first = {}
    for row in odd_inputs.ROWS:
        first.setdefault(row[:2], row)
    return [
        pytest.param(
            *row,
            id=name,
            marks=() if first[row[:2]] is row else pytest.mark.slow,
        )
        for name, row in zip(ids(), odd_inputs.ROWS, strict=True)
    ]


@pytest.mark.parametrize("kind, script, flags, words", rows())
def test_a_mistake_is_one_line(
    run_script,
    places,
    untouched,
    tmp_path,
    monkeypatch,
    kind,
    script,
    flags,
    words,
):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    out = tmp_path / "out"
    done = run_script(script, *flags.format(out=out, **places).split())
    said = [
        line for line in done.stderr.splitlines() if "has no effect" not in line
    ]
    assert done.returncode == 2, done
    assert said[0].startswith(f"{script}: "), done.stderr
    # What is wrong with a data set is told in one list.
    assert len(said) == 1 or "problem" in said[0], done.stderr
    assert words in done.stderr and "Traceback" not in done.stderr
    assert max(map(len, said)) < 2000
    assert not done.stdout
    assert list(tmp_path.rglob("*")) == [here], "something was written"
    assert state(places["odd"].parent) == untouched


def test_every_script_is_in_the_table():
    scripts = {path.name for path in (ROOT / "bin").glob("[a-z]*.py")}
    assert {script for _, script, *_ in odd_inputs.ROWS} == scripts


def test_the_count_in_the_readme():
    text = (ROOT / "tests/README.md").read_text()
    (count,) = re.findall(r"(\d+) mistakes on command lines", text)
    assert int(count) == len(odd_inputs.ROWS)
