"""What a method says of every label between its epochs, by example id."""

import numpy as np

from tfnoisy.methods import base


class JudgedExamples:
    """What a method has that judges all labels at the start of an epoch.

    Attributes:
        judged: float32 [num_ids, 3], a row of what it found for each example;
            -1 where there is no judgement; None while there is no room.
    """

    judged = None

    @property
    def num_ids(self):
        """The largest id that is remembered plus one, None while none is."""
        return None if self.judged is None else self.judged.shape[0]

    def keep_judgements(self, num_ids):
        """Makes room for them, within the strategy's scope.

        Args:
            num_ids: the largest example id plus one.
        """
        self.judged = self.add_state("judged", -1, (num_ids, 3), "float32")

    def judgements(self):
        """Returns what was found last, None before it.

        Returns:
            (ids, int64 [N], ascending; their rows of `judged`, [N, 3]).
        """
        if self.judged is None:
            return None
        judged = base.value_of(self.judged)
        ids = np.flatnonzero(judged[:, 0] >= 0)
        return (ids, judged[ids]) if len(ids) else None
