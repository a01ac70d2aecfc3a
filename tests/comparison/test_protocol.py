import pathlib

import pytest

from tfnoisy import errors
from tfnoisy.catalogue import methods as catalogue
from tfnoisy.cli import method_flags
from tfnoisy.comparison import protocol as protocol_lib

ROOT = pathlib.Path(__file__).parents[2]


def flags_of(name, dataset="digits", noise="symmetric:0.4", epochs=0, **more):
    """The words of a method's command."""
    protocol = protocol_lib.make_protocol(dataset, noise, epochs, **more)
    return protocol_lib.flags_of(name, protocol)


@pytest.mark.parametrize(
    "name, preset",
    [
        ("baseline", "quickstart_baseline"),
        ("mentormix", "quickstart"),
    ],
)
def test_on_digits_it_is_the_quickstart(name, preset):
    """But for the budget, which counts epochs, and the trainers' defaults."""
    lines = (ROOT / "flags" / f"{preset}.flags").read_text().splitlines()
    published = {line for line in lines if line.startswith("--")}
    ours = {*flags_of(name), "--dataset_name=digits", "--noise=symmetric:0.4"}
    assert published - ours == {
        "--batch_size=128",
        "--max_number_of_steps=1000",
        "--eval_every=250",
    }
    assert ours <= published
    # 1,437 images.
    assert protocol_lib.make_protocol("digits", "none", 0).num_epochs == round(
        1000 * 128 / 1437 + 0.5
    )


@pytest.mark.parametrize("name", catalogue.METHODS.names())
def test_all_have_one_network_and_one_view(name):
    assert flags_of(name)[:2] == (
        "--studentnet=small_cnn",
        "--augment=standard",
    )
    assert "--studentnet=cifar_resnet20" in flags_of(name, "cifar10", epochs=9)


@pytest.mark.parametrize("name", catalogue.METHODS.names())
def test_its_trainer_knows_the_flags(name, script_flags):
    entry = catalogue.METHODS[name]
    known = script_flags[entry.script]
    if entry.has_general_trainer:
        known = {*known, *method_flags.arguments(entry)}
    for word in flags_of(name):
        flag = word.removeprefix("--").partition("=")[0]
        assert known & {flag, flag.removeprefix("no")}, flag


@pytest.mark.parametrize(
    "name, dataset, epochs, expected",
    [
        # The trainers' own epochs, and what they then do.
        ("dividemix", "digits", 41, "--warm_up=8 --lr_drop_epoch=30"),
        ("dividemix", "cifar10", 300, "--warm_up=10 --lr_drop_epoch=150"),
        ("dividemix", "cifar100", 300, "--warm_up=30 --lr_drop_epoch=150"),
        ("bkd", "digits", 60, "--holdout=0 --lr_drop_epoch=45"),
        ("bkd", "cifar10_n", 300, "--holdout=0 --lr_drop_epoch=150"),
        # A longer and a shorter training.
        ("dividemix", "digits", 90, "--warm_up=8 --lr_drop_epoch=67"),
        ("dividemix", "cifar10", 20, "--warm_up=4 --lr_drop_epoch=10"),
        ("dividemix", "digits", 2, "--warm_up=1 --lr_drop_epoch=1"),
    ],
)
def test_the_pairs_schedules(name, dataset, epochs, expected):
    assert " ".join(flags_of(name, dataset, epochs=epochs)[2:]) == expected


def test_sops_rates_hang_on_the_number_of_classes():
    for name in ("sop", "sop_plus"):
        assert flags_of(name)[-1] == "--lr_u=10"
        assert flags_of(name, "cifar10_n", epochs=9)[-1] == "--lr_u=10"
        words = flags_of(name, "cifar100_n", epochs=9)
        assert not any(word.startswith("--lr_u") for word in words)


@pytest.mark.parametrize(
    "name, dataset, epochs, expected",
    [
        ("ido", "digits", 90, "--stage1_epochs=20"),
        ("ido", "cifar10", 12, "--stage1_epochs=3"),
        ("ido", "digits", 1, "--stage1_epochs=1"),
        ("elr_plus", "digits", 90, "--lr_drops=0.75 --ema_step=615"),
        ("elr_plus", "cifar10", 200, "--lr_drops=0.75"),
        (
            *("pes", "digits", 90),
            "--lr=0.05 --T1=18 --lr_drop_epochs=45,67 --PES_lr=0.003",
        ),
        (
            *("pes", "cifar100", 200),
            "--lr=0.1 --T1=30 --lr_drop_epochs=100,150",
        ),
        (
            "pes_semi",
            "digits",
            90,
            "--lr=0.05 --T1=18 --lambda_u=5 --PES_lr=0.003",
        ),
        ("pes_semi", "cifar100", 300, "--lr=0.02 --T1=35 --lambda_u=75"),
        (
            *("promix", "digits", 90),
            "--pretrain_ep=8 --warmup_ep=7 --start_expand=37",
        ),
        (
            *("promix", "cifar100", 600),
            "--pretrain_ep=30 --warmup_ep=50 --start_expand=250 --tau=0.95",
        ),
        ("promix", "cifar10", 600, "--rho_start=0.5 --rho_end=0.5"),
    ],
)
def test_lengths_that_are_shares_of_the_training(
    name, dataset, epochs, expected
):
    assert expected in " ".join(flags_of(name, dataset, epochs=epochs))


@pytest.mark.parametrize(
    "noise, percentile",
    [
        ("symmetric:0.4", "0.6"),
        ("pairflip:0.45", "0.55"),
        ("openset:0.1:cifar100", "0.9"),
        ("none", "1"),
        ("human:worse", None),
    ],
)
@pytest.mark.parametrize("name", ["mentornet", "mentormix"])
def test_the_mentors_percentile_is_the_share_of_right_labels(
    name, noise, percentile
):
    found = [
        word.partition("=")[2]
        for word in flags_of(name, noise=noise)
        if word.startswith("--loss_p_percentile=")
    ]
    assert found == ([] if percentile is None else [percentile])


def test_the_users_flags_come_last():
    more = {
        "flags": ["--batch_size=64 --data_dir='a b'", "--lr_drops=0.9"],
        "method_flags": ["ieg:--learning_rate=0.02", "ieg:--ce_factor=1"],
    }
    assert flags_of("mixup", **more)[-3:] == (
        "--batch_size=64",
        "--data_dir=a b",
        "--lr_drops=0.9",
    )
    assert flags_of("ieg", **more)[-3:] == (
        "--lr_drops=0.9",
        "--learning_rate=0.02",
        "--ce_factor=1",
    )


@pytest.mark.parametrize(
    "more, words",
    [
        ({"dataset": "cifar10"}, "--num_epochs=E"),
        ({"noise": "symetric:0.4"}, "did you mean symmetric"),
        ({"flags": ["--num_epochs=3"]}, "--num_epochs is settled"),
        ({"flags": ["-seed=3"]}, "--seed is settled"),
        ({"flags": ["--overwrite"]}, "--overwrite is settled"),
        ({"flags": ["--batch_size 64"]}, "'64' is no flag"),
        ({"flags": ["--data_dir='a b"]}, "quotation"),
        ({"method_flags": ["bkd:--n_epoch=3"]}, "--n_epoch is settled"),
        ({"method_flags": ["--alpha=1"]}, "write METHOD:--name=value"),
        ({"method_flags": ["mixmup:--alpha=1"]}, "with one of baseline"),
    ],
)
def test_what_cannot_be_compared(more, words):
    with pytest.raises(errors.UserError, match=words):
        flags_of("baseline", **more)


@pytest.mark.parametrize("names", [["mixup", "mixmup"], []])
def test_there_must_be_known_methods(names):
    with pytest.raises(errors.UserError) as found:
        protocol_lib.check_methods(names)
    for name in catalogue.METHODS.names():
        assert name in str(found.value)
    assert ("mixmup" in str(found.value)) == bool(names)
