import json
import subprocess
import sys

PROGRAM = """
import json, sys
from tfnoisy.serving.client import client, grpc_client, rest_client
from tfnoisy.serving.loader import messages
without = [name for name in sys.modules if name.startswith("tensorflow.py")]
import tensorflow as tf
request = messages.predict_pb2.PredictRequest()
request.inputs["a"].CopyFrom(tf.make_tensor_proto([1.5]))
found = tf.make_ndarray(request.inputs["a"]).tolist()
print(json.dumps([without, "tensorflow.python" in sys.modules, found]))
"""


def test_clients_do_without_tensorflow_which_can_still_be_imported():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], True, [1.5]]
