import dataclasses
import types

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.datasets import load
from tfnoisy.noise import manifest as noise_manifest
from tfnoisy.runs import evidence as run_evidence


def make_manifest(spec="symmetric:0.5"):
    return noise_manifest.inject(load.load("digits", "train[:200]"), spec, 1)


def leaving(arrays, **attributes):
    """A method that leaves this evidence."""
    return types.SimpleNamespace(evidence=lambda: arrays, **attributes)


def arrays(score="clean_probability", **changes):
    return {
        "ids": np.array([1, 4, 5]),
        "is_label_issue": np.array([True, False, True]),
        score: np.array([0.25, 0.875, 0.5], np.float32),
    } | changes


def written(evidence, tmp_path):
    path = tmp_path / "evidence.npz"
    path.write_bytes(evidence.to_bytes())
    return path


def same(found, expected):
    for field in dataclasses.fields(expected):
        np.testing.assert_equal(
            getattr(found, field.name), getattr(expected, field.name)
        )


def test_perfect_evidence():
    manifest = make_manifest()
    wrong = manifest.given_labels != manifest.clean_labels
    left = run_evidence.of(
        leaving(
            {
                "ids": manifest.ids,
                "is_label_issue": wrong,
                "clean_probability": 1.0 - wrong,
            },
            p_threshold=0.5,
        ),
        "dividemix",
    )
    assert run_evidence.judge(left, manifest) == {
        "examples": 200,
        "wrong_labels": int(wrong.sum()),
        "flagged": int(wrong.sum()),
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
        "auc": 1.0,
    }


@pytest.mark.parametrize(
    "score", ["clean_probability", "agreement", "label_score"]
)
def test_evidence_on_a_part(score):
    manifest = make_manifest()
    wrong = manifest.given_labels != manifest.clean_labels
    rows = np.arange(0, 200, 3)
    flagged = np.arange(len(rows)) < 10
    left = run_evidence.of(
        leaving(
            {
                "ids": manifest.ids[rows],
                "is_label_issue": flagged,
                score: np.where(wrong[rows], 0.9, 0.1),
                # More than there need be.
                "mean_weight": np.where(wrong[rows], 0.0, 7.0),
            }
        ),
        "of somebody else",
    )
    found = run_evidence.judge(left, manifest)
    assert found["examples"] == len(rows) and found["flagged"] == 10
    assert found["wrong_labels"] == wrong[rows].sum()
    assert found["precision"] == pytest.approx(wrong[rows][:10].mean())
    assert found["auc"] == 0.0


def test_nothing_to_rank():
    manifest = make_manifest("none")
    left = run_evidence.of(
        leaving(
            {
                "ids": manifest.ids,
                "is_label_issue": np.zeros(200, bool),
                "agreement": np.ones(200),
            }
        ),
        "bkd",
    )
    found = run_evidence.judge(left, manifest)
    assert found["auc"] is None and found["f1"] == 0.0
    assert run_evidence.of(leaving(None), "bkd") is None


def test_the_file_says_whose_evidence_it_is_and_how_to_read_it(tmp_path):
    left = run_evidence.of(leaving(arrays(), p_threshold=0.9), "dividemix")
    assert left.threshold == 0.9
    assert (
        left.criterion == "The clean probability of DivideMix is 0.9 or less."
    )
    # Flags of another run cannot change what is written.
    found = run_evidence.read(written(left, tmp_path), {"p_threshold": "0.5"})
    same(found, left)
    part = found.take(np.array([5, 1]))
    assert part.arrays["clean_probability"].tolist() == [0.5, 0.25]
    assert found.known(np.array([5, 0, 1, 9])).tolist() == [1, 0, 1, 0]


def test_a_foreign_clean_probability_is_not_dividemixs(tmp_path):
    left = run_evidence.of(leaving(arrays()), "my_method")
    assert (left.title, left.threshold) == ("my_method", None)
    assert left.criterion == "my_method takes the label for wrong."
    same(run_evidence.read(written(left, tmp_path), {}), left)


def test_every_method_of_the_catalogue_can_be_described():
    for entry in catalogue.METHODS:
        if entry.evidence is None:
            continue
        score = entry.evidence.score
        left = run_evidence.of(
            leaving(arrays(score), p_threshold=0.75, tau=0.99), entry.name
        )
        assert left.title == entry.heading and left.score == score
        assert "{" not in left.criterion
        if left.threshold is not None:
            assert f"{left.threshold:g}" in left.criterion


@pytest.mark.parametrize(
    "more, recorded, method, threshold",
    [
        ({"group": np.array([4, 1, 4]), "agreement": None}, {}, "bkd", None),
        ({}, {}, "dividemix", 0.5),
        ({}, {"p_threshold": "0.9"}, "dividemix", 0.9),
        ({"kept_label": None, "helpful": None}, {}, "ieg", 0.5),
        ({"helpful": None}, {}, "l2r", 0.5),
        ({"mean_lambda": None, "positive_weight": None}, {}, "ieg", 0.5),
        ({"positive_weight": None}, {}, "l2r", 0.5),
        ({"mean_weight": None}, {}, "mentormix", 0.5),
    ],
)
def test_files_without_a_description(
    tmp_path, more, recorded, method, threshold
):
    """As runs from before there was one have them."""
    score = "clean_probability" if method == "dividemix" else "label_score"
    some = arrays(score)
    some |= {
        name: some[score] if values is None else values
        for name, values in more.items()
    }
    path = tmp_path / "evidence.npz"
    np.savez_compressed(path, **some)
    found = run_evidence.read(path, recorded)
    assert (found.method, found.threshold) == (method, threshold)
    np.testing.assert_equal(found.arrays, some)


def test_files_that_are_none(tmp_path):
    path = tmp_path / "evidence.npz"
    np.savez_compressed(path, ids=np.arange(3), hunch=np.arange(3))
    with pytest.raises(errors.UserError, match="hunch, ids, of which no"):
        run_evidence.read(path, {})
    path.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(errors.UserError, match="damaged"):
        run_evidence.read(path, {})


@pytest.mark.parametrize(
    "left, words",
    [
        ({}, "there is no ids, only nothing"),
        ({"ids": np.arange(3)}, "there is no is_label_issue"),
        (arrays("hunch"), "there is no label_score"),
        (arrays(ids=np.arange(2)), r"is_label_issue has the shape \(3,\)"),
        (arrays(ids=np.array([4, 1, 5])), "ids are not ascending"),
        (arrays(ids=np.array([0.0, 1, 2])), "ids are not ascending integers"),
        (arrays(is_label_issue=np.arange(3)), "is_label_issue is int64"),
        (arrays(clean_probability=np.arange(3)), "is not in"),
        (arrays(clean_probability=np.full(3, np.nan)), "is not in"),
        (arrays(_method=np.arange(3)), "_method: names that start with _"),
    ],
)
def test_evidence_that_cannot_be_kept(left, words):
    with pytest.raises(errors.TrainingError, match=words) as caught:
        run_evidence.of(leaving(left), "my_method")
    assert "my_method" in str(caught.value)
