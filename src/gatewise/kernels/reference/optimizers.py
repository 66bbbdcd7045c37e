"""Optimizer steps over flat arrays, in place; formulas and their order are Keras 3's."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise.kernels.reference.activations import Array


def _with_what_comes_first(step: Callable[..., None]) -> Callable[..., None]:
    """A step that takes `scale`, `limit` and `keep` as well, as the kernels do.

    Before the formula g is multiplied by scale and kept within [-limit, limit] (0: no limit), and w multiplied by keep;
    the array g stays as it is.
    """

    @functools.wraps(step)
    def run(
        w: Array, g: Array, *state: Any, scale: float = 1.0, limit: float = 0.0, keep: float = 1.0, **arguments: Any
    ) -> None:
        number = w.dtype.type
        g = g if scale == 1 else g * number(scale)
        g = np.clip(g, -number(limit), number(limit)) if limit else g
        if keep != 1:
            w *= number(keep)
        step(w, g, *state, **arguments)

    return run


@_with_what_comes_first
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


@_with_what_comes_first
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


@_with_what_comes_first
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


def average_step(average: Array, w: Array, momentum: float) -> None:
    """average = momentum average + (1 - momentum) w. In place."""
    number = average.dtype.type
    average[:] = average * number(momentum) + w * number(1 - momentum)


def sum_of_squares(g: Array) -> float:
    """The sum of squares of a flat array, in float64."""
    wide = g.astype(np.float64)
    return float(wide @ wide)


@_with_what_comes_first
def adagrad_step(w: Array, g: Array, sum: Array, lr: float, epsilon: float = 1e-7) -> None:
    """sum += g^2; w -= lr g / sqrt(sum + epsilon). In place."""
    number = w.dtype.type
    sum += g * g
    w -= number(lr) * g / np.sqrt(sum + number(epsilon))


@_with_what_comes_first
def adadelta_step(
    w: Array, g: Array, mean_square: Array, mean_step: Array, lr: float, rho: float = 0.95, epsilon: float = 1e-7
) -> None:
    """w -= lr s, s = g sqrt(mean of s^2 before + epsilon) / sqrt(mean of g^2 + epsilon). In place."""
    number = w.dtype.type
    mean_square[:] = number(rho) * mean_square + number(1 - rho) * g * g
    step = np.sqrt(mean_step + number(epsilon)) * g / np.sqrt(mean_square + number(epsilon))
    mean_step[:] = number(rho) * mean_step + number(1 - rho) * step * step
    w -= number(lr) * step


@_with_what_comes_first
def adamax_step(
    w: Array,
    g: Array,
    m: Array,
    u: Array,
    alpha: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    """u = max(beta_2 u, |g|); w -= alpha m / (u + epsilon), alpha = lr / (1 - beta_1^t). In place."""
    number = w.dtype.type
    m += (g - m) * number(1 - beta_1)
    np.maximum(number(beta_2) * u, np.abs(g), out=u)
    w -= number(alpha) * m / (u + number(epsilon))


@_with_what_comes_first
def nadam_step(
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    of_m: float,
    of_g: float,
    grown: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    """w -= (of_m m + of_g g) / (sqrt(v / grown) + epsilon), grown = 1 - beta_2^t. In place."""
    number = w.dtype.type
    m += (g - m) * (1 - number(beta_1))
    v += (g * g - v) * (1 - number(beta_2))
    w -= (number(of_m) * m + number(of_g) * g) / (np.sqrt(v / number(grown)) + number(epsilon))


@_with_what_comes_first
def ftrl_step(
    w: Array,
    g: Array,
    sum: Array,
    linear: Array,
    lr: float,
    power: float = -0.5,
    l1: float = 0.0,
    l2: float = 0.0,
    shrinkage: float = 0.0,
) -> None:
    """Follow the regularized leader: w is what solves the problem of all gradients so far. In place.

    s = sum^-power before and s' after sum += g^2;  linear += g + 2 shrinkage w - (s' - s) / lr w;
    w = (clip(linear, -l1, l1) - linear) / (s' / lr + 2 l2).
    """
    number = w.dtype.type
    before, sum[:] = sum ** number(-power), sum + g * g
    after = sum ** number(-power)
    linear += g + number(2 * shrinkage) * w - (after - before) / number(lr) * w
    w[:] = (np.clip(linear, number(-l1), number(l1)) - linear) / (after / number(lr) + number(2 * l2))


@_with_what_comes_first
def lion_step(w: Array, g: Array, m: Array, lr: float, beta_1: float = 0.9, beta_2: float = 0.99) -> None:
    """w -= lr sign(beta_1 m + (1 - beta_1) g); then m = beta_2 m + (1 - beta_2) g. In place."""
    number = w.dtype.type
    w -= number(lr) * np.sign(m * number(beta_1) + g * (1 - number(beta_1)))
    m[:] = m * number(beta_2) + g * (1 - number(beta_2))


def lamb_step(
    w: Array,
    g: Array,
    m: Array,
    v: Array,
    lr: float,
    grown_1: float,
    grown_2: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-7,
) -> None:
    """w -= lr |w| / |s| s, s = m / grown_1 / (sqrt(v / grown_2) + epsilon), grown_k = 1 - beta_k^t. In place."""
    number = w.dtype.type
    m += (g - m) * number(1 - beta_1)
    v += (g * g - v) * number(1 - beta_2)
    step = m / number(grown_1) / (np.sqrt(v / number(grown_2)) + number(epsilon))
    length, step_length = math.sqrt(sum_of_squares(w)), math.sqrt(sum_of_squares(step))
    ratio = length / step_length if length > 0 and step_length > 0 else 1.0
    w -= number(ratio * lr) * step


@_with_what_comes_first
def schedule_free_adamw_step(
    w: Array,
    g: Array,
    z: Array,
    v: Array,
    lr: float,
    part: float,
    grown: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> None:
    """z -= lr g / (sqrt(v / grown) + epsilon); x moves by `part` = 1 / t towards z; w between both. In place.

    The mean x is not kept: it is found from w and the *new* z, as in Keras on TensorFlow and torch.
    """
    number = w.dtype.type
    keep, rest = number(beta_1), 1 - number(beta_1)
    v += (g * g - v) * (1 - number(beta_2))
    z -= number(lr) * g / (np.sqrt(v / number(grown)) + number(epsilon))
    x = (w - rest * z) / keep
    w[:] = rest * z + keep * ((1 - number(part)) * x + number(part) * z)


def adafactor_step(
    w: Array,
    g: Array,
    v: Array,
    r: Array | None = None,
    c: Array | None = None,
    rho: float = 0.001,
    decay: float = 0.0,
    epsilon_1: float = 1e-30,
    epsilon_2: float = 1e-3,
    threshold: float = 1.0,
) -> None:
    """w -= rho max(epsilon_2, rms(w)) s / max(1, rms(s) / threshold), s = g / sqrt(v). In place, one variable.

    Args:
        w, g, v: flat; matrices (rows, columns), maybe several, where r and c are given.
        r, c: flat running means of g^2 + epsilon_1 over rows and columns, whose product is v then; without them v is
            the running mean itself.
        decay: how much of the old means stays.
    """
    if w.size == 0:
        return
    square = g.astype(np.float64) ** 2 + epsilon_1
    if r is None or c is None:
        v[:] = decay * v + (1 - decay) * square
    else:
        columns = w.size // r.size
        rows = w.size // c.size
        square = square.reshape(-1, rows, columns)
        r[:] = decay * r + (1 - decay) * square.mean(-1).ravel()
        c[:] = decay * c + (1 - decay) * square.mean(-2).ravel()
        of_rows = r.reshape(-1, rows).astype(np.float64)
        of_rows /= of_rows.mean(-1, keepdims=True)
        v[:] = (of_rows[:, :, None] * c.reshape(-1, 1, columns)).ravel()
    rms, step = math.sqrt(sum_of_squares(w) / w.size), g / np.sqrt(v)
    excess = math.sqrt(sum_of_squares(step) / w.size) / threshold
    w -= w.dtype.type(max(epsilon_2, rms) * rho / max(1.0, excess)) * step
