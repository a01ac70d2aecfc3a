import functools
import json

import pytest

from tfnoisy.mentor import curricula
from tfnoisy.mentor import network as mentor_network


@pytest.fixture(scope="module")
def script(run_script):
    return functools.partial(run_script, "fit_mentor.py")


@pytest.fixture(scope="module")
def succeed(script):
    def run(*flags):
        result = script(*flags)
        assert result.returncode == 0, result.stderr
        return result

    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory, succeed):
    """Everything at once; returns the folder and what was printed."""
    folder = tmp_path_factory.mktemp("all")
    result = succeed(
        "--action=all",
        "--vstar_fn=vstar_mentornet_pd",
        "--vstar_gamma=3",
        "--sample_size=200",
        "--seed=3",
        f"--outdir={folder}/data",
        f"--train_dir={folder}/model",
        "--max_step_train=8.0",
        "--learning_rate=0.05",
        "--epoch_ranges=0,99",
    )
    return folder, result


def test_all(run):
    folder, result = run
    train, test = curricula.load_rows(folder / "data")
    assert len(train.targets) == 160 and len(test.targets) == 39
    results = json.loads((folder / "model/results.json").read_text())
    assert results["step"] == 8 and results["seed"] == 3
    assert results["recipe"]["learning_rate"] == 0.05
    assert results["recipe"]["batch_size"] == 32
    assert mentor_network.load(folder / "model").count_params() == 757
    for name in ("mentornet.png", "mentornet.gif"):
        assert (folder / "model" / name).stat().st_size > 0
    assert "--vstar_gamma has no effect" in result.stderr
    assert "learnt nothing" in result.stderr


@pytest.mark.slow
def test_the_original_command_line_of_the_training(run, tmp_path, succeed):
    # The run's own flag file, less what the other two scripts are for.
    folder, _ = run
    lines = (folder / "model/run.flags").read_text().splitlines()
    assert {"--seed=3", "--max_step_train=8.0"} <= set(lines)
    flags = tmp_path / "train.flags"
    ours = ("--seed", "--max_step_train", "--learning_rate")
    flags.write_text("\n".join(line for line in lines if line.startswith(ours)))
    succeed(
        f"--flagfile={flags}",
        f"--train_dir={tmp_path}/model",
        f"--data_path={folder}/data",
        "--mini_batch_size=32",
    )
    assert (tmp_path / "model/mentornet.npz").read_bytes() == (
        folder / "model/mentornet.npz"
    ).read_bytes()


def test_data_driven(tmp_path, succeed):
    features = tmp_path / "nl_0.2.csv"
    features.write_text("\n".join(f"{i} 18 {i % 2} 0 {i}.5" for i in range(10)))
    succeed(
        f"--outdir={tmp_path}/dd",
        "--vstar_fn=data_driven",
        f"--input_csv_filename={features}",
    )
    folders = sorted(path.name for path in (tmp_path / "dd").iterdir())
    assert folders == [
        f"nl_0.2_percentile_{p}" for p in (40, 50, 60, 75, 80, 90)
    ]
    train, test = curricula.load_rows(tmp_path / "dd" / folders[0])
    assert len(train.targets) == 8 and len(test.targets) == 1


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--vstar_fn=vstar_spl", "--outdir={}/new"], "no curriculum"),
        (["--model_dir={}", "--data_path={}"], "give --action, or just one"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, flags, message, script):
    result = script(*(flag.format(tmp_path) for flag in flags))
    assert result.returncode == 2
    lines = [
        line
        for line in result.stderr.splitlines()
        if line.startswith("fit_mentor.py: ")
    ]
    assert len(lines) == 1 and message in lines[0]
    assert "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []
