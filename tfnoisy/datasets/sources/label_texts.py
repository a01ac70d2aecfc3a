"""What the labels of a list mean, decided once for the whole list.

Labels are the names of classes, or the numbers of classes counted from 0.
What could be read in both ways is refused.
"""

import dataclasses
import re

_NUMBER = re.compile(r"([+-]?\d+)(?:\.0*)?")
# The clean label of an image of which no class is right.
NO_CLASS = "-1"


@dataclasses.dataclass(frozen=True)
class Labels:
    """How texts are read as labels.

    Attributes:
        class_names: the classes.
        by_number: whether labels are numbers of classes, not names.
    """

    class_names: tuple[str, ...]
    by_number: bool

    def read(self, text, may_be_none=False):
        """Returns a label in [0, C), or -1, and what is wrong with it.

        Args:
            text: what stands in the list.
            may_be_none: whether -1 is allowed.

        Returns:
            (label, fault); -1 with an empty fault says that no class is
            right.
        """
        number = number_of(text)
        if may_be_none and number == -1:
            return -1, ""
        if self.by_number:
            if number is not None and 0 <= number < len(self.class_names):
                return number, ""
            return -1, (
                f"{text} is out of range: there are {len(self.class_names)} "
                f"classes ({self._known})"
            )
        if text in self.class_names:
            return self.class_names.index(text), ""
        return -1, f"{text[:60]} is not a class ({self._known})"

    @property
    def _known(self):
        shown = ", ".join(self.class_names[:5])
        return shown + ", ..." * (len(self.class_names) > 5)


def number_of(text):
    """Returns the integer that a text is, also as pandas writes it (2.0)."""
    match = _NUMBER.fullmatch(text)
    return int(match[1]) if match else None


def decide(name, given, clean, class_names, problems):
    """Decides what all labels of a list mean.

    Args:
        name: what a message calls the list.
        given: [(line number, text)] of the given labels.
        clean: likewise of the clean ones; none if they are not known.
        class_names: the classes; empty if the labels themselves name them.
        problems: a list that gets a line for what cannot be decided.

    Returns:
        `Labels`.
    """
    first = {}
    for number, text in given:
        first.setdefault(text, number)
    for number, text in clean:
        if number_of(text) != -1:
            first.setdefault(text, number)
    first.pop("", None)
    if class_names:
        return _of_classes(name, first, class_names, problems)
    return _without_classes(name, first, len(given), problems)


def _of_classes(name, first, class_names, problems):
    names = set(class_names)
    if any(text in names for text in first):
        strange = [text for text in first if text not in names]
        numbers = [number_of(text) for text in strange]
        if strange and None not in numbers and all(map(_is_number, names)):
            # Is 1 the class called 1, or the second one?
            problems.append(
                f"{name}:{first[strange[0]]}: label {strange[0]} is not the "
                f"name of a class ({', '.join(class_names[:5])}), and other "
                "labels are: as numbers counted from 0 they would mean other "
                "classes; write the names"
            )
        return Labels(class_names, by_number=False)
    numeric = bool(first) and all(map(_is_number, first))
    return Labels(class_names, by_number=numeric)


def _is_number(text):
    return number_of(text) is not None


def _without_classes(name, first, num_rows, problems):
    # 007 is a name: no program writes a number like this.
    numeric = {
        text
        for text in first
        if _is_number(text) and not re.match(r"[+-]?0\d", text)
    }
    names = set(first) - numeric
    if names and numeric:
        number, text = min(numeric, key=first.get), min(names, key=first.get)
        problems.append(
            f"{name}: the label in line {first[number]} is a number "
            f"({number}) and that in line {first[text]} a name "
            f"({text[:60]}): write all as names, or all as numbers from 0"
        )
    if not numeric or names:
        return Labels(tuple(sorted(first)), by_number=False)
    line_of = {number_of(text): first[text] for text in numeric}
    largest = max(line_of)
    if min(line_of) == 1:
        problems.append(
            f"{name}: the labels are numbers from 1 to {largest}, where 0 to "
            f"{largest - 1} are expected; subtract 1, or write names"
        )
    elif largest >= num_rows:
        problems.append(
            f"{name}:{line_of[largest]}: label {largest} is out of range: the "
            f"file has no more than {num_rows} rows"
        )
    if largest >= num_rows:
        # Not a class for each integer below: most of them would be empty.
        known = sorted(number for number in line_of if number >= 0)
        return Labels(tuple(map(str, known)), by_number=False)
    return Labels(tuple(map(str, range(largest + 1))), by_number=True)
