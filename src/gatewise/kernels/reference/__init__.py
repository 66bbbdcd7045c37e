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
from gatewise.kernels.reference.lstm import LSTMTape, LSTMWeights, lstm_backward, lstm_forward, lstm_predict, pack_lstm
from gatewise.kernels.reference.lstm_variants import (
    LSTMVariantOptions,
    LSTMVariantTape,
    LSTMVariantWeights,
    lstm_variant_backward,
    lstm_variant_forward,
    lstm_variant_predict,
    pack_lstm_variant,
)
from gatewise.kernels.reference.products import adam_step, matmul, rmsprop_step, sgd_step, sum_of_squares

__all__ = [
    "ACTIVATIONS", "LSTMTape", "LSTMVariantOptions", "LSTMVariantTape", "LSTMVariantWeights", "LSTMWeights",
    "PairFunction", "activation_backward", "activation_forward", "adam_step", "lstm_backward", "lstm_forward",
    "lstm_predict", "lstm_variant_backward", "lstm_variant_forward", "lstm_variant_predict", "matmul", "pack_lstm",
    "pack_lstm_variant", "pair_function", "rmsprop_step", "sgd_step", "sum_of_squares",
]  # fmt: skip
