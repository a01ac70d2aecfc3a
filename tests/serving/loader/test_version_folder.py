import pytest

from tfnoisy import errors
from tfnoisy.serving.loader import version_folder


def publish(model_dir, text="whole"):
    with version_folder.beside(model_dir) as path:
        (path / "saved_model.pb").write_text(text)
        return version_folder.publish(path)


def test_versions_count_from_one(tmp_path):
    model = tmp_path / "models" / "digits"
    assert version_folder.versions(model) == []
    assert [publish(model).name for _ in range(3)] == ["1", "2", "3"]
    assert version_folder.versions(model) == [1, 2, 3]
    assert (model / "3/saved_model.pb").read_text() == "whole"
    assert len(list(model.iterdir())) == 3


def test_the_next_is_one_more_than_the_largest(tmp_path):
    for name in ("2", "10", "9.old", "-3", "latest"):
        (tmp_path / name).mkdir()
    assert version_folder.versions(tmp_path) == [2, 10]
    assert publish(tmp_path).name == "11"


def test_what_may_be_loaded(tmp_path):
    for name in ("3", "007", "9" * 19, "9" * 200, "\u0663"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "saved_model.pb").touch()
    (tmp_path / "8").mkdir()
    (tmp_path / "10").touch()
    assert version_folder.loadable(tmp_path) == [
        (7, tmp_path / "007"),
        (3, tmp_path / "3"),
    ]
    assert version_folder.versions(tmp_path) == [3, 7, 8, 10]
    assert version_folder.loadable(tmp_path / "none") == []


def test_after_the_largest_version_there_is_none(tmp_path):
    (tmp_path / str(version_folder.MAX_VERSION)).mkdir()
    with pytest.raises(errors.UserError, match="after which there is none"):
        publish(tmp_path)


def test_a_server_never_sees_half_a_version(tmp_path):
    """Until it is whole, no name in the folder is an integer."""
    with version_folder.beside(tmp_path) as path:
        (path / "saved_model.pb").write_text("half")
        assert path.parent == tmp_path  # So that renaming copies nothing.
        assert version_folder.versions(tmp_path) == []
        version_folder.publish(path)
        assert version_folder.versions(tmp_path) == [1]
    assert version_folder.versions(tmp_path) == [1]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path, error):
    model = tmp_path / "new" / "models" / "digits"
    with pytest.raises(error), version_folder.beside(model) as path:
        (path / "variables").mkdir()
        raise error
    assert list(tmp_path.iterdir()) == []
    publish(model)
    with pytest.raises(error), version_folder.beside(model):
        raise error
    assert [entry.name for entry in model.iterdir()] == ["1"]


def test_of_two_exports_the_slower_takes_the_next_number(tmp_path, monkeypatch):
    """Both have looked when there was none."""
    monkeypatch.setattr(version_folder, "versions", lambda _: [])
    assert publish(tmp_path, "first").name == "1"
    assert publish(tmp_path, "second").name == "2"
    assert (tmp_path / "1/saved_model.pb").read_text() == "first"
    assert (tmp_path / "2/saved_model.pb").read_text() == "second"


def test_a_name_that_is_a_file(tmp_path):
    (tmp_path / "digits").write_text("a file")
    for model in (tmp_path / "digits", tmp_path / "digits" / "below"):
        with (
            pytest.raises(errors.UserError, match="cannot write to .*digits"),
            version_folder.beside(model),
        ):
            pass
    assert (tmp_path / "digits").read_text() == "a file"
