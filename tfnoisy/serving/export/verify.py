"""What was exported, loaded again and judged next to the trained network."""

import dataclasses
import pathlib

import numpy as np

from tfnoisy import errors
from tfnoisy.serving.export import warm_up
from tfnoisy.serving.loader import c_loader

_BATCH = 64


@dataclasses.dataclass(frozen=True)
class Yardstick:
    """The trained network on test images.

    Attributes:
        images: uint8 [N, H, W, C].
        labels: int64 [N].
        probabilities: float32 [N, K], as training's own evaluation gives them.
        max_accuracy_drop: the largest loss of accuracy that is passed off.
    """

    images: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    max_accuracy_drop: float

    @property
    def accuracy(self):
        """That of the trained network."""
        return _accuracy(self.probabilities, self.labels)

    def compare(self, name, found):
        """Compares the probabilities that an exported model gives.

        Args:
            name: of the model, for the message.
            found: float32 [N, K].

        Returns:
            {accuracy, accuracy_drop, same_class: the share of images put into
            the class that the trained network puts them,
            max_probability_difference}.

        Raises:
            ExportError: if it is too much worse.
        """
        accuracy = _accuracy(found, self.labels)
        drop = self.accuracy - accuracy
        if drop > self.max_accuracy_drop:
            raise errors.ExportError(
                f"the {name} is right on {accuracy:.4f} of {len(self.labels)} "
                f"test images where the trained network is on "
                f"{self.accuracy:.4f}; that is more than --max_accuracy_drop="
                f"{self.max_accuracy_drop:g} less, so nothing was exported"
            )
        expected = self.probabilities
        return {
            "accuracy": accuracy,
            "accuracy_drop": drop,
            "same_class": float(
                (found.argmax(axis=1) == expected.argmax(axis=1)).mean()
            ),
            "max_probability_difference": float(np.abs(found - expected).max()),
        }


def served(model_dir, images):
    """Returns the probabilities [N, K] that a server of a version would give.

    Its warm-up is replayed before.

    Args:
        model_dir: the version's folder.
        images: uint8 [N, H, W, C].

    Raises:
        UserError: if a server would refuse the version.
    """
    with c_loader.Session(model_dir) as session:
        warm_up.replay(session, model_dir)
        return np.concatenate(
            [
                session.run(
                    "serving_uint8",
                    {"images": images[start : start + _BATCH]},
                    ["probabilities"],
                )["probabilities"]
                for start in range(0, len(images), _BATCH)
            ]
        )


def size(model_dir):
    """Returns the bytes of a SavedModel, without what is beside it."""
    path = pathlib.Path(model_dir)
    parts = [path / "saved_model.pb", *path.glob("variables/*")]
    parts += path.glob("assets/*")
    return sum(part.stat().st_size for part in parts)


def _accuracy(probabilities, labels):
    return float((probabilities.argmax(axis=1) == labels).mean())
