"""The files that a tensorflow_model_server is started with.

They lie in the folder of all models:

    models.config      which models, each by the path it has in the container
    batching.config    how requests are put together
    monitoring.config  Prometheus metrics
"""

import pathlib

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfnoisy import errors, output_file
from tfnoisy.serving.export import warm_up

# Where tensorflow/serving's image expects the models.
MOUNT = "/models"
MODELS = "models.config"
_MODELS_HEAD = """\
# tensorflow_model_server --model_config_file: the models of this folder, which
# the container sees as {mount}.
"""
_BATCHING = """\
# tensorflow_model_server --enable_batching --batching_parameters_file
# (BatchingParameters of session_bundle_config.proto).  The number of threads
# is left to the server: one for each core.
max_batch_size {{ value: {largest} }}
# How long a request waits for others.
batch_timeout_micros {{ value: 2000 }}
# More requests than these are refused, and clients try again.
max_enqueued_batches {{ value: 100 }}
# Batches are filled up to one of these, which the warm-up has run.
{allowed}
"""
_MONITORING = """\
# tensorflow_model_server --monitoring_config_file
# (MonitoringConfig of monitoring_config.proto); read at the REST port.
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""


def read_models(models_dir):
    """Returns the ModelServerConfig of a folder of models.

    Raises:
        UserError: if its models.config cannot be read.
    """
    path = pathlib.Path(models_dir) / MODELS
    config = model_server_config_pb2.ModelServerConfig()
    try:
        if path.exists():
            text_format.Parse(path.read_text(), config)
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise errors.UserError(
            f"{path} is damaged ({error}); mend it or move it away"
        ) from error
    return config


def write(models_dir, model_name):
    """Adds a model to models.config, and the other files where there are none.

    What is there already stays as it is.

    Args:
        models_dir: the folder of all models.
        model_name: the model's folder in it.

    Raises:
        UserError: if models.config is damaged, or a file cannot be written.
    """
    models_dir = pathlib.Path(models_dir)
    config = read_models(models_dir)
    models = config.model_config_list.config
    if model_name not in [model.name for model in models]:
        models.add(
            name=model_name,
            base_path=f"{MOUNT}/{model_name}",
            model_platform="tensorflow",
        )
        output_file.write(
            models_dir / MODELS,
            _MODELS_HEAD.format(mount=MOUNT)
            + text_format.MessageToString(config),
        )
    allowed = "\n".join(
        f"allowed_batch_sizes: {size}" for size in warm_up.BATCH_SIZES
    )
    for name, text in {
        "batching.config": _BATCHING.format(
            largest=warm_up.BATCH_SIZES[-1], allowed=allowed
        ),
        "monitoring.config": _MONITORING,
    }.items():
        if not (models_dir / name).exists():
            output_file.write(models_dir / name, text)
