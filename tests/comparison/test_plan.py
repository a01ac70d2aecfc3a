import pytest

from tfnoisy import errors
from tfnoisy.comparison import plan
from tfnoisy.comparison import protocol as protocol_lib
from tfnoisy.runs import folder as run_folder


def planned(path, methods=("baseline", "dividemix"), seeds=(0, 1), epochs=5):
    protocol = protocol_lib.make_protocol("digits", "symmetric:0.4", epochs)
    return plan.make_runs(protocol, methods, seeds, path)


def finish(run, **changes):
    """Leaves what the run's trainer would."""
    folder = run_folder.RunFolder(run.folder)
    folder.path.mkdir(exist_ok=True)
    values = {name: str(value) for name, value in run.settled.items()}
    values["num_epochs"] = str(float(run.settled["num_epochs"]))
    folder.write_flags({**values, **changes}, run.script)
    folder.write_results({"steps": 3})
    return folder


def test_each_seed_has_all_methods_before_the_next(tmp_path):
    runs = planned(tmp_path)
    assert [run.name for run in runs] == [
        "baseline-0",
        "dividemix-0",
        "baseline-1",
        "dividemix-1",
    ]
    assert list(tmp_path.iterdir()) == []
    assert runs[3].command == (
        "bin/cifar_train_dividemix.py --studentnet=small_cnn "
        "--augment=standard --warm_up=1 --lr_drop_epoch=3 "
        "--dataset_name=digits --noise=symmetric:0.4 --num_epochs=4 "
        f"--noise_seed=1 --seed=1 --train_log_dir={tmp_path}/dividemix-1"
    )
    assert "--num_epochs=5" in runs[2].words


def test_a_method_that_is_named_twice_is_refused(tmp_path):
    with pytest.raises(errors.UserError, match="names bkd twice"):
        planned(tmp_path, ["bkd", "ieg", "bkd"], [0])


def test_a_folder_in_which_a_comparison_goes_on(tmp_path):
    for run in planned(tmp_path):
        finish(run, train_log_dir="/where/it/was/before")
    planned(tmp_path)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"num_epochs": "3.0"}, "--num_epochs=3.0 there, 5 here"),
        ({"noise": "none"}, "--noise=none there"),
        ({"dataset_name": "mnist"}, "--dataset_name=mnist there"),
        ({"seed": "7"}, "--seed=7 there"),
    ],
)
def test_a_run_of_another_comparison_is_refused(tmp_path, changes, words):
    finish(planned(tmp_path)[2], **changes)
    with pytest.raises(errors.UserError, match=words) as found:
        planned(tmp_path)
    assert "baseline-1 holds another run" in str(found.value)


def test_a_run_is_finished_by_its_very_command(tmp_path):
    run = planned(tmp_path)[0]
    assert not plan.is_finished(run)
    folder = finish(run)
    # By whatever command: its trainer has to be asked.
    assert not plan.is_finished(run)
    plan.mark_finished(run)
    assert plan.is_finished(run)

    other = protocol_lib.make_protocol(
        "digits", "symmetric:0.4", 5, ["--batch_size=7"]
    )
    [other] = plan.make_runs(other, ["baseline"], [0], tmp_path)
    assert not plan.is_finished(other)

    folder.results.unlink()
    assert not plan.is_finished(run)
    # Repeated by hand.
    finish(run, learning_rate="9")
    assert not plan.is_finished(run)


def test_the_time_that_is_left(tmp_path):
    runs = planned(tmp_path, ["baseline", "l2r", "bkd"], [0, 1])
    assert plan.seconds_left({}, runs) is None
    seconds = {"baseline-0": 10.0, "l2r-0": 30.0, "baseline-1": 20.0}
    # The mean of all, 20, for bkd.
    assert plan.seconds_left(seconds, runs[2:]) == 20 + 15 + 30 + 20
    assert plan.seconds_left(seconds, []) == 0
