"""What every test can count on."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
