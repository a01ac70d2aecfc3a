"""The text of `--noise`: which labels are made wrong, how, and how many."""

import dataclasses

from tfnoisy import errors, registry
from tfnoisy.catalogue import noises


@dataclasses.dataclass(frozen=True)
class NoiseSpec:
    """A parsed `--noise`; `str()` gives the canonical text back.

    Attributes:
        kind: a name in `catalogue.noises`.
        rate: in [0, 1], or None where the kind has none.
        source: the label set of `human`, the other data set of `openset`
            (None: that data set's default), else None.
    """

    kind: str
    rate: float | None = None
    source: str | None = None

    def __str__(self):
        parts = (self.kind, self.rate, self.source)
        return ":".join(str(part) for part in parts if part is not None)


def parse(text):
    """Returns the NoiseSpec of a text such as `symmetric:0.4`.

    The kinds, R being a rate in [0, 1]:
        none: the labels stay as the data set gives them.
        symmetric:R, symmetric_exclusive:R, asymmetric:R, pairflip:R: see
            `tfnoisy.noise.flips`.
        instance:R: part-dependent noise, see `tfnoisy.noise.instance`.
        human:SOURCE: one of the data set's human label sets, for CIFAR-10N
            worse, aggre, random1, random2 or random3, for CIFAR-100N noisy100.
        openset:R, openset:R:SOURCE: images of another data set under
            unchanged labels, see `tfnoisy.noise.open_set`.
        dividemix_sym:R, dividemix_asym:R: DivideMix's own noise files, see
            `tfnoisy.noise.dividemix_files`.

    Raises:
        UserError: for an unknown kind, a rate outside [0, 1], or a missing or
            superfluous part.
    """
    kind, *parts = text.strip().split(":", 2)
    entry = noises.NOISE_KINDS.get(kind)
    if entry is None:
        hint = noises.NOISE_KINDS.hint(kind)
        raise errors.UserError(f"noise '{text}': no kind '{kind}'{hint}")
    required, _, optional = entry.parameters.partition("[")
    required = required.split(":") if required else []
    wanted = required + optional.strip(":]").split(":") * bool(optional)
    # A source may hold colons of its own, e.g. a folder with its kind.
    if wanted == ["SOURCE"] and parts:
        parts = [":".join(parts)]
    if not len(required) <= len(parts) <= len(wanted) or "" in parts:
        raise errors.UserError(
            f"noise '{text}' is not of the form {entry.form}"
            + (", R being a rate in [0, 1]" if "R" in wanted else "")
        )
    named = dict(zip(wanted, parts, strict=False))
    rate = _rate(text, named["R"]) if "R" in named else None
    return NoiseSpec(kind, rate, named.get("SOURCE"))


def kind_of(text):
    """Returns the kind in a spec's text, whether it is registered or not."""
    return text.strip().partition(":")[0]


def is_spec(text):
    """Returns whether a text is one of a kind that may be registered."""
    kind = kind_of(text)
    if kind not in noises.NOISE_KINDS:
        return registry.is_name(kind)
    try:
        parse(text)
    except errors.UserError:
        return False
    return True


def _rate(text, part):
    try:
        rate = float(part)
    except ValueError:
        rate = None
    if rate is None or not 0 <= rate <= 1:
        raise errors.UserError(
            f"noise '{text}': the rate '{part}' is not a number in [0, 1]"
        )
    return rate
