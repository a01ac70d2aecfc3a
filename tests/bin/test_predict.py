"""bin/predict.py as a user runs it, against bin/local_server.py and without."""

import csv
import dataclasses
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import image_kinds
import pictures
from tfnoisy.benchmarks import serving as serving_suite
from tfnoisy.datasets import load
from tfnoisy.serving.loader import c_loader

ROOT = pathlib.Path(__file__).resolve().parents[2]
NONE = "http://127.0.0.1:1"  # Where nobody listens.
# By its path: by a process that has TensorFlow, which data sets import.
BY_TENSORFLOW = ROOT / "bin/predict.py"


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """An untrained network for digits, digits/1."""
    path = tmp_path_factory.mktemp("models") / "digits"
    serving_suite.export_untrained(path, "small_cnn", (8, 8, 1))
    return path


@dataclasses.dataclass(frozen=True)
class Server:
    """The flags that name one, for each protocol."""

    grpc: tuple[str, ...]
    rest: tuple[str, ...]


@pytest.fixture(scope="module")
def server(model_dir):
    """One that bin/local_server.py runs."""
    process = subprocess.Popen(
        [
            *(sys.executable, ROOT / "bin/local_server.py"),
            *(f"--model_dir={model_dir}", "--port=0", "--rest_port=0"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    said = process.stdout.readline()
    assert said.startswith("digits, version 1: gRPC at 127.0.0.1:")
    words = said.replace(",", " ").split()
    rest = words[-1].removesuffix("/v1/models/digits")
    yield Server(
        (f"--server={words[5]}", "--protocol=grpc", "--model_name=digits"),
        (f"--server={rest}", "--protocol=rest", "--model_name=digits"),
    )
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert complaints == "local_server.py: interrupted\n"


@pytest.fixture(scope="module")
def digits():
    return load.load("digits", "test[:7]")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits):
    """Seven digits, and between them one that is no image."""
    path = tmp_path_factory.mktemp("images")
    for number, image in enumerate(digits.images):
        Image.fromarray(image[..., 0]).save(path / f"{number}.png")
    (path / "3b.png").write_bytes(b"no image")
    return path


@pytest.fixture(scope="module")
def expected(model_dir, digits):
    """What the loader answers."""
    with c_loader.Session(model_dir / "1") as session:
        return session.run("serving_uint8", {"images": digits.images})


def test_all_but_the_broken_image_are_answered(
    run_script, server, folder, expected
):
    done = run_script(
        *("predict.py", *server.grpc, f"--images={folder}"),
        *("--format=jsonl", "--batch_size=3"),
    )
    assert done.returncode == 1
    broken, total = done.stderr.splitlines()
    assert broken.startswith(f"predict.py: {folder}/3b.png: Unknown image file")
    assert total == "7 of 8 images were answered"
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    names = [pathlib.Path(row["image"]).name for row in rows]
    assert names == [f"{n}.png" for n in (0, 1, 2, 3, "3b", 4, 5, 6)]
    assert "Unknown image file" in rows.pop(4)["error"]
    probabilities = [row["probabilities"] for row in rows]
    np.testing.assert_allclose(
        probabilities, expected["probabilities"], atol=1e-6
    )
    assert [row["class_id"] for row in rows] == expected["class_ids"].tolist()


def test_rest_writes_a_file(run_script, server, folder, expected, tmp_path):
    output = tmp_path / "new" / "answers.csv"
    done = run_script(
        *("predict.py", *server.rest),
        f"--images={folder / '0.png'},{folder / '1.png'},{folder / 'none.png'}",
        *("--format=csv", f"--output={output}"),
    )
    assert done.returncode == 1
    assert done.stdout == "2 of 3 images were answered\n"
    assert done.stderr == (
        f"predict.py: {folder / 'none.png'}: cannot be read: "
        "No such file or directory\n"
    )
    rows = list(csv.DictReader(io.StringIO(output.read_text())))
    assert [row["class_name"] for row in rows] == [
        *(name.decode() for name in expected["class_names"][:2]),
        "",
    ]
    assert rows[2]["error"].startswith("cannot be read")


def test_a_table_and_the_accuracy_without_a_server(
    run_script, model_dir, digits, expected
):
    done = run_script(
        *(BY_TENSORFLOW, f"--model_dir={model_dir}"),
        *("--dataset_name=digits", "--split=test[:7]"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    head, *rows, accuracy = done.stdout.splitlines()
    assert head.split() == ["image", "class", "probability", "next"]
    assert [row.split()[0] for row in rows] == [f"test/{n}" for n in range(7)]
    assert [row.split()[1] for row in rows] == [
        name.decode() for name in expected["class_names"]
    ]
    right = int((expected["class_ids"] == digits.clean_labels).sum())
    assert accuracy == f"accuracy {right / 7:.4f} ({right} of 7)"


def test_every_input_is_answered_or_named(
    run_script, model_dir, digits, tmp_path
):
    """All kinds of images, in two folders that are named apart."""
    kinds = image_kinds.files()
    for number, (name, contents) in enumerate(kinds.items()):
        suffix = name.partition(".")[0].lower()
        path = tmp_path / f"{'ab'[number % 2]}/deep/{name}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(contents)
    image = Image.fromarray(digits.images[0, ..., 0])
    image.save(os.fsencode(tmp_path) + b"/b/na\xefve.png", "PNG")
    image.save(tmp_path / "x, y.png")
    for name in ("notes.txt", ".DS_Store", "more.txt"):
        (tmp_path / "a" / name).touch()
    flags = (
        *("predict.py", f"--model_dir={model_dir}", "--format=jsonl"),
        *(f"--images={tmp_path}/a", f"--images={tmp_path}/x, y.png"),
    )
    done = run_script(*flags, f"--images={tmp_path}/b")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(kinds) + 2
    assert not [row for row in rows if "error" in row]
    assert done.stderr == (
        "predict.py: 3 files are not images and are left out: 2 .txt, "
        "1 .DS_Store\n"
    )
    assert done.returncode == 0
    # An image of a kind that is not read, and a bomb, are not answered.
    (tmp_path / "b/drawing.svg").touch()
    (tmp_path / "b/bomb.png").write_bytes(pictures.black_png(20_000, 20_000))
    done = run_script(*flags, f"--images={tmp_path}/b,{tmp_path}/none.png")
    assert done.returncode == 1
    bomb, missing, total, others = done.stderr.splitlines()
    assert "bomb.png: cannot be read: it has 20,000 x 20,000 pixels" in bomb
    assert "none.png: cannot be read: No such file" in missing
    assert total == f"{len(rows)} of {len(rows) + 2} images were answered"
    assert others.endswith("2 .txt, 1 .DS_Store, 1 .svg")


def test_a_damaged_version_is_skipped_and_said(
    run_script, model_dir, folder, tmp_path
):
    models = tmp_path / "digits"
    shutil.copytree(model_dir, models)
    (models / "2").mkdir()
    (models / "3/variables").mkdir(parents=True)
    shutil.copy(models / "1/saved_model.pb", models / "3")
    done = run_script(
        *("predict.py", f"--model_dir={models}", f"--images={folder}/0.png")
    )
    assert done.returncode == 0 and "0.png" in done.stdout
    [line] = done.stderr.splitlines()
    assert line.startswith(f"predict.py: cannot load {models}/3: ")
    assert line.endswith(f"; {models}/1 is asked")


def test_a_reader_may_stop_early(server, folder):
    images = ",".join([str(folder / "0.png")] * 2000)
    with subprocess.Popen(
        [
            *(sys.executable, ROOT / "bin/predict.py", *server.grpc),
            *(f"--images={images}", "--format=jsonl"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert json.loads(process.stdout.readline())["image"].endswith("0.png")
        process.stdout.close()
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    "flags, words",
    [
        ([], "either --images=FILE_OR_FOLDER,... or --dataset_name=NAME"),
        (["--images=a.png"], "either --model_name=NAME, of a server, or"),
        (
            ["--images=a.png", "--model_dir=models", "--server=a:1"],
            "--server is of a server, which --model_dir does without",
        ),
        (["--images=a.png", "--model_dir=nowhere"], "nowhere is no exported"),
        (["--images={empty}", "--model_name=a"], "has no images"),
        (["--images=,", "--model_name=a"], "no images are named"),
        (["--model_version=1e27"], "--model_version=1e27"),
        ([f"--model_version={10**27}"], "is not an integer in the range"),
        (["--model_version=-1"], "--model_version=-1"),
        (["--timeout=1e300"], "--timeout=1e300"),
        (["--first_wait=1e300"], "--first_wait=1e300"),
        ([f"--attempts={10**9}"], "--attempts=1000000000"),
        (
            ["--images=a.png", "--model_name=a", "--server=localhost:99999"]
            + ["--protocol=rest"],
            "--server=localhost:99999: Port out of range",
        ),
        (
            ["--images=a.png", "--model_name=a", "--server=localhost:99999"]
            + ["--first_wait=0"],
            "model a at localhost:99999 (gRPC): ",
        ),
        (
            ["--images=a.png", "--model_name=a", f"--server={NONE}"]
            + ["--protocol=rest", "--first_wait=0.01", "--attempts=2"],
            "no answer, asked 2 times: Connection refused",
        ),
        (
            ["--images=a.png", "--model_name=a", "--server=127.0.0.1:1"]
            + ["--first_wait=0.01"],
            "no answer, asked 4 times: ",
        ),
    ],
)
def test_a_mistake_is_one_line(run_script, tmp_path, flags, words):
    flags = [flag.format(empty=tmp_path) for flag in flags]
    output = tmp_path / "answers"
    done = run_script("predict.py", *flags, f"--output={output}")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("predict.py: ") and words in line
    assert not output.exists()


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_wrong_model_name_is_one_line(run_script, server, folder, protocol):
    done = run_script(
        *("predict.py", *getattr(server, protocol), f"--images={folder}"),
        "--model_name=cats",
    )
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("predict.py: model cats at ")
    assert line.endswith("Servable not found for request: Latest(cats)")


def test_images_of_another_kind_are_a_mistake(run_script, model_dir, tmp_path):
    for name in ("ant", "bee"):
        path = tmp_path / "test" / name / "1.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(path)
    (tmp_path / "train").symlink_to(tmp_path / "test")
    done = run_script(
        *(BY_TENSORFLOW, f"--model_dir={model_dir}", "--dataset_name=folder"),
        f"--data_dir={tmp_path}",
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "predict.py: the model takes images of 8x8x1, and these are of 8x8x3\n"
    )
