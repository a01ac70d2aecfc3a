import pytest

from tfnoisy import errors, output_file


def test_writes_utf8_and_makes_folders(tmp_path):
    path = tmp_path / "a" / "b.txt"
    output_file.write(path, "Käse\r\n")
    assert path.read_bytes() == "Käse\r\n".encode()
    output_file.write(path, b"anew")
    assert path.read_text() == "anew"
    assert [file.name for file in path.parent.iterdir()] == ["b.txt"]


def test_a_name_that_is_no_utf8(tmp_path):
    path = tmp_path / "b.txt"
    output_file.write(path, b"caf\xe9.png".decode(errors="surrogateescape"))
    assert path.read_bytes() == b"caf\xe9.png"


def test_whole_or_not_at_all(tmp_path):
    folder = tmp_path / "taken"
    folder.mkdir()
    with pytest.raises(errors.UserError, match=f"cannot write {folder}: "):
        output_file.write(folder, "text")
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(errors.UserError, match="cannot write"):
        output_file.write(file / "below", "text")
    assert file.read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]
