"""Functions of each number that NumPy lacks or names otherwise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatewise import autodiff
from gatewise.activations import _erf
from gatewise.ops.numpy_names import call_numpy
from gatewise.ops.operation import array, differentiable_pair, floats, operation, together


@operation
def clip(x: Any, x_min: Any, x_max: Any) -> Any:
    """x, at least x_min and at most x_max (either may be None)."""
    x = array(x)
    if x_min is not None:
        x = call_numpy("where", np.asarray(autodiff.plain(x) < autodiff.plain(x_min)), *together(x_min, x))
    if x_max is not None:
        x = call_numpy("where", np.asarray(autodiff.plain(x) > autodiff.plain(x_max)), *together(x_max, x))
    return x


def root(squares: Any) -> Any:
    """The square root, with gradient 0 at 0."""
    zero = np.asarray(autodiff.plain(squares)) == 0
    found = call_numpy("sqrt", squares + zero.astype(squares.dtype))
    return call_numpy("where", zero, np.zeros((), squares.dtype), found)


@operation
def rsqrt(x: Any) -> Any:
    """1 / sqrt(x)."""
    return floats(x) ** -0.5


@operation
@differentiable_pair
def cbrt(x: Any) -> tuple[Any, Any]:
    """The cube root."""
    y = np.cbrt(floats(x))
    return y, lambda dy: dy / (3 * y * y)


_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


@operation
@differentiable_pair
def erf(x: Any) -> tuple[Any, Any]:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    x = floats(x)
    return _erf(x), lambda dy: dy * _TWO_OVER_ROOT_PI * np.exp(-x * x)


@operation
@differentiable_pair
def erfc(x: Any) -> tuple[Any, Any]:
    """1 - erf(x), exact where that is near 0."""
    x = floats(x)
    values = np.fromiter(map(math.erfc, x.ravel().tolist()), np.float64, x.size)
    return values.reshape(x.shape).astype(x.dtype), lambda dy: -dy * _TWO_OVER_ROOT_PI * np.exp(-x * x)


@operation
@differentiable_pair
def erfinv(x: Any) -> tuple[Any, Any]:
    """The number whose error function is x; infinite at -1 and 1, NaN beyond.

    A first estimate (Giles 2012, "Approximating the erfinv function") is made exact by Newton steps.
    """
    x = floats(x)
    y = _inverse_erf(x.astype(np.float64)).astype(x.dtype)
    return y, lambda dy: dy * np.exp(y * y) / _TWO_OVER_ROOT_PI


_CENTRAL = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
            -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
_TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
         1.00167406, 2.83297682)  # fmt: skip


def _inverse_erf(x: np.ndarray) -> np.ndarray:
    inside = np.abs(x) < 1
    safe = np.where(inside, x, 0.0)
    w = -np.log1p(-safe * safe)
    y = np.where(w < 5, np.polyval(_CENTRAL, w - 2.5), np.polyval(_TAIL, np.sqrt(np.maximum(w, 5)) - 3)) * safe
    for _ in range(3):
        # Near the ends erf(y) - x cancels; the complements of both do not.
        left = np.fromiter(map(math.erfc, np.abs(y).ravel().tolist()), np.float64, y.size).reshape(y.shape)
        beyond = np.where(np.abs(safe) > 0.5, np.sign(safe) * ((1 - np.abs(safe)) - left), _erf(y) - safe)
        y = y - beyond * np.exp(y * y) / _TWO_OVER_ROOT_PI
    edge = np.where(np.abs(x) == 1, np.copysign(np.inf, x), np.nan)
    return np.where(inside, y, edge)


@operation
def divide_no_nan(x1: Any, x2: Any) -> Any:
    """x1 / x2, and 0 where x2 is 0."""
    x1, x2 = together(floats(x1), floats(x2))
    zero = np.asarray(autodiff.plain(x2)) == 0
    safe = call_numpy("where", zero, np.ones((), x2.dtype), x2)
    return call_numpy("where", zero, np.zeros((), x2.dtype), x1 / safe)


@operation
def fmod(x1: Any, x2: Any) -> Any:
    """What is left of x1 after taking x2 away as often as it fits, with the sign of x1."""
    x1, x2 = together(array(x1), array(x2))
    if not autodiff.is_traced(x1, x2):
        return call_numpy("fmod", x1, x2)
    return x1 - x2 * np.trunc(autodiff.plain(x1) / autodiff.plain(x2))


@operation
def heaviside(x1: Any, x2: Any) -> Any:
    """0 where x1 is below 0, 1 above, and x2 at 0.  No gradient flows."""
    x1, x2 = together(floats(x1), floats(x2))
    return call_numpy("heaviside", autodiff.plain(x1), autodiff.plain(x2))


@operation
def ldexp(x1: Any, x2: Any) -> Any:
    """x1 times 2 to the power of the integers x2."""
    x1 = floats(x1)
    return x1 * np.ldexp(np.ones((), x1.dtype), np.asarray(autodiff.plain(x2)))


@operation
def _round(x: Any, decimals: int = 0) -> Any:
    """x to so many decimals; halves go to the even neighbour."""
    return np.round(array(autodiff.plain(x)), decimals)


@operation
def nan_to_num(x: Any, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """x with other numbers in place of NaN and the infinities (by default the type's largest)."""
    x = array(x)
    found = np.nan_to_num(autodiff.plain(x), nan=nan, posinf=posinf, neginf=neginf)
    return call_numpy("where", np.isfinite(autodiff.plain(x)), x, found) if autodiff.is_traced(x) else found


@operation
def isclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether |x1 - x2| <= atol + rtol |x2|, for each number."""
    return np.isclose(autodiff.plain(array(x1)), autodiff.plain(array(x2)), rtol, atol, equal_nan)


@operation
def allclose(x1: Any, x2: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Whether all numbers are close."""
    return np.all(isclose.__wrapped__(x1, x2, rtol, atol, equal_nan))


@operation
def i0(x: Any) -> Any:
    """The modified Bessel function of the first kind, order 0."""
    return call_numpy("i0", floats(x)).reshape(np.shape(autodiff.plain(x)))
