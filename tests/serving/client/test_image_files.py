import pytest

from tfnoisy import errors
from tfnoisy.serving.client import image_files as request_images


def test_files_as_they_are_and_folders_sorted(tmp_path):
    for name in ("b/2.png", "b/10.PNG", "b/a/x.jpeg", "b/notes.txt", "c.gif"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "b" / "folder.png").mkdir()
    found = request_images.items(
        [tmp_path / "c.gif", str(tmp_path / "b"), tmp_path / "missing.png"]
    )
    assert [item.name for item in found] == [
        str(tmp_path / name)
        for name in (
            "c.gif",
            "b/10.PNG",
            "b/2.png",
            "b/a/x.jpeg",
            "missing.png",
        )
    ]
    assert found[2].read() == b"b/2.png"
    with pytest.raises(FileNotFoundError):
        found[-1].read()


def test_a_folder_without_images(tmp_path):
    (tmp_path / "notes.txt").write_text("none here")
    with pytest.raises(errors.UserError, match="has no images"):
        request_images.items([tmp_path])
