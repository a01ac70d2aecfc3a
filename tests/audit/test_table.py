import io

import numpy as np
import pandas
import pytest
from PIL import Image

from tfnoisy.audit import label_quality, table
from tfnoisy.datasets import load


def groups(count, num_classes, **kwargs):
    given = np.arange(count) % num_classes
    return label_quality.LabelQuality.from_groups(
        np.arange(count) + 10,
        given,
        given[::-1],
        np.arange(count) % 4 + 1,
        num_classes,
        **kwargs,
    )


def test_by_hand():
    found = label_quality.LabelQuality.from_clean_probability(
        [4, 2], [0, 1], [0, 0], [0.9, 1 / 3], 2
    )
    text = table.to_csv(found, ["cat", "dog, big"], ["a.png", 'b".png'])
    assert text == (
        "id,path,given_label,predicted_label,label_score,is_label_issue,"
        "clean_probability\n"
        "4,a.png,cat,cat,0.9,False,0.9\n"
        '2,"b"".png","dog, big",cat,0.333333,True,0.333333\n'
    )


def test_columns_only_where_known():
    found = groups(4, 2)
    head = table.to_csv(found, ["a", "b"]).splitlines()[0]
    assert head == (
        "id,given_label,predicted_label,label_score,is_label_issue,group"
    )


def test_as_pandas_reads_it(tmp_path, case):
    data = case.data
    found = label_quality.LabelQuality.from_pred_probs(
        data.ids, data.given_labels, case.pred_probs
    )
    table.write(tmp_path / "new" / "labels.csv", found, data.class_names)
    read = pandas.read_csv(tmp_path / "new" / "labels.csv")
    assert list(read) == [
        "id",
        "given_label",
        "predicted_label",
        "label_score",
        "is_label_issue",
    ]
    np.testing.assert_array_equal(read["id"], data.ids)
    assert read["is_label_issue"].dtype == bool
    np.testing.assert_array_equal(read["is_label_issue"], found.is_label_issue)
    np.testing.assert_allclose(
        read["label_score"], found.label_score, rtol=5e-6
    )
    names = np.array(data.class_names)
    assert list(read["given_label"]) == list(names[data.given_labels])
    assert list(read["predicted_label"]) == list(names[found.predicted_labels])


def test_the_trainers_read_it(tmp_path):
    paths = [str(tmp_path / f"{k}.png") for k in range(4)]
    for k, path in enumerate(paths):
        Image.fromarray(np.full((5, 5, 3), 40 * k, np.uint8)).save(path)
    found = groups(4, 2)
    table.write(tmp_path / "labels.csv", found, ["ant", "bee"], paths)
    data = load.load("folder", "train", labels_csv=str(tmp_path / "labels.csv"))
    assert data.class_names == ("ant", "bee")
    np.testing.assert_array_equal(data.given_labels, found.given_labels)
    np.testing.assert_array_equal(data.images[:, 0, 0, 0], [0, 40, 80, 120])


def test_paths_for_each_row():
    with pytest.raises(ValueError, match="zip"):
        table.to_csv(groups(4, 2), ["a", "b"], ["only one.png"])


def test_lines_are_not_broken_twice():
    text = table.to_csv(groups(4, 2), ["a", "b"])
    assert "\r" not in text and len(list(io.StringIO(text))) == 5
