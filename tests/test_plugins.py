import importlib.metadata
import pathlib
import sys
import textwrap

import pytest

from tfnoisy import errors, plugins
from tfnoisy.benchmarks import step_passes
from tfnoisy.catalogue import networks, noises

SOURCE = """
from tfnoisy.catalogue import noises

@noises.register("{name}")
def noise(dataset, spec, seed):
    return dataset.clean_labels
"""

pytestmark = pytest.mark.usefixtures("forget_plugins")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder that is also where the user is."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, name="own_noise", before=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(before) + SOURCE.format(name=name))
    return path


def refused(named):
    with pytest.raises(errors.UserError) as caught:
        plugins.load(named)
    message = str(caught.value)
    assert message.startswith(f"--plugin={named}: ") and "\n" not in message
    return message


def test_a_file(here):
    path = write(here / "own_file.py")
    assert plugins.load("own_file.py") == [str(path)]
    assert "own_noise" in noises.NOISE_KINDS
    # Once, by whatever name.
    assert plugins.load([str(path), "../" + f"{here.name}/own_file.py"]) == [
        str(path)
    ]
    assert plugins.loaded()[-1] == str(path)
    assert plugins.has_module("own_file") and not plugins.has_module("own")


def test_a_module_of_this_folder_is_recorded_by_its_path(here):
    path = write(here / "own_module.py")
    assert plugins.load("own_module") == [str(path)]
    # Also where the folder is on Python's path, as for `python -m`.
    sys.path.insert(0, "")
    assert plugins.load("own_module") == [str(path)]


def test_an_installed_module_is_recorded_by_its_name(here, monkeypatch):
    write(here / "site-packages" / "own_installed.py")
    monkeypatch.syspath_prepend(here / "site-packages")
    assert plugins.load("own_installed") == ["own_installed"]
    assert plugins.load("own_installed") == ["own_installed"]


def test_a_module_of_a_package(here):
    write(here / "lab" / "__init__.py", "first_noise")
    path = write(
        here / "lab" / "noises.py",
        "second_noise",
        before="from . import tools\nassert tools.N == 3\n",
    )
    (here / "lab" / "tools.py").write_text("N = 3\n")
    assert plugins.load("lab.noises") == [str(path)]
    for name in ("lab", "./lab", "lab/__init__.py"):
        assert plugins.load(name) == [str(here / "lab")]
    assert {"first_noise", "second_noise"} <= set(noises.NOISE_KINDS.names())


def test_modules_beside_a_file_can_be_imported(here):
    (here / "folder").mkdir()
    (here / "folder" / "own_helper.py").write_text("N = 3\n")
    write(here / "folder" / "own_file.py", before="import own_helper\n")
    plugins.load("folder/own_file.py")
    assert "own_noise" in noises.NOISE_KINDS


def test_files_of_one_name_and_names_of_the_standard_library(here):
    write(here / "a" / "own_file.py", "noise_a")
    write(here / "b" / "own_file.py", "noise_b")
    write(here / "json.py", "noise_json")
    names = plugins.load(["a/own_file.py,b/own_file.py", "./json.py"])
    assert len(names) == 3
    assert {"noise_a", "noise_b", "noise_json"} <= {*noises.NOISE_KINDS.names()}
    import json

    assert json.loads("[1]") == [1]


def test_several_separated_by_commas(here):
    write(here / "a.py", "noise_a")
    write(here / "b.py", "noise_b")
    names = [str(here / "a.py"), str(here / "b.py")]
    assert plugins.load("a.py, b.py") == names
    assert plugins.load(",".join(names)) == names
    assert plugins.load("") == [] == plugins.load([])


def test_what_is_not_there(here):
    assert "no module of that name" in refused("no_such_module")
    assert "no module of that name" in refused("no.such.module")
    assert f"there is no file {here / 'no.py'}" in refused("no.py")
    (here / "folder").mkdir()
    assert "folder without __init__.py" in refused("./folder")
    assert "folder without __init__.py" in refused("folder")


@pytest.mark.parametrize(
    "line, words",
    [
        ("import no_such_module", "ModuleNotFoundError: No module named"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("from tfnoisy import nothing", "ImportError: cannot import name"),
    ],
)
def test_what_cannot_be_imported_says_where(here, line, words):
    path = here / "own_broken.py"
    path.write_text(f"import os\n{line}\n")
    message = refused("own_broken.py")
    assert f"it cannot be imported: {words}" in message
    assert message.endswith(f"({path}:2)")
    # It can be mended and tried again.
    write(path)
    plugins.load("own_broken.py")


def test_what_registers_nothing(here):
    (here / "own_empty.py").write_text("x = 1\n")
    for _ in range(2):
        assert "it registers nothing" in refused("own_empty.py")
    assert "it registers nothing" in refused("json")


def test_what_another_plugin_has_imported_has_registered(here):
    write(here / "b.py", "noise_b")
    write(here / "a.py", "noise_a", before="import b\n")
    assert len(plugins.load("a.py,b.py")) == 2


def test_a_name_that_is_taken(here):
    write(here / "own_file.py", "symmetric")
    message = refused("own_file.py")
    assert "noise symmetric of own_file is registered already" in message
    assert noises.NOISE_KINDS["symmetric"].module == "tfnoisy.noise.models"


def installed(monkeypatch, *values):
    """Stands for installed packages with these entry points."""
    entries = [
        importlib.metadata.EntryPoint("own", value, plugins.GROUP)
        for value in values
    ]
    monkeypatch.setattr(
        importlib.metadata,
        "entry_points",
        lambda group: entries if group == plugins.GROUP else [],
    )


def test_entry_points(here, monkeypatch):
    write(here / "own_installed.py")
    monkeypatch.syspath_prepend(here)
    installed(monkeypatch, "own_installed")
    plugins.load_installed()
    assert "own_noise" in noises.NOISE_KINDS
    # Once: of another list nothing is seen.
    installed(monkeypatch, "no_such_module")
    plugins.load_installed()


def test_a_broken_entry_point(monkeypatch):
    installed(monkeypatch, "no_such_module")
    for _ in range(2):
        with pytest.raises(errors.UserError) as caught:
            plugins.load_installed()
        assert str(caught.value) == (
            "the plugin own of an installed package: it cannot be imported: "
            "ModuleNotFoundError: No module named 'no_such_module'; mend the "
            "package or uninstall it"
        )


def test_the_example_of_the_documentation():
    path = pathlib.Path(__file__).parent / "plugin" / "my_gce.py"
    assert plugins.load(str(path)) == [str(path)]
    assert networks.NETWORKS["my_cnn"].module == "my_gce"
    # The benchmark makes the method from its constructor alone.
    setting = step_passes.Setting("my_cnn", 4, (8, 8, 1))
    step, batch = step_passes.step_of("my_gce").compiled(setting)
    assert 0 < float(step(batch)["loss"]) < 1 / 0.7
