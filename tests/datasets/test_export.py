import dataclasses

import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.datasets import export, load
from tfnoisy.datasets.sources import digits, tfrecords
from tfnoisy.noise import manifest as noise_manifest


@pytest.fixture(scope="module")
def parts():
    """A noisy training split, a test split and the manifest."""
    clean = digits.read("train[:60]")
    manifest = noise_manifest.inject(clean, "symmetric:0.4", 1)
    return manifest.apply(clean), digits.read("test[:20]"), manifest


def read(directory, split):
    return load.load("digits", split, data_dir=str(directory))


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_layout(parts, tmp_path):
    train, test, manifest = parts
    export.write(train, test, manifest, tmp_path / "digits/0.4")
    assert names(tmp_path / "digits") == ["0.4", "val"]
    assert len(names(tmp_path / "digits/0.4")) == 12
    noisy = read(tmp_path / "digits/0.4", "train")
    np.testing.assert_array_equal(noisy.images, train.images)
    np.testing.assert_array_equal(noisy.given_labels, train.given_labels)
    np.testing.assert_array_equal(noisy.clean_labels, train.clean_labels)
    assert np.any(noisy.given_labels != noisy.clean_labels)
    for folder in ("0.4", "val"):
        held = read(tmp_path / "digits" / folder, "test")
        np.testing.assert_array_equal(held.given_labels, test.given_labels)
    kept = noise_manifest.NoiseManifest.load(
        tmp_path / "digits/0.4" / export.MANIFEST
    )
    assert kept.sha256() == manifest.sha256()


def test_second_rate_shares_the_test_data(parts, tmp_path):
    train, test, manifest = parts
    export.write(train, test, manifest, tmp_path / "0.4")
    before = (tmp_path / "val/class_names.txt").stat().st_mtime_ns
    export.write(train, test, manifest, tmp_path / "0.8")
    assert names(tmp_path) == ["0.4", "0.8", "val"]
    assert (tmp_path / "val/class_names.txt").stat().st_mtime_ns == before


def test_overwrite(parts, tmp_path):
    train, test, manifest = parts
    export.write(train, test, manifest, tmp_path / "0.4")
    with pytest.raises(errors.UserError, match="exists already; --overwrite"):
        export.write(train, test, manifest, tmp_path / "0.4")
    less = train.take(train.ids < 5)
    other = digits.read("test[:30]")
    with pytest.raises(errors.UserError, match="val holds other test data"):
        export.write(less, other, manifest, tmp_path / "0.8")
    assert names(tmp_path) == ["0.4", "val"]
    export.write(less, other, manifest, tmp_path / "0.4", overwrite=True)
    assert names(tmp_path) == ["0.4", "val"]
    assert len(read(tmp_path / "0.4", "train")) == 5
    assert len(read(tmp_path / "0.4", "test")) == 30


def test_half_written_test_data_are_replaced_on_request(parts, tmp_path):
    train, test, manifest = parts
    export.write(train, test, manifest, tmp_path / "0.4")
    (tmp_path / "val/digits_test-00002-of-00010").unlink()
    with pytest.raises(errors.UserError, match="other test data"):
        export.write(train, test, manifest, tmp_path / "0.8")
    export.write(train, test, manifest, tmp_path / "0.8", overwrite=True)
    assert len(read(tmp_path / "val", "test")) == 20


@pytest.mark.parametrize("place", ["0.4", "val"])
def test_other_peoples_files_are_safe(parts, tmp_path, place):
    train, test, manifest = parts
    (tmp_path / place).mkdir()
    (tmp_path / place / "thesis.tex").write_text("years of work")
    with pytest.raises(errors.UserError, match=r"something else, thesis.tex"):
        export.write(train, test, manifest, tmp_path / "0.4", overwrite=True)
    assert (tmp_path / place / "thesis.tex").read_text() == "years of work"
    assert names(tmp_path) == [place]


def test_another_data_set_in_the_test_folder(parts, tmp_path):
    train, test, manifest = parts
    export.write(train, test, manifest, tmp_path / "0.4")
    with pytest.raises(errors.UserError, match=r"--output_dir=data/mnist/0.4"):
        export.check(tmp_path / "0.5", "mnist", overwrite=True)


@pytest.mark.parametrize(
    "output_dir, message",
    [("", "--output_dir is missing"), ("x/val", "where the test data go")],
)
def test_bad_output_dirs(output_dir, message):
    with pytest.raises(errors.UserError, match=message):
        export.check(output_dir, "digits")


def test_output_dir_is_a_file(tmp_path):
    (tmp_path / "0.4").write_text("")
    with pytest.raises(errors.UserError, match="is a file"):
        export.check(tmp_path / "0.4", "digits")


def test_nothing_is_left_of_a_failure(parts, tmp_path, monkeypatch):
    train, test, manifest = parts
    export.write(train, test, manifest, tmp_path / "0.4")
    real = tfrecords.write

    def fail(source, split, directory):
        real(source.take(source.ids < 3), split, directory)
        raise OSError("disk full")

    monkeypatch.setattr(tfrecords, "write", fail)
    with pytest.raises(
        errors.UserError, match=r"0.4 cannot be written: disk f"
    ):
        export.write(train, test, manifest, tmp_path / "0.4", overwrite=True)
    assert names(tmp_path) == ["0.4", "val"]
    assert len(read(tmp_path / "0.4", "train")) == 60


def test_no_test_data(parts, tmp_path):
    train, _, manifest = parts
    named = dataclasses.replace(train, name="own")
    export.write(named, None, manifest, tmp_path / "0.4")
    assert names(tmp_path) == ["0.4"]
