"""keras.losses: see `gatewise.training.losses`."""

from gatewise.training.losses import *  # noqa: F403
from gatewise.training.losses import __all__  # noqa: F401


def __getattr__(name: str) -> object:
    from gatewise import suggest

    raise suggest.missing("gatewise.losses", "loss", name, [known for known in __all__ if known[0].isupper()])
