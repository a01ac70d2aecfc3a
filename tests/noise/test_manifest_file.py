import zipfile

import numpy as np
import pytest

from tfnoisy import errors, output_file
from tfnoisy.noise import manifest_file

COLUMNS = {"ids": np.arange(3), "spec": np.array("none")}


def test_round_trip_and_equal_bytes(tmp_path):
    contents = manifest_file.to_bytes(COLUMNS)
    assert manifest_file.to_bytes(COLUMNS) == contents
    output_file.write(tmp_path / "deep" / "a.npz", contents)
    columns = manifest_file.read(tmp_path / "deep" / "a.npz")
    assert columns["ids"].tolist() == [0, 1, 2]
    assert str(columns["spec"]) == "none"


def test_no_time_and_no_compression_in_the_file(tmp_path):
    output_file.write(tmp_path / "a.npz", manifest_file.to_bytes(COLUMNS))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        for member in archive.infolist():
            assert member.date_time == (1980, 1, 1, 0, 0, 0)
            assert member.compress_type == zipfile.ZIP_STORED


def test_writing_leaves_nothing_beside_and_replaces(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    output_file.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_a_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(errors.UserError, match="cannot write"):
        output_file.write(tmp_path / "file" / "a.npz", b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(errors.UserError, match="cannot write"):
        output_file.write(tmp_path / "folder", b"x")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_what_is_not_a_manifest_is_refused(tmp_path):
    contents = manifest_file.to_bytes(COLUMNS)
    at = contents.index(np.arange(3).tobytes())
    files = {
        "empty": b"",
        "text": b"label,id\n",
        "cut": contents[: len(contents) // 2],
        "flipped": contents[:at] + b"\x07" + contents[at + 1 :],
    }
    for name, damaged in files.items():
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(errors.UserError, match="not a noise manifest"):
            manifest_file.read(tmp_path / name)
    np.save(tmp_path / "a.npy", np.arange(3))
    np.savez(tmp_path / "other.npz", ids=np.arange(3))
    np.savez(tmp_path / "objects.npz", format=np.array([{}], object))
    for name in ("a.npy", "other.npz", "objects.npz", "."):
        with pytest.raises(errors.UserError, match="not a noise manifest"):
            manifest_file.read(tmp_path / name)
    with pytest.raises(errors.UserError, match="no noise manifest at"):
        manifest_file.read(tmp_path / "missing.npz")
