"""Which keys each query of a MultiHeadAttention may attend to: the masks of a call put together."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise.layers.attention_core import as_mask, causal_mask, check_mask
from gatewise.layers.head_layout import HeadLayout


class HeadCall(NamedTuple):
    """What a call gave, by name: the places of query, value and key among the inputs, and everything else."""

    query: int
    value: int
    key: int | None
    rest: dict[str, Any]


def permitted_keys(call: HeadCall, inputs: Sequence[Any], mask: Any, layout: HeadLayout, layer: Any) -> Any:
    """Which keys each query may attend to, (others or 1, heads or 1, T, S); None for all.

    Args:
        mask: the masks that the inputs bring along, in a list; or None.
        layer: of which `num_heads` and `sliding_window` count, and `_label` for messages.

    Raises:
        ValueError: for masks that do not fit, and for an order of places along more than one axis.
    """
    query, value = inputs[call.query], inputs[call.value]
    queries, keys = layout.count(query.shape), layout.count(value.shape)
    found = []
    for name, place, x, axis in (("query", call.query, query, -1), ("value", call.value, value, -2),
                                 ("key", call.key, value, -2)):  # fmt: skip
        marked = _mask_of(name, place, x, call, inputs, mask, layer._label)
        if marked is not None:
            found.append(layout.steps(marked, x.shape)[..., None, :, None].swapaxes(-1, axis))
    has_order = bool(call.rest.get("use_causal_mask")) or layer.sliding_window is not None
    if has_order and len(layout.attended) > 1:
        raise ValueError(
            f"Layer {layer._label}: use_causal_mask and sliding_window need one attention axis, along which places "
            f"have an order; there are {layout.attended}."
        )
    if call.rest.get("use_causal_mask"):
        found.append(causal_mask(queries, keys))
    if layer.sliding_window is not None:
        found.append(np.abs(np.arange(queries)[:, None] - np.arange(keys)) < layer.sliding_window)
    given = call.rest.get("attention_mask")
    if given is not None:
        heads = (layer.num_heads,)
        shapes = query.shape[:-1] + heads, value.shape[:-1] + heads
        found.append(layout.spread(as_mask(inputs[given]), *shapes, layer._label))
    if not found:
        return None
    together = functools.reduce(np.logical_and, found)
    lead = (1,) * (len(layout.others) + 3 - together.ndim) + together.shape[:-2]
    return np.broadcast_to(together, (*lead, queries, keys))


def _mask_of(
    name: str, place: int | None, x: np.ndarray, call: HeadCall, inputs: Sequence[Any], mask: Any, label: str
) -> Any:
    """The mask of query, value or key, for an input x of its steps: the one given, or else the input's own."""
    given = call.rest.get(f"{name}_mask")
    if given is None and (place is None or mask is None):
        return None
    marked = as_mask(inputs[given] if given is not None else mask[place])
    if marked is not None:
        axes = ("batch", "steps", *["axis"] * x.ndim)[: marked.ndim]
        check_mask(marked, x.shape[: max(2, min(marked.ndim, x.ndim - 1))], axes, name, label)
    return marked
