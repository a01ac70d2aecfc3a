"""Audits to other tools and back; with their own packages where they are."""

import csv
import io
import json
from xml.etree import ElementTree

import pytest

import little_folder
from tfnoisy import errors
from tfnoisy.audit.exchange import (
    fiftyone,
    imagefolder,
    label_studio,
)
from tfnoisy.audit.exchange import judged as judged_lib

HEAD = "id,path,given_label,predicted_label,label_score,is_label_issue\n"


@pytest.fixture
def folder(tmp_path):
    little_folder.write(tmp_path / "images", each=3)
    lines = [HEAD]
    for k in range(3):
        for n, (given, other) in enumerate(
            [("bright", "dark"), ("dark", "bright")]
        ):
            path = tmp_path / "images" / given / f"{k}.png"
            wrong = k == n
            suggested = other if wrong else given
            score = 0.1 + 0.2 * k if wrong else 0.9
            lines.append(
                f"{2 * k + n},{path},{given},{suggested},{score},{wrong}\n"
            )
    (tmp_path / "labels.csv").write_text("".join(lines))
    return tmp_path


@pytest.fixture
def judged(folder):
    return judged_lib.read(folder / "labels.csv", folder / "images")


def named(decisions):
    return {one.key: (one.action, one.corrected_label) for one in decisions}


def test_labels_are_read_and_the_worst_come_first(judged):
    assert [one.key for one in judged][:2] == ["bright/0.png", "dark/0.png"]
    worst = judged_lib.worst_first(judged, True, 0)
    assert [one.key for one in worst] == ["bright/0.png", "dark/1.png"]
    assert len(judged_lib.worst_first(judged, False, 0)) == 6
    assert len(judged_lib.worst_first(judged, False, 4)) == 4
    assert len(worst[0].sha256()) == 64
    assert judged_lib.classes_of(judged) == ["bright", "dark"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no lines"),
        ("a,b\n1,2\n", "no path"),
        (HEAD + "0,/elsewhere/a.png,x,y,0.5,True\n", "not in --data_dir"),
        (HEAD + "0,images/a.png,x,y,high,True\n", "labels.csv:2"),
        (HEAD + "0,images/a.png,x,y,0.5,perhaps\n", "labels.csv:2"),
    ],
)
def test_what_is_no_audit_is_refused(tmp_path, text, words):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(errors.UserError, match=words):
        judged_lib.read(tmp_path / "labels.csv", tmp_path / "images")


def test_label_studio_and_back(judged):
    tasks = label_studio.tasks(judged)
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=bright/0.png"
    assert tasks[0]["predictions"][0]["score"] == pytest.approx(0.9)
    exported = json.loads(json.dumps(tasks))

    def choose(task, *choices, cancelled=False):
        task.setdefault("annotations", []).append(
            {
                "was_cancelled": cancelled,
                "result": [
                    {"from_name": "label", "value": {"choices": list(choices)}}
                ],
            }
        )

    choose(exported[0], "dark")
    choose(exported[1], "dark")
    choose(exported[2], label_studio.REMOVE)
    choose(exported[3], label_studio.UNDECIDED)
    choose(exported[4], "dark", cancelled=True)
    # The last one counts.
    choose(exported[5], "dark")
    choose(exported[5], "bright")
    found = label_studio.decisions(exported)
    assert named(found) == {
        "bright/0.png": ("relabel", "dark"),
        "dark/0.png": ("keep", ""),
        "bright/1.png": ("remove", ""),
        "dark/1.png": ("undecided", ""),
        "dark/2.png": ("relabel", "bright"),
    }
    assert found[0].sha256 == judged[0].sha256()
    assert found[0].given_label == "bright"


def test_the_configuration_has_a_choice_for_each_class():
    text = label_studio.config(['a "b" <c>', "d"])
    choices = [
        c.get("value") for c in ElementTree.fromstring(text).iter("Choice")
    ]
    assert choices == [
        'a "b" <c>',
        "d",
        label_studio.REMOVE,
        label_studio.UNDECIDED,
    ]


@pytest.mark.parametrize(
    "exported", [{}, [1], [{"data": {}}], [{"data": {"key": "a"}}], "text"]
)
def test_other_exports_of_label_studio_are_refused(exported):
    with pytest.raises(errors.UserError):
        label_studio.decisions(exported)


def test_label_studios_own_package_takes_them(judged):
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    made = interface.LabelInterface(label_studio.config(["bright", "dark"]))
    made.validate()
    for task in label_studio.tasks(judged):
        # The package fails on a task with predictions in it.
        assert made.validate_task({"data": task["data"]})
        for prediction in task["predictions"]:
            assert made.validate_prediction(prediction)


def test_fiftyone_and_back(judged, folder):
    content, left_out = fiftyone.labels(judged, ["bright", "dark"])
    assert not left_out
    assert content["labels"]["bright/0"]["label"] == "bright"
    exported = json.loads(json.dumps(content))
    exported["labels"]["bright/0"]["label"] = "dark"
    # As older exports have them: a number of a class, without attributes.
    exported["labels"]["dark/1"] = 0
    del exported["labels"]["dark/2"]
    assert named(fiftyone.decisions(exported, judged)) == {
        "bright/0.png": ("relabel", "dark"),
        "dark/1.png": ("relabel", "bright"),
        "dark/2.png": ("remove", ""),
    }
    exported["labels"]["dark/1"] = 7
    with pytest.raises(errors.UserError, match="label 7 of 2 classes"):
        fiftyone.decisions(exported, judged)
    with pytest.raises(errors.UserError, match="none of these images"):
        fiftyone.decisions({"labels": {"else/where": "dark"}}, judged)
    with pytest.raises(errors.UserError, match="no labels"):
        fiftyone.decisions([], judged)


def test_fiftyone_cannot_tell_suffixes_apart(judged):
    twin = judged_lib.Judged(
        "/x/bright/0.jpg", "bright/0.jpg", "a", "b", 0.5, True
    )
    content, left_out = fiftyone.labels([*judged, twin], ["a"])
    assert sorted(left_out) == ["bright/0.jpg", "bright/0.png"]
    assert len(content["labels"]) == 5


def test_imagefolder_and_back(judged, folder):
    lines = list(csv.DictReader(io.StringIO(imagefolder.metadata(judged))))
    assert lines[0]["file_name"] == "bright/0.png"
    assert not imagefolder.decisions(lines, judged)
    lines[0]["label"] = "dark"
    assert named(imagefolder.decisions(lines[:-1], judged)) == {
        "bright/0.png": ("relabel", "dark"),
        "dark/2.png": ("remove", ""),
    }
    with pytest.raises(errors.UserError, match="line 2"):
        imagefolder.decisions([{"a": "b"}], judged)


def test_hugging_faces_own_package_reads_it(judged, folder, monkeypatch):
    # It would count its users otherwise.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    (folder / "images/metadata.csv").write_text(imagefolder.metadata(judged))
    read = datasets.load_dataset(
        "imagefolder",
        data_dir=str(folder / "images"),
        split="train",
        cache_dir=str(folder / "cache"),
    )
    assert len(read) == 6
    assert sorted(read["suggested_label"]) == ["bright"] * 3 + ["dark"] * 3
    assert "string" in read.features["label"].dtype
