"""Regularizers: a penalty on weights or outputs that is added to the loss.

`regularizer(w)` is the penalty, a number; `forward_of(regularizer)(w)` is `(penalty, pullback)` with
`pullback(d_penalty=1.0)` the gradient in the shape and type of w.  A user's callable serves as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gatewise import autodiff, config, products
from gatewise.serialization import Registry

Pair = tuple[Any, Callable[..., Any]]

_registry = Registry("keras.regularizers", "regularizer")

_SMALLEST_NORM = 1e-12


@_registry.add()
class Regularizer:
    """Base class: a user's subclass defines `__call__(x)` and `get_config()`."""

    def __call__(self, x: Any) -> Any:
        raise TypeError(f"{type(self).__name__} has no penalty: give it a method __call__(self, x) that returns one.")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        raise TypeError(f"{type(self).__name__} cannot be saved: it has no get_config() method.")

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return cls(**config)


class _HandDerived(Regularizer):
    """A regularizer with `forward(x) -> (penalty, pullback)`."""

    def forward(self, x: Any) -> Pair:
        raise TypeError(f"{type(self).__name__} has no forward.")

    def __call__(self, x: Any) -> Any:
        return autodiff.apply(self.forward, x)


def _factor(owner: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < math.inf:
        raise ValueError(f"{owner}: {name} must be a number, 0 or greater; got {value!r}.")
    return float(value)


def _as_keras_holds(value: float) -> float:
    """A factor as Keras's configurations show it: rounded to the default float type."""
    return float(np.dtype(config.floatx()).type(value))


@_registry.add("l1l2")
class L1L2(_HandDerived):
    """l1 sum |x| + l2 sum x^2."""

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = _factor(type(self).__name__, "l1", 0.0 if l1 is None else l1)
        self.l2 = _factor(type(self).__name__, "l2", 0.0 if l2 is None else l2)

    def forward(self, x: Any) -> Pair:
        x = np.asarray(x)
        penalty = x.dtype.type(0)
        if self.l1:
            penalty = penalty + self.l1 * np.sum(np.abs(x))
        if self.l2:
            penalty = penalty + self.l2 * np.sum(x * x)

        def pullback(d_penalty: Any = 1.0) -> Any:
            slope = (2 * self.l2) * x
            if self.l1:
                slope = slope + self.l1 * np.sign(x)
            return (d_penalty * slope).astype(x.dtype, copy=False)

        return penalty, pullback

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


@_registry.add()
class L1(L1L2):
    """l1 sum |x|."""

    def __init__(self, l1: float | None = 0.01) -> None:
        super().__init__(0.01 if l1 is None else l1, 0.0)

    def get_config(self) -> dict[str, Any]:
        return {"l1": _as_keras_holds(self.l1)}


@_registry.add()
class L2(L1L2):
    """l2 sum x^2."""

    def __init__(self, l2: float | None = 0.01) -> None:
        super().__init__(0.0, 0.01 if l2 is None else l2)

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


@_registry.add()
class OrthogonalRegularizer(_HandDerived):
    """`factor` times the mean |cosine| between different rows (or columns) of a matrix."""

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _factor("OrthogonalRegularizer", "factor", factor)
        if mode not in ("rows", "columns"):
            raise ValueError(f"OrthogonalRegularizer: mode must be 'rows' or 'columns'; got {mode!r}.")
        self.mode = mode

    def forward(self, x: Any) -> Pair:
        x = np.asarray(x)
        if x.ndim != 2:
            raise ValueError(f"OrthogonalRegularizer is for matrices; got an array of shape {x.shape}.")
        rows = x if self.mode == "rows" else x.T
        inverse_norm = 1 / np.maximum(np.sqrt(np.sum(rows * rows, axis=1, keepdims=True)), _SMALLEST_NORM)
        unit = rows * inverse_norm
        cosines = products.matmul(unit, unit.T)
        np.fill_diagonal(cosines, 0)
        n = len(rows)
        scale = self.factor / max(n * (n - 1), 1)  # each pair is in `cosines` twice

        def pullback(d_penalty: Any = 1.0) -> Any:
            d_unit = (2 * scale * d_penalty) * products.matmul(np.sign(cosines), unit)
            along = np.sum(d_unit * unit, axis=1, keepdims=True)
            d_rows = ((d_unit - unit * along) * inverse_norm).astype(x.dtype, copy=False)
            return d_rows if self.mode == "rows" else d_rows.T

        return scale * np.sum(np.abs(cosines)), pullback

    def get_config(self) -> dict[str, Any]:
        return {"factor": _as_keras_holds(self.factor), "mode": self.mode}


l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


def forward_of(regularizer: Callable[[Any], Any]) -> Callable[[Any], Pair]:
    """The pair form `w -> (penalty, pullback)` of any regularizer, a user's function or subclass included."""
    if isinstance(regularizer, _HandDerived) and type(regularizer).__call__ is _HandDerived.__call__:
        return regularizer.forward

    def forward(w: Any) -> Pair:
        w = np.asarray(w)
        penalty, back = autodiff.vjp(regularizer, w)
        return penalty, lambda d_penalty=1.0: back(np.broadcast_to(d_penalty, np.shape(penalty)))[0]

    return forward


def get(identifier: Any) -> Callable[[Any], Any] | None:
    """None, a name ("l1", "l2", "l1_l2" with 0.01 each), a configuration, a class or a callable -> the latter.

    Raises:
        ValueError: unknown regularizer, with the nearest name.
    """
    if identifier == "l1_l2":
        return L1L2(0.01, 0.01)
    return _registry.get(identifier)


def serialize(regularizer: Any) -> Any:
    """Keras 3's configuration of a regularizer."""
    return _registry.serialize(regularizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The regularizer that a name or configuration stands for."""
    return _registry.deserialize(config, custom_objects)
