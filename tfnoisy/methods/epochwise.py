"""Methods whose steps belong to epochs, of which each is prepared."""

from tfnoisy import errors
from tfnoisy.methods import base


class EpochwiseMethod(base.Method):
    """A method of which a step by itself means nothing.

    Its `stage` looks at all of the data between epochs and returns the step of
    the next one.
    """

    trains_in_epochs = True

    def train_step(self, batch):
        """Refuses a step that belongs to no epoch.

        Raises:
            UserError: always.
        """
        raise errors.UserError(
            f"{type(self).__name__} trains epoch by epoch: use fit, or the "
            "loop of tfnoisy.training"
        )
