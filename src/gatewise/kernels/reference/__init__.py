"""Every kernel again in plain NumPy: the definition, and the oracle of the tests.

Letters: N batch, T time steps, F features, H units. Same names, arguments and results as the compiled
kernels; in addition an activation may be a *pair function* `forward(x) -> (y, pullback)` on (N, H) arrays,
which is how layers run activations that the compiled kernels do not know (softmax, a user's own).
"""

from gatewise.kernels.reference.activations import (
    ACTIVATIONS,
    PairFunction,
    activation_backward,
    activation_forward,
    pair_function,
)
from gatewise.kernels.reference.gru import GRUTape, GRUWeights, gru_backward, gru_forward, gru_predict, pack_gru
from gatewise.kernels.reference.losses import column_sums, score, softmax_backward, softmax_forward
from gatewise.kernels.reference.lstm import LSTMTape, LSTMWeights, lstm_backward, lstm_forward, lstm_predict, pack_lstm
from gatewise.kernels.reference.lstm_variants import (
    LSTMVariantOptions,
    LSTMVariantTape,
    LSTMVariantWeights,
    lstm_variant_forward,
    lstm_variant_predict,
    pack_lstm_variant,
)
from gatewise.kernels.reference.lstm_variants_backward import lstm_variant_backward
from gatewise.kernels.reference.narrow import (
    Bfloat16Weights,
    Int8Weights,
    NarrowWeights,
    as_int8,
    bfloat16_weights,
    floats_of,
    int8_weights,
    narrow_predict,
    pack_narrow,
)
from gatewise.kernels.reference.optimizers import (
    adadelta_step,
    adafactor_step,
    adagrad_step,
    adam_step,
    adamax_step,
    average_step,
    ftrl_step,
    lamb_step,
    lion_step,
    nadam_step,
    rmsprop_step,
    schedule_free_adamw_step,
    sgd_step,
    sum_of_squares,
)
from gatewise.kernels.reference.products import matmul
from gatewise.kernels.reference.simple_rnn import (
    SimpleRNNTape,
    SimpleRNNWeights,
    pack_simple_rnn,
    simple_rnn_backward,
    simple_rnn_forward,
    simple_rnn_predict,
)

__all__ = [
    "ACTIVATIONS",
    "Bfloat16Weights",
    "GRUTape",
    "GRUWeights",
    "Int8Weights",
    "LSTMTape",
    "LSTMVariantOptions",
    "LSTMVariantTape",
    "LSTMVariantWeights",
    "LSTMWeights",
    "NarrowWeights",
    "PairFunction",
    "SimpleRNNTape",
    "SimpleRNNWeights",
    "activation_backward",
    "activation_forward",
    "adadelta_step",
    "adafactor_step",
    "adagrad_step",
    "adam_step",
    "adamax_step",
    "as_int8",
    "average_step",
    "bfloat16_weights",
    "column_sums",
    "floats_of",
    "ftrl_step",
    "gru_backward",
    "gru_forward",
    "gru_predict",
    "int8_weights",
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
    "pair_function",
    "rmsprop_step",
    "schedule_free_adamw_step",
    "score",
    "sgd_step",
    "simple_rnn_backward",
    "simple_rnn_forward",
    "simple_rnn_predict",
    "softmax_backward",
    "softmax_forward",
    "sum_of_squares",
]
