"""What all scripts share, in one process of its own that plays every case."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from tfnoisy import errors
from tfnoisy.cli import native_output

ROOT = pathlib.Path(__file__).parents[2]

# Every case is a command line; what it is to do is the flag --act.
CASES = {
    "fine": ["--act=fine"],
    "result": ["--act=result"],
    "user": ["--act=user"],
    "training": ["--act=training"],
    "export": ["--act=export"],
    "interrupt": ["--act=interrupt"],
    "bug": ["--act=bug"],
    "unknown flag": ["--nubmer=3"],
    "bad value": ["--number=many"],
    "bad choice": ["--act=dance"],
    "positional": ["--number=3", "5"],
    "local file": ["--flagfile=local.flags"],
    "shipped file": ["--flagfile=flags/shipped.flags"],
    "one dash": ["-flagfile=flags/shipped.flags"],
    "later flags win": ["--flagfile=local.flags", "--number=9"],
    "no file": ["--flagfile=flags/nowhere.flags"],
    "folder as file": ["--flagfile=flags"],
    "bad file": ["--flagfile=bad.flags"],
}

PROGRAM = """
import contextlib, io, json, pathlib, sys
from tfnoisy.cli import command_line
from tfnoisy import errors, resources
from absl import flags

flags.DEFINE_integer("number", 0, "")
flags.DEFINE_enum("act", "fine", ["fine", "result", "user", "training",
                                  "export", "interrupt", "bug"], "")
resources._PACKAGE = pathlib.Path("package").resolve()

def main(argv):
    act = flags.FLAGS.act
    if act == "user":
        raise errors.UserError("--number=0 is wrong;\\n  try 1")
    if act == "training":
        raise errors.TrainingError("the loss of step 3 is nan")
    if act == "export":
        raise errors.ExportError("the file is worse by 0.02")
    if act == "interrupt":
        raise KeyboardInterrupt
    if act == "bug":
        raise ValueError("a bug")
    print(argv[0], flags.FLAGS.number)
    return 3 if act == "result" else None

found = {}
for name, words in json.loads(sys.argv[1]).items():
    for flag in ("number", "act"):
        flags.FLAGS[flag].unparse()
    sys.argv = ["some/where/script.py", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            command_line.run(main)
            code = "returned"
        except SystemExit as end:
            code = end.code
        except ValueError as bug:
            code = repr(bug)
    found[name] = [code, out.getvalue(), err.getvalue()]
print(json.dumps(found))
sys.stdout.flush()
sys.argv = ["script.py", "--act=user"]
command_line.run(main)
"""


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """The finished process; its output is the ends of all cases."""
    folder = tmp_path_factory.mktemp("cases")
    (folder / "local.flags").write_text("# seven\n--number=7\n")
    (folder / "bad.flags").write_text("--number=7\n--nubmer=7\n")
    (folder / "package" / "flags").mkdir(parents=True)
    shipped = folder / "package" / "flags" / "shipped.flags"
    shipped.write_text("--number=8\n")
    (folder / "flags").mkdir()
    environment = dict(os.environ)
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(CASES)],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
    )


@pytest.fixture
def ends(played):
    """{case: (exit code, stdout, stderr)}."""
    return {name: tuple(end) for name, end in json.loads(played.stdout).items()}


def test_a_script_says_one_line_and_nothing_of_tensorflows(played):
    assert played.returncode == 2
    assert played.stderr == "script.py: --number=0 is wrong; try 1\n"


def test_what_main_returns_is_the_exit_code(ends):
    assert ends["fine"] == (None, "some/where/script.py 0\n", "")
    assert ends["result"] == (3, "some/where/script.py 0\n", "")


def test_each_kind_of_end_has_its_code(ends):
    assert ends["user"] == (2, "", "script.py: --number=0 is wrong; try 1\n")
    assert ends["training"] == (1, "", "script.py: the loss of step 3 is nan\n")
    assert ends["export"] == (1, "", "script.py: the file is worse by 0.02\n")
    code, out, err = ends["interrupt"]
    assert (code, out) == (130, "")
    assert err.strip() == "script.py: interrupted"


def test_a_bug_is_not_taken_for_a_mistake(ends):
    assert ends["bug"][0] == "ValueError('a bug')"


@pytest.mark.parametrize(
    "case, words",
    [
        ("unknown flag", "nubmer"),
        ("bad value", "--number=many"),
        ("bad choice", "--act=dance"),
        ("positional", "unexpected argument '5'"),
        ("no file", "no flag file flags/nowhere.flags, neither here nor"),
        ("folder as file", "flags"),
        ("bad file", "nubmer"),
    ],
)
def test_a_wrong_command_line_is_one_line(ends, case, words):
    code, out, err = ends[case]
    assert (code, out) == (2, "")
    [line] = err.splitlines()
    assert line.startswith("script.py: ") and words in line


@pytest.mark.parametrize(
    "case, number",
    [
        ("local file", 7),
        ("shipped file", 8),
        ("one dash", 8),
        ("later flags win", 9),
    ],
)
def test_flag_files_are_found_here_or_among_those_shipped(ends, case, number):
    assert ends[case] == (None, f"some/where/script.py {number}\n", "")


def test_native_messages_are_kept_back_unless_something_fails(capfd):
    with native_output.kept_back():
        os.write(2, b"greetings\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    with pytest.raises(errors.UserError), native_output.kept_back():
        os.write(2, b"cannot load\n")
        raise errors.UserError("--model_dir=a is no model")
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError), native_output.kept_back():
        os.write(2, b"libcuda is missing\n")
        raise ImportError
    assert capfd.readouterr().err == "libcuda is missing\n"


PRINTING = """
import sys
from tfnoisy.cli import command_line

def main(_):
    for number in range(100_000):
        print(number)
    raise SystemExit("went on although nobody reads")

sys.argv = sys.argv[:1]
command_line.run(main)
"""


def read_one_line(*words):
    """Returns (first line, exit code, stderr) when the rest is not read."""
    process = subprocess.Popen(
        [sys.executable, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    return line, process.wait(), said


def test_output_that_nobody_reads_ends_a_script_without_a_word():
    line, code, said = read_one_line("-c", PRINTING)
    assert (line, code, said) == ("0\n", 128 + 13, "")


def test_help_that_nobody_reads_is_no_failure():
    script = ROOT / "bin" / "cifar_train_ieg.py"
    line, code, said = read_one_line(str(script), "--help")
    assert line.startswith("Trains a classifier by IEG")
    assert (code, said) == (0, "")


def test_a_connection_that_breaks_is_still_a_failure():
    with pytest.raises(BrokenPipeError), native_output.until_nobody_reads():
        raise BrokenPipeError("of a connection")


@pytest.mark.parametrize("word", ["--help", "-h", "-help", "--helpfull"])
def test_help_shows_a_scripts_own_flags_in_groups(word):
    done = subprocess.run(
        [sys.executable, str(ROOT / "bin" / "cifar_train_ieg.py"), word],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    text = done.stdout
    groups = ["Task:", "Data:", "Label noise:", "Network:", "Method:"]
    groups += ["Training:", "Output:", "Evaluation:", "Devices, speed"]
    places = [text.index(f"\n\n{group}") for group in groups]
    assert places == sorted(places)
    for entry in (
        "  --method=NAME\n",
        "cifar_resnet20",
        "symmetric:R",
        "Also --max_iteration.",
        "  --[no]overwrite\n",
    ):
        assert entry in text
    words = " ".join(text.split())
    assert "One of: ieg, l2r, supervised, fsr. Default: ieg." in words
    assert "--verbosity" not in text and "--pdb" not in text
    assert max(map(len, text.splitlines())) <= 80
