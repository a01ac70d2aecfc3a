"""An audit to Label Studio and back into an audit."""

import json

import pytest

import little_folder


@pytest.fixture(scope="module")
def audit(tmp_path_factory, run_script):
    folder = tmp_path_factory.mktemp("exchange")
    little_folder.write(folder / "images", each=8)
    done = run_script(
        "audit_labels.py",
        "--dataset_name=folder",
        f"--data_dir={folder / 'images'}",
        f"--output_dir={folder / 'audit'}",
    )
    assert done.returncode == 0, done.stderr
    return folder


def exchange(run_script, folder, output, *flags):
    return run_script(
        "exchange_labels.py",
        f"--data_dir={folder / 'images'}",
        f"--audit_dir={folder / 'audit'}",
        f"--output={output}",
        *flags,
    )


@pytest.mark.parametrize("form", ["label_studio", "fiftyone", "imagefolder"])
def test_decisions_come_back(audit, run_script, tmp_path, form):
    sent = tmp_path / "sent"
    done = exchange(
        run_script, audit, sent, f"--format={form}", "--noonly_flagged"
    )
    assert done.returncode == 0, done.stderr
    assert "16 labels" in done.stdout
    if form == "label_studio":
        tasks = json.loads(sent.read_text())
        tasks[0]["annotations"] = [
            {"result": [{"from_name": "label", "value": {"choices": ["dark"]}}]}
        ]
        key = tasks[0]["data"]["key"]
        tasks[0]["data"]["given_label"] = "bright"
        sent.write_text(json.dumps(tasks))
        assert "<Choice" in (tmp_path / "sent.xml").read_text()
    else:
        key = "bright/3.png"
        text = sent.read_text()
        if form == "fiftyone":
            content = json.loads(text)
            content["labels"]["bright/3"]["label"] = "dark"
            text = json.dumps(content)
        else:
            text = text.replace("bright/3.png,bright,", "bright/3.png,dark,")
        sent.write_text(text)
    file = tmp_path / "corrections.csv"
    done = exchange(
        run_script, audit, file, f"--format={form}", f"--input={sent}"
    )
    assert done.returncode == 0, done.stderr
    assert "1 decisions" in done.stdout
    assert key in file.read_text() and "relabel" in file.read_text()
    if form != "label_studio":
        looked = run_script(
            "inspect_data.py",
            f"--data_dir={audit / 'images'}",
            f"--corrections={file}",
        )
        assert looked.returncode == 0, looked.stderr
        assert "1 relabelled" in looked.stdout


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--format="], "--format"),
        (["--format=label_studio", "--input={path}"], "no list of tasks"),
        (["--format=fiftyone", "--input={path}"], "no labels"),
        (["--format=imagefolder", "--input={path}"], "file_name"),
        (["--format=fiftyone", "--input={path}.none"], "No such file"),
        (["--format=fiftyone", "--audit_dir={path}"], "labels.csv"),
    ],
)
def test_mistakes(audit, run_script, tmp_path, flags, words):
    path = tmp_path / "given.json"
    path.write_text('{"a":\n1}')
    done = exchange(
        run_script,
        audit,
        tmp_path / "out",
        *(flag.format(path=path) for flag in flags),
    )
    assert done.returncode == 2, done.stdout
    [line] = done.stderr.strip().splitlines()
    assert words in line
    assert not (tmp_path / "out").exists()
