"""Decisions about labels, from a file into trainings, audits and copies."""

import json
import pathlib
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from PIL import Image

import little_folder
from tfnoisy.noise import manifest as manifests

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "images"
    for part in ("train", "test"):
        little_folder.write(folder / part)
    return folder


@pytest.fixture
def decisions(tmp_path):
    def write(*rows, name="corrections.csv"):
        lines = ["path,given_label,corrected_label,action"]
        lines += [",".join(row) for row in rows]
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def flags_of(images, run, **more):
    values = {
        "dataset_name": "folder",
        "data_dir": images,
        "studentnet": "small_cnn",
        "batch_size": 4,
        "max_number_of_steps": 3,
        "train_log_dir": run,
        **more,
    }
    return [f"--{name}={value}" for name, value in values.items()]


MOVED = ("train/bright/0.png", "bright", "dark", "relabel")
GONE = ("train/bright/1.png", "bright", "", "remove")
OF_TEST = ("test/dark/0.png", "dark", "bright", "relabel")


def test_a_training_with_corrections(run_script, images, decisions, tmp_path):
    file, run = decisions(MOVED, GONE, OF_TEST), tmp_path / "run"
    command = flags_of(images, run, corrections=file)
    done = run_script("cifar_train_mentormix.py", *command)
    assert done.returncode == 0, done.stderr
    assert "corrections corrections.csv" in done.stderr
    assert "2 relabelled, 1 removed" in done.stderr

    kept = manifests.NoiseManifest.load(run / "noise_manifest.npz")
    assert "train/bright/1.png" not in kept.keys and len(kept.ids) == 11
    assert kept.given_labels[kept.keys.index("train/bright/0.png")] == 1
    assert "2 relabelled" in kept.corrections
    assert (run / "corrections.csv").read_bytes() == file.read_bytes()

    # What judges the run knows them too, wherever the file is by then.
    file.unlink()
    judged = run_script("cifar_eval.py", f"--checkpoint_dir={run}", "--once")
    assert judged.returncode == 0, judged.stderr
    last = json.loads((run / "results.json").read_text())["test"]
    assert json.loads(judged.stdout)["accuracy"] == last["accuracy"]
    audit = run_script("audit_labels.py", f"--run_dir={run}")
    assert audit.returncode == 0, audit.stderr
    assert "of 11 labels" in audit.stdout


@pytest.mark.slow
def test_other_corrections_are_another_training(
    run_script, images, decisions, tmp_path
):
    file, run = decisions(MOVED), tmp_path / "run"
    command = flags_of(images, run, corrections=file)
    assert run_script("cifar_train_baseline.py", *command).returncode == 0
    decisions(MOVED, GONE)
    more = [*command, "--max_number_of_steps=4"]
    done = run_script("cifar_train_baseline.py", *more)
    assert done.returncode == 2 and "differ" in done.stderr, done
    decisions(MOVED)
    done = run_script("cifar_train_baseline.py", *more)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "row, words",
    [
        (("train/bright/0.png", "dark", "bright", "relabel"), "the data say"),
        (("train/bright/0.png", "bright", "grey", "relabel"), "no class grey"),
        (("train/none.png", "bright", "", "remove"), "none of its 1 images"),
        (("train/bright/0.png", "bright", "", "relabel"), "without a"),
        (("train/bright/0.png", "bright", "", "burn"), "action burn"),
    ],
)
def test_what_does_not_fit_is_refused(
    run_script, images, decisions, tmp_path, row, words
):
    run = tmp_path / "run"
    command = flags_of(images, run, corrections=decisions(row))
    done = run_script("cifar_train_baseline.py", *command)
    assert done.returncode == 2 and words in done.stderr, done
    assert not run.exists()


def test_an_image_is_found_by_its_contents(run_script, decisions, tmp_path):
    images = tmp_path / "images"
    digests = little_folder.write(images)
    file = tmp_path / "c.csv"
    file.write_text(
        "path,sha256,given_label,action\n"
        f"dark/0.png,{digests['dark/0.png']},dark,remove\n"
    )
    (images / "dark/0.png").rename(images / "dark/renamed.png")
    done = run_script(
        "inspect_data.py", f"--data_dir={images}", f"--corrections={file}"
    )
    assert done.returncode == 0, done.stderr
    assert "1 removed, 1 found by their contents" in done.stdout
    (images / "dark/renamed.png").write_bytes(
        (images / "dark/1.png").read_bytes()
    )
    done = run_script(
        "inspect_data.py", f"--data_dir={images}", f"--corrections={file}"
    )
    assert done.returncode == 2 and "no such image" in done.stderr


def test_a_corrected_copy_trains_as_the_corrections_do(
    run_script, images, decisions, tmp_path
):
    file = decisions(MOVED, GONE, OF_TEST)
    done = run_script(
        "apply_corrections.py",
        f"--data_dir={images}",
        f"--corrections={file}",
        f"--output_dir={tmp_path / 'copy'}",
    )
    assert done.returncode == 0, done.stderr
    assert "23 images in" in done.stdout
    tables = []
    for data, more in ((images, [f"--corrections={file}"]), ("copy", [])):
        done = run_script(
            "inspect_data.py", f"--data_dir={tmp_path / data}", "--json", *more
        )
        assert done.returncode == 0, done.stderr
        tables.append(json.loads(done.stdout)["counts"])
    assert tables[0] == tables[1]
    assert tables[0]["train"] == {"bright": 4, "dark": 7}


def test_a_sheet(run_script, images, tmp_path):
    sheet = tmp_path / "sheet.png"
    done = run_script(
        "inspect_data.py", f"--data_dir={images}", f"--sheet={sheet}"
    )
    assert done.returncode == 0, done.stderr
    assert f"pictures of 2 classes: {sheet}" in done.stdout
    pixels = np.asarray(Image.open(sheet))
    assert pixels.shape[1] > 190


@pytest.mark.slow
def test_the_audits_page_is_served_until_it_is_interrupted(images, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable,
            ROOT / "bin/audit_labels.py",
            "--dataset_name=folder",
            f"--data_dir={images / 'train'}",
            "--features=efficientnet_lite0",
            f"--output_dir={tmp_path}",
            "--budget=8",
            "--serve=0",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = iter(process.stdout.readline, "")
    url = next(line for line in lines if line.startswith("http://")).strip()
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert b"Check labels" in answer.read()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert "ended; decisions are in" in process.stderr.read()
    assert len((tmp_path / "to_check.csv").read_text().splitlines()) == 9


def test_answers_give_an_interval(run_script, images, tmp_path):
    # What a network would say of bright and of dark images.
    features = np.repeat(np.eye(2, 4), 6, axis=0)
    features += 0.1 * np.random.default_rng(0).random(features.shape)
    np.save(tmp_path / "features.npy", features)
    flags = [
        "--dataset_name=folder",
        f"--data_dir={images / 'train'}",
        f"--features={tmp_path / 'features.npy'}",
        f"--output_dir={tmp_path}",
    ]
    done = run_script("audit_labels.py", *flags, "--budget=12")
    assert done.returncode == 0, done.stderr
    file = tmp_path / "to_check.csv"
    lines = file.read_text().splitlines()
    filled = [line.replace(",undecided,", ",keep,") for line in lines]
    file.write_text("\n".join(filled) + "\n")
    done = run_script("audit_labels.py", *flags, f"--answers={file}")
    assert done.returncode == 0, done.stderr
    assert "0.0% of the labels are wrong; 95 % interval" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("0 of 12 labels look wrong")
