"""What Keras 1 and 2 wrote differently into a model's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_ACTIVATIONS = ("activation", "recurrent_activation")


def with_old_meanings(written: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """A model's layers, with names that mean the same today: the hard_sigmoid of Keras 1 and 2 was another function."""
    return [_renamed(data) for data in written] if any(map(_is_old, written)) else written


def _is_old(data: dict[str, Any]) -> bool:
    """True for a layer as Keras 1 or 2 wrote it: with batch_input_shape, old nodes, or without its module."""
    return "batch_input_shape" in data.get("config", {}) or has_old_nodes(data) or "module" not in data


def has_old_nodes(data: dict[str, Any]) -> bool:
    """True if the uses of a layer are listed in Keras 2's form: lists, not {"args", "kwargs"}."""
    nodes = data.get("inbound_nodes") or []
    return bool(nodes) and isinstance(nodes[0], list)


def _renamed(item: Any) -> Any:
    """A configuration with every activation under its present name."""
    if isinstance(item, list):
        return [_renamed(part) for part in item]
    if not isinstance(item, dict):
        return item
    return {key: _activation(value) if key in _ACTIVATIONS else _renamed(value) for key, value in item.items()}


def _activation(value: Any) -> Any:
    return "hard_sigmoid_keras2" if value == "hard_sigmoid" else _renamed(value)
