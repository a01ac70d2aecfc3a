"""The ranges that the numbers of a method's constructor have to be in.

ranges.shares(beta=beta)
ranges.non_negative(lamb=lamb, mixup_alpha=mixup_alpha)
"""

import numpy as np

from tfnoisy import errors

# They enter steps in float32.
_MOST = float(np.finfo(np.float32).max)


def non_negative(**values):
    """Refuses numbers below 0, infinite ones and NaN.

    Args:
        **values: {the flag's name: number}.

    Raises:
        UserError: with the first of them.
    """
    for name, value in values.items():
        if not 0 <= value <= _MOST:
            raise errors.UserError(
                f"--{name}={value}: it is 0 or more and finite"
            )


def shares(**values):
    """Refuses numbers that are not from 0 to 1.

    Args:
        **values: {the flag's name: number}.

    Raises:
        UserError: with the first of them.
    """
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise errors.UserError(f"--{name}={value}: it is from 0 to 1")
