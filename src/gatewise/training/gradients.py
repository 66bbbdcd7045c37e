"""Gradients of a function of one's own with respect to variables: what a loop over models of one's own needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, masks, tree
from gatewise.arguments import describe
from gatewise.variable import Variable, traced_values, tracing


def value_and_grad(
    function: Callable[[], Any], variables: Iterable[Variable]
) -> tuple[Any, dict[Variable, np.ndarray]]:
    """What a function returns, and the gradients of it with respect to variables.

    Args:
        function: called without arguments.  It calls layers, models and losses, and returns the loss, one number; or a
            tuple with the loss first, whose rest is handed through.
        variables: such as `model.trainable_variables`; those that are frozen get no gradient.

    Returns:
        (what the function returned, {variable: gradient}).

    Raises:
        ValueError: if the loss is no single number or depends on none of the variables; inside another `value_and_grad`
            (there are no second derivatives).
    """
    asked = _checked_variables(variables)
    if not callable(function):
        raise TypeError(
            f"value_and_grad takes a function that returns the loss, value_and_grad(lambda: ..., variables); got "
            f"{describe(function)}. For the loss that a model was compiled with write model.value_and_grad(x, y)."
        )
    rest: list[Any] = []

    def loss_of() -> Any:
        returned = function()
        loss, *others = returned if isinstance(returned, tuple) else (returned,)
        rest[:] = [tree.map_leaves(autodiff.plain, other) for other in others]
        return loss

    loss, back = loss_and_pullback(loss_of, [v for v in asked if v.trainable])
    return ((loss, *rest) if rest else loss), back()[1]


def loss_and_pullback(
    function: Callable[..., Any], variables: Sequence[Variable], inputs: Sequence[Any] = ()
) -> tuple[float, Callable[[], tuple[Sequence[Any], dict[Variable, np.ndarray]]]]:
    """`function(*inputs)`, one number, and the way back: gradients of the inputs, and {variable: gradient}.

    Raises:
        ValueError: if it is no single number, or depends on none of the variables and inputs.
    """
    if tracing():
        raise ValueError(
            "value_and_grad inside of another: second derivatives, as a penalty on gradients needs, are not there. "
            "Take a difference of two losses instead, or compute the inner gradient outside, as a constant."
        )
    n = len(variables)

    def run(*values: Any) -> Any:
        with traced_values(dict(zip(variables, values, strict=False))), masks.traced_scope():
            loss = function(*values[n:])
        if np.shape(autodiff.plain(loss)) != ():
            raise ValueError(
                f"The loss to differentiate is one number; got {describe(autodiff.plain(loss))}. Take its mean or sum."
            )
        if not autodiff.is_traced(loss):
            raise ValueError(
                "The loss depends on none of the trainable variables. Call the models inside the function, and compute "
                "with gatewise.ops or NumPy on what they return, not on copies."
            )
        return loss

    loss, back = autodiff.vjp(run, *(v.array for v in variables), *inputs)

    def pullback() -> tuple[Sequence[Any], dict[Variable, np.ndarray]]:
        gradients = back(1.0)
        return gradients[n:], dict(zip(variables, gradients[:n], strict=True))

    return float(loss), pullback


def _checked_variables(variables: Any) -> list[Variable]:
    if isinstance(variables, Variable) or not hasattr(variables, "__iter__"):
        variables = [variables]
    asked = list(variables)
    wrong = next((v for v in asked if not isinstance(v, Variable)), None)
    if wrong is not None or not asked:
        raise TypeError(
            "value_and_grad differentiates with respect to variables, such as model.trainable_variables; got "
            f"{'an empty list: is everything frozen, or the model not built yet?' if not asked else describe(wrong)}"
        )
    return asked
