"""Scaling columns by what the training rows are, and back."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import suggest
from gatewise.arguments import describe
from gatewise.data.table import ME

KINDS = ("standard", "minmax", "robust")


@dataclass(frozen=True)
class Scale:
    """Columns as (value - centre) / spread.

    Attributes:
        names: the columns.
        centre, spread: (columns,).  A column that does not change has spread 1.
    """

    names: list[Any]
    centre: np.ndarray
    spread: np.ndarray

    def transform(self, values: np.ndarray) -> np.ndarray:
        """(..., columns) scaled."""
        return (values - self.centre) / self.spread

    def inverse_transform(self, values: np.ndarray) -> np.ndarray:
        """(..., columns) in their own units."""
        return values * self.spread + self.centre


@dataclass(frozen=True)
class OwnScale:
    """Columns as an object of the user's own scales them: one with fit, transform and inverse_transform.

    Attributes:
        names: the columns.
        scaler: the object, fitted.
    """

    names: list[Any]
    scaler: Any

    def transform(self, values: np.ndarray) -> np.ndarray:
        """(rows, columns) scaled."""
        return self._same_shape(self.scaler.transform(values), values, "transform")

    def inverse_transform(self, values: np.ndarray) -> np.ndarray:
        """(..., columns) in their own units."""
        flat = values.reshape(-1, values.shape[-1])
        return self._same_shape(self.scaler.inverse_transform(flat), flat, "inverse_transform").reshape(values.shape)

    def _same_shape(self, result: Any, values: np.ndarray, method: str) -> np.ndarray:
        if np.shape(result) != values.shape:
            raise ValueError(
                f"{ME}: scale: {type(self.scaler).__name__}.{method} made {describe(result)} of {describe(values)}; "
                "the shape must stay."
            )
        return np.asarray(result, "float64")


@dataclass(frozen=True)
class Scaler:
    """What was learnt of the training rows: one scale for the inputs and one for the targets."""

    inputs: Scale | OwnScale
    targets: Scale | OwnScale


def fitted(scale: Any, names: Sequence[Any], rows: np.ndarray) -> Scale | OwnScale:
    """A scale for columns, from training rows.

    Args:
        scale: "standard" (mean and standard deviation), "minmax" (to 0 ... 1), "robust" (median and the distance of the
            quartiles), None; a function of the rows that returns (centre, spread); or an object with fit, transform and
            inverse_transform, of which a copy is fitted.
        names: the columns.
        rows: (training rows, columns); NaN where a value is missing.

    Raises:
        ValueError: for anything else.
    """
    names = list(names)
    if scale is None:
        return Scale(names, np.zeros(len(names)), np.ones(len(names)))
    if isinstance(scale, type):
        raise ValueError(f"{ME}: scale is the class {scale.__name__}; give an object of it: scale={scale.__name__}().")
    if isinstance(scale, str):
        if scale not in KINDS:
            raise ValueError(f"{ME}: {suggest.unknown('scale', scale, KINDS)}")
        return _scale(names, *_statistics(scale, rows))
    if all(hasattr(scale, method) for method in ("fit", "transform", "inverse_transform")):
        own = copy.deepcopy(scale)
        own.fit(rows.copy())
        return OwnScale(names, own)
    if not callable(scale):
        raise ValueError(
            f"{ME}: scale is one of {', '.join(map(repr, KINDS))}, None, a function of the training rows that returns "
            f"(centre, spread), or an object with fit, transform and inverse_transform; got {describe(scale)}."
        )
    found = scale(rows.copy())
    if not isinstance(found, tuple | list) or len(found) != 2:
        raise ValueError(
            f"{ME}: the function given as scale must return (centre, spread); it returned {describe(found)}."
        )
    try:
        centre, spread = (np.broadcast_to(np.asarray(part, "float64"), (len(names),)).copy() for part in found)
    except (TypeError, ValueError):
        raise ValueError(
            f"{ME}: the function given as scale must return two arrays of {len(names)} numbers, one for each column; "
            f"it returned {describe(found[0])} and {describe(found[1])}."
        ) from None
    return _scale(names, centre, spread)


def _statistics(kind: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(centre, spread) of each column, without missing values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column without any value: refused by the caller
        if kind == "standard":
            return np.nanmean(rows, axis=0), np.nanstd(rows, axis=0)
        if kind == "minmax":
            least = np.nanmin(rows, axis=0)
            return least, np.nanmax(rows, axis=0) - least
        low, middle, high = np.nanquantile(rows, [0.25, 0.5, 0.75], axis=0)
        return middle, high - low


def _scale(names: list[Any], centre: np.ndarray, spread: np.ndarray) -> Scale:
    wrong = ~(np.isfinite(centre) & np.isfinite(spread))
    if wrong.any():
        raise ValueError(
            f"{ME}: column {names[int(np.argmax(wrong))]!r} has no values in the training rows to scale by."
        )
    # What is constant up to rounding is not blown up to noise of size 1.
    still = np.abs(spread) <= 1e-12 * np.maximum(np.abs(centre), 1e-300)
    return Scale(names, centre, np.where(still, 1.0, spread))
