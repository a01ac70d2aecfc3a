"""The kinds of label noise.

@noises.register("my_noise", parameters="R")
def my_noise(dataset, spec, seed):
    ...
"""

import dataclasses

from tfnoisy import errors, registry

_PARAMETERS = ("", "R", "SOURCE", "R:SOURCE", "R[:SOURCE]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoiseKind(registry.Entry):
    """A kind of noise: a function of (dataset, spec, seed).

    It returns the given labels, integers [N] in [0, C), in the order of the
    `ImageDataset`, whose labels are clean; `spec` is a `noise.spec.NoiseSpec`.

    Attributes:
        parameters: what follows the name, after a colon each: R a rate in
            [0, 1], SOURCE a name, [...] may be left out.
    """

    parameters: str = "R"

    def __post_init__(self) -> None:
        """Refuses parameters that a `NoiseSpec` cannot hold."""
        if self.parameters not in _PARAMETERS:
            raise errors.UserError(
                f"noise {self.name}: parameters={self.parameters!r} is none "
                f"of {', '.join(map(repr, _PARAMETERS))}"
            )

    @property
    def form(self) -> str:
        """How it is written after --noise."""
        joint = ":" if self.parameters else ""
        return f"{self.name}{joint}{self.parameters}"


NOISE_KINDS = registry.Registry(
    "noise",
    NoiseKind,
    [
        NoiseKind(
            name=name,
            target=f"tfnoisy.noise.models:{function}",
            parameters=parameters,
        )
        for name, function, parameters in (
            ("none", "without_labels", ""),
            ("symmetric", "symmetric", "R"),
            ("symmetric_exclusive", "symmetric_exclusive", "R"),
            ("asymmetric", "asymmetric", "R"),
            ("pairflip", "pairflip", "R"),
            ("instance", "instance_dependent", "R"),
            ("human", "human", "SOURCE"),
            # It replaces images, see `noise.open_set`.
            ("openset", "without_labels", "R[:SOURCE]"),
            ("dividemix_sym", "dividemix_symmetric", "R"),
            ("dividemix_asym", "dividemix_asymmetric", "R"),
        )
    ],
)

register = NOISE_KINDS.register
