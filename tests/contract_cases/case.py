"""What a line of the registry says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

SEQUENCE = (3, 4, 2)
"""(N, T, F) of the inputs that sequence layers are tested with."""


class Case(NamedTuple):
    """A layer with its options.

    Attributes:
        name: how the case is shown.
        make: makes a fresh layer; takes keyword arguments for every layer (dtype, name).
        shape: of an input; a list of shapes for layers that take several.
        takes_mask: whether `mask=` (N, T) may be given.
        state_sizes: the length (or shape) of each initial state the layer takes.
        is_smooth: whether central differences apply (no kinks near the data).
        is_random: whether training mode draws random numbers.
        integers: the inputs are integers from 0 to below this; None for floats.
        masked_input_counts: whether masked steps of the input reach the output (no padding test).
    """

    name: str
    make: Callable[..., Any]
    shape: Any = SEQUENCE
    takes_mask: bool = False
    state_sizes: tuple[Any, ...] = ()
    is_smooth: bool = True
    is_random: bool = False
    integers: int | None = None
    masked_input_counts: bool = False
