"""Half precision: where it is computed in, and where never.

Under `policy` a network keeps its variables in float32 and computes in half
precision, but for the moments of its batch normalisation, its pooled maps and
its last layer (`blocks`).  What a method makes of the logits is float32 then,
too.  Within `in_float32` such a network computes in float32 throughout, with
the same variables: that is how meta gradients are taken and how networks are
judged, as they will be where they serve.
"""

import contextlib
import contextvars

import keras

from tfnoisy import choices

NAMES = choices.PRECISIONS

# Of the thread that traces: replicas have one each.
_in_float32 = contextvars.ContextVar("in_float32", default=False)


@keras.saving.register_keras_serializable("tfnoisy")
class MixedPolicy(keras.DTypePolicy):
    """`mixed_float16` or `mixed_bfloat16` that heeds `in_float32`.

    A layer that is made from a configuration has Keras's policy of that name,
    which does not.
    """

    @property
    def compute_dtype(self):
        """The type that layers compute in, a string."""
        if _in_float32.get():
            return self.variable_dtype
        return super().compute_dtype


def policy(name):
    """Returns the policy for `registry.build`, None for `none`.

    Args:
        name: one of `NAMES`.
    """
    return None if name == "none" else MixedPolicy(f"mixed_{name}")


@contextlib.contextmanager
def in_float32():
    """Lets networks of a `MixedPolicy` compute in float32 in this context."""
    token = _in_float32.set(True)
    try:
        yield
    finally:
        _in_float32.reset(token)


def is_mixed(network):
    """Returns whether a network computes in less than its variables' type."""
    return network.compute_dtype != network.variable_dtype
