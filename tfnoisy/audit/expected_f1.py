"""Which labels to flag, from the probability that each is wrong."""

import numpy as np


def flags(wrongness):
    """Flags the labels that maximise the expected F1, the wrongest first.

    Of the first m in the order of their wrongness r, as many are expected to
    be wrong as their r sum to, S_m; of all, S.  The m that maximises
    2 S_m / (m + S) is found by trying all.

    Args:
        wrongness: floats [N] in [0, 1].

    Returns:
        bool [N]; none if all r are 0.
    """
    wrongness = np.asarray(wrongness, np.float64)
    order = np.argsort(-wrongness, kind="stable")
    sums = np.cumsum(wrongness[order])
    flagged = np.zeros(len(wrongness), bool)
    if not len(sums) or sums[-1] <= 0:
        return flagged
    counts = np.arange(1, len(sums) + 1)
    best = int(np.argmax(2 * sums / (counts + sums[-1])))
    flagged[order[: best + 1]] = True
    return flagged
