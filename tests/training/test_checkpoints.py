"""Damaged checkpoints, and disks that take no more."""

import os
import shutil

import pytest

import full_disk
import slow_cases
import tiny_runs
from tfnoisy import errors


@pytest.fixture(scope="module")
def runner():
    return tiny_runs.Runner("baseline")


@pytest.fixture(scope="module")
def whole(runner, tmp_path_factory):
    """The folder of a run with checkpoints of 5, 10, 15, 20, 24; its bits."""
    training = runner.loop(tmp_path_factory.mktemp("whole") / "run")
    training.run()
    return training.folder, runner.state()


@pytest.fixture
def run(whole, tmp_path):
    """A copy of it, to be damaged."""
    shutil.copytree(whole[0].path, tmp_path / "run")
    return tmp_path / "run"


def damage(run, *steps):
    for step in steps:
        [data] = (run / "checkpoints").glob(f"ckpt-{step}.data*")
        data.write_bytes(data.read_bytes()[:-100])


def test_the_newest_good_one_is_used_and_named(run, whole, runner, capsys):
    damage(run, 20, 24)
    training = runner.loop(run)
    training.run()
    said = capsys.readouterr().err.splitlines()
    for step in (20, 24):
        assert [line for line in said if f"ckpt-{step} is damaged (" in line]
    assert (
        sum(f"resumes from {run}/checkpoints/ckpt-15" in s for s in said) == 2
    )
    tiny_runs.assert_same_bits(runner.state(), whole[1])
    assert tiny_runs.rows_of(training) == tiny_runs.rows_of(whole[0])
    # They are out of the way, and not deleted.
    names = {file.name for file in (run / "checkpoints").iterdir()}
    assert {"damaged-ckpt-20.index", "damaged-ckpt-24.index"} < names
    assert training.checkpoints.steps == [5, 10, 15, 20, 24]
    runner.loop(run).run()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("index", [None, b"", b"garbage{{{", b"\xff\xfe"])
def test_a_lost_list_of_checkpoints_costs_nothing(run, runner, index):
    file = run / "checkpoints/checkpoint"
    file.unlink()
    if index is not None:
        file.write_bytes(index)
    training = runner.loop(run)
    training.restore()
    assert training._step == 24


def test_none_that_is_good(run, runner):
    damage(run, 5, 10, 15, 20, 24)
    before = sorted(run.rglob("*"))
    with pytest.raises(
        errors.UserError, match="none of the 5 checkpoints"
    ) as e:
        runner.loop(run).run()
    assert "\n" not in str(e.value) and "--overwrite" not in str(e.value)
    assert sorted(run.rglob("*")) == before
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(errors.UserError, match="holds no checkpoint: put"):
        runner.loop(run).run()


def test_the_one_that_is_asked_for(run, runner):
    damage(run, 15)
    with pytest.raises(
        errors.UserError, match=r"=15: .*damaged.* before it is of step 10$"
    ):
        runner.loop(run, restore_step=15).run()
    damage(run, 5)
    with pytest.raises(errors.UserError, match="before it does not exist$"):
        runner.loop(run, restore_step=5).run()
    with pytest.raises(errors.UserError, match="of 5, 10, 15, 20, 24$"):
        runner.loop(run, restore_step=7).run()


def test_that_of_another_network(run):
    mixup = tiny_runs.Runner("bkd")
    with pytest.raises(errors.UserError, match="cannot be restored into this"):
        mixup.loop(run).run()


def test_unfinished_ones_are_removed(run, runner):
    left = run / "checkpoints/ckpt-30_temp"
    left.mkdir()
    (left / "part").write_bytes(b"half")
    runner.loop(run).run()
    assert not left.exists()


@pytest.mark.parametrize("size", slow_cases.but([600], [0, 100, 600, 3000]))
def test_a_disk_that_takes_no_more(whole, runner, tmp_path, size):
    """Whichever file it is: the run goes on once there is room."""
    runner.loop(tmp_path, num_steps=12).run()
    stopped = runner.loop(tmp_path)
    with (
        pytest.raises(errors.StorageError, match="cannot write .*too large"),
        full_disk.no_file_beyond(size),
    ):
        stopped.run()
    assert not list((tmp_path / "checkpoints").glob("*_temp"))
    again = runner.loop(tmp_path)
    again.restore()
    assert again._step == 12
    again.run()
    tiny_runs.assert_same_bits(runner.state(), whole[1])


@pytest.mark.parametrize("become", ["deleted", "moved"])
def test_a_folder_that_goes_while_the_run_trains(runner, tmp_path, become):
    run = tmp_path / "run"

    def evaluate():
        if runner.method.step == 10:
            if become == "moved":
                run.rename(tmp_path / "elsewhere")
            else:
                shutil.rmtree(run)
        return runner.evaluator()

    with pytest.raises(errors.StorageError, match="was moved or deleted"):
        runner.loop(run, evaluate).run()
    assert os.listdir(tmp_path) == ["elsewhere"] * (become == "moved")
    if become == "moved":
        again = runner.loop(tmp_path / "elsewhere")
        again.restore()
        assert again._step == 5
