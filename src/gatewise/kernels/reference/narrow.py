"""Weights of fewer bits: what the numbers mean, and what the kernels compute with them.

A recurrent layer's step is z[t] = x[t] W + h[t-1] U + b and then arithmetic on z.  With bfloat16 the elements of W and
U are the upper halves of floats, rounded to the nearest.  With int8 every product is one of whole numbers:

    x'[t] = round(127 x[t] / x_range)        h'[t] = round(127 h[t] / h_range)         between -127 and 127
    z[t] = (x'[t] W' + h'[t-1] U') scale + b

with a scale for each column, the smallest for which no weight is larger than 127:

    W' = round(W x_range / 127 / scale)      U' = round(U h_range / 127 / scale)

Halves are rounded to the even neighbour.  The sums are exact.  States and the arithmetic on them stay float32.
"""

from typing import NamedTuple

import numpy as np

from gatewise.kernels.reference.activations import Array, pair_function
from gatewise.kernels.reference.gru import gru_forward
from gatewise.kernels.reference.lstm import lstm_forward
from gatewise.kernels.reference.simple_rnn import simple_rnn_forward

MOST = np.float32(127)
LEAST_RANGE = np.float32(1e-30)
"""Numbers in a range that is no larger are taken for zeros."""


class Int8Weights(NamedTuple):
    """W (F, G H) and U (H, G H) int8; b and scales (G H,), of a GRU (2, 3H); x_range (F,); h_range.

    A GRU's gates z and r have one scale for both products, in the first row of `scales` (zeros in the second); its
    candidate has one for x W in the first row and one for h U in the second.
    """

    W: Array
    U: Array
    b: Array | None
    scales: Array
    x_range: Array
    h_range: float


class Bfloat16Weights(NamedTuple):
    """W (F, G H) and U (H, G H) uint16, the upper halves of float32; b (G H,), of a GRU (2, 3H)."""

    W: Array
    U: Array
    b: Array | None


class NarrowWeights(NamedTuple):
    """Weights as `narrow_predict` takes them: of "lstm", "gru" (reset after the product) or "simple_rnn"."""

    layer: str
    weights: Int8Weights | Bfloat16Weights


def pack_narrow(layer: str, weights: Int8Weights | Bfloat16Weights) -> NarrowWeights:
    """Weights for `narrow_predict`."""
    return NarrowWeights(layer, weights)


def int8_weights(layer: str, W: Array, U: Array, b: Array | None, x_range: Array, h_range: float) -> Int8Weights:
    """The int8 weights nearest to float32 ones.

    Args:
        layer: "lstm", "gru" (reset after the product) or "simple_rnn".
        W, U, b: (F, G H), (H, G H), (G H,) or of a GRU (2, 3H).
        x_range: (F,), h_range: the largest sizes of x and of h; larger numbers will be cut off.
    """
    x_range = np.asarray(x_range, np.float32)
    of_x, of_h = W * (x_range / MOST)[:, None], U * (np.float32(h_range) / MOST)
    most_x, most_h = abs(of_x).max(axis=0) / MOST, abs(of_h).max(axis=0) / MOST
    both = np.maximum(most_x, most_h)
    if layer == "gru":
        H = len(U)
        scales = np.stack([both, np.zeros_like(both)])
        scales[0, 2 * H :], scales[1, 2 * H :] = most_x[2 * H :], most_h[2 * H :]
    else:
        scales = both
    x_scale, h_scale = _scales_of_products(scales)
    return Int8Weights(_whole(of_x, x_scale), _whole(of_h, h_scale), b, scales, x_range, float(h_range))


def _scales_of_products(scales: Array) -> tuple[Array, Array]:
    """The scales of x W and of h U, (G H,) each."""
    if scales.ndim == 1:
        return scales, scales
    return scales[0], np.where(np.arange(scales.shape[1]) < scales.shape[1] // 3 * 2, scales[0], scales[1])


def _whole(values: Array, scales: Array) -> Array:
    """Multiples of the scales, rounded and cut off, int8; 0 where the scale is."""
    found = np.divide(values, scales, out=np.zeros_like(values), where=scales > 0)
    return np.clip(np.rint(found), -MOST, MOST).astype(np.int8)


def bfloat16_weights(W: Array, U: Array, b: Array | None) -> Bfloat16Weights:
    """The bfloat16 weights nearest to float32 ones, the even one of two that are as near."""
    return Bfloat16Weights(_upper_halves(W), _upper_halves(U), b)


def _upper_halves(values: Array) -> Array:
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def floats_of(weights: Int8Weights | Bfloat16Weights) -> tuple[Array, Array]:
    """W and U as the float32 weights that the narrow ones stand for."""
    if isinstance(weights, Bfloat16Weights):
        W, U = ((half.astype(np.uint32) << 16).view(np.float32) for half in (weights.W, weights.U))
        return W, U
    x_scale, h_scale = _scales_of_products(weights.scales)
    of_x = np.divide(MOST, weights.x_range, out=np.zeros_like(weights.x_range), where=weights.x_range > LEAST_RANGE)
    of_h = MOST / np.float32(weights.h_range) if weights.h_range > LEAST_RANGE else np.float32(0)
    return weights.W * x_scale * of_x[:, None], weights.U * h_scale * of_h


def as_int8(values: Array, ranges: Array | float) -> Array:
    """Numbers as a step multiplies them: multiples of range / 127, rounded and cut off."""
    ranges = np.asarray(ranges, np.float32)
    with np.errstate(over="ignore"):
        factors = np.divide(1, ranges / MOST, out=np.zeros_like(ranges), where=ranges > LEAST_RANGE)
        return np.clip(np.rint(values * factors), -MOST, MOST).astype(np.int64)


def narrow_predict(
    x: Array,
    h0: Array | None,
    c0: Array | None,
    weights: NarrowWeights,
    mask: Array | None = None,
    activation: str = "tanh",
    recurrent_activation: str = "sigmoid",
    sequences: bool = False,
) -> tuple[Array | None, Array, Array | None]:
    """Runs a layer over whole sequences with narrow weights.

    Args:
        x: (N, T, F) float32.   h0, c0: (N, H) or None for zeros.   mask: (N, T) bool, True = use the step.

    Returns:
        (h of every step (N, T, H) or None, the last h (N, H), of an LSTM the last c (N, H), else None).
    """
    layer, numbers = weights
    if isinstance(numbers, Int8Weights):
        h, h_last, c_last = _int8_predict(layer, numbers, x, h0, c0, mask, activation, recurrent_activation)
    else:
        h, h_last, c_last = _bfloat16_predict(layer, numbers, x, h0, c0, mask, activation, recurrent_activation)
    return h if sequences else None, h_last, c_last


def _int8_predict(
    layer: str, weights: Int8Weights, x: Array, h0: Array | None, c0: Array | None, mask: Array | None,
    activation: str, recurrent_activation: str,
) -> tuple[Array, Array, Array | None]:  # fmt: skip
    N, T, H = *x.shape[:2], len(weights.U)
    h, c = (np.zeros((N, H), np.float32) if state is None else state for state in (h0, c0))
    outputs = np.empty((N, T, H), np.float32)
    for t in range(T):
        use = np.ones((N, 1), bool) if mask is None else mask[:, t, None]
        sums = int8_sums(layer, np.where(use, x[:, t], 0), h, weights)
        h_new, c_new = _units(layer, sums, h, c, activation, recurrent_activation)
        h, c = np.where(use, h_new, h), np.where(use, c_new, c)
        outputs[:, t] = h
    return outputs, h, c if layer == "lstm" else None


def int8_sums(layer: str, x: Array, h: Array, weights: Int8Weights) -> Array:
    """z of one step, (N, G H), of a GRU (N, 4 H): its candidate's x W + b and h U + b apart.  x: (N, F), h: (N, H)."""
    of_x = as_int8(x, weights.x_range) @ weights.W.astype(np.int64)
    of_h = as_int8(h, weights.h_range) @ weights.U.astype(np.int64)
    scales, b = weights.scales, weights.b
    if layer != "gru":
        sums = (of_x + of_h).astype(np.float32) * scales
        return sums if b is None else sums + b
    gates = 2 * len(weights.U)
    sums = np.concatenate([of_x[:, :gates] + of_h[:, :gates], of_x[:, gates:], of_h[:, gates:]], axis=1)
    sums = sums.astype(np.float32) * np.concatenate([scales[0], scales[1, gates:]])
    return sums if b is None else sums + np.concatenate([b[0, :gates] + b[1, :gates], b[0, gates:], b[1, gates:]])


def _units(layer: str, z: Array, h: Array, c: Array, activation: str, recurrent_activation: str) -> tuple[Array, Array]:
    """The states after a step, from its sums and the states before; c stays as it is where there is none."""
    a, s = pair_function(activation), pair_function(recurrent_activation)
    if layer == "simple_rnn":
        return a(z)[0], c
    if layer == "gru":
        z, r, of_x, of_h = np.split(z, 4, axis=1)
        z = s(z)[0]
        return z * h + (1 - z) * a(of_x + s(r)[0] * of_h)[0], c
    i, f, g, o = np.split(z, 4, axis=1)
    c = s(f)[0] * c + s(i)[0] * a(g)[0]
    return s(o)[0] * a(c)[0], c


def _bfloat16_predict(
    layer: str, weights: Bfloat16Weights, x: Array, h0: Array | None, c0: Array | None, mask: Array | None,
    activation: str, recurrent_activation: str,
) -> tuple[Array, Array, Array | None]:  # fmt: skip
    W, U = floats_of(weights)
    if layer == "lstm":
        tape = lstm_forward(x, h0, c0, W, U, weights.b, mask, activation, recurrent_activation)
        return tape.h, tape.h[:, -1], tape.c[:, -1]
    if layer == "gru":
        h = gru_forward(x, h0, W, U, weights.b, mask, activation, recurrent_activation, True).h
    else:
        h = simple_rnn_forward(x, h0, W, U, weights.b, mask, activation).h
    return h, h[:, -1], None
