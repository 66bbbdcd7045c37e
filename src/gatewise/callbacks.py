"""keras.callbacks: see `gatewise.training.callbacks`."""

from gatewise.training.callbacks import *  # noqa: F403
from gatewise.training.callbacks import __all__  # noqa: F401
