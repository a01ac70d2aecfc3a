import pytest

from tfnoisy import errors
from tfnoisy.noise import spec


@pytest.mark.parametrize(
    "text, expected",
    [
        ("none", spec.NoiseSpec("none")),
        ("symmetric:0.4", spec.NoiseSpec("symmetric", 0.4)),
        ("symmetric_exclusive:.2", spec.NoiseSpec("symmetric_exclusive", 0.2)),
        ("asymmetric:0", spec.NoiseSpec("asymmetric", 0.0)),
        ("pairflip:1", spec.NoiseSpec("pairflip", 1.0)),
        (" instance:0.45 ", spec.NoiseSpec("instance", 0.45)),
        ("human:worse", spec.NoiseSpec("human", None, "worse")),
        ("openset:0.2", spec.NoiseSpec("openset", 0.2)),
        ("openset:0.2:svhn", spec.NoiseSpec("openset", 0.2, "svhn")),
        ("openset:0.2:folder:x", spec.NoiseSpec("openset", 0.2, "folder:x")),
        ("dividemix_sym:0.5", spec.NoiseSpec("dividemix_sym", 0.5)),
        ("dividemix_asym:0.4", spec.NoiseSpec("dividemix_asym", 0.4)),
    ],
)
def test_parse_reads_every_kind_and_str_gives_it_back(text, expected):
    parsed = spec.parse(text)
    assert parsed == expected
    assert spec.parse(str(parsed)) == parsed


def test_canonical_text():
    assert str(spec.parse("symmetric:.40")) == "symmetric:0.4"
    assert str(spec.parse("openset:0.2:svhn")) == "openset:0.2:svhn"
    assert str(spec.parse("none")) == "none"


@pytest.mark.parametrize(
    "text, said",
    [
        ("symetric:0.4", "did you mean symmetric:R?"),
        ("blorp", "there are none, symmetric:R"),
        ("", "no kind ''"),
        ("symmetric", "is not of the form symmetric:R"),
        ("symmetric:", "a rate in [0, 1]"),
        ("symmetric:0.4:x", "is not of the form symmetric:R"),
        ("none:0.4", "is not of the form none"),
        ("human", "is not of the form human:SOURCE"),
        ("openset", "is not of the form openset:R[:SOURCE]"),
        ("openset:0.2:", "is not of the form openset:R[:SOURCE]"),
        ("symmetric:40", "'40' is not a number in [0, 1]"),
        ("symmetric:-0.1", "'-0.1' is not a number in [0, 1]"),
        ("symmetric:nan", "'nan' is not a number in [0, 1]"),
        ("symmetric:lots", "'lots' is not a number in [0, 1]"),
    ],
)
def test_a_mistake_costs_one_line(text, said):
    with pytest.raises(errors.UserError) as caught:
        spec.parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
