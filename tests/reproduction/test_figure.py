"""The picture of a table."""

import io

import numpy as np
import pytest
from PIL import Image

from tfnoisy import errors
from tfnoisy.reproduction import figure, kept
from tfnoisy.reproduction import rows as rows_lib


def draw(tmp_path, curves, name="curves.png"):
    """Draws {(label, setting): curve}; returns the picture's pixels."""
    members = [
        rows_lib.Row(
            id=f"{label}{setting}",
            table="t",
            label=label,
            setting=setting,
            command="bin/train.py",
            passes=30,
        )
        for label, setting in curves
    ]
    table = rows_lib.Table(name="t", readme="", tolerance=0, because="")
    rows = rows_lib.Rows({"t": table}, {row.id: row for row in members})
    folder = tmp_path / "runs"
    folder.mkdir(exist_ok=True)
    for row, curve in zip(members, curves.values()):
        run = kept.Kept(
            row=row.id,
            seed=0,
            command="",
            test_accuracy=0.5,
            best_test_accuracy=0.5,
            wall_seconds=1,
            versions={},
            curve=curve,
        )
        (folder / f"{row.id}-0.json").write_text(kept.to_json(run))
    figure.plot(rows, "t", tmp_path / name, folder)
    picture = Image.open(io.BytesIO((tmp_path / name).read_bytes()))
    return np.array(picture.convert("RGB")).astype(int)


def test_a_panel_for_each_setting_and_a_line_for_each_row(tmp_path):
    curve = {"step": [0, 5, 10], "test_accuracy": [0.1, 0.6, 0.5]}
    fitted = curve | {"wrong_labels_fitted": [None, 0.1, 0.8]}
    one = draw(tmp_path, {("plain", "0.4"): curve}, "one.png")
    both = draw(
        tmp_path,
        {
            ("plain", "0.4"): fitted,
            ("ours", "0.4"): curve,
            ("plain", "0.6"): fitted,
        },
        "both.png",
    )
    # Wider for a second setting, higher for the wrong labels.
    assert both.shape[1] > 1.5 * one.shape[1]
    assert both.shape[0] > 1.5 * one.shape[0]
    blue, orange = [31, 119, 180], [255, 127, 14]
    assert (one == blue).all(-1).sum() > 100
    assert not (one == orange).all(-1).any()
    assert (both == orange).all(-1).sum() > 100


def test_a_table_without_kept_runs_is_refused(tmp_path):
    rows = rows_lib.load()
    (tmp_path / "none").mkdir()
    with pytest.raises(errors.UserError, match="no run of table digits"):
        figure.plot(rows, "digits", tmp_path / "a.png", tmp_path / "none")
    assert not (tmp_path / "a.png").exists()
