"""Whether a judgement of labels can be trusted at all."""

import numpy as np

# With fewer held-out labels predicted right, relative to guessing the most
# frequent class, either most labels are wrong or the predictions do not tell
# the classes apart: pixels of CIFAR-10 reach 0.32 with right labels, and a
# third of these would be flagged.
LEAST_ABOVE_CHANCE = 0.35


def doubt(agreement, given_labels, num_classes, judge, reason):
    """Returns a sentence if labels cannot be judged, else "".

    Args:
        agreement: the share of held-out given labels that are predicted.
        given_labels: int [N], in [0, C).
        num_classes: C.
        judge: who judges, such as `These features`.
        reason: what may be the matter if it is not the labels, such as
            `the features do not tell the classes apart`.
    """
    counts = np.bincount(given_labels, minlength=num_classes)
    chance = counts.max() / counts.sum()
    if agreement - chance >= LEAST_ABOVE_CHANCE * (1 - chance):
        return ""
    return (
        f"{judge} cannot judge these labels: of held-out labels "
        f"{agreement:.0%} are predicted, guessing the most frequent class "
        f"gives {chance:.0%}. Either most labels are wrong, or {reason}: check "
        "some by hand."
    )
