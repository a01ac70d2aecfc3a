"""README.md's Python is run as it stands."""

import pathlib
import re

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_the_python_of_the_readme_learns():
    [code] = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    printed = []
    exec(code, {"print": printed.append})
    [result] = printed
    assert result["accuracy"] > 0.9


def test_the_first_commands_are_the_promised_ones():
    commands = re.findall(r"^    (make \w+)", README.read_text(), re.M)
    assert commands[:2] == ["make demo", "make test"]
