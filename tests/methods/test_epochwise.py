import pytest

import tiny_methods
from tfnoisy import errors


@pytest.mark.parametrize(
    "name", ["ido", "pes", "pes_semi", "promix", "dividemix", "elr_plus"]
)
def test_a_step_that_belongs_to_no_epoch_is_refused(name):
    method = tiny_methods.make(name)
    with pytest.raises(
        errors.UserError, match=f"^{type(method).__name__} trains epoch by"
    ):
        method.train_step({})
