import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)

from tfnoisy import errors
from tfnoisy.serving.export import server_files, warm_up

# tensorflow-serving-api does not have these: names, numbers and types are
# those of session_bundle_config.proto and monitoring_config.proto.
MESSAGES = """
name: "server_files.proto"
package: "test"
syntax: "proto3"
dependency: "google/protobuf/wrappers.proto"
message_type {
  name: "BatchingParameters"
  field { name: "max_batch_size" number: 1 INT64_VALUE }
  field { name: "batch_timeout_micros" number: 2 INT64_VALUE }
  field { name: "max_enqueued_batches" number: 3 INT64_VALUE }
  field { name: "num_batch_threads" number: 4 INT64_VALUE }
  field { name: "allowed_batch_sizes" number: 6 INT64S }
}
message_type {
  name: "PrometheusConfig"
  field { name: "enable" number: 1 label: LABEL_OPTIONAL type: TYPE_BOOL }
  field { name: "path" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING }
}
message_type {
  name: "MonitoringConfig"
  field {
    name: "prometheus_config" number: 1 label: LABEL_OPTIONAL
    type: TYPE_MESSAGE type_name: ".test.PrometheusConfig"
  }
}
"""
WRITTEN_OUT = {
    "INT64_VALUE": "label: LABEL_OPTIONAL type: TYPE_MESSAGE "
    f'type_name: ".{wrappers_pb2.Int64Value.DESCRIPTOR.full_name}"',
    "INT64S": "label: LABEL_REPEATED type: TYPE_INT64",
}


@pytest.fixture(scope="module")
def messages():
    """{name: message class}."""
    file = descriptor_pb2.FileDescriptorProto()
    text = MESSAGES
    for short, long in WRITTEN_OUT.items():
        text = text.replace(short, long)
    text_format.Parse(text, file)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"test.{message.name}")
        )
        for message in file.message_type
    }


def models(folder):
    return {
        model.name: (model.base_path, model.model_platform)
        for model in server_files.read_models(folder).model_config_list.config
    }


def test_models_are_listed_by_their_paths_in_the_container(tmp_path):
    assert models(tmp_path) == {}
    for name in ("digits", "cats", "digits"):
        server_files.write(tmp_path, name)
    assert models(tmp_path) == {
        "digits": ("/models/digits", "tensorflow"),
        "cats": ("/models/cats", "tensorflow"),
    }


def test_what_was_changed_by_hand_stays(tmp_path):
    server_files.write(tmp_path, "digits")
    path = tmp_path / "models.config"
    mine = path.read_text().replace("/models/digits", "/elsewhere/digits")
    path.write_text(mine)
    (tmp_path / "batching.config").write_text("# mine\n")
    server_files.write(tmp_path, "digits")
    assert path.read_text() == mine
    assert (tmp_path / "batching.config").read_text() == "# mine\n"
    server_files.write(tmp_path, "cats")
    assert models(tmp_path)["digits"] == ("/elsewhere/digits", "tensorflow")


def test_batches_are_of_the_sizes_that_are_warm(tmp_path, messages):
    server_files.write(tmp_path, "digits")
    text = (tmp_path / "batching.config").read_text()
    found = text_format.Parse(text, messages["BatchingParameters"]())
    assert tuple(found.allowed_batch_sizes) == warm_up.BATCH_SIZES
    # The server refuses any other.
    assert list(found.allowed_batch_sizes) == sorted(found.allowed_batch_sizes)
    assert found.max_batch_size.value == found.allowed_batch_sizes[-1]
    assert not found.HasField("num_batch_threads")
    assert 0 < found.batch_timeout_micros.value < 10_000


def test_metrics_are_on(tmp_path, messages):
    server_files.write(tmp_path, "digits")
    text = (tmp_path / "monitoring.config").read_text()
    found = text_format.Parse(text, messages["MonitoringConfig"]())
    found = found.prometheus_config
    assert found.enable and found.path == "/monitoring/prometheus/metrics"


@pytest.mark.parametrize("text", ["model_config_list {", "model: 3", "\xff"])
def test_a_damaged_list_is_named(tmp_path, text):
    (tmp_path / "models.config").write_text(text, encoding="latin-1")
    with pytest.raises(errors.UserError, match=r"models\.config is damaged"):
        server_files.write(tmp_path, "digits")
    assert [path.name for path in tmp_path.iterdir()] == ["models.config"]
