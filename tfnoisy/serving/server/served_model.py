"""One model as a server sees it: its newest version, and those before it.

A new version is picked up while requests are answered, as TensorFlow Serving
does: it is loaded beside the one in use, then takes the requests, and the old
one is freed after its last answer.  A version that cannot be loaded (empty,
half-written) changes nothing, and is tried again when its files change.
"""

import contextlib
import pathlib
import threading

from tfnoisy import errors
from tfnoisy.serving.client import client
from tfnoisy.serving.loader import local_model, messages, version_folder
from tfnoisy.serving.server import model_version, request_error

with messages.tensorflow_without_code():
    from tensorflow.core.protobuf import error_codes_pb2

    from tfnoisy.serving.loader import c_loader

_STATE = messages.get_model_status_pb2.ModelVersionStatus.State
_TYPE_PREFIX = "type.googleapis.com"


class ServedModel:
    """What both protocols answer from.

    Attributes:
        name: of the model.
        skipped: lines that say why newer versions could not be loaded at
            first.
    """

    def __init__(
        self,
        model_dir,
        name=None,
        max_batch_size=1024,
        poll_seconds=1.0,
        tell=None,
    ):
        """Loads the newest version that can be loaded, and looks for more.

        Args:
            model_dir: models/NAME or models/NAME/VERSION; the second stays at
                its version.  A folder that is no VERSION of a model is served
                under its own name, as version 1.
            name: of the model, in place of the folder's.
            max_batch_size: the most rows in a request.
            poll_seconds: between two looks at the folder.
            tell: a function of a line, called when the version changes, and
                when a new one cannot be loaded.

        Raises:
            UserError: see `local_model.load_newest`.
        """
        self._model_dir = pathlib.Path(model_dir).expanduser().absolute()
        self._max_batch_size = max_batch_size
        self._tell = tell or (lambda line: None)
        number, path, session, skipped = local_model.load_newest(
            self._model_dir
        )
        is_numbered = version_folder.number_of(path.name) is not None
        self.name = name or (path.parent if is_numbered else path).name
        self._lock = threading.Lock()
        self._requests = 0
        self._current = model_version.ModelVersion(
            number, path, session, max_batch_size
        )
        # {version: (state, why it could not be loaded)}
        self._states = {number: (_STATE.AVAILABLE, "")}
        # {folder: what its files were as it could not be loaded}
        self._failed = {}
        self.skipped = [message for *_, message in skipped]
        for number, path, message in skipped:
            self._note_failure(number, path, message)
        self._closing = threading.Event()
        self._watcher = threading.Thread(
            target=self._watch, args=[poll_seconds], daemon=True
        )
        if path != self._model_dir:
            self._watcher.start()

    @property
    def version(self):
        """The number of the version that answers."""
        return self._current.number

    @property
    def path(self):
        """Its folder."""
        return self._current.path

    @property
    def session(self):
        """Its `c_loader.Session`."""
        return self._current.session

    @contextlib.contextmanager
    def lease(self, name, version=None, label=None):
        """Keeps a version loaded for a request.

        Args:
            name: of the model that the request asks for.
            version: a number, or None.
            label: of a version, or None.

        Yields:
            A `model_version.ModelVersion`.

        Raises:
            RequestError: if it is not served.
        """
        if label:
            # They are assigned in a model_config_file, of which there is none.
            raise request_error.RequestError(
                f"Unrecognized servable version label: {label}"
            )
        with self._lock:
            self._check(name, version, [self.version])
            served = self._current
            served.requests += 1
            self._requests += 1
        try:
            yield served
        finally:
            with self._lock:
                served.requests -= 1
                self._requests -= 1
                self._free_if_unused(served)

    def _check(self, name, version, versions):
        """Refuses a request for another model or version."""
        if name == self.name and version in (None, *versions):
            return
        if not name:
            raise request_error.RequestError("ModelSpec has no name specified.")
        name = request_error.shortened(name)
        wanted = f"Latest({name})"
        if version is not None:
            wanted = f"Specific({name}, {version})"
        raise request_error.RequestError(
            f"Servable not found for request: {wanted}", "NOT_FOUND"
        )

    def model_spec(self, version, signature=""):
        """Returns the ModelSpec of an answer by a `ModelVersion`."""
        spec = messages.predict_pb2.PredictRequest().model_spec
        spec.name, spec.signature_name = self.name, signature
        spec.version.value = version.number
        return spec

    def metadata(self, name, version=None, label=None):
        """Returns a GetModelMetadataResponse with the signatures.

        For the arguments and errors see `lease`.
        """
        response = messages.get_model_metadata_pb2.GetModelMetadataResponse()
        found = messages.get_model_metadata_pb2.SignatureDefMap()
        with self.lease(name, version, label) as served:
            response.model_spec.CopyFrom(self.model_spec(served))
            signatures = served.session.meta_graph.signature_def
            for key, signature in signatures.items():
                found.signature_def[key].CopyFrom(signature)
        response.metadata["signature_def"].Pack(found, _TYPE_PREFIX)
        return response

    def status(self, name, version=None):
        """Returns a GetModelStatusResponse.

        Args:
            name: of the model that the request asks for.
            version: a number, or None for all, the newest first.

        Raises:
            RequestError: if there is none.
        """
        with self._lock:
            states = dict(self._states)
        self._check(name, version, states)
        response = messages.get_model_status_pb2.GetModelStatusResponse()
        for number in sorted(states, reverse=True):
            if version in (None, number):
                state, message = states[number]
                found = response.model_version_status.add(
                    version=number, state=state
                )
                found.status.error_message = message
                found.status.error_code = (
                    error_codes_pb2.UNKNOWN if message else error_codes_pb2.OK
                )
        return response

    def close(self):
        """Frees the model; what still answers keeps its version."""
        self._closing.set()
        if self._watcher.is_alive():
            self._watcher.join()
        with self._lock:
            self._retire(self._current)

    def is_busy(self):
        """Returns whether a request is being answered."""
        with self._lock:
            return self._requests > 0

    def _watch(self, seconds):
        while not self._closing.wait(seconds):
            self.look_for_versions()

    def look_for_versions(self):
        """Changes to the newest version that can be loaded."""
        try:
            found = local_model.candidates(self._model_dir)
        except errors.UserError:
            return  # The folder is gone.  The version is in memory.
        for number, path in found:
            if number == self.version:
                return
            if self._load(number, path):
                return

    def _load(self, number, path):
        """Returns whether a version could be loaded and has taken over."""
        # Before it is loaded: what comes afterwards is another attempt's.
        files = _fingerprint(path)
        if self._failed.get(path) == files:
            return False
        self._set_state(number, _STATE.LOADING)
        try:
            session = c_loader.Session(path)
        except errors.UserError as error:
            message = client.one_line(error)
            if path not in self._failed:
                self._tell(message)
            self._note_failure(number, path, message, files)
            return False
        new = model_version.ModelVersion(
            number, path, session, self._max_batch_size
        )
        with self._lock:
            old, self._current = self._current, new
            self._states[number] = _STATE.AVAILABLE, ""
            self._retire(old)
        self._tell(f"version {number} answers in place of {old.number}")
        return True

    def _note_failure(self, number, path, message, files=None):
        self._failed[path] = files
        self._set_state(number, _STATE.END, message)

    def _set_state(self, number, state, message=""):
        with self._lock:
            self._states[number] = state, message

    def _retire(self, version):
        version.retired = True
        self._states[version.number] = _STATE.UNLOADING, ""
        self._free_if_unused(version)

    def _free_if_unused(self, version):
        if version.retired and not version.requests:
            version.session.close()
            self._states[version.number] = _STATE.END, ""


def _fingerprint(path):
    """Returns what changes when a file below a folder does."""
    found = []
    for file in sorted(path.rglob("*")):
        with contextlib.suppress(OSError):  # It was deleted meanwhile.
            status = file.stat()
            found.append((str(file), status.st_size, status.st_mtime_ns))
    return found
