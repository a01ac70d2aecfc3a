import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.mentor import curricula
from tfnoisy.mentor import network as mentor_network


def v(name, d=0.0, epoch=50, loss=1.0, label=0):
    function = curricula.by_name(name)
    result = function(
        np.float32([loss]), np.float32([d]), np.array([label]), epoch
    )
    assert result.shape == (1,) and result.dtype == "float32"
    return float(result[0])


@pytest.mark.parametrize(
    "d, epoch, weight",
    [
        (2, 18, 1),
        (2, 19, 0),
        (0, 50, 1),
        (0.25, 89, 0),
        (0.25, 90, 0.75),
        (2, 95, 0),
    ],
)
def test_mentornet_pd(d, epoch, weight):
    assert v("mentornet_pd", d, epoch) == weight
    epochs = np.array([epoch])
    result = curricula.mentornet_pd(
        np.ones(1, np.float32), np.float32([d]), np.array([0]), epochs
    )
    assert result.numpy().tolist() == [weight]


@pytest.mark.parametrize(
    "d, epoch, weight",
    [(2, 0, 0), (0, 0, 1), (0.25, 79, 0), (0.25, 80, 0.75), (2, 80, 0)],
)
def test_mentornet_pd_80(d, epoch, weight):
    assert v("mentornet_pd_80", d, epoch) == weight


@pytest.mark.parametrize(
    "loss, weight",
    [(0, 0), (0.1, 0.009056), (0.5, 0.154818), (1, 0.399576), (2, 0.747645)],
)
def test_focal_loss(loss, weight):
    assert v("focal_loss", loss=loss) == pytest.approx(weight, abs=1e-6)


def test_other_curricula():
    assert v("baseline", d=9) == 1
    assert [v("self_paced", d=d) for d in (-1, 0, 0.1)] == [1, 1, 0]
    assert [v("hard_example_mining", d=d) for d in (-1, 0, 1)] == [0, 1, 1]
    assert v("hard_example_mining", d=-1, label=1) == 1
    diffs = (-1, 0, 0.25, 1, 2)
    assert [v("spcl_linear", d=d) for d in diffs] == [1, 1, 0.75, 0, 0]


def test_names():
    assert curricula.by_name("vstar_self_paced") is curricula.self_paced
    assert curricula.by_name("self_paced") is curricula.self_paced
    with pytest.raises(errors.UserError, match=r"'spl'.*vstar_self_paced"):
        curricula.by_name("spl")


def test_grid():
    rows = curricula.grid_rows(curricula.self_paced)
    assert {len(column) for column in rows} == {1_200_000}
    losses, diffs = np.unique(rows.losses), np.unique(rows.loss_diffs)
    assert len(losses) == 120 and len(diffs) == 100
    np.testing.assert_allclose(
        losses[[0, 1, 99, 100, 119]], [0, 0.1, 9.9, 10, 29]
    )
    np.testing.assert_allclose(diffs[[0, -1]], [-5, 4.9], rtol=1e-6)
    assert -2e-14 < diffs[50] < -1e-14
    assert not rows.labels.any()
    assert np.array_equal(np.unique(rows.epochs), np.arange(100))
    # No row twice, and "0" counts as easy: 51 of 100 differences.
    key = np.searchsorted(losses, rows.losses) * 100
    key = (key + np.searchsorted(diffs, rows.loss_diffs)) * 100 + rows.epochs
    assert len(np.unique(key)) == 1_200_000
    assert rows.targets.sum() == 51 * 120 * 100


def test_generate():
    train, test = curricula.generate(curricula.mentornet_pd, seed=3)
    assert len(train.targets) == 80_000 and len(test.targets) == 19_999
    for rows in (train, test):
        expected = curricula.mentornet_pd(*rows[:4]).numpy()
        assert np.array_equal(rows.targets, expected)
        assert rows.epochs.mean() == pytest.approx(49.5, abs=1)
        assert rows.loss_diffs.mean() == pytest.approx(-0.05, abs=0.1)
    again, _ = curricula.generate(curricula.mentornet_pd, seed=3)
    other, _ = curricula.generate(curricula.mentornet_pd, seed=4)
    assert np.array_equal(train.losses, again.losses)
    assert not np.array_equal(train.losses, other.losses)
    train, test = curricula.generate(curricula.baseline, sample_size=6)
    assert len(train.targets) == 4 and len(test.targets) == 1
    for size in (5, 1_200_001):
        with pytest.raises(errors.UserError, match="sample_size"):
            curricula.generate(curricula.baseline, sample_size=size)


def write_features(path, count=100):
    """Sample i has loss i / 10, a wrong label where i % 4 == 0."""
    lines = [
        f"img{i} {i % 100} {int(i % 4 == 0)} 0 {i / 10:.6f}"
        for i in range(count)
    ]
    path.write_text("\n".join(["img5 50 1 0 77.000000", *lines]) + "\n")
    return path


def test_data_driven(tmp_path):
    path = write_features(tmp_path / "features.csv")
    train, test = curricula.data_driven(path, 75)
    # The first line of img5 gives way to its second.
    assert len(train.targets) == 80 and len(test.targets) == 19
    losses = np.concatenate([train.losses, test.losses])
    i = np.rint(losses * 10).astype(int)
    assert len(set(i)) == 99 and i.max() == 99
    assert not np.array_equal(i, np.sort(i))
    threshold = np.percentile(np.arange(100) / 10, 75)
    for rows in (train, test):
        i = np.rint(rows.losses * 10).astype(int)
        np.testing.assert_allclose(
            rows.loss_diffs, rows.losses - threshold, atol=1e-5
        )
        assert np.array_equal(rows.targets, i % 4 != 0)
        assert np.array_equal(rows.epochs, i)
        assert not rows.labels.any()


@pytest.mark.parametrize(
    "line, match",
    [
        ("a 5 1 1", "line 3: not `sample_id"),
        ("a 5 1 1 0.5 9", "line 3: not `sample_id"),
        ("a 5 cat 1 0.5", "line 3: not `sample_id"),
        ("a 500 1 1 0.5", "line 3: the epoch 500 is no percentage"),
        ("a nan 1 1 0.5", "line 3: the epoch nan is no percentage"),
        ("a 5 1 1 nan", "line 3: the loss nan is not finite"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, match):
    path = tmp_path / "features.csv"
    path.write_text(f"x 1 1 1 0.5\n\n{line}\n")
    with pytest.raises(errors.UserError, match=match) as caught:
        curricula.data_driven(path, 50)
    assert str(path) in str(caught.value)


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(errors.UserError, match="cannot read"):
        curricula.read_features(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(errors.UserError, match="cannot read"):
        curricula.read_features(tmp_path / "bytes.csv")
    (tmp_path / "short.csv").write_text("a 1 1 1 0.5\n")
    with pytest.raises(errors.UserError, match="has 1 samples"):
        curricula.read_features(tmp_path / "short.csv")


def test_rows_are_kept_in_files(tmp_path):
    train, test = curricula.generate(curricula.focal_loss, sample_size=100)
    curricula.save_rows(tmp_path / "a", train, test)
    curricula.save_rows(tmp_path / "b", train, test)
    for saved, loaded in zip(
        (train, test), curricula.load_rows(tmp_path / "a")
    ):
        for column, expected in zip(loaded, saved):
            assert column.dtype == expected.dtype
            assert np.array_equal(column, expected)
    for name in ("tr.npz", "ts.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()


def test_rows_that_cannot_be_loaded(tmp_path):
    with pytest.raises(errors.UserError, match=r"tr.npz is not there"):
        curricula.load_rows(tmp_path)
    (tmp_path / "tr.npz").write_bytes(b"junk")
    with pytest.raises(errors.UserError, match="cannot read"):
        curricula.load_rows(tmp_path)
    mentor_network.write_npz(tmp_path / "tr.npz", {"losses": np.ones(3)})
    with pytest.raises(errors.UserError, match="cannot read"):
        curricula.load_rows(tmp_path)
    columns = dict.fromkeys(curricula.Rows._fields, np.ones(3))
    mentor_network.write_npz(
        tmp_path / "tr.npz", {**columns, "labels": np.ones(2)}
    )
    with pytest.raises(errors.UserError, match="differ in length"):
        curricula.load_rows(tmp_path)
