"""That it answers as TensorFlow Serving's API says."""

import base64
import io
import json
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfnoisy import errors
from tfnoisy.datasets import load
from tfnoisy.serving.loader import messages
from tfnoisy.serving.server import local_server


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.grpc_address) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel):
    return messages.prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture(scope="module")
def images():
    return load.load("digits", "test[:3]").images


@pytest.fixture(scope="module")
def expected(server, images):
    return server.model.session.run("serving_uint8", {"images": images})


def request_of(images, name="digits", signature=""):
    request = messages.predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = signature
    request.inputs["images"].CopyFrom(tf.make_tensor_proto(images, tf.float32))
    return request


def test_grpc_answers_by_the_default_signature(stub, images, expected):
    response = stub.Predict(request_of(images))
    assert response.model_spec.name == "digits"
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "serving_default"
    assert set(response.outputs) == set(expected)
    for name, values in expected.items():
        found = tf.make_ndarray(response.outputs[name])
        np.testing.assert_array_equal(found, values)


def test_grpc_gives_the_outputs_that_are_asked_for(stub, images):
    request = request_of(images)
    request.output_filter.append("class_ids")
    assert list(stub.Predict(request).outputs) == ["class_ids"]


@pytest.mark.parametrize(
    "change, code",
    [
        (lambda r: setattr(r.model_spec, "name", "cats"), "NOT_FOUND"),
        (lambda r: setattr(r.model_spec.version, "value", 2), "NOT_FOUND"),
        (
            lambda r: setattr(r.model_spec, "signature_name", "serve"),
            "INVALID_ARGUMENT",
        ),
        (lambda r: r.inputs.clear(), "INVALID_ARGUMENT"),
        (lambda r: setattr(r.inputs["images"], "dtype", 8), "INVALID_ARGUMENT"),
    ],
)
def test_grpc_refuses_by_the_status(stub, images, change, code):
    request = request_of(images)
    change(request)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request)
    assert caught.value.code() == grpc.StatusCode[code]
    assert caught.value.details()


def test_grpc_tells_the_signatures(stub):
    request = messages.get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "digits"
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetModelMetadata(request)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    request.metadata_field.append("signature_def")
    response = stub.GetModelMetadata(request)
    found = messages.get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(found)
    taken = found.signature_def["serving_bytes"].inputs["image_bytes"]
    assert taken.dtype == tf.string.as_datatype_enum


def test_grpc_tells_the_status(channel):
    stub = messages.model_service_pb2_grpc.ModelServiceStub(channel)
    request = messages.get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "digits"
    [version] = stub.GetModelStatus(request).model_version_status
    assert version.version == 1
    assert version.State.Name(version.state) == "AVAILABLE"


def rest(server, path, body=None):
    """Returns the HTTP status and the parsed answer."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    url = f"http://{server.rest_address}/v1/models/{path}"
    try:
        with urllib.request.urlopen(url, body, timeout=60) as file:
            return file.status, json.load(file)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def b64(image):
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, "PNG")
    return {"b64": base64.b64encode(file.getvalue()).decode()}


@pytest.mark.parametrize("path", ["digits", "digits/versions/1"])
@pytest.mark.parametrize("signature", ["serving_default", "serving_bytes"])
@pytest.mark.parametrize("named", [False, True])
def test_rest_answers_rows(server, images, expected, path, signature, named):
    rows = images.tolist()
    key = "images"
    if signature == "serving_bytes":
        rows, key = [b64(image) for image in images], "image_bytes"
    if named:
        rows = [{key: row} for row in rows]
    status, answer = rest(
        server,
        f"{path}:predict",
        {"signature_name": signature, "instances": rows},
    )
    assert status == 200
    assert len(answer["predictions"]) == 3
    for row, found in enumerate(answer["predictions"]):
        assert set(found) == set(expected)
        np.testing.assert_array_equal(
            np.float32(found["probabilities"]), expected["probabilities"][row]
        )
        assert found["class_names"] == expected["class_names"][row].decode()


@pytest.mark.parametrize("named", [False, True])
def test_rest_answers_columns(server, images, expected, named):
    column = [b64(image) for image in images]
    status, answer = rest(
        server,
        "digits:predict",
        {
            "signature_name": "serving_bytes",
            "inputs": {"image_bytes": column} if named else column,
        },
    )
    assert status == 200
    found = answer["outputs"]
    assert found["class_ids"] == expected["class_ids"].tolist()
    assert found["top_k_class_names"] == [
        [name.decode() for name in row] for row in expected["top_k_class_names"]
    ]
    np.testing.assert_array_equal(
        np.float32(found["probabilities"]), expected["probabilities"]
    )


def test_rest_leaves_out_the_name_of_a_single_output(server, images):
    request = {"signature_name": "features", "instances": images.tolist()}
    _, rows = rest(server, "digits:predict", request)
    request["inputs"] = request.pop("instances")
    _, columns = rest(server, "digits:predict", request)
    assert np.shape(rows["predictions"]) == (3, 64)
    assert rows["predictions"] == columns["outputs"]


@pytest.mark.parametrize(
    "path, body, code, words",
    [
        ("cats", None, 404, "Latest(cats)"),
        ("digits/versions/2", None, 404, "Specific(digits, 2)"),
        ("cats:predict", {}, 404, "Latest(cats)"),
        ("digits:classify", {}, 400, "Malformed request: POST"),
        ("digits:predict", None, 400, "Malformed request: GET"),
        ("digits:predict", b"{", 400, "Expecting"),
        ("digits:predict", [1], 400, "either instances or inputs"),
        ("digits:predict", {"instances": [[1], [1, 2]]}, 400, "inhomogeneous"),
        ("digits:predict", {"instances": [[1]]}, 400, "not compatible"),
        ("digits:predict", {"inputs": {"image": []}}, 400, "not ['image']"),
        (
            "digits:predict",
            {"instances": [[1]], "signature_name": "serve"},
            400,
            '"serve" not found',
        ),
        (
            "digits:predict",
            {"instances": [{"b64": "?"}], "signature_name": "serving_bytes"},
            400,
            "base64",
        ),
    ],
)
def test_rest_refuses_by_the_status(server, path, body, code, words):
    status, answer = rest(server, path, body)
    assert status == code
    assert list(answer) == ["error"] and words in answer["error"]


def test_rest_tells_the_status_and_the_signatures(server):
    status, answer = rest(server, "digits")
    assert status == 200
    [version] = answer["model_version_status"]
    assert version["version"] == "1" and version["state"] == "AVAILABLE"
    status, answer = rest(server, "digits/metadata")
    assert status == 200
    assert answer["model_spec"]["name"] == "digits"
    signature_defs = answer["metadata"]["signature_def"]["signature_def"]
    taken = signature_defs["serving_bytes"]["inputs"]["image_bytes"]
    assert taken["dtype"] == "DT_STRING"
    assert taken["tensor_shape"]["dim"][0]["size"] == "-1"


def test_a_port_that_is_taken_is_a_mistake(server, exported):
    for option in ("port", "rest_port"):
        address = {
            "port": server.grpc_address,
            "rest_port": server.rest_address,
        }[option]
        taken = int(address.rpartition(":")[2])
        with pytest.raises(errors.UserError, match=f"{taken}"):
            local_server.LocalServer(exported.path, **{option: taken})
