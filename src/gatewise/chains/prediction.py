"""Prediction chains: the native object behind `layer(x)`, `model(x)` and `predict` in the ordinary case."""

from __future__ import annotations

from typing import Any

from gatewise import masks
from gatewise.chains.links import Link, input_shape, input_type, links_of
from gatewise.context import running
from gatewise.kernels import Chain
from gatewise.layers import observing
from gatewise.variable import _traced, last_tick, structure_clock


def notice_call(root: Any) -> None:
    """Note that a layer or model was called the general way; make its chain once its structure keeps still.

    The first call after a change makes none: whoever builds models and calls each once shall not pay for it.
    """
    seen, is_tried = root._chain_tried
    stamp = structure_clock.stamp
    if seen != stamp:
        root._chain_tried, root._chain = (stamp, False), None
    elif not is_tried:
        root._chain_tried, root._chain = (stamp, True), prediction_chain(root)


def prediction_chain(root: Any) -> Chain | None:
    """The chain that a layer or model is; None if it is none."""
    links = links_of(root)
    return None if links is None else chain_of(root, links)


def chain_of(root: Any, links: list[Link]) -> Chain:
    """The native object of these links.

    It holds no layer, only cells and variables, so that a layer that holds it is part of no circle.
    """
    links = [link for link in links if link.told is not None]
    shape = input_shape(root)
    assert shape is not None
    weights = [link.weights for link in links]
    return Chain(
        input_type(root).itemsize,
        len(shape),
        shape[-1],
        [link.told for link in links],
        [variable for link in links for variable in link.parameters if variable is not None],
        lambda: [found() for found in weights],
        (running, _traced, masks._table, observing.watches, last_tick, structure_clock),
    )
