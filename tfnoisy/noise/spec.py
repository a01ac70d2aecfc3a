"""The text of `--noise`: which labels are made wrong, how, and how many."""

import dataclasses
import difflib

from tfnoisy import errors

# What follows the kind's name: R a rate, SOURCE a name, [...] may be left out.
FORMS = {
    "none": "none",
    "symmetric": "symmetric:R",
    "symmetric_exclusive": "symmetric_exclusive:R",
    "asymmetric": "asymmetric:R",
    "pairflip": "pairflip:R",
    "instance": "instance:R",
    "human": "human:SOURCE",
    "openset": "openset:R[:SOURCE]",
    "dividemix_sym": "dividemix_sym:R",
    "dividemix_asym": "dividemix_asym:R",
}


@dataclasses.dataclass(frozen=True)
class NoiseSpec:
    """A parsed `--noise`; `str()` gives the canonical text back.

    Attributes:
        kind: a key of `FORMS`.
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
            worse, aggre, random1, random2 or random3.
        openset:R, openset:R:SOURCE: images of another data set under
            unchanged labels, see `tfnoisy.noise.open_set`.
        dividemix_sym:R, dividemix_asym:R: DivideMix's own noise files, see
            `tfnoisy.noise.dividemix_files`.

    Raises:
        UserError: for an unknown kind, a rate outside [0, 1], or a missing or
            superfluous part.
    """
    kind, *parts = text.strip().split(":", 2)
    if kind not in FORMS:
        near = difflib.get_close_matches(kind, FORMS, n=1)
        hint = f"did you mean {FORMS[near[0]]}? " if near else ""
        raise errors.UserError(
            f"noise '{text}': no kind '{kind}'; {hint}"
            f"known are {', '.join(FORMS.values())}"
        )
    wanted = FORMS[kind].replace("[", "").replace("]", "").split(":")[1:]
    required = FORMS[kind].split("[")[0].count(":")
    # A source may hold colons of its own, e.g. a folder with its kind.
    if wanted == ["SOURCE"] and parts:
        parts = [":".join(parts)]
    if not required <= len(parts) <= len(wanted) or "" in parts:
        raise errors.UserError(
            f"noise '{text}' is not of the form {FORMS[kind]}"
            + (", R being a rate in [0, 1]" if "R" in wanted else "")
        )
    named = dict(zip(wanted, parts, strict=False))
    rate = _rate(text, named["R"]) if "R" in named else None
    return NoiseSpec(kind, rate, named.get("SOURCE"))


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
