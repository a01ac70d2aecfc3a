"""The ways to train a network without labels.

@pretrainings.register("my_pretraining")
class MyPretraining(base.Method):
    ...
"""

import dataclasses

from tfnoisy import registry


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretraining(registry.Entry):
    """A subclass of `methods.base.Method` whose step reads no labels."""


PRETRAININGS = registry.Registry(
    "pre-training",
    Pretraining,
    [Pretraining(name="simclr", target="tfnoisy.methods.simclr:SimCLR")],
)

register = PRETRAININGS.register
