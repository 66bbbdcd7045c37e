"""Traces in other forms: xarray, pandas, and files (.npz; .nc, which is netCDF 4)."""

from __future__ import annotations

import itertools
import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.explain.trace_data import LayerTrace, Trace
from gatewise.explain.traced_cells import label_of
from gatewise.files.atomic import atomic_write

_FORMAT = 1
_LARGEST_PIECE_BYTES = 2**24


def _needed(module: str, what: str) -> Any:
    """A library that only this needs.

    Raises:
        ImportError: saying how to install it.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError:
        raise ImportError(f'{what} needs {module}, which is not installed: pip install "gatewise[trace]"') from None


# --- as data of other libraries ------------------------------------------------------------------------------


def dataset_of(layer: LayerTrace) -> Any:
    """The layer's variables as an xarray Dataset."""
    xarray = _needed("xarray", "to_xarray()")
    found = {name: (dims, values, attributes) for name, dims, values, attributes in _variables(layer)}
    return xarray.Dataset(found, attrs=_attributes(layer))


def _variables(layer: LayerTrace) -> Iterator[tuple[str, tuple[str, ...], np.ndarray, dict[str, str]]]:
    """(name, axes, values, attributes) of everything that a layer's trace holds."""
    for name, values in layer.arrays.items():
        yield name, layer.dims[name], values, {"long_name": label_of(name, layer.kind), "units": "1"}
    if layer.mask is not None:
        yield "mask", ("sample", "time"), layer.mask, {"long_name": "whether the step counts"}
    for name, values in layer.initial.items():
        label = f"{label_of(name, layer.kind)} before the first step"
        dims = layer.dims.get(name, ("sample", "time", f"unit_of_{name}"))
        yield f"initial_{name}", ("sample", *dims[2:]), values, {"long_name": label, "units": "1"}


def _attributes(layer: LayerTrace) -> dict[str, Any]:
    return {
        "layer": layer.name,
        "kind": layer.kind,
        "gates": ",".join(layer.gates),
        "reads_backwards": int(layer.reads_backwards),
        "config": json.dumps(layer.config, default=str),
    }


def _as_table(values: np.ndarray) -> np.ndarray:
    """(N, T, ...) as a row for each sample and step."""
    return values.reshape(values.shape[0] * values.shape[1], math.prod(values.shape[2:]))


def _row_index(pandas: Any, layer: LayerTrace) -> Any:
    N, T = next(iter(layer.arrays.values())).shape[:2]
    return pandas.MultiIndex.from_product([range(N), range(T)], names=["sample", "time"])


def frame_of(layer: LayerTrace) -> Any:
    """Rows (sample, time), columns (variable, unit)."""
    pandas = _needed("pandas", "to_dataframe()")
    tables = {name: _as_table(values) for name, values in layer.arrays.items()}
    labels = [(name, k) for name, table in tables.items() for k in range(table.shape[1])]
    columns = pandas.MultiIndex.from_tuples(labels, names=["variable", "unit"])
    whole = np.concatenate(list(tables.values()), axis=1)
    return pandas.DataFrame(whole, index=_row_index(pandas, layer), columns=columns)


def long_frame_of(trace: Trace) -> Any:
    """Columns layer, variable, sample, time, unit, value."""
    pandas = _needed("pandas", "to_dataframe()")
    pieces = []
    for path, layer in trace.items():
        for name, values in layer.arrays.items():
            table = _as_table(values)
            index = _row_index(pandas, layer).repeat(table.shape[1])
            piece = pandas.DataFrame({"value": table.ravel()}, index=index).reset_index()
            piece.insert(2, "unit", np.tile(np.arange(table.shape[1]), len(table)))
            piece.insert(0, "variable", name)
            piece.insert(0, "layer", path)
            pieces.append(piece)
    return pandas.concat(pieces, ignore_index=True)


# --- files ---------------------------------------------------------------------------------------------------


def save(trace: Trace, path: Any) -> None:
    """Write a trace to a .npz or .nc file."""
    kind = Path(path).suffix.lower()
    if kind == ".npz":
        _save_npz(trace, path)
    elif kind == ".nc":
        with atomic_write(path) as file, NetCDFWriter(file) as writer:
            writer.append(trace)
    else:
        raise ValueError(f"A trace is saved to a file that ends in .npz or .nc (netCDF); got {str(path)!r}.")


def load(path: Any) -> Trace:
    """The trace in a file, or in a folder of parts."""
    source = Path(path)
    if source.is_dir():
        parts = [load(part) for part in sorted(source.glob("*.npz"))]
        if not parts:
            raise ValueError(f"{source} is a folder without .npz files, and so no trace.")
        return joined(parts)
    return _load_netcdf(source) if source.suffix.lower() == ".nc" else _load_npz(source)


def _save_npz(trace: Trace, path: Any) -> None:
    arrays: dict[str, np.ndarray] = {}
    heads = []
    for k, layer in enumerate(trace.values()):
        heads.append({**_attributes(layer), "dims": layer.dims, "initial": list(layer.initial)})
        arrays.update({f"{k}/{name}": values for name, _, values, _ in _variables(layer)})
    head = {"format": "gatewise trace", "version": _FORMAT, "model": trace.model, "loss": trace.loss, "layers": heads}
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, head=np.array(json.dumps(head)), **arrays)


def _load_npz(source: Path) -> Trace:
    try:
        with np.load(source, allow_pickle=False) as file:
            head = json.loads(str(file["head"]))
            if head["format"] != "gatewise trace":
                raise KeyError("format")
            layers = [
                _layer_of(one, {name.partition("/")[2]: file[name] for name in file if name.startswith(f"{k}/")})
                for k, one in enumerate(head["layers"])
            ]
    except (KeyError, TypeError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(f"{source} holds no trace that Trace.save wrote, or not the whole of it.") from error
    return Trace({layer.name: layer for layer in layers}, head["model"], None, head["loss"])


def _layer_of(head: dict[str, Any], arrays: dict[str, np.ndarray]) -> LayerTrace:
    """A layer's trace from its attributes and all its variables."""
    mask = arrays.pop("mask", None)
    initial = {name: arrays.pop(f"initial_{name}") for name in head["initial"]}
    dims = {name: tuple(axes) for name, axes in head["dims"].items()}
    gates = tuple(filter(None, head["gates"].split(",")))
    config, backwards = json.loads(head["config"]), bool(head["reads_backwards"])
    mask = None if mask is None else mask.astype(bool)
    return LayerTrace(head["layer"], head["kind"], arrays, dims, mask, initial, config, backwards, gates)


class NetCDFWriter:
    """Writes traces of consecutive steps into one netCDF file, a group for each layer, within a `with` block.

    Args:
        file: a binary file open for reading and writing.
    """

    def __init__(self, file: Any) -> None:
        self._root = _needed("h5netcdf", "A .nc file").File(file, "w")
        self._steps: dict[str, int] = {}

    def append(self, trace: Trace) -> None:
        """Add the steps of a trace to those that are there."""
        if not self._steps:
            self._root.attrs["format"] = "gatewise trace"
            self._root.attrs["model"] = trace.model
            if trace.loss is not None:
                self._root.attrs["loss"] = trace.loss
        for path, layer in trace.items():
            self._append_layer(path, layer)

    def _append_layer(self, path: str, layer: LayerTrace) -> None:
        begin = self._steps.get(path)
        group = self._root.create_group(path) if begin is None else self._root[path]
        begin = begin or 0
        end = self._steps[path] = begin + next(iter(layer.arrays.values())).shape[1]
        for name, dims, values, attributes in _variables(layer):
            kept = values.astype(np.uint8) if values.dtype == bool else values
            if name not in group.variables:
                self._make(group, name, dims, kept, attributes)
            elif name.startswith("initial_"):
                continue
            if "time" in dims:
                group.resize_dimension("time", end)
                group.variables[name][:, begin:end] = kept
            else:
                group.variables[name][...] = kept
        for name, value in _attributes(layer).items():
            group.attrs[name] = value

    @staticmethod
    def _make(group: Any, name: str, dims: tuple[str, ...], values: np.ndarray, attributes: dict[str, str]) -> None:
        for dim, size in zip(dims, values.shape, strict=True):
            if dim not in group.dimensions:
                group.dimensions[dim] = None if dim == "time" else size
        grows = "time" in dims and values.nbytes <= _LARGEST_PIECE_BYTES
        made = group.create_variable(name, dims, values.dtype, chunks=values.shape if grows else None)
        for key, value in attributes.items():
            made.attrs[key] = value

    def __enter__(self) -> NetCDFWriter:
        return self

    def __exit__(self, *_: Any) -> None:
        self._root.close()


def _load_netcdf(source: Path) -> Trace:
    h5netcdf = _needed("h5netcdf", "A .nc file")
    try:
        with h5netcdf.File(source, "r") as root:
            if root.attrs.get("format") != "gatewise trace":
                raise ValueError("format")
            layers = {layer.name: layer for layer in map(_layer_of_group, _layer_groups(root))}
            loss = root.attrs.get("loss")
            return Trace(layers, str(root.attrs["model"]), None, None if loss is None else float(loss))
    except (KeyError, ValueError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{source} holds no trace that Trace.save wrote, or not the whole of it.") from error


def _layer_groups(group: Any) -> Iterator[Any]:
    """The groups that hold a layer, at any depth."""
    for inner in group.groups.values():
        if "kind" in inner.attrs:
            yield inner
        yield from _layer_groups(inner)


def _layer_of_group(group: Any) -> LayerTrace:
    found = {name: (variable.dimensions, variable[...]) for name, variable in group.variables.items()}
    initial = [name.removeprefix("initial_") for name in found if name.startswith("initial_")]
    steps = {name for name, (dims, _) in found.items() if "time" in dims and name != "mask"}
    head = {**group.attrs, "initial": initial, "dims": {name: found[name][0] for name in steps}}
    return _layer_of(head, {name: values for name, (_, values) in found.items()})


def joined(parts: list[Trace]) -> Trace:
    """Traces of consecutive steps as one."""
    first = parts[0]
    layers = {}
    for path, layer in first.items():
        of_parts = [part[path] for part in parts]
        arrays = {name: np.concatenate([one.arrays[name] for one in of_parts], axis=1) for name in layer.arrays}
        mask = None if layer.mask is None else np.concatenate([one.mask for one in of_parts if one.mask is not None], 1)
        layers[path] = LayerTrace(
            path, layer.kind, arrays, layer.dims, mask, layer.initial, layer.config, layer.reads_backwards, layer.gates
        )
    return Trace(layers, first.model, parts[-1].output, first.loss)


class FolderWriter:
    """Writes traces of consecutive steps into a folder, a .npz file each.

    Args:
        folder: one that does not exist yet, or is empty.

    Raises:
        FileExistsError: if there is something in it.
    """

    def __init__(self, folder: Path) -> None:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FileExistsError(f"{folder} exists already; give the name of a new or an empty folder.")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._numbers = folder, itertools.count()

    def append(self, trace: Trace) -> None:
        """Add the steps of a trace to those that are there."""
        _save_npz(trace, self._folder / f"{next(self._numbers):06}.npz")
