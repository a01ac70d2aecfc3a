import os
import pathlib

import pytest
import tensorflow as tf

from tfnoisy.runs import checkpoint_files


@pytest.fixture
def folder(tmp_path):
    """Three checkpoints, as a run has them."""
    variable = tf.Variable(tf.range(100.0))
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(v=variable), str(tmp_path), max_to_keep=10
    )
    for step in (5, 10, 15):
        manager.save(checkpoint_number=step)
    return tmp_path


def steps(folder):
    paths = checkpoint_files.newest_first(folder)
    return [checkpoint_files.step_of(path) for path in paths]


def listed(folder):
    state = tf.train.get_checkpoint_state(str(folder))
    return [pathlib.Path(p).name for p in state.all_model_checkpoint_paths]


INDEXES = [
    None,
    b"",
    b"garbage{{{",
    b"\xff\xfe\x00",
    b"model_checkpoint_path: 5",
]


@pytest.mark.parametrize("index", INDEXES)
def test_a_damaged_list_costs_nothing(folder, index):
    file = folder / "checkpoint"
    if index is None:
        file.unlink()
    else:
        file.write_bytes(index)
    assert steps(folder) == [15, 10, 5]
    assert checkpoint_files.newest_good(folder) == (str(folder / "ckpt-15"), {})
    checkpoint_files.tidy(folder)
    assert listed(folder) == ["ckpt-5", "ckpt-10", "ckpt-15"]
    assert tf.train.latest_checkpoint(str(folder)) == str(folder / "ckpt-15")
    # And TensorFlow's manager goes on with all of them.
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(), str(folder), max_to_keep=3
    )
    manager.save(checkpoint_number=20)
    assert steps(folder) == [20, 15, 10]


def test_the_one_that_was_saved_last_is_the_newest(folder):
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(), str(folder), max_to_keep=10
    )
    manager.save(checkpoint_number=10)
    assert steps(folder) == [10, 15, 5]
    assert steps(folder / "none") == []
    assert checkpoint_files.newest_good(folder / "none") == (None, {})
    checkpoint_files.tidy(folder / "none")


def half(content):
    return content[: len(content) // 2]


def flipped(at):
    def flip(content):
        at_byte = at % len(content)
        return (
            content[:at_byte]
            + bytes([content[at_byte] ^ 4])
            + content[at_byte + 1 :]
        )

    return flip


DAMAGES = [
    *(
        (part, how)
        for part in ("index", "data")
        for how in (half, lambda _: b"")
    ),
    *(("data", flipped(at)) for at in (0, 200, -1)),
    *(("index", flipped(at)) for at in (0, 60, -1)),
    ("data", None),
]


@pytest.mark.parametrize("part, how", DAMAGES)
def test_damage_is_found_and_passed_over(folder, part, how):
    [file] = folder.glob(f"ckpt-15.{part}*")
    if how is None:
        file.unlink()
    else:
        file.write_bytes(how(file.read_bytes()))
    newest, before = str(folder / "ckpt-15"), str(folder / "ckpt-10")
    problem = checkpoint_files.damage(newest)
    assert problem and "\n" not in problem
    assert checkpoint_files.newest_good(folder) == (before, {newest: problem})
    checkpoint_files.set_aside(newest)
    checkpoint_files.tidy(folder)
    assert steps(folder) == [10, 5]
    assert listed(folder) == ["ckpt-5", "ckpt-10"]
    assert (folder / "damaged-ckpt-15.index").exists()


def test_what_is_not_listed_is_kept_for_ever(folder):
    """TensorFlow keeps one a day out of its list."""
    os.rename(folder / "ckpt-5.index", folder / "ckpt-2.index")
    [data] = folder.glob("ckpt-5.data*")
    data.rename(folder / data.name.replace("-5.", "-2.", 1))
    checkpoint_files.tidy(folder)
    assert listed(folder) == ["ckpt-10", "ckpt-15"]
    assert steps(folder) == [15, 10, 2]


def test_what_interrupted_saves_left_is_removed(folder):
    left = folder / "ckpt-20_temp"
    left.mkdir()
    (left / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
    (folder / "checkpoint.tmp1234").write_bytes(b"half")
    (folder / "ckpt-20.index.tempstate1234").write_bytes(b"half")
    (folder / "best").mkdir()
    before = steps(folder)
    checkpoint_files.tidy(folder)
    assert steps(folder) == before
    assert {file.suffix for file in folder.iterdir()} == {
        "",
        ".index",
        ".data-00000-of-00001",
    }
    assert not left.exists() and (folder / "best").exists()
