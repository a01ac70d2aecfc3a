import pytest

from tfnoisy import resources


def test_shipped_files_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    preset = resources.shipped("flags/quickstart.flags")
    assert preset.is_absolute()
    assert "--dataset_name=digits" in preset.read_text()
    assert resources.shipped("data/mentornet_pd").is_dir()


def test_what_is_not_shipped_is_named():
    with pytest.raises(FileNotFoundError, match=r"no flags/nowhere\.flags"):
        resources.shipped("flags/nowhere.flags")


def test_in_a_wheel_they_are_inside_the_package(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "tfnoisy"
    (package / "flags").mkdir(parents=True)
    (package / "flags" / "a.flags").write_text("--seed=1")
    # Another distribution's folder of the same name does not come first.
    (package.parent / "flags").mkdir()
    (package.parent / "flags" / "a.flags").write_text("--seed=2")
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.shipped("flags/a.flags").read_text() == "--seed=1"
