"""The whole way: a dirty folder, looked at, audited, put right, served."""

import csv
import json
import pathlib
import re
import signal
import subprocess
import sys
import time

import dirty_folder
import pytest

import browser
from tfnoisy import errors
from tfnoisy.datasets import corrections

ROOT = pathlib.Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    browser.PATH is None, reason="no browser is installed"
)


class Walk:
    """A person's way from a folder to an answer, script by script."""

    def __init__(self, folder, size, scratch, run_script):
        self.folder, self.scratch = folder, scratch
        self._run_script = run_script
        self.data = ["--dataset_name=folder", f"--data_dir={folder.path}"]
        self.sized = [*self.data, f"--image_size={size}", "--skip_broken"]
        self.seconds = {}
        self.audit, self.run = scratch / "audit", scratch / "run"
        self.corrections = self.audit / "corrections.csv"

    def script(self, name, *flags):
        started = time.monotonic()
        done = self._run_script(name, *flags)
        self.seconds[name] = time.monotonic() - started
        assert done.returncode == 0, done.stderr
        return done.stdout

    def inspect(self):
        told = self.script("inspect_data.py", *self.data)
        assert f"{len(self.folder.given):,} images that can be used" in told
        for name in self.folder.others:
            if name.endswith((".jpg", ".png")):
                assert name in told
        return told

    def judge(self):
        """Audits; returns {path: line of labels.csv}."""
        output = f"--output_dir={self.audit}"
        self.script("audit_labels.py", *self.sized, output)
        with (self.audit / "labels.csv").open() as file:
            lines = list(csv.DictReader(file))
        skipped = (self.audit / "skipped.csv").read_text()
        assert "broken.jpg" in skipped and "empty.png" in skipped
        assert (self.audit / "health.csv").exists()
        at = len(str(self.folder.path)) + 1
        return {line["path"][at:]: line for line in lines}

    def decide(self, count):
        """Presses keys on the page as the truth has it, and downloads them.

        Returns:
            {path: decision} as the file has them.
        """
        started = time.monotonic()
        saved = self.scratch / "downloads"
        saved.mkdir()
        truth = self.folder.truth
        with browser.Browser(saved) as tab:
            tab.open((self.audit / "review.html").as_uri())
            for _ in range(count):
                key = tab.run("shown[place].key")
                given = tab.run("page.classes[shown[place].given]")
                suggested = tab.run("page.classes[shown[place].suggested]")
                if truth[key] == given:
                    tab.press("k")
                elif truth[key] == suggested:
                    tab.press("s")
                else:
                    place = tab.run(f"page.classes.indexOf({truth[key]!r})")
                    tab.press(str(place + 1))
            tab.run("document.getElementById('save').click()")
            file = saved / "corrections.csv"
            for _ in range(200):
                if file.exists():
                    break
                time.sleep(0.05)
        file.rename(self.corrections)
        self.seconds["key presses"] = time.monotonic() - started
        return corrections.read(self.corrections).decisions

    def train(self):
        self.script(
            "train_head.py",
            *self.sized,
            f"--corrections={self.corrections}",
            f"--train_log_dir={self.run}",
        )
        return json.loads((self.run / "results.json").read_text())

    def export(self):
        self.script(
            "export_savedmodel.py",
            f"--run_dir={self.run}",
            f"--export_dir={self.scratch / 'models'}",
        )

    def answers(self, names):
        """Serves the model; returns {path: the class that it answers}."""
        started = time.monotonic()
        server = subprocess.Popen(
            [
                sys.executable,
                str(ROOT / "bin/local_server.py"),
                f"--model_dir={self.scratch / 'models'}",
                "--model_name=walk",
                "--port=0",
                "--rest_port=0",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            told = server.stdout.readline()
            done = self._run_script(
                "predict.py",
                *(f"--images={self.folder.path / name}" for name in names),
                "--model_name=walk",
                "--protocol=rest",
                f"--server={re.search(r'http://([^/]+)', told)[1]}",
                "--format=jsonl",
            )
            server.send_signal(signal.SIGTERM)
            server.wait(30)
        finally:
            server.kill()
        assert done.returncode == 0, done.stderr
        self.seconds["served"] = time.monotonic() - started
        return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_whole_way_on_a_small_folder(tmp_path, run_script):
    folder = dirty_folder.of_drawings(tmp_path / "drawn", each=25, side=40)
    walk = Walk(folder, 64, tmp_path, run_script)
    walk.inspect()
    judged = walk.judge()
    assert set(judged) == set(folder.given)
    decided = walk.decide(20)
    assert len(decided) == 20
    for one in decided:
        kept = one.action == "keep"
        named = one.given_label if kept else one.corrected_label
        assert named == folder.truth[one.key]
    assert {"keep", "relabel"} == {one.action for one in decided}
    walk.train()
    assert (walk.run / "corrections.csv").exists()
    walk.export()
    names = [name for name, label in folder.truth.items() if label == "disc"]
    answers = walk.answers(names)
    assert [answer["class_name"] for answer in answers].count("disc") >= (
        0.9 * len(names)
    )


@pytest.mark.long
@pytest.mark.cifar
def test_the_whole_way_on_what_people_called_2500_images(tmp_path, run_script):
    try:
        folder = dirty_folder.of_cifar10_n(tmp_path / "dirty")
    except errors.UserError as error:
        pytest.skip(f"cifar10_n is not in the TFDS directory: {error!r:.80}")
    walk = Walk(folder, 32, tmp_path, run_script)
    walk.inspect()
    judged = walk.judge()
    wrong = set(folder.wrong)
    flagged = {
        name
        for name, line in judged.items()
        if line["is_label_issue"] == "True"
    }
    hits = len(flagged & wrong)
    precision, recall = hits / len(flagged), hits / len(wrong)
    assert len(walk.decide(20)) == 20
    walk.train()
    walk.export()
    names = list(folder.truth)[::10]
    answers = walk.answers(names)
    right = [
        answer["class_name"] == folder.truth[name]
        for name, answer in zip(names, answers, strict=True)
    ]
    seconds = {name: round(value, 1) for name, value in walk.seconds.items()}
    print(seconds, "together", round(sum(seconds.values())))
    answered = sum(right) / len(right)
    labels = 1 - len(wrong) / len(folder.truth)
    print(f"precision {precision:.3f}, recall {recall:.3f}")
    print(f"right answers {answered:.3f}, right labels {labels:.3f}")
    assert precision > 0.8 and recall > 0.6
    # Better than the labels that it was trained on.
    assert answered > labels + 0.05
    assert sum(seconds.values()) < 300
