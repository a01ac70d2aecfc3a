import pytest

from tfnoisy import errors
from tfnoisy.runs import folder as run_folder
from tfnoisy.runs import resumption

FLAGS = {
    "dataset_name": "digits",
    "learning_rate": "0.1",
    "lr_drops": "0.5,0.75",
    "max_number_of_steps": "100",
    "num_epochs": "0.0",
    "second_reweight": "false",
    "train_log_dir": "runs/a run=1",
    "eval_every": "10",
}


@pytest.fixture
def folder(tmp_path):
    return run_folder.RunFolder(tmp_path)


def test_the_same_command_resumes(folder):
    folder.write_flags(FLAGS, "train.py")
    assert resumption.compare_flags(folder, FLAGS) is True
    # How often it is evaluated and where it lies is not what it is.
    moved = {
        **FLAGS,
        "eval_every": "7",
        "train_log_dir": "elsewhere",
        "save_interval_secs": "5",
    }
    assert resumption.compare_flags(folder, moved) is True


@pytest.mark.parametrize(
    "before, after",
    [
        ({}, {"max_number_of_steps": "101"}),
        ({"num_epochs": "2.5"}, {"num_epochs": "10"}),
    ],
)
def test_more_steps_go_on(folder, before, after):
    folder.write_flags({**FLAGS, **before}, "train.py")
    command = {**FLAGS, **before, **after}
    assert resumption.compare_flags(folder, command) is False


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"learning_rate": "0.2"}, "--learning_rate=0.1 there, 0.2 here;"),
        ({"max_number_of_steps": "99"}, "--max_number_of_steps=100 there"),
        # Epochs in place of steps are not more of the same.
        ({"num_epochs": "1.0"}, "--num_epochs=0.0 there, 1.0 here;"),
        (
            {"max_number_of_steps": "200", "learning_rate": "0.2"},
            "--learning_rate=0.1 there, 0.2 here and 1 more;",
        ),
        ({"a_new_flag": "1"}, "--a_new_flag=None there, 1 here"),
    ],
)
def test_another_run_is_refused(folder, changes, words):
    folder.write_flags(FLAGS, "train.py")
    with pytest.raises(errors.UserError) as caught:
        resumption.compare_flags(folder, {**FLAGS, **changes})
    message = str(caught.value)
    assert message.startswith(f"{folder.path} holds another run: ")
    assert words in message
    assert "--overwrite" in message and "\n" not in message
    assert folder.read_flags() == FLAGS


def test_epochs_no_longer_given_are_another_run(folder):
    folder.write_flags({**FLAGS, "num_epochs": "3.0"}, "train.py")
    with pytest.raises(errors.UserError, match=r"--num_epochs=3\.0 there"):
        resumption.compare_flags(folder, FLAGS)


def test_numbers_that_are_none_are_another_run(folder):
    folder.write_flags({**FLAGS, "num_epochs": "many"}, "train.py")
    with pytest.raises(errors.UserError, match="--num_epochs=many there"):
        resumption.compare_flags(folder, {**FLAGS, "num_epochs": "3.0"})


def test_a_run_that_stopped_at_a_bad_loss_may_skip_it(folder):
    folder.write_flags(FLAGS, "train.py")
    skipping = {**FLAGS, "on_nonfinite": "skip"}
    assert resumption.compare_flags(folder, skipping) is True
