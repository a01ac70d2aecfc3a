from tfnoisy.cli import generated_file


def test_it_is_written_then_up_to_date_then_stale(tmp_path, capsys):
    path = tmp_path / "README.md"
    assert generated_file.main(path, "a", "make docs", ["--check"]) == 1
    assert not path.exists()
    assert generated_file.main(path, "a", "make docs", []) == 0
    assert path.read_text() == "a"
    assert generated_file.main(path, "a", "make docs", ["--check"]) == 0
    capsys.readouterr()
    assert generated_file.main(path, "b", "make docs", ["--check"]) == 1
    assert path.read_text() == "a"
    said = capsys.readouterr().err
    assert said.endswith("README.md is out of date: make docs\n")
