"""Callbacks: what happens at the beginning and end of training, epochs and batches.

One family a file, loaded when one of it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from gatewise.training.callbacks.base import HOOKS as HOOKS
from gatewise.training.callbacks.base import Callback, CallbackList
from gatewise.training.callbacks.base import listed as listed
from gatewise.training.callbacks.history import History

if TYPE_CHECKING:
    from gatewise.training.callbacks.backup_and_restore import BackupAndRestore
    from gatewise.training.callbacks.csv_logger import CSVLogger
    from gatewise.training.callbacks.early_stopping import EarlyStopping
    from gatewise.training.callbacks.lambda_callback import LambdaCallback
    from gatewise.training.callbacks.learning_rate import LearningRateScheduler, ReduceLROnPlateau
    from gatewise.training.callbacks.model_checkpoint import ModelCheckpoint
    from gatewise.training.callbacks.monitor import MonitorCallback
    from gatewise.training.callbacks.progbar_logger import ProgbarLogger
    from gatewise.training.callbacks.pruning import PruningCallback, TrialPruned
    from gatewise.training.callbacks.remote_monitor import RemoteMonitor
    from gatewise.training.callbacks.swap_ema_weights import SwapEMAWeights
    from gatewise.training.callbacks.tensorboard import TensorBoard
    from gatewise.training.callbacks.terminate_on_nan import TerminateOnNaN

_HOMES = {
    "BackupAndRestore": "backup_and_restore",
    "CSVLogger": "csv_logger",
    "EarlyStopping": "early_stopping",
    "LambdaCallback": "lambda_callback",
    "LearningRateScheduler": "learning_rate",
    "ModelCheckpoint": "model_checkpoint",
    "MonitorCallback": "monitor",
    "ProgbarLogger": "progbar_logger",
    "PruningCallback": "pruning",
    "ReduceLROnPlateau": "learning_rate",
    "RemoteMonitor": "remote_monitor",
    "SwapEMAWeights": "swap_ema_weights",
    "TensorBoard": "tensorboard",
    "TerminateOnNaN": "terminate_on_nan",
    "TrialPruned": "pruning",
}
"""The file of each callback that is loaded when it is asked for."""

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "MonitorCallback",
    "ProgbarLogger",
    "PruningCallback",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
    "TrialPruned",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        from gatewise import suggest

        raise suggest.missing("gatewise.callbacks", "callback", name, __all__)
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
