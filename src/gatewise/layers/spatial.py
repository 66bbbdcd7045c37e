"""What layers over space share: their arguments, where the channels are, and which inputs suit them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import validation
from gatewise.layers.windows import extent, window_count

_AXES = {1: ("steps",), 2: ("rows", "columns"), 3: ("planes", "rows", "columns")}


# ---- arguments ------------------------------------------------------------------------------------------


def integers(value: Any, count: int, argument: str, owner: str, at_least: int = 1) -> tuple[int, ...]:
    """`value`, one integer or `count` of them, as a tuple.

    Raises:
        ValueError: for anything else, or an integer below `at_least`.
    """
    items: list[Any] = (
        list(value) if isinstance(value, list | tuple | np.ndarray) and np.ndim(value) else [value] * count
    )
    if len(items) != count or not all(_is_integer(item) and item >= at_least for item in items):
        example = max(at_least, 2)
        either = "an integer" if count == 1 else f"an integer, or a tuple of {count} integers,"
        raise ValueError(
            f"{owner}: the `{argument}` argument must be {either} of at least {at_least}; got {argument}={value!r}. "
            f"Write {argument}={example if count == 1 else (example,) * count}."
        )
    return tuple([int(item) for item in items])


def _is_integer(item: Any) -> bool:
    return hasattr(item, "__index__") and not isinstance(item, bool) and np.ndim(item) == 0


def padding(value: Any, owner: str, allowed: Sequence[str] = ("valid", "same")) -> str:
    """A padding's name in small letters; ValueError unless it is one of those allowed."""
    name = value.lower() if isinstance(value, str) else value
    if name not in allowed:
        raise ValueError(
            f"{owner}: the `padding` argument must be one of {', '.join(map(repr, allowed))}; got padding={value!r}."
        )
    return name


def data_format(value: Any, owner: str) -> str:
    """ "channels_last" (also for None) or "channels_first"; ValueError for anything else."""
    name = "channels_last" if value is None else value.lower() if isinstance(value, str) else value
    if name not in ("channels_last", "channels_first"):
        raise ValueError(
            f"{owner}: the `data_format` argument must be 'channels_last' or 'channels_first'; got "
            f"data_format={value!r}."
        )
    return name


def check_steps(strides: Sequence[int], dilation: Sequence[int], owner: str) -> None:
    """Raise ValueError if windows both skip places and have gaps."""
    if max(strides) > 1 and max(dilation) > 1:
        raise ValueError(
            f"{owner}: `strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: "
            f"strides={tuple(strides)} and dilation_rate={tuple(dilation)}. Leave one of them at 1."
        )


# ---- where the channels are -----------------------------------------------------------------------------


def parts(shape: Sequence[Any], data_format: str) -> tuple[Any, tuple, Any]:
    """(batch, sizes, channels) of a shape."""
    shape = tuple(shape)
    if data_format == "channels_first":
        return shape[0], shape[2:], shape[1]
    return shape[0], shape[1:-1], shape[-1]


def joined(batch: Any, sizes: Sequence[Any], channels: Any, data_format: str) -> tuple:
    """The shape that has these `parts`."""
    return (batch, channels, *sizes) if data_format == "channels_first" else (batch, *sizes, channels)


def with_channels_last(x: np.ndarray, data_format: str, axis: int = 1) -> np.ndarray:
    """x as (..., *sizes, C), a view; with channels_first, C is at `axis`."""
    return np.moveaxis(x, axis, -1) if data_format == "channels_first" else x


def as_given(x: np.ndarray, data_format: str, axis: int = 1) -> np.ndarray:
    """The other way of `with_channels_last`."""
    return np.moveaxis(x, -1, axis) if data_format == "channels_first" else x


# ---- inputs ---------------------------------------------------------------------------------------------


def axes(rank: int, data_format: str, lead: Sequence[str] = ("batch",)) -> tuple[str, ...]:
    """The names of an input's axes."""
    along = ("places",) if rank == 1 and len(lead) > 1 else _AXES[rank]  # beside time steps, steps would mislead
    return (*lead, *joined(None, along, "channels", data_format)[1:])


def check_input(
    shape: Sequence[Any],
    rank: int,
    data_format: str,
    channels: int | None,
    layer: str,
    cls: str,
    lead: Sequence[str] = ("batch",),
) -> None:
    """Check the shape of an input.

    Args:
        rank: the number of axes besides those in `lead` and the channels.
        channels: how many the layer was built for; None for any.

    Raises:
        ValueError: unless it has the right number of axes, none of length 0, and that many channels.
    """
    shape, names = tuple(shape), axes(rank, data_format, lead)
    expected = validation.drawn([channels if name == "channels" else None for name in names], names)
    hint = "\nWrite x[..., None] to make one channel." if len(shape) == len(names) - 1 else ""
    validation.check_ndim(
        shape, len(names), layer, cls, f"    expected: {expected}\n    given:    {validation.drawn(shape)}{hint}"
    )
    given = validation.drawn(shape, names)
    if 0 in shape[1:]:
        raise ValueError(
            f"Layer '{layer}' ({cls}) was given an axis of length 0.\n    expected: {expected}\n    given:    {given}"
        )
    found = dict(zip(names, shape, strict=True))["channels"]
    if channels is not None and found is not None and found != channels:
        raise ValueError(
            f"Layer '{layer}' ({cls}) was built for {channels} channels and was given {found}.\n"
            f"    expected: {expected}\n    given:    {given}\n"
            "Give the same channels as before, or make a new layer."
        )


def check_channels_known(channels: Any, layer: str, cls: str) -> None:
    """Raise ValueError if the number of channels is unknown, on which the weights depend."""
    if channels is None:
        raise ValueError(
            f"Layer '{layer}' ({cls}) must know the number of channels of its input. Write Input((None, 5)) for any "
            "number of steps of 5 channels."
        )


def check_windows_fit(
    sizes: Sequence[Any], kernel: Sequence[int], dilation: Sequence[int], padding: str, layer: str, cls: str
) -> None:
    """Raise ValueError if a whole window does not fit along an axis, where it would have to."""
    for name, size, taps, step in zip(_AXES[len(sizes)], sizes, kernel, dilation, strict=True):
        if padding == "valid" and size is not None and size < extent(taps, step):
            raise ValueError(
                f"Layer '{layer}' ({cls}): a window over {extent(taps, step)} {name} does not fit into {size}, so the "
                f"computed output size would be zero or negative.\n    sizes of the input: {tuple(sizes)}\n"
                f"    window: {tuple(kernel)}, its taps {tuple(dilation)} apart\n"
                "Write padding='same', take a smaller window, or give longer inputs."
            )


def counts(
    sizes: Sequence[Any], kernel: Sequence[int], strides: Sequence[int], dilation: Sequence[int], padding: str
) -> tuple[int | None, ...]:
    """The number of windows along each axis; None where the size is unknown."""
    return tuple([
        None if size is None else window_count(size, taps, stride, step, padding)
        for size, taps, stride, step in zip(sizes, kernel, strides, dilation, strict=True)
    ])  # fmt: skip
