"""Traces as data: what every recurrent layer of a model computed at every step, as named arrays."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gatewise import suggest
from gatewise.layer import Layer


@dataclass(eq=False)
class LayerTrace:
    """What one recurrent layer (or one cell of a stack) computed in one call.

    Attributes:
        name: its path in the model, "encoder/lstm"; from the second call of the same layer on with the call's number,
            "lstm (2)".
        kind: "LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", ...; the class's name for a user's cell.
        arrays: {variable: (N, T, ...)}, time steps in the order of the layer's input, whatever way it reads them.
        dims: {variable: names of its axes}.
        mask: (N, T), True where a step counts; None where all do.
        initial: {state: (N, ...)}, the states that the run began with.
        described: the layer, or its configuration.
        reads_backwards: whether the layer began at the last step.
        gates: the names of the gates among the variables.
    """

    name: str
    kind: str
    arrays: dict[str, np.ndarray]
    dims: dict[str, tuple[str, ...]]
    mask: np.ndarray | None = None
    initial: dict[str, np.ndarray] = field(default_factory=dict)
    described: Any = field(default_factory=dict)
    reads_backwards: bool = False
    gates: tuple[str, ...] = ()

    def __getitem__(self, variable: str) -> np.ndarray:
        """The values of a variable.

        Raises:
            KeyError: naming the nearest variable that there is.
        """
        if variable not in self.arrays:
            raise KeyError(suggest.unknown("variable", variable, self.arrays)) from None
        return self.arrays[variable]

    def __contains__(self, variable: object) -> bool:
        return variable in self.arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def keys(self) -> list[str]:
        """The names of the variables."""
        return list(self.arrays)

    @functools.cached_property
    def config(self) -> dict[str, Any]:
        """The layer's configuration; empty for a user's layer that cannot say it."""
        if isinstance(self.described, dict):
            return self.described
        try:
            return self.described.get_config()
        except TypeError:
            return {}

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays."""
        return sum(values.nbytes for values in self.arrays.values())

    def to_xarray(self) -> Any:
        """The variables as an xarray Dataset with the axes sample, time, unit.

        Raises:
            ImportError: if xarray is not installed.
        """
        from gatewise.explain.trace_files import dataset_of

        return dataset_of(self)

    def to_dataframe(self) -> Any:
        """The variables as a pandas DataFrame: a row for each sample and step, a column for each variable and unit.

        Raises:
            ImportError: if pandas is not installed.
        """
        from gatewise.explain.trace_files import frame_of

        return frame_of(self)

    def __repr__(self) -> str:
        shape = next(iter(self.arrays.values())).shape
        return (
            f"<LayerTrace '{self.name}' ({self.kind}): {', '.join(self.arrays)}; {shape[0]} samples, {shape[1]} steps>"
        )

    def _repr_svg_(self) -> str | None:
        """What notebooks show: the gates of the first sample."""
        from gatewise.explain.draw.notebook import svg_of

        return svg_of(self)


class Trace(Mapping[str, LayerTrace]):
    """What the recurrent layers of a model computed: {path: LayerTrace}, in the order in which they were called.

    A layer is found by its path, by its name if no other layer has it, or by the layer itself.

    Attributes:
        model: the model's (or layer's) name.
        output: what the model returned, nested as `predict` returns it; None for a trace that was loaded.
        loss: the loss, where gradients were traced.
    """

    def __init__(
        self, layers: Mapping[str, LayerTrace], model: str = "", output: Any = None, loss: float | None = None,
        paths: Mapping[int, str] | None = None,
    ) -> None:  # fmt: skip
        self._layers = dict(layers)
        self._paths = dict(paths or {})
        self.model, self.output, self.loss = model, output, loss

    def __getitem__(self, key: Any) -> LayerTrace:
        if isinstance(key, str) and key in self._layers:
            return self._layers[key]
        if isinstance(key, Layer):
            path = self._paths.get(id(key))
            if path in self._layers:
                return self._layers[path]
            raise KeyError(f"Layer '{key.name}' ({type(key).__name__}) is not in the trace, which has {list(self)}.")
        alike = [path for path in self._layers if path.rpartition("/")[2] == key]
        if len(alike) == 1:
            return self._layers[alike[0]]
        if alike:
            raise KeyError(f"Several layers are named {key!r}: {', '.join(map(repr, alike))}. Give the whole path.")
        raise KeyError(suggest.unknown("layer", key, self._layers))

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays."""
        return sum(layer.nbytes for layer in self.values())

    def to_xarray(self) -> dict[str, Any]:
        """{path: xarray Dataset}; see `LayerTrace.to_xarray`."""
        return {path: layer.to_xarray() for path, layer in self.items()}

    def to_dataframe(self) -> Any:
        """All layers' variables as one pandas DataFrame in long form: layer, variable, sample, time, unit, value.

        Raises:
            ImportError: if pandas is not installed.
        """
        from gatewise.explain.trace_files import long_frame_of

        return long_frame_of(self)

    def save(self, path: Any) -> None:
        """Write the trace to a file, whole or not at all: .npz, or .nc (netCDF, by xarray and h5netcdf).

        Raises:
            ValueError: for another ending.
            ImportError: for .nc, if xarray or h5netcdf is not installed.
        """
        from gatewise.explain.trace_files import save

        save(self, path)

    @staticmethod
    def load(path: Any) -> Trace:
        """The trace in a file that `save` wrote.

        Raises:
            ValueError: if the file holds no trace.
        """
        from gatewise.explain.trace_files import load

        return load(path)

    def _repr_html_(self) -> str:
        """What notebooks show: the gates of each layer."""
        from gatewise.explain.draw.notebook import html_of

        return html_of(self)

    def __repr__(self) -> str:
        lines = [f"<Trace of '{self.model}', {len(self)} layer{'s' * (len(self) != 1)}"]
        width = max(map(len, self), default=0)
        for path, layer in self.items():
            shape = next(iter(layer.arrays.values())).shape
            lines.append(f"  {path:<{width}}  {layer.kind}, {shape[0]} x {shape[1]} steps: {', '.join(layer.arrays)}")
        return "\n".join(lines) + ">"
