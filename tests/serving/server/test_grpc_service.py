"""Messages that a hostile client may send."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import classification_pb2

import pictures
from tfnoisy.serving.loader import messages
from tfnoisy.serving.server import local_server

DT = tf.dtypes


@pytest.fixture(scope="module")
def small(exported):
    """A server of small limits."""
    limits = local_server.Limits(request_bytes=100_000, batch_size=16)
    with local_server.LocalServer(exported.path, limits=limits) as running:
        yield running


@pytest.fixture(scope="module")
def channel(small):
    with grpc.insecure_channel(small.grpc_address) as channel:
        yield channel


@pytest.fixture(scope="module")
def stub(channel):
    return messages.prediction_service_pb2_grpc.PredictionServiceStub(channel)


def request_of(values, signature="serving_uint8", name="images"):
    request = messages.predict_pb2.PredictRequest()
    request.model_spec.name = "digits"
    request.model_spec.signature_name = signature
    request.inputs[name].CopyFrom(values)
    return request


def tensor(dtype, shape, **values):
    proto = messages.tensor_pb2.TensorProto(
        dtype=dtype.as_datatype_enum, **values
    )
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def pixels(count, size=8):
    return tf.make_tensor_proto(np.zeros([count, size, size, 1], np.uint8))


IMAGE = [1, 8, 8, 1]
HUGE = [10**6, 8, 8, 1]
BAD = {
    "19.8 GB promised by one value": tensor(DT.uint8, HUGE, int_val=[7]),
    "and by none": tensor(DT.uint8, HUGE),
    "one value too few": tensor(DT.uint8, IMAGE, int_val=[0] * 63),
    "one value too many": tensor(DT.uint8, IMAGE, int_val=[0] * 65),
    "one byte too few": tensor(DT.uint8, IMAGE, tensor_content=bytes(63)),
    "bytes of half a float": tensor(DT.float32, [1], tensor_content=bytes(5)),
    "sizes whose product is 0 in 64 bits": tensor(
        DT.uint8, [2**32, 2**32, 8, 1], int_val=[0]
    ),
    "a negative size": tensor(DT.uint8, [-1, 8, 8, 1], int_val=[0] * 64),
    "no image at all, of a huge size": tensor(DT.uint8, [0, 2**62, 8, 1]),
    "100 axes": tensor(DT.uint8, [1] * 100, int_val=[0]),
    "another size": pixels(1, 9),
    "no batch": tensor(DT.uint8, [8, 8, 1], tensor_content=bytes(64)),
    "uint8 of 300": tensor(DT.uint8, IMAGE, int_val=[300] * 64),
    "uint8 of -1": tensor(DT.uint8, IMAGE, int_val=[-1] * 64),
    "values of another field": tensor(DT.uint8, IMAGE, float_val=[0.0] * 64),
    "another type": tf.make_tensor_proto(np.zeros(IMAGE, np.int32)),
    "complex numbers": tf.make_tensor_proto(np.zeros(IMAGE, np.complex64)),
    "no type": tensor(DT.uint8, IMAGE, tensor_content=bytes(64)),
    "strings as content": tensor(DT.string, [1], tensor_content=b"a"),
    "a batch of 17": pixels(17),
}
BAD["no type"].dtype = 0
BAD["an unknown type"] = tensor(DT.uint8, IMAGE)
BAD["an unknown type"].dtype = 9999
BAD["an unknown shape"] = tensor(DT.uint8, [], int_val=[0])
BAD["an unknown shape"].tensor_shape.unknown_rank = True


@pytest.mark.parametrize("case", BAD)
def test_a_bad_tensor_is_an_invalid_argument(stub, case):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request_of(BAD[case]), timeout=60)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert 0 < len(caught.value.details()) <= 500


def test_good_tensors_are_answered_afterwards(stub):
    assert stub.Predict(request_of(pixels(16)), timeout=60).outputs


def test_a_message_may_not_be_larger(stub):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request_of(pixels(2000)), timeout=60)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_bomb_is_refused(stub):
    files = [pictures.black_png(20_000, 20_000)]
    request = request_of(
        tf.make_tensor_proto(files), "serving_bytes", "image_bytes"
    )
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, timeout=1)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "20,000 x 20,000 pixels" in caught.value.details()


CALLS = {
    "no name": (lambda spec: spec.ClearField("name"), "INVALID_ARGUMENT"),
    "a long name": (
        lambda spec: setattr(spec, "name", "a" * 90_000),
        "NOT_FOUND",
    ),
    "a negative version": (
        lambda spec: setattr(spec.version, "value", -1),
        "NOT_FOUND",
    ),
    "a label": (
        lambda spec: setattr(spec, "version_label", "stable"),
        "INVALID_ARGUMENT",
    ),
    "a long signature": (
        lambda spec: setattr(spec, "signature_name", "\n" * 90_000),
        "INVALID_ARGUMENT",
    ),
}


@pytest.mark.parametrize("case", CALLS)
def test_another_model_is_named(stub, case):
    change, code = CALLS[case]
    request = request_of(pixels(1))
    change(request.model_spec)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, timeout=60)
    assert caught.value.code() == grpc.StatusCode[code]
    assert 0 < len(caught.value.details()) <= 1000


@pytest.mark.parametrize(
    "outputs", [["class_ids", "scores"], ["x" * 90_000]], ids=["one", "long"]
)
def test_outputs_that_are_not_there(stub, outputs):
    request = request_of(pixels(1))
    request.output_filter.extend(outputs)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, timeout=60)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_other_services_are_unimplemented(stub):
    request = classification_pb2.ClassificationRequest()
    with pytest.raises(grpc.RpcError) as caught:
        stub.Classify(request, timeout=60)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_no_protobuf_is_a_status(channel):
    call = channel.unary_unary(
        "/tensorflow.serving.PredictionService/Predict",
        request_serializer=lambda request: request,
        response_deserializer=lambda response: response,
    )
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff" * 100, timeout=60)
    assert caught.value.code() in (
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.INVALID_ARGUMENT,
    )


def test_a_fault_of_our_own_is_internal(stub, small, monkeypatch, capfd):
    monkeypatch.setattr(small.model, "lease", lambda *_: 1 / 0)
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request_of(pixels(1)), timeout=60)
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert caught.value.details() == "ZeroDivisionError"
    assert "Traceback" in capfd.readouterr().err
