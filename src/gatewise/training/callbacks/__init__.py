"""Callbacks: what happens at the beginning and end of training, epochs and batches.  One family a file."""

from gatewise.training.callbacks.backup_and_restore import BackupAndRestore
from gatewise.training.callbacks.base import HOOKS as HOOKS
from gatewise.training.callbacks.base import Callback, CallbackList
from gatewise.training.callbacks.base import listed as listed
from gatewise.training.callbacks.csv_logger import CSVLogger
from gatewise.training.callbacks.early_stopping import EarlyStopping
from gatewise.training.callbacks.history import History
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
