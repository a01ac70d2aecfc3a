import pytest

from tfnoisy import errors


@pytest.mark.parametrize(
    "error", [errors.UserError, errors.TrainingError, errors.ExportError]
)
def test_the_message_is_the_error(error):
    with pytest.raises(error) as caught:
        raise error("--noise=x: no such noise; try symmetric:0.4")
    assert str(caught.value) == "--noise=x: no such noise; try symmetric:0.4"


def test_none_is_taken_for_the_other_or_for_an_error_of_python():
    # The scripts give them different exit codes, and library code that
    # catches a ValueError or OSError must not swallow them.
    assert errors.UserError.__mro__[1:] == Exception.__mro__
    assert errors.TrainingError.__mro__[1:] == Exception.__mro__
    assert errors.ExportError.__mro__[1:] == Exception.__mro__
