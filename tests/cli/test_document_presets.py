from tfnoisy.cli import document_presets


def test_the_file_is_not_old(capsys):
    assert document_presets.main(["--check"]) == 0, capsys.readouterr().err


def test_what_a_preset_says_of_itself(tmp_path):
    path = tmp_path / "a.flags"
    path.write_text(
        "# Method, CIFAR-10, 40 % noise: the paper's settings.\n"
        "# Expected test accuracy: best 94.6 %, last 94.4 % (tables 1 and 2;\n"
        "# last is a mean).\n# 300 epochs.\n"
        "--lambda_u=25\n--strategy=one_device\n--nosecond_reweight\n"
    )
    what, expected, flags = document_presets.read(path)
    assert what == "Method, CIFAR-10, 40 % noise: the paper's settings"
    assert expected == (
        "best 94.6 %, last 94.4 % (tables 1 and 2; last is a mean)"
    )
    assert flags["lambda_u"] == "25"
    assert "nosecond_reweight" in flags


def test_published_numbers_and_hidden_settings_are_told():
    text = document_presets.document()
    [row] = [r for r in text.splitlines() if "`cifar10_sym_0.5.flags`" in r]
    assert "best 94.6 %, last 94.4 %" in row
    assert "lambda_u 25" in row
