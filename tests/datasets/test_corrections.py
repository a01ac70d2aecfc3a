import hashlib

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.datasets import corrections, dataset


def make(keys=("a.png", "b.png", "=c.png")):
    digests = [hashlib.sha256(bytes([k])).digest() for k in range(len(keys))]
    return dataset.ImageDataset(
        name="folder",
        images=np.zeros([len(keys), 2, 2, 1], np.uint8),
        given_labels=np.arange(len(keys)) % 2,
        clean_labels=None,
        ids=np.arange(len(keys)),
        class_names=("cat", "dog"),
        keys=keys,
        digests=np.frombuffer(b"".join(digests), np.uint8).reshape([-1, 32]),
    )


DECISIONS = [
    corrections.Correction("a.png", "cat", "dog", "relabel", note="a dog, no?"),
    corrections.Correction("b.png", "dog", "", "remove"),
    corrections.Correction("=c.png", "cat", "cat", "keep"),
]


def written(tmp_path, decisions):
    path = tmp_path / "corrections.csv"
    path.write_text(corrections.to_csv(decisions), encoding="utf-8")
    return corrections.read(path)


def test_decisions_are_applied_and_counted(tmp_path):
    found = written(tmp_path, DECISIONS)
    applied = corrections.apply(found, {"train": make()})
    data = applied.datasets["train"]
    assert data.keys == ("a.png", "=c.png")
    assert data.given_labels.tolist() == [1, 0]
    assert applied.describe().endswith(
        "1 relabelled, 1 removed, 1 kept as they are"
    )


def test_a_moved_image_is_found_by_its_contents(tmp_path):
    digest = hashlib.sha256(bytes([0])).hexdigest()
    moved = corrections.Correction("old.png", "cat", "dog", "relabel", digest)
    applied = corrections.apply(written(tmp_path, [moved]), {"train": make()})
    assert applied.datasets["train"].given_labels.tolist() == [1, 1, 0]
    assert applied.moved == 1


@pytest.mark.parametrize(
    "decision, fault",
    [
        (("x.png", "cat", "dog", "relabel"), "no such image in these data"),
        (
            ("a.png", "dog", "cat", "relabel"),
            "given_label is dog, and the",
        ),
        (("a.png", "cat", "eel", "relabel"), "there is no class eel"),
        (("a.png", "cat", "dog", "relabel", "0" * 64), "other contents now"),
        (("a.png", "cat", "", "relabel"), "relabel without"),
        (("a.png", "cat", "dog", "keep"), "keep, and yet"),
        (("a.png", "cat", "dog", "paint"), "action paint: there are keep"),
        (("a.png", "cat", "dog", "relabel", "zz"), "64 hexadecimal"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, decision, fault):
    with pytest.raises(errors.DataError, match=fault):
        found = written(tmp_path, [corrections.Correction(*decision)])
        corrections.apply(found, {"train": make()})


def test_two_decisions_on_one_image_are_refused(tmp_path):
    with pytest.raises(errors.DataError, match="a.png is line 2 already"):
        written(tmp_path, [DECISIONS[0], DECISIONS[0]])


def test_decisions_that_windows_excel_has_saved_are_read(tmp_path):
    decision = corrections.Correction("a.png", "café", "thé", "relabel")
    path = tmp_path / "corrections.csv"
    path.write_bytes(corrections.to_csv([decision]).encode("cp1252"))
    (found,) = corrections.read(path).decisions
    assert (found.given_label, found.corrected_label) == ("café", "thé")
