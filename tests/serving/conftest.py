"""Models to serve, see tests/helpers/served_models.py."""

from served_models import *  # noqa: F403
