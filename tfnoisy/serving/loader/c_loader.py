"""A SavedModel in a session of TensorFlow's C API, as a server loads it.

`TF_LoadSessionFromSavedModel` is `tensorflow::LoadSavedModel`, which
tensorflow_model_server calls too: it restores the variables, runs the
initialisation with the assets, and knows nothing of Python.  Signatures are
then run by name: what the MetaGraphDef calls their tensors is fed and fetched.

Of tensorflow only modules of protobuf messages are imported.
"""

import ctypes
import dataclasses
import pathlib

import numpy as np
from tensorflow.core.protobuf import meta_graph_pb2

from tfnoisy import errors
from tfnoisy.serving.loader import c_api, tensor_protos

TAG = "serve"
_VARIABLES = {"VarHandleOp", "VariableV2"}
_VARIABLES_INDEX = "variables/variables.index"


@dataclasses.dataclass(frozen=True)
class Tensor:
    """One input or output of a signature.

    Attributes:
        name: in the graph, `OPERATION:INDEX`.
        dtype: the NumPy type; `object`, of bytes, for strings.
        shape: an int, or None for any, for each axis; None if unknown.
    """

    name: str
    dtype: np.dtype
    shape: tuple | None

    @classmethod
    def from_proto(cls, info):
        """Returns what a `tensorflow.TensorInfo` says."""
        return cls(
            info.name,
            c_api.NUMPY_TYPES[info.dtype],
            tensor_protos.shape_of(info.tensor_shape),
        )


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a request may name.

    Attributes:
        inputs: {name: `Tensor`}.
        outputs: likewise.
    """

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]

    @classmethod
    def from_proto(cls, signature):
        """Returns what a `tensorflow.SignatureDef` says."""
        return cls(
            *(
                {
                    name: Tensor.from_proto(info)
                    for name, info in sorted(tensors.items())
                }
                for tensors in (signature.inputs, signature.outputs)
            )
        )


class Session:
    """A SavedModel in memory, ready to answer, until it is closed.

    Several threads may run it at once.  It is a context manager.

    Attributes:
        meta_graph: the `tensorflow.MetaGraphDef`.
        signatures: {name: `Signature`}.
    """

    def __init__(self, model_dir, config=b""):
        """Loads the graph that is tagged `serve`.

        Args:
            model_dir: the folder of `saved_model.pb`.
            config: a serialised `tensorflow.ConfigProto`, e.g. for the number
                of threads; empty for TensorFlow's defaults.

        Raises:
            UserError: if there is no SavedModel, or no library to load it.
        """
        self._c = c = c_api.library()
        self._graph, self._session = c.TF_NewGraph(), None
        options, status = c.TF_NewSessionOptions(), c.TF_NewStatus()
        buffer = c.TF_NewBuffer()
        try:
            if config:
                c.TF_SetConfig(options, config, len(config), status)
                c_api.check(status)
            self._session = c.TF_LoadSessionFromSavedModel(
                options,
                None,
                str(model_dir).encode(),
                (ctypes.c_char_p * 1)(TAG.encode()),
                1,
                self._graph,
                buffer,
                status,
            )
            c_api.check(status, f"cannot load {model_dir}: ")
            self.meta_graph = meta_graph_pb2.MetaGraphDef.FromString(
                ctypes.string_at(buffer.contents.data, buffer.contents.length)
            )
            self._check_variables(pathlib.Path(model_dir))
        except errors.UserError:
            self.close()
            raise
        finally:
            c.TF_DeleteBuffer(buffer)
            c.TF_DeleteStatus(status)
            c.TF_DeleteSessionOptions(options)
        self.signatures = {
            name: Signature.from_proto(signature)
            for name, signature in self.meta_graph.signature_def.items()
            # Where variables are initialised anew; nothing to be served.
            if not name.startswith("__")
        }

    def _check_variables(self, model_dir):
        """Refuses a model without the file of its variables.

        TensorFlow loads it, and fails at each request.
        """
        has_variables = any(
            node.op in _VARIABLES for node in self.meta_graph.graph_def.node
        )
        if has_variables and not (model_dir / _VARIABLES_INDEX).is_file():
            raise errors.UserError(
                f"cannot load {model_dir}: {_VARIABLES_INDEX} is missing"
            )

    def run(self, signature, inputs, outputs=None):
        """Runs a signature.

        Args:
            signature: its name.
            inputs: {name: array}, of the types and shapes that the signature
                says; of bytes for strings.
            outputs: names of the outputs wanted; all if None.

        Returns:
            {name: array}; strings as arrays of bytes objects.

        Raises:
            UserError: if there is no such signature, input or output, or if
                TensorFlow refuses the values.
        """
        c = self._c
        signature = _named(self.signatures, signature, "signature")
        names = list(signature.outputs if outputs is None else outputs)
        feeds = self._outputs(signature.inputs, inputs, "input")
        fetches = self._outputs(signature.outputs, names, "output")
        fed, fetched = [], (ctypes.c_void_p * len(names))()
        status = c.TF_NewStatus()
        try:
            for name, array in inputs.items():
                fed.append(c_api.new_tensor(array))
                expected = signature.inputs[name].shape
                _check_shape(name, np.shape(array), expected)
            c.TF_SessionRun(
                self._session,
                None,
                feeds,
                (ctypes.c_void_p * len(fed))(*fed),
                len(fed),
                fetches,
                fetched,
                len(names),
                None,
                0,
                None,
                status,
            )
            c_api.check(status)
            return {
                name: c_api.array_of(tensor)
                for name, tensor in zip(names, fetched)
            }
        finally:
            for tensor in fed:
                c_api.delete_new_tensor(tensor)
            for tensor in fetched:
                if tensor:
                    c.TF_DeleteTensor(tensor)
            c.TF_DeleteStatus(status)

    def close(self):
        """Frees the model."""
        status = self._c.TF_NewStatus()
        if self._session:
            self._c.TF_CloseSession(self._session, status)
            self._c.TF_DeleteSession(self._session, status)
        if self._graph:
            self._c.TF_DeleteGraph(self._graph)
        self._c.TF_DeleteStatus(status)
        self._session = self._graph = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _outputs(self, tensors, names, kind):
        """Returns an array of TF_Output, where the graph has these tensors."""
        found = (c_api.Output * len(names))()
        for index, name in enumerate(names):
            operation, _, number = _named(tensors, name, kind).name.partition(
                ":"
            )
            found[index].operation = self._c.TF_GraphOperationByName(
                self._graph, operation.encode()
            )
            found[index].index = int(number)
        return found


def _check_shape(name, found, expected):
    """Refuses what does not fit; the graph itself may not look."""
    if expected is None or (
        len(found) == len(expected)
        and all(size in (None, n) for n, size in zip(found, expected))
    ):
        return
    raise errors.UserError(
        f"the shape {_shape_text(found)} is not compatible with "
        f"{_shape_text(expected)}, that of {name}"
    )


def _shape_text(shape):
    return "[" + ",".join("?" if n is None else str(n) for n in shape) + "]"


def _named(things, name, kind):
    if name not in things:
        raise errors.UserError(
            f"no {kind} {name!r}; there are {', '.join(sorted(things))}"
        )
    return things[name]
