import numpy as np
import pytest

from tfnoisy import errors
from tfnoisy.datasets.images import headers
from tfnoisy.serving.client import client

OUTPUTS = frozenset(
    {
        "probabilities",
        "class_ids",
        "class_names",
        "top_k_probabilities",
        "top_k_class_ids",
        "top_k_class_names",
    }
)


class Model:
    """A transport of two classes: what begins with `b` is a bee.

    What begins with `x` is no image.  Before it answers it raises `troubles`.
    """

    place = "model insects at home"

    def __init__(self, *troubles):
        self.troubles = list(troubles)
        self.batches = []

    def signatures(self):
        self._stumble()
        return {
            "serving_bytes": client.Signature({"image_bytes": (None,)}, OUTPUTS)
        }

    def predict(self, signature, inputs):
        assert signature == "serving_bytes"
        [(name, files)] = inputs.items()
        assert name == "image_bytes" and files.dtype == object
        self.batches.append(list(files))
        self._stumble()
        if any(file.startswith(b"x") for file in files):
            raise client.RefusedError("Unknown image\n\t [[{{node Decode}}]]")
        bees = np.array([file.startswith(b"b") for file in files], int)
        rows = np.stack([0.75 - bees / 2, 0.25 + bees / 2], axis=1)
        order = np.stack([bees, 1 - bees], axis=1)
        return {
            "probabilities": rows,
            "class_ids": bees,
            "class_names": np.array([b"ant", b"bee"], object)[bees],
            "top_k_probabilities": np.take_along_axis(rows, order, axis=1),
            "top_k_class_ids": order,
            "top_k_class_names": np.array([b"ant", b"bee"], object)[order],
        }

    def _stumble(self):
        if self.troubles and (trouble := self.troubles.pop(0)):
            raise trouble


def down():
    return client.TransientError("connection refused")


def items(*files):
    return [
        client.Item(f"{n}.png", lambda file=file: file)
        for n, file in enumerate(files)
    ]


def ask(model, files, batch_size=64, **retries):
    waits = []
    asked = client.Client(
        model,
        client.FILES,
        batch_size,
        client.Retries(sleep=waits.append, **retries),
    )
    return list(asked.answers(items(*files))), waits


@pytest.mark.parametrize(
    "batch_size, sizes", [(3, [3, 3, 1]), (7, [7]), (1, [1] * 7)]
)
def test_images_are_asked_about_in_batches(batch_size, sizes):
    model = Model()
    files = [b"a", b"b", b"b0\0", b"a", b"b", b"a", b"a"]
    answers, _ = ask(model, files, batch_size)
    assert [len(batch) for batch in model.batches] == sizes
    # Zeros at the end are part of a file.
    assert [file for batch in model.batches for file in batch] == files
    assert [answer.item.name for answer in answers] == [
        f"{n}.png" for n in range(7)
    ]
    names = [answer.top[0].class_name for answer in answers]
    assert names == ["ant", "bee", "bee", "ant", "bee", "ant", "ant"]
    first = answers[1]
    assert first.top == (
        client.Ranked(1, "bee", np.float32(0.75)),
        client.Ranked(0, "ant", np.float32(0.25)),
    )
    assert first.probabilities.tolist() == [0.25, 0.75]
    assert first.error is None


def test_no_images_are_no_request():
    model = Model()
    assert ask(model, []) == ([], [])
    assert model.batches == []


def test_broken_images_cost_the_others_nothing():
    files = [b"a"] * 10
    files[3] = files[8] = b"x"
    answers, waits = ask(Model(), files)
    errors_found = {
        answer.item.name: answer.error for answer in answers if answer.error
    }
    assert errors_found == {"3.png": "Unknown image", "8.png": "Unknown image"}
    assert [bool(answer.top) for answer in answers] == [
        file == b"a" for file in files
    ]
    assert waits == []  # To ask again about an image in vain helps nobody.


def test_a_file_that_cannot_be_read_is_not_sent(tmp_path):
    asked = client.Client(model := Model(), client.FILES)
    missing = client.Item("missing.png", (tmp_path / "missing").read_bytes)
    answers = list(asked.answers([*items(b"b"), missing, *items(b"a")]))
    assert [answer.error for answer in answers] == [
        None,
        "cannot be read: No such file or directory",
        None,
    ]
    assert model.batches == [[b"b", b"a"]]


def test_large_files_are_sent_in_smaller_batches(monkeypatch):
    monkeypatch.setattr(client, "_REQUEST_BYTES", 10)
    files = [b"a" * 4, b"b" * 4, b"b" * 4, b"a" * 99, b"a", b"b"]
    answers, _ = ask(model := Model(), files)
    assert [len(batch) for batch in model.batches] == [3, 1, 2]
    names = [answer.top[0].class_name for answer in answers]
    assert names == ["ant", "bee", "bee", "ant", "ant", "bee"]


def test_a_damaged_image_is_not_sent():
    def fail():
        raise headers.ImageFault("it is truncated")

    asked = client.Client(model := Model(), client.FILES)
    damaged = client.Item("half.webp", fail)
    answers = list(asked.answers([damaged, *items(b"b")]))
    assert answers[0].error == "cannot be read: it is truncated"
    assert answers[1].error is None and model.batches == [[b"b"]]


@pytest.mark.parametrize(
    "outputs",
    [
        {},
        {"probabilities": np.zeros([1, 2])},
        dict.fromkeys(OUTPUTS, np.zeros(0)),
        dict.fromkeys(OUTPUTS, np.float32(1)),
        dict.fromkeys(OUTPUTS, np.array(["x"])),
    ],
)
def test_an_answer_of_another_form(outputs, monkeypatch):
    monkeypatch.setattr(Model, "predict", lambda *_: outputs)
    [answer], _ = ask(Model(), [b"a"])
    assert answer.error.startswith("an answer without outputs")


@pytest.mark.parametrize(
    "error, line",
    [
        ("no\n\t [[{{node a}}]]", "no"),
        ("assertion failed: [Too large:] [9 [1 2]]", "Too large: 9 [1 2]"),
    ],
)
def test_an_error_is_one_line(error, line):
    assert client.one_line(error) == line


def test_waits_are_not_for_ever():
    model = Model(None, *[down()] * 200)
    _, waits = ask(model, [b"a"], attempts=200, first_wait=1.0)
    assert max(waits) == 60.0 and waits[:4] == [1.0, 2.0, 4.0, 8.0]


def test_a_server_that_stumbles_is_asked_again_after_longer_and_longer():
    model = Model(None, down(), down())
    answers, waits = ask(model, [b"b"], first_wait=0.5)
    assert answers[0].top[0].class_name == "bee"
    assert waits == [0.5, 1.0]
    assert model.batches == [[b"b"]] * 3


def test_a_server_that_stays_down_costs_its_batches_only():
    """All attempts once; then one each, until it is back."""
    troubles = [None, down(), down(), down(), down(), None, down(), None]
    model = Model(*troubles)
    answers, waits = ask(model, [b"a"] * 5, batch_size=1, attempts=3)
    said = [answer.error for answer in answers]
    assert said[0] == "no answer, asked 3 times: connection refused"
    assert said[1] == "no answer, asked once: connection refused"
    # The fourth is asked about twice again.
    assert said[2:] == [None, None, None]
    assert len(model.batches) == 3 + 1 + 1 + 2 + 1
    assert waits == [0.5, 1.0, 0.5]


def test_nobody_there_at_all_is_a_mistake():
    waits = []
    with pytest.raises(errors.UserError) as caught:
        client.Client(
            Model(*[down()] * 9),
            client.FILES,
            retries=client.Retries(4, 0.1, waits.append),
        )
    assert str(caught.value) == (
        "model insects at home: no answer, asked 4 times: connection refused"
    )
    assert waits == [0.1, 0.2, 0.4]


@pytest.mark.parametrize(
    "signature, outputs",
    [("serving_uint8", OUTPUTS), ("serving_bytes", frozenset({"scores"}))],
)
def test_a_model_of_another_kind_is_a_mistake(signature, outputs, monkeypatch):
    monkeypatch.setattr(
        Model,
        "signatures",
        lambda _: {signature: client.Signature({"images": None}, outputs)},
    )
    with pytest.raises(errors.UserError, match="no signature serving_bytes"):
        client.Client(Model(), client.FILES)
