"""What presets say of themselves, at the start and the end of a run."""

import pathlib

import pytest

from tfnoisy.cli import presets

FLAGS = pathlib.Path(__file__).parents[2] / "flags"
SYM_05 = "flags/dividemix/cifar10_sym_0.5.flags"


def test_what_a_preset_says_of_itself(tmp_path):
    path = tmp_path / "a.flags"
    path.write_text(
        "# Method, CIFAR-10, 40 % noise: the paper's settings.\n"
        "# Expected test accuracy: best 94.6 %, last 94.4 % (tables 1 and 2;\n"
        "# last is a mean).\n# 300 epochs.\n"
        "--lambda_u=25\n--strategy=one_device\n--nosecond_reweight\n"
    )
    preset = presets.read(path)
    assert preset.what == "Method, CIFAR-10, 40 % noise: the paper's settings"
    assert preset.expected == (
        "best 94.6 %, last 94.4 % (tables 1 and 2; last is a mean)"
    )
    assert preset.flags["lambda_u"] == "25"
    assert "nosecond_reweight" in preset.flags
    assert preset.published == (pytest.approx(0.944), "last epoch")


@pytest.mark.parametrize(
    "expected, number, which",
    [
        ("best 94.6 %, last 94.4 % (tables)", 0.944, "last epoch"),
        ("best 70.1 %", 0.701, "best epoch"),
        ("94.4 % (README); the paper prints 94.2 %", 0.944, "not said"),
        ("94.5 +- 1.0 % (table 1)", 0.945, "not said"),
        ("77.32 / 91.64 % on WebVision's", 0.7732, "not said"),
    ],
)
def test_the_number_to_compare_with(expected, number, which):
    found = presets.Preset("a", "b", expected, {}).published
    assert found[0] == pytest.approx(number)
    assert which in found[1]


def test_every_expected_number_of_a_shipped_preset_is_read():
    """Unless its sentence says that none is known."""
    for path in FLAGS.rglob("*.flags"):
        preset = presets.read(path)
        if "%" in preset.expected:
            number, _ = preset.published
            assert 0.1 < number < 1, path
        else:
            assert preset.published is None, path


@pytest.mark.parametrize(
    "form", [[f"--flagfile={SYM_05}"], ["--flagfile", SYM_05]]
)
def test_a_run_begins_with_what_the_paper_leaves_unsaid(
    form, tmp_path, monkeypatch
):
    # Found among those that ship from any folder.
    monkeypatch.chdir(tmp_path)
    first, settings, published, *more = presets.at_start(form)
    assert first.startswith(f"{SYM_05}: DivideMix, CIFAR-10, 50 % symmetric")
    assert "lambda_u 25, warm_up 10" in settings
    assert "best 94.6 %, last 94.4 %" in published
    assert not more


def test_what_the_command_changes_is_told():
    words = [
        f"--flagfile={SYM_05}",
        "--num_epochs",
        "3",
        "--lambda_u=25",
        "--mixed_precision=bfloat16",
        "--train_log_dir=a",
        "--seed=4",
        "--nodeterministic",
    ]
    changes = (
        "--num_epochs=3 in place of 300, --mixed_precision=bfloat16, "
        "--nodeterministic"
    )
    assert presets.at_start(words)[-1] == f"    changed here: {changes}"
    [line] = presets.at_end(words, 0.901)
    assert line == (
        f"{SYM_05}: 4.3 points below the expected 94.40 % (last epoch), "
        f"with {changes}"
    )


def test_a_run_that_reached_it_says_so():
    [line] = presets.at_end([f"--flagfile={SYM_05}"], 0.951)
    assert line == (
        f"{SYM_05}: 0.7 points above the expected 94.40 % (last epoch)"
    )


def test_other_flag_files_say_nothing(tmp_path):
    own = tmp_path / "flags.flags"
    own.write_text("# Mine.\n# Expected test accuracy: 90.0 %.\n--seed=1\n")
    for words in (
        [],
        [f"--flagfile={own}"],
        ["--flagfile=flags/quickstart.flags"],
        ["--flagfile=flags/none.flags"],
    ):
        assert presets.at_start(words) == presets.at_end(words, 0.5) == []
