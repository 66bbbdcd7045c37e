"""keras.metrics: see `gatewise.training.metrics`."""

from gatewise.training.metrics import *  # noqa: F403
from gatewise.training.metrics import __all__  # noqa: F401
