"""The CSV of labels, read through `folder.read`."""

import unicodedata

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
    text = "path,given_label\n0.png,2\n1.png,1\n2.png,0\n"
    table = write(images, text)
    train = folder.read(str(images), "train", labels_csv=table)
    assert train.class_names == ("cat", "dog", "eel")
    assert train.given_labels.tolist() == [2, 1, 0]
    test = folder.read(str(images), "test", labels_csv=table)
    assert test.given_labels.tolist() == [0, 1, 2]
    assert test.keys[0] == "test/cat/x.png"

    table = write(images, text + "3.png,3\n")
    with pytest.raises(errors.UserError, match=r"label 3 is out of range"):
        folder.read(str(images), "train", labels_csv=table)
    # One name among them, and all are names.
    table = write(images, text + "4.png,dog\n5.png,fox\n")
    with pytest.raises(errors.UserError) as caught:
        folder.read(str(images), "train", labels_csv=table)
    for part in (
        "labels.csv:2: 0.png: given_label 2 is not a class (cat, dog, eel)",
        "labels.csv:6: 5.png: given_label fox is not a class",
    ):
        assert part in str(caught.value)


def test_all_problems_with_their_lines(images):
    (images / "5.png").write_bytes(b"?")
    text = (
        "path,given_label,clean_label\n0.png,0,0\n1.png,-1,1\n./0.png,1,1\n"
        "gone.png,3,\n5.png,3,3\n"
    )
    with pytest.raises(errors.UserError) as caught:
        folder.read("", "train", labels_csv=write(images, text))
    message = str(caught.value)
    assert ": 7 problems\n" in message
    for part in (
        "empty class 2: no training images",
        "labels.csv:3: 1.png: given_label -1 is out of range: there are 4 cla",
        "labels.csv:4: 0.png: ./0.png is line 2 already",
        "labels.csv:5: gone.png: clean_label is empty",
        "labels.csv:6: 5.png: not an image",
    ):
        assert part in message


@pytest.mark.parametrize(
    "text, message",
    [
        ("path,group\n0.png,1\n", "no column given_label"),
        ("path,given_label\n", "no rows"),
        ("", "no column path"),
        ("path,given_label\n0.png,0\n1.png,700\n", ":3: label 700 is out of"),
        ("path,given_label\n0.png,0\n1.png\n", ":3: 1.png: given_label is em"),
        ("path,given_label,split\n0.png,0,\n", ":2: 0.png: split is empty"),
    ],
)
def test_mistakes(images, text, message):
    with pytest.raises(errors.UserError, match=message):
        folder.read("", "train", labels_csv=write(images, text))


def test_no_such_file():
    with pytest.raises(errors.UserError, match="labels_csv=no.csv: no such"):
        folder.read("", "train", labels_csv="no.csv")


def test_no_test_split(images):
    with pytest.raises(errors.UserError, match="no images for split 'test'"):
        folder.read("", "test", labels_csv=write(images, NAMES))


def test_a_missing_image_names_path_and_folders(images):
    table = write(images, "path,given_label\n0.png,0\nsub/9.png,0\n")
    with pytest.raises(errors.UserError) as caught:
        folder.read(str(images), "train", labels_csv=table)
    assert (
        f"labels.csv:3: sub/9.png: no such image sub/9.png in {images} or "
        f"{images}" in str(caught.value)
    )


def test_keys_are_paths_from_the_data_on(images, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    Image.new("L", (2, 2), 9).save(elsewhere / "far.png")
    (images / "sub").mkdir()
    text = f"path,given_label\n./0.png,0\n{elsewhere}/far.png,0\n1.png,0\n"
    for table, data_dir in (
        (write(images / "sub", text), str(images)),
        (write(images, text), ""),
    ):
        data = folder.read(data_dir, "train", labels_csv=table)
        assert data.keys == ("0.png", f"{elsewhere}/far.png", "1.png")


def test_surplus_cells_are_refused(images):
    text = "path,given_label\n0.png,crane, bird\n1.png,dog,\n"
    with pytest.raises(errors.UserError) as caught:
        folder.read("", "train", labels_csv=write(images, text))
    assert (
        "labels.csv:2: 0.png: 3 cells where the head line has 2 (a text with "
        "a ',' in it needs quotation marks)" in str(caught.value)
    )
    assert "labels.csv:3" not in str(caught.value)


def test_windows_paths_and_formulas(images):
    (images / "sub").mkdir()
    for name in ("sub/a.png", "=cmd().png", "-x.png"):
        Image.new("L", (2, 2), 9).save(images / name)
    text = "path,given_label\nsub\\a.png,'=x\n'=cmd().png,'@y\n-x.png,'=x\n"
    data = folder.read("", "train", labels_csv=write(images, text))
    assert data.keys == ("sub/a.png", "=cmd().png", "-x.png")
    assert data.class_names == ("=x", "@y")


def test_hugging_face_metadata(tmp_path):
    for k in range(4):
        path = tmp_path / ("train" if k < 3 else "validation") / f"{k}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("L", (2, 2), k).save(path)
    (tmp_path / "train/metadata.csv").write_text(
        "file_name,label\n1.png,dog\n0.png,cat\n"
    )
    (tmp_path / "validation/metadata.jsonl").write_text(
        '{"file_name": "3.png", "label": "dog", "text": null}\n'
    )
    train = folder.read(str(tmp_path), "train")
    assert train.keys == ("train/1.png", "train/0.png")
    assert train.given_labels.tolist() == [1, 0]
    assert "1 image that no metadata file names left out" in train.notes
    val = folder.read(str(tmp_path), "val")
    assert val.given_labels.tolist() == [1] and val.keys == (
        "validation/3.png",
    )


def test_metadata_without_labels_leave_them_to_the_folders(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "train" / name).mkdir(parents=True)
        Image.new("L", (2, 2)).save(tmp_path / "train" / name / "x.png")
    text = "file_name,text\ncat/x.png,a cat\n"
    (tmp_path / "train/metadata.csv").write_text(text)
    data = folder.read(str(tmp_path), "train")
    assert data.class_names == ("cat", "dog")


@pytest.fixture
def accented(tmp_path):
    """Two images whose names have an accent, as Linux and as macOS write it."""
    names = {}
    for form in ("NFC", "NFD"):
        names[form] = unicodedata.normalize(form, f"caf\u00e9 {form}.png")
        Image.new("L", (2, 2), 7).save(tmp_path / names[form])
    return tmp_path, names


def test_a_file_of_windows_excel_is_read(accented):
    path, names = accented
    rows = f"path;label\r\n{names['NFC']};th\u00e9\r\n"
    (path / "excel.csv").write_bytes(rows.encode("cp1252"))
    table = str(path / "excel.csv")
    data = folder.read("", "train", labels_csv=table)
    assert data.class_names == ("th\u00e9",)
    assert len(data) == 1
    assert any("was read as Windows-1252" in note for note in data.notes)


def test_bytes_that_are_a_path_of_linux_stay_as_they_are(tmp_path):
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    Image.new("L", (2, 2), 7).save(tmp_path / name)
    (tmp_path / "raw.csv").write_bytes(b"path,label\ncaf\xe9.png,a\n")
    table = str(tmp_path / "raw.csv")
    data = folder.read("", "train", labels_csv=table)
    assert len(data) == 1
    assert not any("Windows" in note for note in data.notes)


def test_an_accent_may_be_a_character_of_its_own(accented):
    """A list made on a Mac, of files that were copied to Linux, or back."""
    path, names = accented
    swapped = [
        unicodedata.normalize("NFD", names["NFC"]),
        unicodedata.normalize("NFC", names["NFD"]),
    ]
    assert not any((path / name).exists() for name in swapped)
    table = write(path, "path,label\n" + "".join(f"{n},a\n" for n in swapped))
    data = folder.read("", "train", labels_csv=table)
    assert len(data) == 2


def test_a_web_address_is_called_one(images):
    table = write(images, "path,label\n0.png,a\nhttps://x.org/1.png,b\n")
    with pytest.raises(errors.DataError, match=r"csv:3.*a web address"):
        folder.read("", "train", labels_csv=table)


def test_classes_that_differ_in_case_only_are_named(images):
    table = write(images, "path,label\n0.png,Cat\n1.png,cat\n2.png,dog\n")
    data = folder.read("", "train", labels_csv=table)
    assert data.class_names == ("Cat", "cat", "dog")
    assert any("Cat and cat differ in upper and" in n for n in data.notes)
