"""A model on this machine, asked without a server."""

import pathlib

from tfnoisy import errors
from tfnoisy.serving.client import client
from tfnoisy.serving.loader import messages, version_folder

with messages.tensorflow_without_code():
    from tfnoisy.serving.loader import c_loader


def candidates(model_dir):
    """Returns [(version, path)] to try to load, the newest first.

    Args:
        model_dir: models/NAME or models/NAME/VERSION.

    Raises:
        UserError: if there is none.
    """
    path = pathlib.Path(model_dir).expanduser().absolute()
    number = version_folder.number_of(path.name)
    if any((path / name).is_file() for name in version_folder.MODEL_FILES):
        return [(number or 1, path)]
    found = version_folder.loadable(path)
    numbers = version_folder.versions(path)
    if found:
        return found
    if numbers:  # Whose loading says what is missing.
        return [(numbers[-1], path / str(numbers[-1]))]
    raise errors.UserError(
        f"--model_dir={model_dir} is no exported model: it has neither a "
        "saved_model.pb nor a numbered version"
    )


def find_version(model_dir):
    """Returns the path of a model's newest version, or of the one named.

    For the argument and errors see `candidates`.
    """
    return candidates(model_dir)[0][1]


def load_newest(model_dir):
    """Loads the newest version that can be loaded.

    Args:
        model_dir: see `candidates`.

    Returns:
        (version, path, `c_loader.Session`, [(version, path, why not) of each
        newer one that cannot be loaded]).

    Raises:
        UserError: if there is none; of several it speaks of the newest.
    """
    skipped = []
    for number, path in candidates(model_dir):
        try:
            return number, path, c_loader.Session(path), skipped
        except errors.UserError as error:
            skipped.append((number, path, client.one_line(error)))
    raise errors.UserError(skipped[0][-1])


class LocalModel:
    """A transport, see `client`.

    Attributes:
        place: the version's folder.
        session: the `c_loader.Session`.
        skipped: lines that say why newer versions are not asked.
    """

    def __init__(self, model_dir):
        """Loads a version; for the argument and errors see `load_newest`."""
        _, path, self.session, skipped = load_newest(model_dir)
        self.skipped = [message for *_, message in skipped]
        self.place = str(path)

    def signatures(self):
        """Returns {name: `client.Signature`}."""
        return {
            name: client.Signature(
                {key: tensor.shape for key, tensor in signature.inputs.items()},
                frozenset(signature.outputs),
            )
            for name, signature in self.session.signatures.items()
        }

    def predict(self, signature, inputs):
        """Returns {output: array} of {input: array}."""
        try:
            return self.session.run(signature, inputs)
        except errors.UserError as error:
            raise client.RefusedError(str(error)) from error

    def close(self):
        """Frees the model."""
        self.session.close()
