"""Where data enters a model: `InputLayer`, and `Input`, which returns its symbolic tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import config, tree
from gatewise.graph import Node, SymbolicTensor
from gatewise.layer import Layer


class InputLayer(Layer):
    """Stands for the data a model is given.

    Args:
        shape: without the batch: (13, 5) for 13 time steps of 5 features; None where any size may come.
        batch_size: fixed number of samples, or None.
        dtype: type the data is turned into; default `config.floatx()`.
        batch_shape: shape with the batch, instead of `shape` and `batch_size`.
        name: default "input_layer", numbered.
        optional: accepted.

    Raises:
        ValueError: if no shape is given, or it is not one.
    """

    takes_floats = False

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        name: str | None = None,
        optional: bool = False,
        input_shape: Sequence[int | None] | None = None,
        batch_input_shape: Sequence[int | None] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        shape = input_shape if shape is None else shape
        batch_shape = batch_input_shape if batch_shape is None else batch_shape
        if batch_shape is None:
            if not tree.is_shape(shape):
                example = (
                    f" Write shape=({shape},)."
                    if isinstance(shape, int)
                    else " Write shape=(13, 5), without the batch."
                )
                raise ValueError(f"An Input needs the shape of one sample as a tuple; got shape={shape!r}.{example}")
            assert shape is not None
            batch_shape = (batch_size, *shape)
        sizes_fit = tree.is_shape(batch_shape) and all(size is None or size >= 1 for size in batch_shape)
        if not sizes_fit:
            raise ValueError(
                f"The sizes of an Input are whole numbers of at least 1, or None for any; got "
                f"{tuple(batch_shape)}, the batch first."
            )
        if sparse or ragged:
            raise ValueError(
                "Inputs are dense arrays: leave out sparse and ragged. Lists of sequences of different lengths can be "
                "given as they are (utils.pad_sequences pads them beforehand)."
            )
        self.batch_shape = tuple(batch_shape)
        self.sparse = self.ragged = False
        self.optional = optional
        self.supports_masking = True
        self.built = True
        try:
            name = config.floatx() if dtype is None else _type_name(dtype)
            self._dtype = "string" if name in _TEXT else np.dtype(name).name
        except TypeError as error:
            raise ValueError(
                f"An Input has a NumPy type such as 'float32' or 'int32', or 'string'; got dtype={dtype!r}."
            ) from error
        output = SymbolicTensor(self.batch_shape, self._dtype, self.name)
        self._inbound_nodes.append(Node(self, [], [output]))

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            "optional": self.optional,
        }

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        return inputs[0], lambda dy, wants_dx=True: ((dy,), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.batch_shape


_TEXT = ("string", "str", str)


def _type_name(dtype: Any) -> Any:
    if isinstance(dtype, dict):
        return dtype["config"]["name"]
    return getattr(dtype, "name", dtype) if not isinstance(dtype, type) else dtype


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
    **kwargs: Any,
) -> SymbolicTensor:
    """A symbolic tensor for data of the given shape; see `InputLayer`.

    `tensor`, a symbolic tensor, is returned as it is.
    """
    if tensor is not None:
        return tensor
    return InputLayer(
        shape, batch_size, dtype, sparse, batch_shape=batch_shape, name=name, optional=optional, **kwargs
    ).output
