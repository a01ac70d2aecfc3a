import pytest
from absl import flags

from tfnoisy.cli import early_flags


@pytest.mark.parametrize(
    "words, values",
    [
        (["--method=a", "--plugin=x", "-plugin", "y"], ["x", "y"]),
        (["--plugin", "x=y", "--plugins=z"], ["x=y"]),
        (["--plugin=", "--plugin"], [""]),
        (["--other", "--", "--plugin=x"], []),
        ([], []),
    ],
)
def test_values(words, values):
    assert early_flags.values(words, "plugin") == values
    assert early_flags.last(words, "plugin") == (values or [None])[-1]


def test_flag_files_give_way_to_the_command_line(tmp_path):
    inner, outer = tmp_path / "inner.flags", tmp_path / "outer.flags"
    inner.write_text("# a comment\n--plugin=deep\n")
    outer.write_text(f"--plugin=file\n--flagfile={inner}\n")
    words = [f"--flagfile={outer}", "--method=a"]
    assert early_flags.values(words, "plugin") == ["file", "deep"]
    assert early_flags.values(["--plugin=mine", *words], "plugin") == ["mine"]
    with pytest.raises(flags.Error, match="nowhere"):
        early_flags.values(["--flagfile=nowhere.flags"], "plugin")
