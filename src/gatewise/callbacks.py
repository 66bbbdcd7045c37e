"""keras.callbacks: see `gatewise.training.callbacks`."""

from gatewise.training.callbacks import *  # noqa: F403
from gatewise.training.callbacks import __all__  # noqa: F401


def __getattr__(name: str) -> object:
    from gatewise import suggest

    raise suggest.missing("gatewise.callbacks", "callback", name, [known for known in __all__ if known[0].isupper()])
