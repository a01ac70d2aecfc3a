import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.audit import pred_probs

NAMES = ("cat", "dog", "emu")
IDS = np.array([7, 3, 9])
PROBS = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7], [0.0, 1.0, 0.0]])


def write_csv(path, header, rows, ids=None):
    lines = [header] if header else []
    for k, row in enumerate(rows):
        cells = [f"{p:.4f}" for p in row]
        lines.append(",".join(cells if ids is None else [str(ids[k]), *cells]))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_npy(tmp_path):
    np.save(tmp_path / "p.npy", PROBS.astype(np.float32))
    found = pred_probs.read(tmp_path / "p.npy", IDS, NAMES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, PROBS, atol=1e-7)


def test_npz_with_ids_in_another_order(tmp_path):
    order = [2, 0, 1]
    np.savez(
        tmp_path / "p.npz",
        pred_probs=np.concatenate([PROBS[order], PROBS[:1]]),
        ids=[*IDS[order], 100],
    )
    found = pred_probs.read(tmp_path / "p.npz", IDS, NAMES)
    np.testing.assert_array_equal(found, PROBS)
    np.savez(tmp_path / "q.npz", pred_probs=PROBS)
    found = pred_probs.read(tmp_path / "q.npz", IDS, NAMES)
    np.testing.assert_array_equal(found, PROBS)


@pytest.mark.parametrize(
    "header, columns, with_ids",
    [
        ("", [0, 1, 2], False),
        ("p0,p1,p2", [0, 1, 2], False),
        ("emu, cat, dog", [2, 0, 1], False),
        ("id,dog,emu,cat", [1, 2, 0], True),
        ("\ufeffid,a,b,c", [0, 1, 2], True),
    ],
)
def test_csv(tmp_path, header, columns, with_ids):
    order = [2, 0, 1] if with_ids else [0, 1, 2]
    path = write_csv(
        tmp_path / "p.csv",
        header,
        PROBS[order][:, columns],
        IDS[order] if with_ids else None,
    )
    found = pred_probs.read(path, IDS, NAMES)
    np.testing.assert_allclose(found, PROBS)


def save(path, array):
    np.save(path, array)
    return path


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda d: d / "no.npy", "no predicted probabilities at"),
        (lambda d: d / "p.txt", "a .npy of N x K, an .npz with pred_probs"),
        (lambda d: save(d / "p.npy", PROBS[:2]), "2 rows for 3 examples; ids"),
        (lambda d: save(d / "p.npy", PROBS[:, :2]), r"\[3, 2\] for 3 classes"),
        (lambda d: save(d / "p.npy", PROBS[0]), r"shape \[3\] for 3 classes"),
        (lambda d: save(d / "p.npy", 3 * PROBS), "row 0 .1.5, .*softmax first"),
        (
            lambda d: save(d / "p.npy", np.array([object()])),
            "cannot be read .it holds Python objects",
        ),
        (
            lambda d: write_csv(d / "p.csv", "cat,dog,fox", PROBS),
            "'fox' does not or comes twice; the classes are cat, dog, emu",
        ),
        (
            lambda d: write_csv(d / "p.csv", "cat,dog,dog", PROBS),
            "'cat' does not or comes twice",
        ),
        (
            lambda d: write_csv(d / "p.csv", "id,a,b", PROBS[:, :2], IDS),
            "for 3 classes",
        ),
        (
            lambda d: write_csv(d / "p.csv", "a,b", PROBS),
            "2 column names over 3 columns",
        ),
        (
            lambda d: write_csv(d / "p.csv", "id,a,b,c", PROBS, [7, 3, 8]),
            "1 of 3 ids are missing, e.g. 9",
        ),
        (
            lambda d: write_csv(d / "p.csv", "id,a,b,c", PROBS, [7, 3, 3]),
            "id 3 comes more than once",
        ),
        (
            lambda d: write_csv(d / "p.csv", "id,a,b,c", PROBS, [7, 3, 9.5]),
            "its ids are not integers",
        ),
        (
            lambda d: write_csv(d / "p.csv", "a,b,c\n1,x,0", PROBS),
            "cannot be read",
        ),
    ],
)
def test_mistakes_in_files(tmp_path, make, message):
    with pytest.raises(errors.UserError, match=message) as caught:
        pred_probs.read(make(tmp_path), IDS, NAMES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04rubbish"])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_damaged_files(tmp_path, content, suffix):
    path = tmp_path / f"p{suffix}"
    path.write_bytes(content)
    with pytest.raises(errors.UserError, match="cannot be read"):
        pred_probs.read(path, IDS, NAMES)


def test_an_empty_csv(tmp_path):
    (tmp_path / "p.csv").write_text("cat,dog,emu\n")
    with pytest.raises(
        errors.UserError, match="cannot be read .it has no rows"
    ):
        pred_probs.read(tmp_path / "p.csv", IDS, NAMES)


def test_other_arrays_in_an_npz(tmp_path):
    np.savez(tmp_path / "p.npz", logits=PROBS)
    with pytest.raises(errors.UserError, match="it holds logits"):
        pred_probs.read(tmp_path / "p.npz", IDS, NAMES)


def test_folds_are_joined():
    parts = [([9], PROBS[2:]), ([3, 7], PROBS[[1, 0]])]
    np.testing.assert_array_equal(pred_probs.join(IDS, parts), PROBS)
    with pytest.raises(errors.UserError, match="id 9 comes more than once"):
        pred_probs.join(IDS, [*parts, ([9], PROBS[:1])])
    with pytest.raises(errors.UserError, match="2 of 3 ids are missing"):
        pred_probs.join(IDS, parts[:1])


def test_check_keeps_what_is_right():
    assert pred_probs.check(PROBS.astype(np.float16), 3, 3).dtype == float
    assert pred_probs.check(np.eye(2, dtype=int), 2, None).dtype == float
    rounded = np.full([1, 3], 0.33)
    np.testing.assert_array_equal(pred_probs.check(rounded, 1, 3), rounded)
    almost = np.array([[1 + 5e-7, -5e-7]])
    np.testing.assert_array_equal(pred_probs.check(almost, 1, 2), [[1, 0]])


@pytest.mark.parametrize(
    "wrong, message",
    [
        (np.ones([3, 1]), r"shape \[3, 1\]: \[N, K\] with a column for each"),
        (np.ones(3), r"shape \[3\]"),
        (PROBS[:2], r"of shape \[2, 3\]: \[3, 3\] is wanted"),
        ([[0.5, 0.5, 0], [np.nan, 0, 1], [0, 0, 1]], "row 1 .nan"),
        ([[0.5, 0.5, 0], [0, 0, 1], [1.2, -0.2, 0]], "row 2 .1.2, -0.2, 0; s"),
        ([[0.5, 0.5, 0], [0, 0.9, 0], [1, 0, 0]], "row 1 .*sum 0.9"),
    ],
)
def test_check_refuses(wrong, message):
    with pytest.raises(errors.UserError, match=message):
        pred_probs.check(wrong, 3, None)
