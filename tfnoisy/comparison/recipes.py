"""What is a method's own in a comparison: words of its trainer's command line.

Each function takes a `protocol.Protocol` and returns a list of words, see
`catalogue.methods`.
"""

from tfnoisy.noise import spec as noise_spec


def one_network(protocol):
    """The schedule of flags/quickstart.flags and memorising_slice.flags."""
    rate = ["--learning_rate=0.05"] if protocol.is_digits else []
    return [*rate, "--learning_rate_decay_factor=0.1", "--lr_drops=0.5,0.75"]


def mixup(protocol):
    """Plain mixup with alpha = 2, as MentorMix has it here."""
    return [*one_network(protocol), "--mixup_alpha=2"]


def truncated_gce(protocol):
    """Pruning from a third of the epochs on, as for CIFAR-10."""
    start = max(1, protocol.num_epochs // 3)
    return [*one_network(protocol), f"--start_prune={start}"]


def sop(protocol):
    """SOP and SOP+ with the rates of their runs on CIFAR-10N and CIFAR-100N."""
    few = not protocol.dataset_name.startswith("cifar100")
    return [*one_network(protocol), *(["--lr_u=10"] if few else [])]


def _mentor(protocol):
    """The percentile of the losses below which labels are right."""
    noise = noise_spec.parse(protocol.noise)
    rate = 0.0 if noise.kind == "none" else noise.rate
    # Human labels have no rate in their name: the trainers' default then.
    percentile = [] if rate is None else [f"--loss_p_percentile={1 - rate:g}"]
    return [*one_network(protocol), *percentile]


def mentornet(protocol):
    """MentorNet PD with the burn-in of MentorNet DD."""
    return [
        *_mentor(protocol),
        # Without the default's last part, which trains on nothing at all.
        "--example_dropout_rates=0.5,17,0.05,83",
        # As MentorNet DD is trained: of few images whole classes would be
        # given up before anything is learnt.
        "--burn_in_epoch=18",
    ]


def mentormix(protocol):
    """MentorMix with one weighting, as published for 40 % noise and less."""
    return [*_mentor(protocol), "--mixup_alpha=2", "--nosecond_reweight"]


def _trusting(method):
    # One cycle: the original's restarts end at steps of their own.
    return [f"--method={method}", "--lr_schedule=cosine_one"]


def ieg(_):
    """IEG with one cosine cycle."""
    return _trusting("ieg")


def l2r(_):
    """L2R with one cosine cycle."""
    return _trusting("l2r")


def fsr(_):
    """FSR with one cosine cycle."""
    return _trusting("fsr")


def ido(protocol):
    """IDO with a stage 1 in which a network without pre-training can learn.

    The label wave chooses with which of its epochs stage 2 begins.
    """
    epochs = min(20, max(1, protocol.num_epochs // 4))
    return [*one_network(protocol), f"--stage1_epochs={epochs}"]


def elr_plus(protocol):
    """ELR+ with its drop at three quarters, as published for CIFAR-10.

    On digits the averages' decay comes in over the same share of the steps, of
    which a network makes 12 in an epoch.
    """
    if not protocol.is_digits:
        return ["--lr_drops=0.75"]
    ramp = max(1, int(0.57 * 12 * protocol.num_epochs))
    return ["--learning_rate=0.05", "--lr_drops=0.75", f"--ema_step={ramp}"]


def pes(protocol):
    """PES with its lengths, and drops at a half and three quarters.

    On digits a new stage has 77 steps, on CIFAR 2,457: as for `pes_semi`.
    """
    few = not protocol.dataset_name.startswith("cifar100")
    plain = min(25 if few else 30, max(1, protocol.num_epochs // 5))
    drops = (int(share * protocol.num_epochs) for share in (0.5, 0.75))
    return [
        f"--lr={0.05 if protocol.is_digits else 0.1}",
        f"--T1={plain}",
        f"--lr_drop_epochs={','.join(map(str, drops))}",
        *(["--PES_lr=0.003"] if protocol.is_digits else []),
    ]


def pes_semi(protocol):
    """PES (semi) with the lengths and weights of its runs on CIFAR-N.

    On digits the refinement has 55 steps, on CIFAR 1,950: with its learning
    rate the new layer would stay as it was drawn.
    """
    few = not protocol.dataset_name.startswith("cifar100")
    plain = min(20 if few else 35, max(1, protocol.num_epochs // 5))
    rate = 0.05 if protocol.is_digits else 0.02
    return [
        f"--lr={rate}",
        f"--T1={plain}",
        f"--lambda_u={5 if few else 75}",
        *(["--PES_lr=0.003"] if protocol.is_digits else []),
    ]


_PROMIX_CIFAR100 = ["--tau=0.95", "--debias_output=0.5", "--debias_pl=0.5"]


def promix(protocol):
    """ProMix with the lengths of its runs, as shares of the epochs.

    The choice is that of 20 % noise and less, or that of more.
    """
    noise = noise_spec.parse(protocol.noise)
    rate = 0.0 if noise.kind == "none" else noise.rate
    rho = 0.7 if rate is not None and rate <= 0.2 else 0.5
    epochs = protocol.num_epochs
    few = not protocol.dataset_name.startswith("cifar100")
    warm_up = 8 if protocol.is_digits else 10 if few else 30
    return [
        "--lr=0.05",
        f"--rho_start={rho}",
        f"--rho_end={rho}",
        f"--pretrain_ep={min(warm_up, max(1, epochs // 5))}",
        f"--warmup_ep={max(1, epochs // 12)}",
        f"--start_expand={5 * epochs // 12}",
        *([] if few else _PROMIX_CIFAR100),
    ]


def _drop(protocol):
    """The pair's one drop, at the share of the epochs of its trainer's own."""
    share = 3 / 4 if protocol.is_digits else 1 / 2
    return f"--lr_drop_epoch={int(share * protocol.num_epochs)}"


def dividemix(protocol):
    """DivideMix with its trainer's warm-up, but of few epochs only a part.

    How soon plain training begins to memorise does not depend on how long it
    might go on.
    """
    epochs = 10
    if protocol.is_digits:
        epochs = 8
    elif protocol.dataset_name.startswith("cifar100"):
        epochs = 30
    epochs = min(epochs, max(1, protocol.num_epochs // 5))
    return [f"--warm_up={epochs}", _drop(protocol)]


def bkd(protocol):
    """BKD on all images: its default holds out a tenth."""
    return ["--holdout=0", _drop(protocol)]
