"""Matrix products and optimizer steps."""

import numpy as np

from gatewise.kernels.reference.activations import Array


def matmul(a: Array, b: Array, out: Array | None = None, accumulate: bool = False, bias: Array | None = None) -> Array:
    """a (M, K) times b (K, L), plus bias (L,); into out, or added to it."""
    product = a @ b
    if bias is not None:
        product += bias
    if out is None:
        return product
    out[...] = out + product if accumulate else product
    return out


def sgd_step(
    w: Array, g: Array, lr: float, momentum: float = 0.0, velocity: Array | None = None, nesterov: bool = False
) -> None:
    """w -= lr g; with momentum: m = momentum m - lr g, w += m (Nesterov: momentum m - lr g). In place."""
    if velocity is None:
        w -= g * w.dtype.type(lr)
        return
    step = g * w.dtype.type(lr)
    velocity[:] = velocity * w.dtype.type(momentum) - step
    w += velocity * w.dtype.type(momentum) - step if nesterov else velocity


def rmsprop_step(
    w: Array,
    g: Array,
    mean_square: Array,
    lr: float,
    rho: float = 0.9,
    epsilon: float = 1e-7,
    momentum: float = 0.0,
    velocity: Array | None = None,
    mean: Array | None = None,
) -> None:
    """w -= lr g / sqrt(mean of g^2 + epsilon), with momentum if `velocity`, centered if `mean`. In place."""
    number = w.dtype.type
    mean_square[:] = number(rho) * mean_square + number(1 - rho) * g * g
    under = mean_square + number(epsilon)
    if mean is not None:
        mean[:] = number(rho) * mean + number(1 - rho) * g
        under = mean_square - mean * mean + number(epsilon)
    step = number(lr) * g / np.sqrt(under)
    if velocity is not None:
        velocity[:] = number(momentum) * velocity + step
        step = velocity
    w -= step


def adam_step(
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    alpha: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
    v_hat: Array | None = None,
) -> None:
    """w -= alpha m / (sqrt(v) + epsilon), alpha = lr sqrt(1 - beta_2^t) / (1 - beta_1^t). In place.

    v_hat: the largest v so far, where AMSGrad is wanted.
    """
    number = w.dtype.type
    m += (g - m) * number(1 - beta_1)
    v += (g * g - v) * number(1 - beta_2)
    if v_hat is not None:
        np.maximum(v_hat, v, out=v_hat)
    w -= m * number(alpha) / (np.sqrt(v if v_hat is None else v_hat) + number(epsilon))


def sum_of_squares(g: Array) -> float:
    """The sum of squares of a flat array, in float64."""
    wide = g.astype(np.float64)
    return float(wide @ wide)
