"""setup.cfg, the scripts and the folders agree."""

import ast
import configparser
import os
import pathlib
import re

import pytest
from packaging import requirements, utils

ROOT = pathlib.Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "bin").glob("[a-z]*.py"))


@pytest.fixture(scope="module")
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def lines(text):
    return [line for line in text.splitlines() if line and line[0] != "#"]


def test_every_script_is_an_installed_command_and_no_other(setup):
    entries = lines(setup["options.entry_points"]["console_scripts"])
    places = {}
    for entry in entries:
        command, place = entry.split(" = ")
        assert command.startswith("tfnoisy-")
        places[place] = command
    assert len(places) == len(entries)
    assert set(places) == {f"tfnoisy.bin.{path.stem}:run" for path in SCRIPTS}


def test_every_package_is_installed(setup):
    packages = {
        ".".join(path.relative_to(ROOT).parent.parts)
        for path in (ROOT / "tfnoisy").rglob("__init__.py")
    }
    for folder in ("bin", "flags", "data"):
        assert (ROOT / folder).is_dir()
        packages.add(f"tfnoisy.{folder}")
    assert set(lines(setup["options"]["packages"])) == packages


def test_every_file_that_is_no_python_travels_with_its_package(setup):
    data = {
        package: patterns.split()
        for package, patterns in setup["options.package_data"].items()
    }
    for path in (ROOT / "tfnoisy").rglob("*"):
        if path.suffix in (".py", ".pyc", ".md") or path.is_dir():
            continue
        covered = any(
            path.match(str(ROOT.joinpath(*package.split(".")) / pattern))
            for package, patterns in data.items()
            for pattern in patterns
        )
        assert covered, path


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_can_be_started_and_has_the_common_form(path):
    text = path.read_text()
    assert text.startswith("#!/usr/bin/env python3\n")
    assert os.access(path, os.X_OK)
    # First of all, so that a missing installation costs one line.
    guard, *_ = ast.parse(text).body[1:]
    assert "import _check_installed" in ast.unparse(guard)
    assert re.search(r'if __name__ == "__main__":\n    run\(\)\n$', text)


def test_the_tested_versions_fulfil_setup_cfg(setup):
    tested = {}
    for line in lines((ROOT / "bin/constraints.txt").read_text()):
        name, version = line.split("==")
        tested[utils.canonicalize_name(name)] = version
    wanted = [setup["options"]["install_requires"]]
    wanted.append(setup["options.extras_require"]["dev"])
    for line in lines("\n".join(wanted)):
        wants = requirements.Requirement(line)
        version = tested[utils.canonicalize_name(wants.name)]
        assert wants.specifier.contains(version), line
