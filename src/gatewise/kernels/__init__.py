"""The kernels: what all layers and optimizers compute with.

Letters: N batch, T time steps, F features, H units. Arrays of one call have one dtype, float32 or float64,
and may have any strides (a reversed or transposed view costs nothing; only a last axis that is not
contiguous is copied). Wrong types are a TypeError, wrong shapes a ValueError, both say what came.
No result depends on the number of threads. Numbers below the normal ones (1.2e-38 in float32) count as zero, given or
computed. `reference` has each kernel again in plain NumPy: read there what is computed.

The instruction set is chosen at import; the environment variable GATEWISE_ISA (baseline, avx2, avx512) forces
one, GATEWISE_THREADS sets the number of threads.
"""

import numpy as np

from gatewise.kernels._native import (
    ACTIVATIONS,
    Chain,
    PackedGRU,
    PackedLSTM,
    PackedLSTMVariant,
    PackedNarrow,
    PackedSimpleRNN,
    StreamSteps,
    TrainingChain,
    activation_backward,
    activation_forward,
    adadelta_step,
    adafactor_step,
    adagrad_step,
    adam_step,
    adamax_step,
    average_step,
    column_sums,
    ftrl_step,
    get_threads,
    gru_backward,
    gru_predict,
    instruction_set,
    lamb_step,
    lion_step,
    lstm_backward,
    lstm_predict,
    lstm_variant_backward,
    lstm_variant_predict,
    matmul,
    nadam_step,
    narrow_predict,
    pack_gru,
    pack_lstm,
    pack_lstm_variant,
    pack_simple_rnn,
    rmsprop_step,
    schedule_free_adamw_step,
    score,
    set_threads,
    sgd_step,
    simple_rnn_backward,
    simple_rnn_predict,
    softmax_backward,
    softmax_forward,
    sum_of_squares,
    supported_instruction_sets,
    together,
)
from gatewise.kernels._native import gru_forward as _gru_forward
from gatewise.kernels._native import lstm_forward as _lstm_forward
from gatewise.kernels._native import lstm_variant_forward as _lstm_variant_forward
from gatewise.kernels._native import pack_narrow as _pack_narrow
from gatewise.kernels._native import simple_rnn_forward as _simple_rnn_forward
from gatewise.kernels.reference import (
    Bfloat16Weights,
    GRUTape,
    Int8Weights,
    LSTMTape,
    LSTMVariantOptions,
    LSTMVariantTape,
    LSTMVariantWeights,
    SimpleRNNTape,
    floats_of,
)

# Activations whose derivative is taken from their input; all others take it from their output.
ACTIVATIONS_NEEDING_INPUT = ("gelu", "gelu_approximate", "silu", "hard_silu", "mish", "tanh_shrink")


def lstm_forward(
    x: np.ndarray,
    h0: np.ndarray | None,
    c0: np.ndarray | None,
    W: np.ndarray,
    U: np.ndarray,
    b: np.ndarray | None,
    mask: np.ndarray | None = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    x_dropout: np.ndarray | None = None,
    h_dropout: np.ndarray | None = None,
    keep_sums: bool = False,
) -> LSTMTape:
    """Runs an LSTM over whole sequences and keeps what `lstm_backward` reads: see `reference.lstm_forward`.

    With keep_sums the tape holds z whether the way back needs it or not; so with the kernels below.
    """
    chosen = activation, recurrent_activation
    return LSTMTape(*_lstm_forward(x, h0, c0, W, U, b, mask, *chosen, x_dropout, h_dropout, keep_sums))


def lstm_variant_forward(
    x: np.ndarray,
    h0: np.ndarray | None,
    c0: np.ndarray | None,
    weights: LSTMVariantWeights,
    options: LSTMVariantOptions,
    mask: np.ndarray | None = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    x_dropout: np.ndarray | None = None,
    h_dropout: np.ndarray | None = None,
    keep_c: np.ndarray | None = None,
    keep_h: np.ndarray | None = None,
    keep_sums: bool = False,
) -> LSTMVariantTape:
    """Runs a variant of the LSTM and keeps what `lstm_variant_backward` reads: `reference.lstm_variant_forward`."""
    chosen = activation, recurrent_activation
    made = _lstm_variant_forward(
        x, h0, c0, weights, options, mask, *chosen, x_dropout, h_dropout, keep_c, keep_h, keep_sums
    )  # fmt: skip
    return LSTMVariantTape(*made)  # type: ignore[arg-type]  # the first three are always there


def gru_forward(
    x: np.ndarray,
    h0: np.ndarray | None,
    W: np.ndarray,
    U: np.ndarray,
    b: np.ndarray | None,
    mask: np.ndarray | None = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    reset_after: bool = True,
    x_dropout: np.ndarray | None = None,
    h_dropout: np.ndarray | None = None,
    keep_sums: bool = False,
) -> GRUTape:
    """Runs a GRU over whole sequences and keeps what `gru_backward` reads: see `reference.gru_forward`."""
    chosen = activation, recurrent_activation, reset_after
    return GRUTape(*_gru_forward(x, h0, W, U, b, mask, *chosen, x_dropout, h_dropout, keep_sums))


def simple_rnn_forward(
    x: np.ndarray,
    h0: np.ndarray | None,
    W: np.ndarray,
    U: np.ndarray,
    b: np.ndarray | None,
    mask: np.ndarray | None = None,
    activation: str = "tanh",
    x_dropout: np.ndarray | None = None,
    h_dropout: np.ndarray | None = None,
    keep_sums: bool = False,
) -> SimpleRNNTape:
    """Runs a simple recurrent layer and keeps what its backward pass reads: see `reference.simple_rnn_forward`."""
    return SimpleRNNTape(*_simple_rnn_forward(x, h0, W, U, b, mask, activation, x_dropout, h_dropout, keep_sums))


def pack_narrow(layer: str, weights: Int8Weights | Bfloat16Weights) -> PackedNarrow:
    """Weights of fewer bits in the kernels' order, for `narrow_predict`: see `reference.narrow`.

    Args:
        layer: "lstm", "gru" (reset after the product) or "simple_rnn".
        weights: from `reference.int8_weights` or `reference.bfloat16_weights`.

    `narrow_predict(x, h0, c0, packed, mask, activation, recurrent_activation, sequences)` returns (h of every step
    (N, T, H) or None, the last h (N, H), of an LSTM the last c (N, H), else None).  c0 is of an LSTM, and
    recurrent_activation of layers with gates; the others pay them no heed.
    """
    expected, storage = (np.int8, "int8") if isinstance(weights, Int8Weights) else (np.uint16, "bfloat16")
    for name, array in (("W", weights.W), ("U", weights.U)):
        if array.dtype != expected:
            raise TypeError(f"pack_narrow: {name} of {storage} weights is {np.dtype(expected)}; got {array.dtype}")
    if isinstance(weights, Int8Weights):
        W, U = weights.W.astype(np.float32), weights.U.astype(np.float32)
        return _pack_narrow(layer, storage, W, U, weights.b, weights.scales, weights.x_range, weights.h_range)
    return _pack_narrow(layer, storage, *floats_of(weights), weights.b)


__all__ = [
    "ACTIVATIONS",
    "ACTIVATIONS_NEEDING_INPUT",
    "Bfloat16Weights",
    "Chain",
    "GRUTape",
    "Int8Weights",
    "LSTMTape",
    "LSTMVariantOptions",
    "LSTMVariantTape",
    "LSTMVariantWeights",
    "PackedGRU",
    "PackedLSTM",
    "PackedLSTMVariant",
    "PackedNarrow",
    "PackedSimpleRNN",
    "SimpleRNNTape",
    "StreamSteps",
    "TrainingChain",
    "activation_backward",
    "activation_forward",
    "adadelta_step",
    "adafactor_step",
    "adagrad_step",
    "adam_step",
    "adamax_step",
    "average_step",
    "column_sums",
    "ftrl_step",
    "get_threads",
    "gru_backward",
    "gru_forward",
    "gru_predict",
    "instruction_set",
    "lamb_step",
    "lion_step",
    "lstm_backward",
    "lstm_forward",
    "lstm_predict",
    "lstm_variant_backward",
    "lstm_variant_forward",
    "lstm_variant_predict",
    "matmul",
    "nadam_step",
    "narrow_predict",
    "pack_gru",
    "pack_lstm",
    "pack_lstm_variant",
    "pack_narrow",
    "pack_simple_rnn",
    "rmsprop_step",
    "schedule_free_adamw_step",
    "score",
    "set_threads",
    "sgd_step",
    "simple_rnn_backward",
    "simple_rnn_forward",
    "simple_rnn_predict",
    "softmax_backward",
    "softmax_forward",
    "sum_of_squares",
    "supported_instruction_sets",
    "together",
]
