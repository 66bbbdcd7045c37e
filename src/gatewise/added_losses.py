"""Losses that a layer adds besides its output: recorded on the way there, their gradients added on the way back.

Each is recorded in the innermost `collected_losses` block, and counts on the way back as `loss_slope` says: once in a
training step; in a loop of one's own as much as the loss there makes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise import autodiff, regularizers, tree
from gatewise.context import collected_losses, loss_slope, loss_slopes, record_loss
from gatewise.variable import Variable, traced_values

Pullback = Callable[..., tuple[tuple, dict]]


def with_regularizer(regularizer: Any, y: Any, pullback: Pullback) -> Pullback:
    """Record an activity regularizer's loss of the output y; the pullback with its gradient added."""
    pairs = [regularizers.forward_of(regularizer)(leaf) for leaf in tree.leaves(y)]
    # The penalty of a batch is the mean over its samples, so that it does not depend on the batch size.
    scales = [1 / max(len(leaf), 1) for leaf in tree.leaves(y)]
    places = [record_loss(loss * scale) for (loss, _), scale in zip(pairs, scales, strict=True)]

    def regularized(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
        given = dy if isinstance(dy, list | tuple) else [dy]
        known = zip(pairs, scales, places, strict=True)
        extra = [back(scale * loss_slope(place)) for (_, back), scale, place in known]
        total = [e if d is None else d + e for d, e in zip(given, extra, strict=True)]
        return pullback(total if isinstance(y, list | tuple) else total[0], wants_dx)

    return regularized


def with_functions(functions: tuple, variables: list[Variable], pullback: Pullback) -> Pullback:
    """Record the sum of the functions given to `add_loss`; the pullback with its gradient added.

    Args:
        functions: without arguments, of these variables.
    """
    floats = [v for v in variables if v.dtype.startswith("float")]

    def total(*values: Any) -> Any:
        with traced_values(dict(zip(floats, values, strict=True))):
            return sum(function() for function in functions)

    loss, back = autodiff.vjp(total, *(v.array for v in floats))
    place = record_loss(loss)

    def pullback_of_both(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
        d_inputs, gradients = pullback(dy, wants_dx)
        gradients = dict(gradients)
        for variable, slope in zip(floats, back(np.ones_like(loss) * loss_slope(place)), strict=True):
            gradients[variable] = gradients[variable] + slope if variable in gradients else slope
        return d_inputs, gradients

    return pullback_of_both


def applied(run: Callable[..., tuple[Any, Pullback]], variables: list[Variable], leaves: Any) -> tuple[Any, list]:
    """A hand-derived `run(*leaves) -> (y, pullback)` as part of the enclosing differentiation: (y, added losses).

    Args:
        variables: those of which the pullback gives gradients.
    """
    n_variables, n_losses, is_single = len(variables), 0, True

    def forward(*values: Any) -> Any:
        nonlocal n_losses, is_single
        with collected_losses() as losses:
            y, pullback = run(*values[n_variables:])
        n_losses, is_single = len(losses), not isinstance(y, list | tuple)

        def back(dy: Any) -> tuple:
            if not n_losses:
                d_inputs, gradients = pullback(dy)
            else:
                dys = dy[:-n_losses]
                with loss_slopes([float(d) for d in dy[-n_losses:]]):
                    d_inputs, gradients = pullback(dys[0] if is_single else dys)
            return (*(gradients.get(v) for v in variables), *d_inputs)

        if not n_losses:
            return y, back
        return [*([y] if is_single else y), *map(np.asarray, losses)], back

    found = autodiff.apply(forward, *(v.value for v in variables), *leaves)
    if not n_losses:
        return found, []
    y = found[:-n_losses]
    return (y[0] if is_single else y), found[-n_losses:]
