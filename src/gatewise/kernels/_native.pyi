"""
Recurrent kernels in C++. Use them through gatewise.kernels, which documents them.
"""

from collections.abc import Callable
from typing import Any

import numpy


class PackedLSTM:
    """
    LSTM weights in the kernels' own order, for any number of lstm_predict calls.
    """

    @property
    def features(self) -> int:
        """F, the number of input features."""

    @property
    def units(self) -> int:
        """H, the number of units."""

def pack_lstm(W: numpy.ndarray, U: numpy.ndarray, b: numpy.ndarray | None = None) -> PackedLSTM: ...

def lstm_forward(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, W: numpy.ndarray, U: numpy.ndarray, b: numpy.ndarray | None, mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = 'sigmoid', x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, keep_sums: bool = False) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray | None]: ...

def lstm_predict(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, weights: PackedLSTM, mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = 'sigmoid', sequences: bool = False) -> tuple[numpy.ndarray | None, numpy.ndarray, numpy.ndarray]: ...

def lstm_backward(tape: tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray | None], x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, W: numpy.ndarray, U: numpy.ndarray, dh: numpy.ndarray | None = None, dh_T: numpy.ndarray | None = None, dc_T: numpy.ndarray | None = None, mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = 'sigmoid', x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, dc: numpy.ndarray | None = None, wants: tuple[bool, bool, bool, bool, bool] = (True, True, True, True, True)) -> tuple[numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None]: ...

class PackedLSTMVariant:
    """
    Weights of a variant of the LSTM in the kernels' own order, for any number of lstm_variant_predict calls.
    """

    @property
    def features(self) -> int:
        """F, the number of input features."""

    @property
    def units(self) -> int:
        """H, the number of units."""

    @property
    def outputs(self) -> int:
        """P, the length of the output."""

def pack_lstm_variant(weights: tuple[numpy.ndarray | None, ...]) -> PackedLSTMVariant: ...

def lstm_variant_forward(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, weights: tuple[numpy.ndarray | None, ...], options: tuple[float, float, float, float], mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = 'sigmoid', x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, keep_c: numpy.ndarray | None = None, keep_h: numpy.ndarray | None = None, keep_sums: bool = False) -> tuple[numpy.ndarray | None, ...]: ...

def lstm_variant_predict(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, weights: PackedLSTMVariant, options: tuple[float, float, float, float], mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = 'sigmoid', sequences: bool = False) -> tuple[numpy.ndarray | None, numpy.ndarray, numpy.ndarray]: ...

def lstm_variant_backward(tape: tuple[numpy.ndarray | None, ...], x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, weights: tuple[numpy.ndarray | None, ...], options: tuple[float, float, float, float], dh: numpy.ndarray | None = None, dh_T: numpy.ndarray | None = None, dc_T: numpy.ndarray | None = None, mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = 'sigmoid', x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, keep_c: numpy.ndarray | None = None, keep_h: numpy.ndarray | None = None, dc: numpy.ndarray | None = None, wants: tuple[bool, ...] = (True, True, True, True, True, True, True, True, True, True, True)) -> tuple[numpy.ndarray | None, ...]: ...

class PackedGRU:
    """
    GRU weights in the kernels' own order, for any number of gru_predict calls.
    """

    @property
    def features(self) -> int:
        """F, the number of input features."""

    @property
    def units(self) -> int:
        """H, the number of units."""

def pack_gru(W: numpy.ndarray, U: numpy.ndarray, b: numpy.ndarray | None = None, reset_after: bool = True) -> PackedGRU: ...

def gru_forward(x: numpy.ndarray, h0: numpy.ndarray | None, W: numpy.ndarray, U: numpy.ndarray, b: numpy.ndarray | None, mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = 'sigmoid', reset_after: bool = True, x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, keep_sums: bool = False) -> tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray | None]: ...

def gru_predict(x: numpy.ndarray, h0: numpy.ndarray | None, weights: PackedGRU, mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = 'sigmoid', sequences: bool = False) -> tuple[numpy.ndarray | None, numpy.ndarray]: ...

def gru_backward(tape: tuple[numpy.ndarray, numpy.ndarray, numpy.ndarray, numpy.ndarray | None], x: numpy.ndarray, h0: numpy.ndarray | None, W: numpy.ndarray, U: numpy.ndarray, dh: numpy.ndarray | None = None, dh_T: numpy.ndarray | None = None, mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = 'sigmoid', reset_after: bool = True, x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, wants: tuple[bool, bool, bool, bool, bool] = (True, True, True, True, True)) -> tuple[numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None]: ...

class PackedSimpleRNN:
    """
    SimpleRNN weights in the kernels' own order, for any number of simple_rnn_predict calls.
    """

    @property
    def features(self) -> int:
        """F, the number of input features."""

    @property
    def units(self) -> int:
        """H, the number of units."""

def pack_simple_rnn(W: numpy.ndarray, U: numpy.ndarray, b: numpy.ndarray | None = None) -> PackedSimpleRNN: ...

def simple_rnn_forward(x: numpy.ndarray, h0: numpy.ndarray | None, W: numpy.ndarray, U: numpy.ndarray, b: numpy.ndarray | None, mask: numpy.ndarray | None = None, activation: str = 'tanh', x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, keep_sums: bool = False) -> tuple[numpy.ndarray, numpy.ndarray | None]: ...

def simple_rnn_predict(x: numpy.ndarray, h0: numpy.ndarray | None, weights: PackedSimpleRNN, mask: numpy.ndarray | None = None, activation: str = 'tanh', sequences: bool = False) -> tuple[numpy.ndarray | None, numpy.ndarray]: ...

def simple_rnn_backward(tape: tuple[numpy.ndarray, numpy.ndarray | None], x: numpy.ndarray, h0: numpy.ndarray | None, W: numpy.ndarray, U: numpy.ndarray, dh: numpy.ndarray | None = None, dh_T: numpy.ndarray | None = None, mask: numpy.ndarray | None = None, activation: str = 'tanh', x_dropout: numpy.ndarray | None = None, h_dropout: numpy.ndarray | None = None, wants: tuple[bool, bool, bool, bool, bool] = (True, True, True, True, True)) -> tuple[numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None, numpy.ndarray | None]: ...

class PackedNarrow:
    """
    Weights of int8 or bfloat16 in the kernels' own order, for any number of narrow_predict calls.
    """

    @property
    def layer(self) -> str:
        """"lstm", "gru" or "simple_rnn"."""

    @property
    def storage(self) -> str:
        """"int8" or "bfloat16"."""

    @property
    def made_for(self) -> str:
        """The instruction set they are packed for."""

    @property
    def features(self) -> int:
        """F, the number of input features."""

    @property
    def units(self) -> int:
        """H, the number of units."""

    @property
    def bytes(self) -> int:
        """The memory they take."""

def pack_narrow(layer: str, storage: str, W: numpy.ndarray, U: numpy.ndarray, b: numpy.ndarray | None = None, scales: numpy.ndarray | None = None, x_range: numpy.ndarray | None = None, h_range: float = 1.0) -> PackedNarrow: ...

def narrow_predict(x: numpy.ndarray, h0: numpy.ndarray | None, c0: numpy.ndarray | None, weights: PackedNarrow, mask: numpy.ndarray | None = None, activation: str = 'tanh', recurrent_activation: str = 'sigmoid', sequences: bool = False) -> tuple[numpy.ndarray | None, numpy.ndarray, numpy.ndarray | None]: ...

def use_vnni(wanted: bool) -> None:
    """
    Whether int8 layers packed from now on use the machine's instruction for them, where there is one; for tests and measurements.
    """

def matmul(a: numpy.ndarray, b: numpy.ndarray, out: numpy.ndarray | None = None, accumulate: bool = False, bias: numpy.ndarray | None = None) -> numpy.ndarray: ...

def activation_forward(name: str, x: numpy.ndarray) -> numpy.ndarray: ...

def activation_backward(name: str, dy: numpy.ndarray, x: numpy.ndarray | None = None, y: numpy.ndarray | None = None) -> numpy.ndarray: ...

def sgd_step(w: numpy.ndarray, g: numpy.ndarray, lr: float, momentum: float = 0.0, velocity: numpy.ndarray | None = None, nesterov: bool = False, scale: float = 1.0, limit: float = 0.0, keep: float = 1.0) -> None: ...

def rmsprop_step(w: numpy.ndarray, g: numpy.ndarray, mean_square: numpy.ndarray, lr: float, rho: float = 0.9, epsilon: float = 1e-7, momentum: float = 0.0, velocity: numpy.ndarray | None = None, mean: numpy.ndarray | None = None, scale: float = 1.0, limit: float = 0.0, keep: float = 1.0) -> None: ...

def adam_step(w: numpy.ndarray, g: numpy.ndarray, m: numpy.ndarray, v: numpy.ndarray, alpha: float, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7, v_hat: numpy.ndarray | None = None, scale: float = 1.0, limit: float = 0.0, keep: float = 1.0) -> None: ...

def adagrad_step(w: numpy.ndarray, g: numpy.ndarray, sum: numpy.ndarray, lr: float, epsilon: float = 1e-7, scale: float = 1.0, limit: float = 0.0, keep: float = 1.0) -> None: ...

def adadelta_step(w: numpy.ndarray, g: numpy.ndarray, mean_square: numpy.ndarray, mean_step: numpy.ndarray, lr: float, rho: float = 0.95, epsilon: float = 1e-7, scale: float = 1.0, limit: float = 0.0, keep: float = 1.0) -> None: ...

def adamax_step(w: numpy.ndarray, g: numpy.ndarray, m: numpy.ndarray, u: numpy.ndarray, alpha: float, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7, scale: float = 1.0, limit: float = 0.0, keep: float = 1.0) -> None: ...

def nadam_step(w: numpy.ndarray, g: numpy.ndarray, m: numpy.ndarray, v: numpy.ndarray, of_m: float, of_g: float, grown: float, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7, scale: float = 1.0, limit: float = 0.0, keep: float = 1.0) -> None: ...

def ftrl_step(w: numpy.ndarray, g: numpy.ndarray, sum: numpy.ndarray, linear: numpy.ndarray, lr: float, power: float = -0.5, l1: float = 0.0, l2: float = 0.0, shrinkage: float = 0.0, scale: float = 1.0, limit: float = 0.0, keep: float = 1.0) -> None: ...

def lion_step(w: numpy.ndarray, g: numpy.ndarray, m: numpy.ndarray, lr: float, beta_1: float = 0.9, beta_2: float = 0.99, scale: float = 1.0, limit: float = 0.0, keep: float = 1.0) -> None: ...

def schedule_free_adamw_step(w: numpy.ndarray, g: numpy.ndarray, z: numpy.ndarray, v: numpy.ndarray, lr: float, part: float, grown: float, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, scale: float = 1.0, limit: float = 0.0, keep: float = 1.0) -> None: ...

def lamb_step(w: numpy.ndarray, g: numpy.ndarray, m: numpy.ndarray, v: numpy.ndarray, lr: float, grown_1: float, grown_2: float, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7) -> None: ...

def adafactor_step(w: numpy.ndarray, g: numpy.ndarray, v: numpy.ndarray, r: numpy.ndarray | None = None, c: numpy.ndarray | None = None, rho: float = 0.001, decay: float = 0.0, epsilon_1: float = 1e-30, epsilon_2: float = 1e-3, threshold: float = 1.0) -> None: ...

def average_step(average: numpy.ndarray, w: numpy.ndarray, momentum: float) -> None: ...

def sum_of_squares(g: numpy.ndarray) -> float: ...

class StreamSteps:
    """
    A chain of layers that runs one time step at a time: see gatewise.streaming.native.
    """

    def __init__(self, batch: int, features: int, item: int, stages: list, variables: list, weights: object, prepare: object, prepare_mask: object) -> None: ...

    def step(self, x: object, mask: object = None) -> numpy.ndarray:
        """
        The output after one more time step; see gatewise.streaming.Stream.step.
        """

    def run(self, x: numpy.ndarray, mask: numpy.ndarray | None = None) -> numpy.ndarray:
        """The outputs of the steps of x (N, T, F), contiguous."""

class Chain:
    """A chain of layers in prediction: see gatewise.chains."""

    def __init__(self, item: int, rank: int, features: int, stages: list, variables: list, weights: object, circumstances: tuple) -> None: ...

    def __call__(self, x: object) -> numpy.ndarray | None:
        """The output for x, or None where the general way is to be gone."""

    def __reduce__(self) -> tuple:
        """A copy of a model makes a chain of its own when it needs one."""

class TrainingChain:
    """A chain of layers in training: see gatewise.chains."""

    def __init__(self, chain: object, weights: list, held: list, loss: tuple, metrics: list) -> None: ...

    def step(self, x: object, y: object, wants_output: bool = False) -> object:
        """
        The loss of a batch, with its gradients and means kept; None where the general way is to be gone.
        """

    def is_current(self) -> bool:
        """Whether the model is still as it was."""

    def __reduce__(self) -> tuple:
        """A copy of a model makes a chain of its own when it needs one."""

    def reset(self) -> None:
        """Begins all running means anew."""

    def results(self) -> list[float]:
        """The running means: the loss, then each metric."""

def score(name: str, y_true: numpy.ndarray, y_pred: numpy.ndarray, option: float = 0.0, epsilon: float = 1e-07, wants_slope: bool = True) -> tuple[float, float, numpy.ndarray | None] | None: ...

def softmax_forward(x: numpy.ndarray) -> numpy.ndarray: ...

def softmax_backward(dy: numpy.ndarray, y: numpy.ndarray) -> numpy.ndarray: ...

def column_sums(x: numpy.ndarray) -> numpy.ndarray: ...

def plan_recurrence(layer: str, N: int, T: int, F: int, H: int, item: int = 4, backward: bool = False, masked: bool = False, dropout: bool = False) -> dict[str, Any]:
    """
    How a recurrent kernel would divide its work, and the limits that it goes by: see plan.h.
    """

def measure_fma_peak(seconds: float = 0.1, threads: int = 0, item: int = 4) -> float:
    """
    Operations a second (a multiply-add is two) from registers alone, the best of short blocks; threads=0: as many as kernels may use.  item: 4 for float32, 8 for float64.
    """

def narrow_instruction_set() -> str:
    """The instruction set in use for weights of int8."""

def get_threads() -> int:
    """The number of threads a kernel may use."""

def set_threads(count: int) -> None:
    """Sets the number of threads a kernel may use."""

def together(calls: tuple[Callable[[], Any], ...]) -> list[Any]:
    """
    The results of all calls; the first recurrence of each runs at the same time as the others' where that is expected to pay.
    """

def instruction_set() -> str:
    """The instruction set in use."""

def supported_instruction_sets() -> tuple[str, ...]:
    """Those this machine can run, the plainest first."""

def use_instruction_set(name: str) -> None:
    """
    Switches every following call to another instruction set; for tests and measurements.
    """

ACTIVATIONS: tuple = ...
