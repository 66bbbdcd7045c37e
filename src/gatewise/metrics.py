"""keras.metrics: see `gatewise.training.metrics`."""

from gatewise.training.metrics import *  # noqa: F403
from gatewise.training.metrics import __all__  # noqa: F401


def __getattr__(name: str) -> object:
    from gatewise import suggest

    raise suggest.missing("gatewise.metrics", "metric", name, [known for known in __all__ if known[0].isupper()])
