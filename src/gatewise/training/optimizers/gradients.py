"""What is done to gradients before an update: written into a flat buffer, and clipped there, in place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.variable import ParameterStore, Slot, Variable


def in_order(
    owner: str, grads: Any, variables: Iterable[Variable] | None
) -> tuple[list[Any], Iterable[Variable] | None]:
    """What `apply` is given, {variable: gradient} or a list, as a list and the variables it belongs to.

    Raises:
        TypeError: for variables where gradients should be: the keys of {variable: gradient}.
    """
    if isinstance(grads, dict):
        unknown = next((key for key in grads if not isinstance(key, Variable)), None)
        if unknown is not None:
            raise TypeError(
                f"{owner}.apply takes {{variable: gradient}}, as value_and_grad returns it; got the key {unknown!r}."
            )
        variables = list(grads) if variables is None else list(variables)
        return [grads.get(variable) for variable in variables], variables
    if not hasattr(grads, "__iter__"):
        raise TypeError(
            f"{owner}.apply takes {{variable: gradient}} or a list of gradients; got {type(grads).__name__}."
        )
    grads = list(grads)
    given = next((item for item in grads if isinstance(item, Variable)), None)
    if given is not None:
        raise TypeError(
            f"{owner} was given the variable {given.path!r} where its gradient should be. What value_and_grad returns "
            "is {variable: gradient}: write apply(gradients), or zip(gradients.values(), gradients) for pairs."
        )
    return grads, variables


def from_pairs(owner: str, grads_and_vars: Any) -> tuple[list[Any], list[Variable]]:
    """The gradients and the variables of pairs, or of {variable: gradient}.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(grads_and_vars, dict):
        return list(grads_and_vars.values()), list(grads_and_vars)
    pairs = list(grads_and_vars)
    wrong = [pair for pair in pairs if not (isinstance(pair, tuple | list) and len(pair) == 2)]
    wrong = wrong or [variable for _, variable in pairs if not isinstance(variable, Variable)]
    if wrong:
        raise TypeError(
            f"{owner}.apply_gradients takes pairs of gradient and variable, zip(gradients, model.trainable_variables); "
            f"got {type(wrong[0]).__name__} among them."
        )
    return [gradient for gradient, _ in pairs], [variable for _, variable in pairs]


def write_gradients(
    owner: str, store: ParameterStore, grads: list[Any], variables: list[Variable]
) -> list[Slot] | None:
    """Put the gradients into the store's buffer; return the slots that have one, None for all.

    Raises:
        ValueError: no gradients at all, an unknown variable, or a gradient of the wrong shape.
    """
    if len(grads) != len(variables):
        raise ValueError(f"{len(grads)} gradients for {len(variables)} variables.")
    if all(g is None for g in grads):
        raise ValueError("No gradients provided for any variable.")
    known = set(store.variables)
    for variable, gradient in zip(variables, grads, strict=True):
        if variable not in known:
            raise ValueError(
                f"{owner} was built for other variables; it does not know {variable.path!r}. For a change of what is "
                "trained write optimizer.build(model.trainable_variables) first: known state is kept. Another model "
                "needs another optimizer."
            )
        if gradient is not None and np.shape(gradient) != variable.shape:
            raise ValueError(
                f"The gradient of {variable.path!r} has shape {np.shape(gradient)}; the variable {variable.shape}."
            )
    return store.set_gradients({v: g for v, g in zip(variables, grads, strict=True) if g is not None})


def clip_each_norm(gradients: np.ndarray, slots: Sequence[Slot], limit: float) -> None:
    """Shorten the gradient of each variable whose norm exceeds `limit` to it."""
    for slot in slots:
        part = gradients[slot.start : slot.stop]
        norm = math.sqrt(kernels.sum_of_squares(part))
        if not norm <= limit:  # larger, or not a number
            part *= part.dtype.type(limit / norm)


def scale_to_global_norm(gradients: np.ndarray, limit: float) -> float:
    """What shortens the gradient of all variables together to `limit`; NaN, as in Keras, if the norm is not finite."""
    norm = math.sqrt(kernels.sum_of_squares(gradients))
    return math.nan if not math.isfinite(norm) else min(1.0, limit / norm) if norm else 1.0


def prepare(gradients: np.ndarray, scale: float = 1.0, limit: float = 0.0) -> None:
    """Multiply by `scale` and keep every element within [-limit, limit] (0: no limit)."""
    if scale != 1:
        gradients *= gradients.dtype.type(scale)
    if limit:
        np.clip(gradients, -limit, limit, out=gradients)
