"""The examples of tfnoisy/methods/README.md, run as they stand."""

import pathlib
import runpy

import pytest

import slow_cases

_ROOT = pathlib.Path(__file__).parents[2]
_EXAMPLES = sorted((_ROOT / "tests" / "examples").glob("*.py"))
_QUICK = ("audit", "baseline", "l2r", "mentormix", "transfer")
_README = (_ROOT / "tfnoisy" / "methods" / "README.md").read_text()


@pytest.mark.filterwarnings("ignore:no tipping point", "ignore:epoch")
@pytest.mark.parametrize(
    "example",
    slow_cases.but(
        [path for path in _EXAMPLES if path.stem in _QUICK], _EXAMPLES
    ),
    ids=lambda path: path.stem,
)
def test_an_example_runs(example, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(example))
    assert capsys.readouterr().out


@pytest.mark.parametrize("example", _EXAMPLES, ids=lambda path: path.stem)
def test_the_readme_shows_the_example(example):
    shown = example.read_text().split("\n)\n", 1)[-1]
    assert f"```python\n{shown}```" in _README
