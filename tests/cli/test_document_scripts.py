"""What the scripts say of themselves: bin/README.md, and every flag's help."""

import json
import re
import subprocess
import sys

import pytest

from tfnoisy.cli import document_scripts, shared_flags

# In a process of its own: flags are global, and each script defines its own.
PROGRAM = """
import dataclasses, json, sys
from tfnoisy.cli import document_scripts
found = {s: document_scripts.read(s) for s in document_scripts.scripts()}
heavy = {"tensorflow", "sklearn", "scipy", "matplotlib"} & set(sys.modules)
print(json.dumps([
    sorted(heavy),
    {s: {name: dataclasses.asdict(flag) for name, flag in flags.items()}
     for s, (_, flags) in found.items()},
    {s: doc for s, (doc, _) in found.items()},
]))
"""

# Flags that mean something else to a script than to the others.
OF_ITS_OWN = {
    ("apply_corrections", "output_dir"),
    ("audit_labels", "output_dir"),
    ("benchmark", "augment"),
    ("benchmark", "batch_size"),
    ("benchmark", "image_size"),
    ("benchmark", "studentnet"),
    ("compare", "num_epochs"),
    ("compare", "output_dir"),
    ("fit_mentor", "learning_rate"),
    ("fit_mentor", "seed"),
    ("inject_noise", "output_dir"),
    ("predict", "batch_size"),
    ("preview_augmentation", "seed"),
    ("reproduce", "output_dir"),
    ("reproduce", "seed"),
}


@pytest.fixture(scope="module")
def read():
    """(heavy modules, {script: {flag: its fields}}, {script: docstring})."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_readme_is_up_to_date():
    done = subprocess.run(
        [sys.executable, "-m", "tfnoisy.cli.document_scripts", "--check"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_flags_are_defined_without_importing_anything_heavy(read):
    heavy, _, _ = read
    assert heavy == []


def test_every_flag_is_in_a_group_and_explained_in_sentences(read):
    _, scripts, _ = read
    assert set(scripts) == set(document_scripts.scripts())
    for script, flags in scripts.items():
        assert flags
        for name, flag in flags.items():
            where = f"{script} --{name}: {flag['text']}"
            assert flag["group"] != "Flags", where
            if "without effect" not in flag["group"]:
                assert len(flag["text"].split()) >= 4, where
                assert flag["text"].endswith("."), where
            assert "likewise" not in flag["text"].lower(), where


def test_a_flag_that_may_be_left_out_says_what_happens_then(read):
    _, scripts, _ = read
    words = ("if empty", "if not given", "none", "required", "needs", "unless")
    for script, flags in scripts.items():
        for name, flag in flags.items():
            number = re.search("=[NX]$", flag["usage"])
            if number and not flag["default"] and "effect" not in flag["group"]:
                text = flag["text"].lower()
                assert any(word in text for word in words), (script, name)


def test_the_same_flag_has_the_same_words(read):
    _, scripts, _ = read
    differing = set()
    for name, shared in shared_flags.FLAGS_BY_NAME.items():
        for script, flags in scripts.items():
            if name in flags and not flags[name]["text"].startswith(
                shared.help
            ):
                differing.add((script, name))
    assert differing == OF_ITS_OWN


def test_every_script_says_what_it_is_for_and_gives_an_example(read):
    _, _, docs = read
    for script, doc in docs.items():
        assert doc.splitlines()[0].endswith("."), script
        assert f"{script}.py -" in doc, script
