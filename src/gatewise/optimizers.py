"""keras.optimizers: see `gatewise.training.optimizers`."""

from gatewise.training.optimizers import *  # noqa: F403
from gatewise.training.optimizers import __all__  # noqa: F401


def __getattr__(name: str) -> object:
    from gatewise import suggest

    raise suggest.missing("gatewise.optimizers", "optimizer", name, [known for known in __all__ if known[0].isupper()])
