"""The presets are the published settings, and every trainer reads them."""

import pathlib
import re

import pytest

import settled_flags
from tfnoisy.augment import standard
from tfnoisy.cli import presets as presets_lib
from tfnoisy.nets import registry
from tfnoisy.training import schedules

FLAGS = pathlib.Path(__file__).parents[1] / "flags"
PRESETS = sorted(FLAGS.rglob("*.flags"))
# Those that do not name their script.
SCRIPTS = {
    "folder": ["cifar_train_mentormix", "cifar_train_baseline"],
    "quickstart": ["cifar_train_mentormix"],
    "quickstart_baseline": ["cifar_train_baseline"],
    "memorising_slice": [
        f"cifar_train_{method}"
        for method in (
            "baseline",
            "mentornet",
            "mentormix",
            "ieg",
            "dividemix",
            "bkd",
        )
    ],
}


@pytest.fixture(scope="module")
def parsed():
    """{preset: {flag: value}} as the script that the preset names sees it."""
    commands = []
    for path in PRESETS:
        scripts = SCRIPTS.get(path.stem) or re.findall(
            r"^#   bin/(\w+)\.py", path.read_text(), re.M
        )
        name = path.relative_to(FLAGS).as_posix()
        commands += [
            (name, script, [f"--flagfile={path}"]) for script in scripts
        ]
    found = settled_flags.settled(commands)
    refused = {name: said for name, (_, said) in found.items() if said}
    assert not refused
    return {name: values for name, (values, _) in found.items()}


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
    presets.remove(FLAGS / "ieg/webvision.flags")
    # Those of FSR are the original's commands.
    presets = [path for path in presets if not path.name.startswith("fsr_")]
    assert len(presets) == 2 * 5 * 4 + 1
    for path in presets:
        preset = read(f"ieg/{path.name}")
        assert f"flags/ieg/{path.name}\n" in path.read_text()
        name, _, noise = preset["dataset"].split("_")
        assert path.stem.removeprefix("l2r_").startswith(f"{name}_{noise}")
        assert preset["method"] == ("l2r" if "l2r" in path.name else "ieg")


DIVIDEMIX_EVERYWHERE = {
    "studentnet": "preact_resnet18",
    "T": 0.5,
    "alpha": 4.0,
    "batch_size": 64,
    "learning_rate": 0.02,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    "reg_covar": 5e-4,
    "num_epochs": 300.0,
    "lr_drop_epoch": 150,
    "learning_rate_decay_factor": 0.1,
    "mix_unlabelled": True,
    "pseudo_label_mode": "train",
}
DIVIDEMIX = {
    # Name: lambda_u and p_threshold (the paper's table 7), best and last
    # accuracy (table 1).
    "cifar10_sym_0.2": (0, 0.5, "96.1", "95.7"),
    "cifar10_sym_0.5": (25, 0.5, "94.6", "94.4"),
    "cifar10_sym_0.8": (25, 0.5, "93.2", "92.9"),
    "cifar10_sym_0.9": (50, 0.6, "76.0", "75.4"),
    "cifar10_asym_0.4": (0, 0.5, "93.4", "92.1"),
    "cifar100_sym_0.2": (25, 0.5, "77.3", "76.9"),
    "cifar100_sym_0.5": (150, 0.5, "74.6", "74.2"),
    "cifar100_sym_0.8": (150, 0.5, "60.2", "59.6"),
    "cifar100_sym_0.9": (150, 0.6, "31.5", "31.0"),
}


@pytest.mark.parametrize("name, row", DIVIDEMIX.items())
def test_dividemix_presets_are_the_published_table(name, row, parsed):
    lambda_u, p_threshold, best, last = row
    dataset, mode, ratio = name.split("_")
    text = (FLAGS / f"dividemix/{name}.flags").read_text()
    assert f"Expected test accuracy: best {best} %, last {last} %" in text
    assert {
        "dataset_name": dataset,
        "noise": f"dividemix_{mode}:{ratio}",
        "lambda_u": lambda_u,
        "p_threshold": p_threshold,
        "warm_up": 30 if dataset == "cifar100" else 10,
        "average_last": 5 if ratio == "0.9" else 1,
        "confidence_penalty": mode == "asym",
        "augment": f"dividemix_{dataset}",
        **DIVIDEMIX_EVERYWHERE,
    }.items() <= parsed[f"dividemix/{name}.flags"].items()


@pytest.mark.parametrize(
    "labels, accuracy, lambda_u",
    [
        ("aggre", "95.01 +- 0.71", 0),
        ("random1", "95.16 +- 0.19", 0),
        ("random2", "95.23 +- 0.07", 0),
        ("random3", "95.21 +- 0.14", 0),
        ("worse", "92.56 +- 0.42", 25),
    ],
)
def test_dividemix_presets_of_human_noise(labels, accuracy, lambda_u, parsed):
    name = f"dividemix/cifar10n_{labels}.flags"
    assert f"{accuracy} %" in (FLAGS / name).read_text()
    assert {
        "dataset_name": "cifar10_n",
        "noise": f"human:{labels}",
        "lambda_u": lambda_u,
        "p_threshold": 0.5,
        "warm_up": 10,
        "average_last": 1,
        "confidence_penalty": False,
        "augment": "dividemix_cifar10",
        **DIVIDEMIX_EVERYWHERE,
    }.items() <= parsed[name].items()


PHOTOGRAPHS = {
    # The originals' Train_clothing1M.py and Train_webvision.py.
    "clothing1m": {
        "augment": "dividemix_clothing1m",
        "image_size": 256,
        "pretrained": "imagenet",
        "test_split": "test",
        "learning_rate": 0.002,
        "weight_decay": 1e-3,
        "num_batches": 1000,
        "confidence_penalty": True,
    },
    "webvision": {
        "augment": "dividemix_webvision",
        "image_size": 320,
        "pretrained": None,
        "test_split": "val",
        "learning_rate": 0.01,
        "weight_decay": 5e-4,
        "num_batches": 0,
        "confidence_penalty": False,
    },
}


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_dividemix_presets_of_photographs(name, parsed):
    preset = parsed[f"dividemix/{name}.flags"]
    assert {
        **DIVIDEMIX_EVERYWHERE,
        **PHOTOGRAPHS[name],
        "dataset_name": name,
        "studentnet": preset["studentnet"],
        "noise": "none",
        "lambda_u": 0.0,
        "p_threshold": 0.5,
        "alpha": 0.5,
        "batch_size": 32,
        "warm_up": 1,
        "average_last": 1,
        "num_epochs": 80.0,
        "lr_drop_epoch": 40,
        "mix_unlabelled": False,
    }.items() <= preset.items()
    assert preset["studentnet"] in registry.names()
    assert preset["augment"] in standard.names()


@pytest.mark.parametrize(
    "labels, noise",
    [("aggre", "aggre"), ("rand1", "random1"), ("worst", "worse")],
)
def test_bkd_presets_are_the_official_runs(labels, noise, parsed):
    assert {
        "dataset_name": "cifar10_n",
        "noise": f"human:{noise}",
        # What a run records must not name the labels a second time.
        "noise_type": None,
        "augment": "bkd_cifar10",
        "studentnet": "preact_resnet18",
        "holdout": 0.1,
        "seed": 0,
        "num_epochs": 300.0,
        "batch_size": 128,
        "learning_rate": 0.02,
        "lr_drop_epoch": 150,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "alpha1": 0.30,
        "alpha2": 0.45,
        "alpha3": 0.55,
        "alpha4": 0.70,
        "otsu": "released",
    }.items() <= parsed[f"bkd/cifar10n_{labels}.flags"].items()


def test_iegs_preset_of_webvision_is_its_readmes_command(parsed):
    assert {
        "dataset_name": "webvision",
        "noise": "none",
        "test_split": "imagenet",
        "probe_split": "probe_500",
        "probe_dataset_hold_ratio": 0.0,
        "image_size": 256,
        "augment": "ieg_webvision",
        "aug_type": "autoaugment_imagenet",
        "studentnet": "resnet50",
        "ce_factor": 4.0,
        "consistency_factor": 8.0,
        "batch_size": 8,
        "eval_batch_size": 50,
        "eval_every": 10000,
        "max_number_of_steps": 1000000,
    }.items() <= parsed["ieg/webvision.flags"].items()


def test_every_preset_is_read_by_the_script_that_it_names(parsed):
    presets = {path.relative_to(FLAGS).as_posix() for path in PRESETS}
    assert presets == set(parsed) and len(presets) > 60


# What their headers promise, best and last or what is known of either.
OF_A_LOSS = {
    "gce/cifar10": {
        "0.2": "89.83 %",
        "0.4": "87.13 %",
        "0.6": "82.54 %",
        "0.8": "64.07 %",
    },
    "gce/cifar100": {
        "0.2": "66.81 %",
        "0.4": "61.77 %",
        "0.6": "53.16 %",
        "0.8": "29.16 %",
    },
    "sce/cifar10": {
        "0.2": "best 89.96 %",
        "0.4": "best 84.65 %",
        "0.6": "best 73.77 %",
        "0.8": "best 36.28 %",
    },
    "sce/cifar100": {
        "0.2": "best 62.31 %",
        "0.4": "best 46.50 %",
        "0.6": "best 24.00 %",
        "0.8": "best 12.51 %",
    },
}
DROPS = {
    # Epochs of AlanChou/Truncated-Loss and HanxunH/SCELoss-Reproduce.
    "gce/cifar10": (120, (40, 80)),
    "gce/cifar100": (150, (80, 120)),
    "sce/cifar10": (120, (40, 80)),
    "sce/cifar100": (150, (40, 80)),
}


@pytest.mark.parametrize("cells", OF_A_LOSS)
def test_presets_of_a_loss_are_the_commands_of_their_code(cells, parsed):
    method, dataset = cells.split("/")
    factors = {
        "gce": {"q": 0.7, "weight_decay": 1e-4},
        "sce": {
            "alpha": 0.1 if dataset == "cifar10" else 6.0,
            "beta": 1.0,
            "weight_decay": 1e-2,
        },
    }
    num_epochs, drops = DROPS[cells]
    for rate, expected in OF_A_LOSS[cells].items():
        name = f"{cells}_sym_{rate}.flags"
        found = parsed[name]
        assert presets_lib.read(FLAGS / name).expected.startswith(
            f"{expected} ("
        )
        assert {
            "method": method,
            "dataset_name": dataset,
            # A wrong label is never the right one in both codes.
            "noise": f"symmetric_exclusive:{rate}",
            "batch_size": 128,
            "learning_rate": 0.01,
            "learning_rate_decay_factor": 0.1,
            "momentum": 0.9,
            "num_epochs": num_epochs,
            "holdout": 0.0,
            **factors[method],
        }.items() <= found.items()
        # Steps of 391 to an epoch.
        points = schedules.drop_points(
            [float(part) for part in found["lr_drops"]], 391 * num_epochs
        )
        assert [round(point / 391) for point in points] == list(drops)
    assert len(list(FLAGS.glob(f"{cells}_*"))) == len(OF_A_LOSS[cells])


IDO = {
    # Best and last are the same in the authors' logs of CIFAR-100.
    "cifar100_sym_0.2": "best 84.86 %, last 84.86 %",
    "cifar100_sym_0.4": "best 83.35 %, last 83.35 %",
    "cifar100_sym_0.6": "best 80.97 %, last 80.97 %",
    "cifar100_asym_0.4": "best 77.76 %, last 77.76 %",
    "cifar100_inst_0.4": "best 83.59 %, last 83.59 %",
    "cifar100n": "73.6 %",
    "clothing1m": "72.6 %",
    "webvision": "82.6 %",
}


def test_idos_presets_begin_with_imagenets_weights(parsed):
    assert {path.stem for path in (FLAGS / "ido").iterdir()} == set(IDO)
    for name, expected in IDO.items():
        found = parsed[f"ido/{name}.flags"]
        preset = presets_lib.read(FLAGS / f"ido/{name}.flags")
        assert preset.expected.startswith(f"{expected} (")
        assert {
            "method": "ido",
            "studentnet": "keras_resnet50",
            "pretrained": "imagenet",
            "mixture": "class",
            "base_model": "label_wave",
            "stage1_epochs": 5,
            # 10 of stage 2.
            "num_epochs": 15,
        }.items() <= found.items()
        side = found["image_size"]
        view = standard.get(found["augment"], (side, side, 3))
        assert view.view_shape == (224, 224, 3)
        # Without them the weights cannot take the view.
        assert view.statistics is not None
