"""keras.callbacks: see `gatewise.training.callbacks`."""

from typing import TYPE_CHECKING, Any

from gatewise.training import callbacks as _callbacks
from gatewise.training.callbacks import __all__ as __all__

if TYPE_CHECKING:
    from gatewise.training.callbacks import *  # noqa: F403


def __getattr__(name: str) -> Any:
    return getattr(_callbacks, name)


def __dir__() -> list[str]:
    return sorted(__all__)
