import collections
import dataclasses
import functools

import pytest

from tfnoisy import errors, registry


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fruit(registry.Entry):
    colour: str = "green"

    @property
    def form(self):
        return f"{self.name}:N"


@pytest.fixture
def fruits():
    return registry.Registry(
        "fruit",
        Fruit,
        [
            Fruit(name="counter", target="collections:Counter"),
            Fruit(
                name="two",
                target="collections:Counter",
                arguments={"a": 2},
                colour="red",
            ),
        ],
    )


def test_what_ships_is_imported_when_it_is_used(fruits):
    missing = Fruit(name="missing", target="no_such_module:x")
    assert missing.module == "no_such_module"
    with pytest.raises(ModuleNotFoundError):
        missing.load()
    assert fruits.load("counter") is collections.Counter
    assert fruits.load("two")() == {"a": 2}
    assert fruits["two"].colour == "red"


def test_a_decorator_registers(fruits):
    @fruits.register("pear", colour="yellow")
    def pear():
        return 3

    assert pear() == 3 and fruits.load("pear") is pear
    assert fruits["pear"].module == __name__
    assert fruits.names() == ["counter", "two", "pear"]
    assert fruits.forms() == ["counter:N", "two:N", "pear:N"]
    assert "pear" in fruits and len(fruits) == len(list(fruits)) == 3
    fruits.register("many")(functools.partial(pear))
    assert fruits["many"].module == "functools"


def test_a_name_is_taken_once(fruits):
    with pytest.raises(errors.UserError) as caught:
        fruits.register("two")(test_a_name_is_taken_once)
    assert str(caught.value) == (
        f"fruit two of {__name__} is registered already, by collections; "
        "choose another name"
    )
    assert fruits.load("two")() == {"a": 2}


def test_a_cell_can_be_run_twice(fruits):
    for value in (1, 2):

        @fruits.register("pear")
        def pear(value=value):
            return value

    assert fruits.load("pear")() == 2
    with pytest.raises(errors.UserError, match="registered already"):

        @fruits.register("pear")
        def other():
            pass


def test_an_unknown_name_tells_a_similar_one_and_all(fruits):
    with pytest.raises(errors.UserError) as caught:
        fruits["cuonter"]
    assert str(caught.value) == (
        "no fruit 'cuonter'; did you mean counter:N? (there are counter:N, "
        "two:N; --plugin=MODULE adds more)"
    )
    with pytest.raises(errors.UserError, match=r"no fruit 'x' \(there are"):
        fruits["x"]
    assert fruits.get("x") is None


@pytest.mark.parametrize("name", ["", "a:b", "a,b", "a/b", "-a", "a b", 3])
def test_what_cannot_be_a_name(fruits, name):
    with pytest.raises(errors.UserError, match="a fruit cannot be called"):
        fruits.register(name)


def test_facts_that_there_are_none_of(fruits):
    with pytest.raises(errors.UserError, match="fruit pear: .*'taste'"):
        fruits.register("pear", taste="sweet")(len)
