"""The CSV of labels, read through `folder.read`."""

import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.datasets.sources import folder


@pytest.fixture
def images(tmp_path):
    """Six images, 0.png to 5.png, whose pixels are 0 to 5."""
    for k in range(6):
        Image.new("L", (2, 2), k).save(tmp_path / f"{k}.png")
    return tmp_path


def write(directory, text, name="labels.csv"):
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return str(path)


NAMES = (
    "path,given_label,clean_label\n"
    "3.png,dog,dog\n1.png,cat,dog\n0.png,dog,-1\n2.png,cat,cat\n"
)


def test_names(images):
    data = folder.read("", "train", labels_csv=write(images, NAMES))
    assert data.class_names == ("cat", "dog")
    assert data.images[:, 0, 0, 0].tolist() == [3, 1, 0, 2]
    assert data.given_labels.tolist() == [1, 0, 1, 0]
    assert data.clean_labels.tolist() == [1, 1, -1, 0]
    assert data.ids.tolist() == [0, 1, 2, 3]


def test_rows_keep_their_ids_in_slices(images):
    table = write(images, NAMES)
    data = folder.read("", "train[2:]", labels_csv=table)
    assert data.ids.tolist() == [2, 3]
    assert data.images[:, 0, 0, 0].tolist() == [0, 2]


def test_integers_without_clean_labels(images):
    text = "given_label,path\n1,0.png\n0, 1.png\n2,2.png\n"
    # A spreadsheet's byte order mark, and another folder for the file.
    (images / "sub").mkdir()
    table = write(images / "sub", "\ufeff" + text)
    data = folder.read(str(images), "train", labels_csv=table)
    assert data.class_names == ("0", "1", "2")
    assert data.given_labels.tolist() == [1, 0, 2]
    assert data.clean_labels is None


def test_csv_is_found_in_data_dir(images):
    write(images, NAMES)
    data = folder.read(str(images), "train", labels_csv="labels.csv")
    assert len(data) == 4


def test_split_column(images):
    text = (
        "path,given_label,split\n0.png,a,train\n1.png,b,train\n"
        "2.png,b,test\n3.png,a,test\n"
    )
    table = write(images, text)
    train = folder.read("", "train", labels_csv=table)
    test = folder.read("", "test", labels_csv=table)
    assert train.given_labels.tolist() == [0, 1]
    assert test.given_labels.tolist() == [1, 0]
    assert test.ids.tolist() == [0, 1]


def test_test_folders_name_the_classes(images):
    for name in ("cat", "dog", "eel"):
        (images / "test" / name).mkdir(parents=True)
        Image.new("L", (2, 2), 9).save(images / "test" / name / "x.png")
    text = "path,given_label\n0.png,2\n1.png,dog\n2.png,0\n"
    table = write(images, text)
    train = folder.read(str(images), "train", labels_csv=table)
    assert train.class_names == ("cat", "dog", "eel")
    assert train.given_labels.tolist() == [2, 1, 0]
    test = folder.read(str(images), "test", labels_csv=table)
    assert test.given_labels.tolist() == [0, 1, 2]

    table = write(images, text + "3.png,3\n4.png,fox\n")
    with pytest.raises(errors.UserError) as caught:
        folder.read(str(images), "train", labels_csv=table)
    assert (
        "2 problems: labels.csv:5: given_label 3 is out of range: there "
        in (str(caught.value))
    )
    assert "labels.csv:6: given_label fox" in str(caught.value)


def test_all_problems_with_their_lines(images):
    (images / "5.png").write_bytes(b"?")
    text = (
        "path,given_label,clean_label\n0.png,0,0\n1.png,-1,1\n./0.png,1,1\n"
        "gone.png,3,\n5.png,3,3\n"
    )
    with pytest.raises(errors.UserError) as caught:
        folder.read("", "train", labels_csv=write(images, text))
    message = str(caught.value)
    assert "6 problems: " in message and "\n" not in message
    for part in (
        "labels.csv:3: given_label -1 is out of range: there are 4 classes",
        "labels.csv:4: ./0.png is line 2 already",
        "labels.csv:5: clean_label is empty",
        "labels.csv: empty class 2",
        "labels.csv:5: no such image",
        "labels.csv:6: broken image",
    ):
        assert part in message


@pytest.mark.parametrize(
    "text, message",
    [
        ("path,label\n0.png,1\n", "no column given_label"),
        ("path,given_label\n", "no rows"),
        ("", "no column path"),
        ("path,given_label\n0.png,0\n1.png,700\n", ":3: label 700 is out of"),
        ("path,given_label\n0.png,0\n1.png\n", ":3: given_label is empty"),
        ("path,given_label,split\n0.png,0,\n", ":2: split is empty"),
    ],
)
def test_mistakes(images, text, message):
    with pytest.raises(errors.UserError, match=message):
        folder.read("", "train", labels_csv=write(images, text))


def test_no_such_file():
    with pytest.raises(errors.UserError, match=r"labels_csv=no.csv cannot be"):
        folder.read("", "train", labels_csv="no.csv")


def test_no_test_split(images):
    with pytest.raises(errors.UserError, match="no images for split 'test'"):
        folder.read("", "test", labels_csv=write(images, NAMES))
