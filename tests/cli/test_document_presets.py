from tfnoisy.cli import document_presets


def test_the_file_is_not_old(capsys):
    assert document_presets.main(["--check"]) == 0, capsys.readouterr().err


def test_published_numbers_and_hidden_settings_are_told():
    text = document_presets.document()
    rows = [r for r in text.splitlines() if "`cifar10_sym_0.5.flags`" in r]
    [row] = [r for r in rows if "DivideMix" in r]
    assert "best 94.6 %, last 94.4 %" in row
    assert "lambda_u 25" in row
