"""Whatever is in the files of a run folder: it is read, or refused."""

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import odd_bytes
from tfnoisy import errors
from tfnoisy.noise import manifest as manifests
from tfnoisy.runs import evidence, flag_values
from tfnoisy.runs import folder as run_folder

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
_NAMES = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
_VALUES = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")))


def saved(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def manifest(num_examples=6):
    labels = np.arange(num_examples) % 3
    return manifests.NoiseManifest(
        ids=np.arange(num_examples),
        given_labels=labels,
        clean_labels=labels[::-1].copy(),
        spec="symmetric:0.5",
        seed=1,
        num_classes=3,
        labels_sha256="0" * 64,
        dataset_name="digits",
    )


EVIDENCE = saved(
    ids=np.arange(4),
    mean_weight=np.ones(4),
    label_score=np.array([0.1, 0.2, 0.3, 0.4]),
    is_label_issue=np.array([True, False, False, False]),
    _method=np.array("mentormix"),
    _title=np.array("MentorMix"),
    _score=np.array("label_score"),
    _score_name=np.array("mean weight"),
    _criterion=np.array("low"),
    _threshold=np.array(0.5),
    _notes=np.array(["a note"]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return run_folder.RunFolder(tmp_path_factory.mktemp("run"))


@settings(max_examples=150, deadline=None)
@given(contents=odd_bytes.anything(EVIDENCE))
def test_evidence(folder, contents):
    folder.evidence.write_bytes(contents)
    try:
        found = evidence.read(folder.evidence, {})
    except errors.UserError as error:
        assert str(folder.evidence) in str(error)
        return
    ids, score = found.arrays["ids"], found.arrays[found.score]
    assert np.all(np.diff(ids) > 0) and len(score) == len(ids)
    assert np.all((score >= 0) & (score <= 1))


@settings(max_examples=150, deadline=None)
@given(contents=odd_bytes.anything(manifest().to_bytes()))
def test_a_manifest(folder, contents):
    folder.manifest.write_bytes(contents)
    try:
        found = manifests.NoiseManifest.load(folder.manifest)
    except errors.UserError as error:
        assert str(folder.manifest) in str(error)
        return
    assert np.all(np.diff(found.ids) > 0)
    assert np.all((found.given_labels >= 0) & (found.given_labels < 3))


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 40), seed=st.integers(0, 2**63 - 1))
def test_a_manifest_is_read_as_it_was_written(folder, count, seed):
    written = manifest(count)
    object.__setattr__(written, "seed", seed)
    written.save(folder.manifest)
    found = manifests.NoiseManifest.load(folder.manifest)
    assert found.to_bytes() == written.to_bytes()


@settings(max_examples=150, deadline=None)
@given(contents=st.one_of(_JSON.map(json.dumps), st.text()))
def test_results(folder, contents):
    folder.results.write_text(contents, errors="surrogatepass")
    try:
        assert "steps" in folder.read_results()
    except errors.UserError as error:
        assert "results.json is damaged" in str(error)


@settings(max_examples=150, deadline=None)
@given(lines=st.lists(_JSON.map(json.dumps) | st.text(), max_size=5))
def test_metrics_end_where_they_are_damaged(folder, lines):
    good = {"step": 3, "test_accuracy": 0.5}
    text = "\n".join([json.dumps(good), *lines])
    folder.metrics.write_bytes(text.encode("utf-8", "surrogatepass"))
    rows = folder.read_metrics()
    assert rows[0] == good
    assert all(type(row["step"]) is int for row in rows)


@settings(max_examples=100, deadline=None)
@given(values=st.dictionaries(_NAMES, _VALUES, max_size=6))
def test_flags_are_read_as_they_were_written(folder, values):
    values = {**values, "dataset_name": "digits", "studentnet": "small_cnn"}
    folder.write_flags(values, "train.py", extended_from=[3, 5], networks=2)
    assert folder.read_flags() == values
    assert folder.extended_from() == [3, 5] and folder.networks() == 2


@settings(max_examples=150, deadline=None)
@given(contents=odd_bytes.anything(b"# a\n--dataset_name=a\n--seed=1\n"))
def test_flags(folder, contents):
    folder.flags.write_bytes(contents)
    try:
        folder.read_flags()
        folder.networks()
    except errors.UserError as error:
        assert "flags.flags is damaged" in str(error)


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(), kind=st.sampled_from([int, float, bool, str, int | None])
)
def test_values_of_flags(text, kind):
    try:
        value = flag_values.convert("a", text, kind)
    except errors.UserError as error:
        assert "--a=" in str(error)
        return
    assert isinstance(value, kind)
