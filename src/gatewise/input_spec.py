"""InputSpec: what a user's layer declares of its inputs, and the check of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gatewise import tree
from gatewise.arguments import describe


class InputSpec:
    """What the input of a layer must be; a layer keeps it (or a list, one for each input) as `self.input_spec`.

    Args:
        dtype, optional, allow_last_axis_squeeze, name: kept, for Keras's sake.
        shape: the whole shape, the batch included, None for any size.
        ndim, max_ndim, min_ndim: the number of axes.
        axes: {axis: size}.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[Any, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype, self.name, self.optional = dtype, name, optional
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.shape = None if shape is None else tuple(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}

    def complaint(self, shape: Sequence[int | None]) -> str | None:
        """What is wrong with an input of this shape, in words; None if nothing is."""
        ndim = len(shape)
        if self.ndim is not None and ndim != self.ndim:
            return f"expected ndim={self.ndim}, found ndim={ndim}"
        if self.max_ndim is not None and ndim > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={ndim}"
        if self.min_ndim is not None and ndim < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={ndim}"
        sizes = dict(enumerate(self.shape or ())) | self.axes
        for axis, size in sizes.items():
            if not -ndim <= axis < ndim:
                return f"expected an axis {axis}, found ndim={ndim}"
            if size is not None and shape[axis] not in (None, size):
                return f"expected axis {axis} to have size {size}, found {shape[axis]}"
        return None

    def get_config(self) -> dict[str, Any]:
        return {
            "dtype": self.dtype, "shape": self.shape, "ndim": self.ndim, "max_ndim": self.max_ndim,
            "min_ndim": self.min_ndim, "axes": self.axes, "optional": self.optional,
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> InputSpec:
        return cls(**config)


def check_specs(layer: Any, specs: Any, shapes: Sequence[Sequence[int | None]]) -> None:
    """Hold the shapes of a layer's inputs against its `input_spec`.

    Raises:
        ValueError: naming the layer, the input, what was expected and what came.
    """
    wanted = list(tree.leaves(specs))
    for spec in wanted:
        if spec is not None and not isinstance(spec, InputSpec):
            raise TypeError(f"Layer '{layer.name}': input_spec holds InputSpec(...) objects; got {describe(spec)}.")
    for k, (spec, shape) in enumerate(zip(wanted, shapes, strict=False)):
        complaint = None if spec is None else spec.complaint(shape)
        if complaint is not None:
            raise ValueError(
                f"Input {k} of layer '{layer.name}' ({type(layer).__name__}) is incompatible with the layer: "
                f"{complaint}. Full shape received: {tuple(shape)}"
            )
