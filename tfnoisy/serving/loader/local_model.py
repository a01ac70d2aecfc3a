"""A model on this machine, asked without a server."""

import pathlib

from tfnoisy import errors
from tfnoisy.serving.client import client
from tfnoisy.serving.loader import messages, version_folder

with messages.tensorflow_without_code():
    from tfnoisy.serving.loader import c_loader


def find_version(model_dir):
    """Returns the path of a model's newest version, or of the one named.

    Args:
        model_dir: models/NAME or models/NAME/VERSION.

    Raises:
        UserError: if there is none.
    """
    path = pathlib.Path(model_dir).expanduser().absolute()
    if (path / "saved_model.pb").is_file():
        return path
    versions = version_folder.versions(path)
    if not versions:
        raise errors.UserError(
            f"--model_dir={model_dir} is no exported model: it has neither a "
            "saved_model.pb nor a numbered version"
        )
    return path / str(versions[-1])


class LocalModel:
    """A transport, see `client`.

    Attributes:
        place: the version's folder.
        session: the `c_loader.Session`.
    """

    def __init__(self, model_dir):
        """Loads a version; for the argument and errors see `find_version`."""
        path = find_version(model_dir)
        self.place = str(path)
        self.session = c_loader.Session(path)

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
