"""The methods: what compare, benchmark and audit know of each.

@methods.register("my_method", evidence=methods.Evidence(...))
class MyMethod(base.Method):
    ...
"""

import dataclasses
from typing import Any

from tfnoisy import registry

# Trains every method that no script of an original's trains.
GENERAL_TRAINER = "train.py"
# A method's step, where nothing else is said: one update of its networks.
PLAIN_STEP = "tfnoisy.benchmarks.step_passes:PLAIN"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a method's per-example evidence is: see `Method.evidence`.

    Attributes:
        score: the array that ranks the labels, high where one is trusted:
            `clean_probability` if it is a probability that the label is
            clean, `agreement` or `label_score` if it is not.
        score_name: what a report calls the score.
        criterion: a sentence for a report, which labels are flagged;
            `{threshold:g}` in it becomes the threshold.
        threshold: the number that the score is compared with, or the name of
            the method's attribute that holds it; None if there is none.
        notes: further sentences that a reader of a report should know.
    """

    score: str = "label_score"
    score_name: str = "label score"
    criterion: str
    threshold: float | str | None = None
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method(registry.Entry):
    """A method: the class, and how the commands train, time and audit it.

    Attributes:
        target: a subclass of `methods.base.Method`.
        title: its name in sentences; `name` if empty.
        script: the file in bin/ that trains it.
        networks: how many networks it trains together.  With two, the
            student is a `nets.pair.Pair`.
        evidence: what it says of the labels, or None.
        recipe: the function of a `comparison.protocol.Protocol` that returns
            the words of the command line that are the method's own in a
            comparison.
        last_epoch: whether its --num_epochs is the last epoch, counted from
            0, rather than how many there are.
        step: the `benchmarks.step_passes.Step` that says with what its step
            is compared; by default one update of its networks.
    """

    title: str = ""
    script: str = GENERAL_TRAINER
    networks: int = 1
    evidence: Evidence | None = None
    recipe: Any = "tfnoisy.comparison.recipes:one_network"
    last_epoch: bool = False
    step: Any = PLAIN_STEP

    @property
    def has_general_trainer(self) -> bool:
        """Whether bin/train.py trains it, from its constructor's arguments."""
        return self.script == GENERAL_TRAINER

    @property
    def heading(self) -> str:
        """Its name in sentences."""
        return self.title or self.name


_RECENT = (
    "The score is of the last ten or so visits of each example in training, "
    "on training views."
)
_LOOK_AHEAD = (
    "Weights of single steps are a noisy sign of what is wrong. If the network "
    "has not memorised the wrong labels, its losses (--method=losses) can find "
    "more of them."
)
_EVENTS = Evidence(
    score_name="share of visits that agree",
    criterion=(
        "In training the network predicted another class than the given label "
        "at more than about half of the visits: the share that agrees is below "
        "{threshold:g}."
    ),
    threshold=0.5,
    notes=(
        "Visits are counted from the first on, as the network saw the image "
        "in training (wrong events): how hard an image was to learn counts "
        "as well.",
    ),
)
_MENTOR = Evidence(
    score_name="mean weight",
    criterion=(
        "The mean weight that the mentor gives to the label is below "
        "{threshold:g}."
    ),
    threshold=0.5,
    notes=(_RECENT,),
)
_PES = Evidence(
    score_name="probability of the label",
    criterion=(
        "The network predicts another class: by the mean of two training "
        "views, before the last epoch."
    ),
)
_SOP = Evidence(
    score_name="how far from explained away",
    criterion=(
        "In training the network contradicted the label, until the numbers "
        "that explain a wrong label had grown more than half of the way: the "
        "share of the way that is left is below {threshold:g}."
    ),
    threshold=0.5,
    notes=(
        "The way is counted in factors, as the numbers grow by one at each "
        "visit. After few passes, or with small lr_u and lr_v, none has gone "
        "far: then the order of the scores says more than the threshold.",
    ),
)

METHODS = registry.Registry(
    "method",
    Method,
    [
        Method(
            name="baseline",
            target="tfnoisy.methods.baseline:Baseline",
            script="cifar_train_baseline.py",
            evidence=_EVENTS,
        ),
        Method(
            name="mixup",
            target="tfnoisy.methods.baseline:Baseline",
            arguments={"mixup_alpha": 2.0},
            script="cifar_train_baseline.py",
            evidence=_EVENTS,
            recipe="tfnoisy.comparison.recipes:mixup",
        ),
        Method(
            name="mentornet",
            target="tfnoisy.methods.mentornet:MentorNet",
            title="MentorNet",
            script="cifar_train_mentornet.py",
            evidence=_MENTOR,
            recipe="tfnoisy.comparison.recipes:mentornet",
            step="tfnoisy.benchmarks.step_passes:MENTORNET",
        ),
        Method(
            name="mentormix",
            target="tfnoisy.methods.mentormix:MentorMix",
            title="MentorMix",
            script="cifar_train_mentormix.py",
            evidence=_MENTOR,
            recipe="tfnoisy.comparison.recipes:mentormix",
            step="tfnoisy.benchmarks.step_passes:MENTORMIX",
        ),
        Method(
            name="gce",
            target="tfnoisy.methods.gce:GCE",
            title="GCE",
            evidence=_EVENTS,
        ),
        Method(
            name="tgce",
            target="tfnoisy.methods.truncated_gce:TruncatedGCE",
            title="truncated GCE",
            evidence=_EVENTS,
            recipe="tfnoisy.comparison.recipes:truncated_gce",
        ),
        Method(
            name="sce",
            target="tfnoisy.methods.sce:SCE",
            title="SCE",
            evidence=_EVENTS,
        ),
        Method(
            name="elr",
            target="tfnoisy.methods.elr:ELR",
            title="ELR",
            evidence=Evidence(
                score_name="label's share of the running mean",
                criterion=(
                    "The running mean of the predictions in training has "
                    "another class first."
                ),
                notes=(
                    "The mean is of the last visits of each example in "
                    "training, on training views: of three or so with beta "
                    "0.7, of ten with 0.9.",
                ),
            ),
        ),
        Method(
            name="elr_plus",
            target="tfnoisy.methods.elr_plus.elr_plus:ELRPlus",
            title="ELR+",
            networks=2,
            evidence=Evidence(
                score_name="label's share of the running means",
                criterion=(
                    "The running means of the predictions of both networks' "
                    "averages have another class first."
                ),
                notes=(
                    "The means are of the last visits of each example in "
                    "training, on training views: of three or so with beta "
                    "0.7, of ten with 0.9.",
                ),
            ),
            recipe="tfnoisy.comparison.recipes:elr_plus",
            step="tfnoisy.benchmarks.step_passes:ELR_PLUS",
        ),
        Method(
            name="ido",
            target="tfnoisy.methods.ido.ido:IDO",
            title="IDO",
            evidence=_EVENTS,
            recipe="tfnoisy.comparison.recipes:ido",
            step="tfnoisy.benchmarks.step_passes:IDO",
        ),
        Method(
            name="sop",
            target="tfnoisy.methods.sop:SOP",
            title="SOP",
            evidence=_SOP,
            recipe="tfnoisy.comparison.recipes:sop",
        ),
        Method(
            name="sop_plus",
            target="tfnoisy.methods.sop:SOP",
            arguments={"ratio_consistency": 0.9, "ratio_balance": 0.1},
            title="SOP+",
            evidence=_SOP,
            recipe="tfnoisy.comparison.recipes:sop",
            step="tfnoisy.benchmarks.step_passes:SOP_PLUS",
        ),
        Method(
            name="pes",
            target="tfnoisy.methods.pes.pes:PES",
            title="PES",
            evidence=_PES,
            recipe="tfnoisy.comparison.recipes:pes",
            step="tfnoisy.benchmarks.step_passes:PES",
        ),
        Method(
            name="pes_semi",
            target="tfnoisy.methods.pes.pes_semi:PESSemi",
            title="PES (semi)",
            evidence=_PES,
            recipe="tfnoisy.comparison.recipes:pes_semi",
            step="tfnoisy.benchmarks.step_passes:PES_SEMI",
        ),
        Method(
            name="promix",
            target="tfnoisy.methods.promix.promix:ProMix",
            title="ProMix",
            networks=2,
            evidence=Evidence(
                score_name="probability of the label",
                criterion=(
                    "Neither network has chosen the label: its loss was not "
                    "among the smallest of its class, nor its probability "
                    "above {threshold:g}."
                ),
                threshold="tau",
                notes=(
                    "The score is the mean probability of the label by both "
                    "networks in evaluation mode, before the last epoch. How "
                    "many small losses are chosen of each class is what rho "
                    "says, whatever the labels are.",
                ),
            ),
            recipe="tfnoisy.comparison.recipes:promix",
            step="tfnoisy.benchmarks.step_passes:PROMIX",
        ),
        Method(
            name="ieg",
            target="tfnoisy.methods.look_ahead.ieg:IEG",
            title="IEG",
            script="cifar_train_ieg.py",
            evidence=Evidence(
                score_name="mean of positive weight and lambda",
                criterion=(
                    "In its last visits the label's weight was 0, as its "
                    "gradient did not help on the trusted images, or the "
                    "pseudo label was chosen: the mean of both shares is below "
                    "{threshold:g}."
                ),
                threshold=0.5,
                notes=(_RECENT, _LOOK_AHEAD),
            ),
            recipe="tfnoisy.comparison.recipes:ieg",
            step="tfnoisy.benchmarks.step_passes:IEG",
        ),
        Method(
            name="l2r",
            target="tfnoisy.methods.look_ahead.l2r:L2R",
            title="L2R",
            script="cifar_train_ieg.py",
            evidence=Evidence(
                score_name="share of visits with a positive weight",
                criterion=(
                    "In most of its last visits the label's weight was 0, as "
                    "its gradient did not help on the trusted images: the "
                    "share of visits with a positive weight is below "
                    "{threshold:g}."
                ),
                threshold=0.5,
                notes=(_RECENT, _LOOK_AHEAD),
            ),
            recipe="tfnoisy.comparison.recipes:l2r",
            step="tfnoisy.benchmarks.step_passes:L2R",
        ),
        Method(
            name="fsr",
            target="tfnoisy.methods.look_ahead.fsr:FSR",
            title="FSR",
            script="cifar_train_ieg.py",
            evidence=Evidence(
                score_name="share of visits with a positive weight",
                criterion=(
                    "In most of its last visits the label's weight was 0, as "
                    "its gradient did not help on the images that the method "
                    "trusts: the share of visits with a positive weight is "
                    "below {threshold:g}."
                ),
                threshold=0.5,
                notes=(_RECENT, _LOOK_AHEAD),
            ),
            recipe="tfnoisy.comparison.recipes:fsr",
            step="tfnoisy.benchmarks.step_passes:FSR",
        ),
        Method(
            name="dividemix",
            target="tfnoisy.methods.dividemix.dividemix:DivideMix",
            title="DivideMix",
            script="cifar_train_dividemix.py",
            networks=2,
            evidence=Evidence(
                score="clean_probability",
                score_name="clean probability",
                criterion=(
                    "The clean probability of DivideMix is {threshold:g} or "
                    "less."
                ),
                threshold="p_threshold",
            ),
            recipe="tfnoisy.comparison.recipes:dividemix",
            last_epoch=True,
            step="tfnoisy.benchmarks.step_passes:DIVIDEMIX",
        ),
        Method(
            name="bkd",
            target="tfnoisy.methods.bkd.bkd:BKD",
            title="Blind Knowledge Distillation",
            script="cifar_train_bkd.py",
            networks=2,
            evidence=Evidence(
                score="agreement",
                score_name="agreement",
                criterion=(
                    "Trust group 4 of Blind Knowledge Distillation: the "
                    "agreement is below the mean of the distrusted labels."
                ),
            ),
            recipe="tfnoisy.comparison.recipes:bkd",
            step="tfnoisy.benchmarks.step_passes:BKD",
        ),
    ],
)

register = METHODS.register
