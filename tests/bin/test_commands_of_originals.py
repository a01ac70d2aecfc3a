"""The originals' commands: what our scripts make of them."""

import pytest

import settled_flags

IEG, DIVIDEMIX, BKD = (
    f"cifar_train_{name}" for name in ("ieg", "dividemix", "bkd")
)
WEBVISION = ["--dataset=webvisionmini", "--network_name=resnet50"]

# Name: (script, flags, flags that it sets, words that it says).
COMMANDS = {
    "webvision": (
        IEG,
        WEBVISION,
        {
            "dataset_name": "webvision",
            "noise": "none",
            "test_split": "val",
            "probe_split": "probe_500",
            "probe_dataset_hold_ratio": 0.0,
            "augment": "ieg_webvision",
            "aug_type": "autoaugment_imagenet",
            "image_size": 256,
        },
        "",
    ),
    "webvision_with_20_trusted": (
        IEG,
        ["--dataset=webvisionmini_20", "--use_imagenet_as_eval"],
        {"test_split": "imagenet", "probe_split": "probe_1000"},
        "",
    ),
    "webvision_with_own_trusted": (
        IEG,
        [*WEBVISION, "--probe_dir=trusted"],
        {"probe_split": "", "probe_dir": "trusted"},
        "",
    ),
    "webvision_l2r": (
        IEG,
        [*WEBVISION, "--method=l2r"],
        {"aug_type": "", "probe_split": "probe_500"},
        "",
    ),
    "webvision_supervised": (
        IEG,
        [*WEBVISION, "--method=supervised", "--label_smoothing=0.1"],
        {"probe_split": "", "probe_dataset_hold_ratio": 0.0},
        "",
    ),
    "webvision_0": (IEG, ["--dataset=webvisionmini_0"], {}, "webvisionmini_N"),
    "webvision_x": (IEG, ["--dataset=webvisionmini2"], {}, "webvisionmini_N"),
    "l2_weight_decay": (
        IEG,
        [*WEBVISION, "--l2_weight_decay=0.0001"],
        {"weight_decay": 1e-4},
        "",
    ),
    "l2_weight_decay_of_others": (
        IEG,
        ["--l2_weight_decay=0.0001"],
        {"weight_decay": None},
        "--l2_weight_decay has no effect: it is for resnet50",
    ),
    "imagenet_of_cifar": (
        IEG,
        ["--use_imagenet_as_eval"],
        {"test_split": "test"},
        "--use_imagenet_as_eval has no effect",
    ),
    "label_smoothing_of_ieg": (
        IEG,
        ["--label_smoothing=0.1"],
        {},
        "--label_smoothing has no effect: ieg does not smooth labels",
    ),
    "decay_epochs_alone": (
        IEG,
        ["--decay_epochs=160,180"],
        {},
        "--decay_epochs has no effect: it is read with --max_epoch only",
    ),
    "decay_epochs": (
        IEG,
        ["--decay_epochs=160,180", "--max_epoch=200"],
        {"num_epochs": 200.0},
        "",
    ),
    # Train_cifar.py adds noise to half of the labels unless told otherwise.
    "dividemix": (
        DIVIDEMIX,
        ["--dataset=cifar10", "--num_class=10", "--data_path=./cifar-10"],
        {"r": 0.5, "noise": "dividemix_sym:0.5", "confidence_penalty": False},
        "--r is not given: 0.5, as in the original",
    ),
    "dividemix_cifar100": (
        DIVIDEMIX,
        ["--dataset=cifar100", "--lambda_u=150"],
        {"noise": "dividemix_sym:0.5", "warm_up": 30},
        "noise is added to cifar100's labels",
    ),
    "dividemix_asym": (
        DIVIDEMIX,
        ["--noise_mode=asym"],
        {"noise": "dividemix_asym:0.5", "confidence_penalty": True},
        "--r is not given",
    ),
    "dividemix_given": (
        DIVIDEMIX,
        ["--r=0.2"],
        {"noise": "dividemix_sym:0.2"},
        "",
    ),
    "dividemix_zero": (
        DIVIDEMIX,
        ["--r=0"],
        {"noise": "dividemix_sym:0.0"},
        "",
    ),
    # Never where the labels may be wrong already.
    **{
        f"dividemix_without_{k}": (
            DIVIDEMIX,
            words,
            {"r": None, "noise": noise},
            "",
        )
        for k, (words, noise) in enumerate(
            [
                (["--noise=none"], "none"),
                (["--noise=symmetric:0.4"], "symmetric:0.4"),
                (["--noise_manifest=noise.npz"], "none"),
                (["--dataset=digits"], "none"),
                (["--dataset=folder", "--data_dir=x"], "none"),
                (["--dataset=folder", "--labels_csv=x.csv"], "none"),
                (["--dataset=cifar10_n"], "none"),
                (["--dataset=clothing1m"], "none"),
                (["--dataset=webvision"], "none"),
                (["--dataset=fashion_mnist"], "none"),
                (["--train_split=train[:10%]"], "none"),
            ]
        )
    },
    "bkd": (
        BKD,
        ["--noise_type", "aggre", "--dataset", "cifar10", "--val_ratio=0.1"],
        {"dataset_name": "cifar10_n", "noise": "human:aggre"},
        "",
    ),
    "bkd_noisy100": (
        BKD,
        ["--dataset", "cifar100", "--noise_type", "noisy100"],
        {
            "dataset_name": "cifar100_n",
            "noise": "human:noisy100",
            "augment": "bkd_cifar100",
            "noise_type": None,
        },
        "",
    ),
    "bkd_clean100": (
        BKD,
        ["--dataset=cifar100", "--noise_type=clean100"],
        {"dataset_name": "cifar100_n", "noise": "none"},
        "",
    ),
    "bkd_without_labels": (
        BKD,
        ["--dataset=cifar100"],
        {},
        "no --noise_type=worst: there are clean100, noisy100",
    ),
    "bkd_other_labels": (
        BKD,
        ["--noise_type=noisy100"],
        {},
        "--dataset=cifar10 has no --noise_type=noisy100",
    ),
}


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    commands = [(name, *command[:2]) for name, command in COMMANDS.items()]
    for name in ("tfrecords", "no_files"):
        (folder / name).mkdir()
        commands.append((name, DIVIDEMIX, [f"--data_dir={folder / name}"]))
    records = "cifar10_train-00000-of-00001.tfrecord"
    (folder / "tfrecords" / records).write_bytes(b"")
    return settled_flags.settled(commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_a_command_stands_for(name, settled):
    _, _, expected, words = COMMANDS[name]
    values, said = settled[name]
    assert {flag: values[flag] for flag in expected} == expected
    assert words in said and bool(words) == bool(said)


def test_tfrecords_are_no_published_labels(settled):
    """They are those of inject_noise, wrong already."""
    assert settled["tfrecords"][0]["noise"] == "none"
    assert settled["no_files"][0]["noise"] == "dividemix_sym:0.5"
