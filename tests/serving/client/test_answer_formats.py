import csv
import io
import json

import numpy as np
import pytest

from tfnoisy.serving.client import answer_formats, client


def answer(name, label, *ranked, error=None):
    top = tuple(
        client.Ranked(number, text, np.float32(p)) for number, text, p in ranked
    )
    probabilities = np.array([0.1, 0.7, 0.2], np.float32)
    return client.Answer(
        client.Item(name, None, label),
        top,
        None if error else probabilities,
        error,
    )


@pytest.fixture
def answers():
    return [
        answer(
            "a.png", "bee", (1, "bee", 0.7), (2, "a, b", 0.2), (0, "x", 0.1)
        ),
        answer("folder/b.png", None, (2, "a, b", 0.9), (1, "bee", 0.1)),
        answer("c.png", "bee", error='no "image"'),
    ]


def test_a_table_for_people(answers):
    assert list(answer_formats.table(answers)) == [
        "image         class  probability  next",
        "a.png         bee    0.7000       a, b 0.2000, x 0.1000",
        "folder/b.png  a, b   0.9000       bee 0.1000",
    ]


def test_json_lines_say_all(answers):
    first, second, third = map(json.loads, answer_formats.jsonl(answers))
    assert first == {
        "image": "a.png",
        "label": "bee",
        "class_id": 1,
        "class_name": "bee",
        "probability": 0.7,
        "top_k": [
            {"class_id": 1, "class_name": "bee", "probability": 0.7},
            {"class_id": 2, "class_name": "a, b", "probability": 0.2},
            {"class_id": 0, "class_name": "x", "probability": 0.1},
        ],
        "probabilities": [0.1, 0.7, 0.2],
    }
    assert second["class_name"] == "a, b" and "label" not in second
    assert third == {"image": "c.png", "label": "bee", "error": 'no "image"'}


def test_json_lines_and_csv_do_not_wait_for_the_last():
    def endless():
        while True:
            yield answer("a.png", None, (1, "bee", 0.7))

    assert next(answer_formats.jsonl(endless())).startswith("{")
    rows = answer_formats.comma_separated(endless())
    assert [next(rows), next(rows)][1] == "a.png,,1,bee,0.7,"


def test_csv_can_be_read_back(answers):
    text = "\n".join(answer_formats.comma_separated(answers))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["image"] for row in rows] == ["a.png", "folder/b.png", "c.png"]
    assert rows[1] == {
        "image": "folder/b.png",
        "label": "",
        "class_id": "2",
        "class_name": "a, b",
        "probability": "0.9",
        "error": "",
    }
    assert rows[2]["error"] == 'no "image"' and rows[2]["class_id"] == ""


def test_probabilities_are_kept_to_the_last_bit():
    probability = np.float32(1) / np.float32(3)
    [line] = answer_formats.jsonl([answer("a", None, (0, "x", probability))])
    assert np.float32(json.loads(line)["probability"]) == probability
