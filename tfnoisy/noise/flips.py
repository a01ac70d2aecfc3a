"""Label flips that depend on the class alone.

All are Bernoulli: an example is chosen by its own uniform draw, as in IEG's
code, and not as an exact share of the data (`dividemix_files` does that).  The
flip of an example thus depends on (seed, id, clean label) only, a slice of the
data gets the restriction of the whole's noise, and the examples wrong at one
rate are among those chosen at any higher one.

Throughout, `clean_labels` is int64 [N] in [0, C), `rate` in [0, 1] the
probability of being chosen, `uniforms` [N, 2] in [0, 1): the first column
chooses, the second says the new class.
"""

import numpy as np


def symmetric(clean_labels, num_classes, rate, uniforms):
    """Returns labels [N] redrawn from all C classes where chosen.

    The true class may be drawn, as in DivideMix and IEG: the expected share of
    wrong labels is rate * (1 - 1/C).
    """
    drawn = np.floor(uniforms[:, 1] * num_classes).astype(np.int64)
    return np.where(uniforms[:, 0] < rate, drawn, clean_labels)


def symmetric_exclusive(clean_labels, num_classes, rate, uniforms):
    """Returns labels [N] redrawn from the C - 1 other classes where chosen.

    The expected share of wrong labels is the rate.
    """
    step = 1 + np.floor(uniforms[:, 1] * (num_classes - 1)).astype(np.int64)
    drawn = (clean_labels + step) % num_classes
    return np.where(uniforms[:, 0] < rate, drawn, clean_labels)


def mapped(clean_labels, class_map, rate, uniforms):
    """Returns labels [N] replaced by `class_map[label]` where chosen.

    With `class_maps.asymmetric` this is asymmetric noise, with
    `class_maps.ring` pair flips (Han et al. 2018, "Co-teaching").
    """
    chosen = uniforms[:, 0] < rate
    return np.where(chosen, class_map[clean_labels], clean_labels)
