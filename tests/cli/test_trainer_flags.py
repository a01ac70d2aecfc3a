"""That flags and the fields they are copied to by name agree.

`trainer_flags.train` copies each flag that has the name of a field of
`Experiment`; a flag of another name has to be read by somebody.
"""

import dataclasses
import pathlib
import re

import pytest

from tfnoisy.runs import data as run_data
from tfnoisy.training import experiment

ROOT = pathlib.Path(__file__).parents[2]
TRAINERS = sorted(
    path.name
    for path in ROOT.glob("bin/*train*.py")
    # It trains nothing step by step, and has no flags for that.
    if path.name != "train_head.py"
)
FIELDS = {field.name for field in dataclasses.fields(experiment.Experiment)}
# What a script says in Python.
BY_HAND = {
    "command",
    "eval_steps",
    "flags",
    "make_method",
    "notes",
    "method",
    "most_steps",
}
# What only the trainer of IEG, L2R and FSR has.
OF_IEG = {
    "aug_type",
    "imbalance",
    "probe_csv",
    "probe_dataset_hold_ratio",
    "probe_dir",
    "probe_split",
}


@pytest.fixture(scope="module")
def own_flags(script_flags):
    """{trainer: its flags}, without absl's and those without effect."""
    absl = set.intersection(*script_flags.values())
    return {
        script: script_flags[script] - absl - ignored(script)
        for script in TRAINERS
    }


def source(script):
    files = [ROOT / "bin" / script, *(ROOT / "tfnoisy" / "cli").glob("*.py")]
    return "".join(file.read_text() for file in files)


def ignored(script):
    """Returns the flags of an original's that say that they have no effect."""
    calls = re.findall(r"define_ignored\(([^)]*)\)", source(script))
    names = "".join(call.partition("reason=")[0] for call in calls)
    return set(re.findall(r'"(\w+)"', names)) - {"reason"}


def test_there_are_the_trainers():
    assert len(TRAINERS) == 8 and "train.py" in TRAINERS


@pytest.mark.parametrize("script", TRAINERS)
def test_every_field_is_a_flag(script, own_flags):
    missing = FIELDS - BY_HAND - own_flags[script]
    assert missing == (set() if script == "cifar_train_ieg.py" else OF_IEG)


@pytest.mark.parametrize("script", TRAINERS)
def test_every_flag_is_a_field_or_is_read(script, own_flags):
    text = source(script)
    aliases = set(re.findall(r'^    "(\w+)": "\w+",$', text, re.M))
    for name in own_flags[script] - FIELDS - aliases:
        read = rf'FLAGS\.{name}\b|FLAGS\[f?"{re.sub(r"[0-9]$", "", name)}'
        assert re.search(read, text), name


def test_every_option_of_the_data_is_a_flag_of_the_audit(script_flags):
    options = {field.name for field in dataclasses.fields(run_data.DataOptions)}
    assert options - script_flags["audit_labels.py"] == {
        *OF_IEG,
        "holdout",
        # It looks at all images of a folder.
        "test_share",
    }
