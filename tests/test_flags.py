"""The presets are the published settings, and every trainer reads them."""

import pathlib

import pytest

FLAGS = pathlib.Path(__file__).parents[1] / "flags"


def read(name):
    """Returns {flag: value} of a preset."""
    lines = (FLAGS / name).read_text().splitlines()
    pairs = (line[2:].partition("=") for line in lines if line[:2] == "--")
    return {flag: value for flag, _, value in pairs}


@pytest.mark.parametrize(
    "dataset, noise, p, alpha, second_reweight",
    [
        ("cifar10", "0.2", 0.8, 2, False),
        ("cifar10", "0.4", 0.6, 8, False),
        ("cifar10", "0.6", 0.6, 8, True),
        ("cifar10", "0.8", 0.2, 4, True),
        ("cifar100", "0.2", 0.7, 2, False),
        ("cifar100", "0.4", 0.5, 8, False),
        ("cifar100", "0.6", 0.3, 4, True),
        ("cifar100", "0.8", 0.1, 8, True),
    ],
)
def test_published_settings(dataset, noise, p, alpha, second_reweight):
    preset = read(f"mentormix/{dataset}_{noise}.flags")
    assert preset["dataset_name"] == dataset
    assert preset["noise"] == f"symmetric:{noise}"
    assert float(preset["loss_p_percentile"]) == p
    assert float(preset["mixup_alpha"]) == alpha
    assert ("second_reweight" in preset) == second_reweight
    assert ("nosecond_reweight" in preset) != second_reweight
    assert {
        "batch_size": "128",
        "max_number_of_steps": "200000",
        "learning_rate": "0.1",
        "learning_rate_decay_factor": "0.9",
        "num_epochs_per_decay": "30",
        "burn_in_epoch": "10",
        "example_dropout_rates": "0.0,100",
        "studentnet": "resnet32",
        "augment": "mentormix",
        "strategy": "one_device",
    }.items() <= preset.items()


def test_the_quickstarts_differ_by_the_method_alone():
    plain, robust = (
        read("quickstart_baseline.flags"),
        read("quickstart.flags"),
    )
    assert plain.items() <= robust.items()
    assert set(robust) - set(plain) == {
        "loss_p_percentile",
        "mixup_alpha",
        "nosecond_reweight",
    }


@pytest.mark.parametrize(
    "name, expected",
    [
        (
            "cifar10_0.8_rn29_100",
            ("85.6 +- 1.1", "cifar10_uniform_0.8", "resnet29", "0.002"),
        ),
        (
            "cifar10_0.4_wrn_10",
            ("94.5 +- 1.0", "cifar10_uniform_0.4", "wrn28-10", "0.0002"),
        ),
        (
            "cifar100_0.8_wrn_1000",
            ("75.5 +- 0.2", "cifar100_uniform_0.8", "wrn28-10", "0.02"),
        ),
        (
            "l2r_cifar100_0.4",
            ("61.3 +- 2.0", "cifar100_uniform_0.4", "wrn28-10", "0.02"),
        ),
    ],
)
def test_ieg_presets_name_their_number(name, expected):
    accuracy, dataset, network, ratio = expected
    preset = read(f"ieg/{name}.flags")
    text = (FLAGS / f"ieg/{name}.flags").read_text()
    assert f"Expected test accuracy: {accuracy} %" in text
    assert preset["dataset"] == dataset
    assert preset["network_name"] == network
    assert preset["probe_dataset_hold_ratio"] == ratio


def test_every_number_of_iegs_tables_has_its_preset():
    presets = sorted((FLAGS / "ieg").iterdir())
    assert len(presets) == 2 * 5 * 4 + 1
    for path in presets:
        preset = read(f"ieg/{path.name}")
        assert f"flags/ieg/{path.name}\n" in path.read_text()
        name, _, noise = preset["dataset"].split("_")
        assert path.stem.removeprefix("l2r_").startswith(f"{name}_{noise}")
        assert preset["method"] == ("l2r" if "l2r" in path.name else "ieg")
