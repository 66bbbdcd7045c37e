"""Weights in HDF5, as Keras 3 lays them out: `.weights.h5`, and the same inside a `.keras` archive."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from gatewise.files.places import places
from gatewise.files.sealed import Sealing
from gatewise.saveable import Saveable
from gatewise.training.compile_config import built_optimizer
from gatewise.variable import Variable

_MORE_STATE = frozenset({"optimizer", "seed_generator", "metrics", "compile_metrics", "loss_tracker"})
"""Groups that hold no weights: what is unread there is no sign of another model."""


def require_h5py() -> Any:
    """The h5py module.

    Raises:
        ImportError: if it is not installed, with what to write.
    """
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError('Weights are kept in HDF5, which needs h5py: write pip install "gatewise[files]".') from error
    return h5py


# ---- writing ------------------------------------------------------------------------------------------


def write_weights(model: Any, file: IO[bytes] | Sealing) -> None:
    """Write the model's weights, and its optimizer's state if it is compiled, to a binary file."""
    h5py = require_h5py()
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as root:
        paths: dict[int, str] = {}
        for path, layer, is_home in places(model):
            if not is_home:
                root[path] = root[paths[id(layer)]]
                continue
            paths[id(layer)] = path
            store: dict[str, np.ndarray] = {}
            layer.save_own_variables(store)
            _write_group(root, f"{path}/vars", layer.name, store)
        if model.compiled:
            optimizer = built_optimizer(model)
            counter, *rest = [variable.numpy() for variable in optimizer.variables]
            arrays = {str(index): array for index, array in enumerate([counter.astype(np.int64), *rest])}
            _write_group(root, "optimizer/vars", optimizer.name, arrays)
    file.write(buffer.getbuffer())


def _write_group(root: Any, path: str, name: str, arrays: Mapping[str, Any]) -> None:
    group = root.create_group(path)
    group.attrs["name"] = name
    for key, array in arrays.items():
        group[key] = np.asarray(array)


# ---- reading ------------------------------------------------------------------------------------------


def read_weights(model: Any, content: bytes, source: str, skip_mismatch: bool = False) -> None:
    """Give a model the weights of a file, and its optimizer the state; all of them or, after an error, none.

    Args:
        model: a built model.
        content: the file's bytes.
        source: the file's name, for messages.
        skip_mismatch: leave layers alone, with a warning, for which the file holds nothing that fits.

    Raises:
        ValueError: if the file is not HDF5 or is damaged, or does not fit the model; the layer is named.
    """
    with opened(content, source) as root:
        reader = _Reader(root, source)
        pairs: list[tuple[Variable, Any]] = []
        later: list[tuple[Any, dict[str, Any]]] = []
        for path, layer, is_home in places(model):
            if not is_home:
                continue
            store = reader.arrays(f"{path}/vars")
            try:
                if type(layer).load_own_variables is Saveable.load_own_variables:
                    pairs += layer.matched_variables(store)
                else:
                    later.append((layer, {key: value[()] for key, value in store.items()}))
            except ValueError as error:
                message = f"{source} does not fit model '{model.name}' at '{path}': {error}"
                if not skip_mismatch:
                    raise ValueError(message) from None
                warnings.warn(message + " It keeps its weights.", stacklevel=4)
        if not skip_mismatch:
            reader.refuse_unread(model.name)
        values = [(variable, value[()]) for variable, value in pairs]
        state = reader.arrays("optimizer/vars") if model.compiled else {}
        state = {key: value[()] for key, value in state.items()}
        if set(state) != {str(index) for index in range(len(state))}:
            raise ValueError(f"{source} is damaged: the state of its optimizer is not numbered from 0: {list(state)}.")
    for variable, value in values:
        variable.assign(value)
    for layer, store in later:
        layer.load_own_variables(store)
    if state:
        _restore_optimizer(model, [state[str(index)] for index in range(len(state))], source)


def _restore_optimizer(model: Any, state: list[np.ndarray], source: str) -> None:
    variables = built_optimizer(model).variables
    fits = len(state) <= 2 or len(state) == len(variables)  # two: it was saved before the first step
    if not fits or any(v.shape != value.shape for v, value in zip(variables, state, strict=False)):
        warnings.warn(
            f"{source}: the saved state of the optimizer ({len(state)} arrays) does not fit the "
            f"{type(model.optimizer).__name__} of model '{model.name}' ({len(variables)} arrays), which begins anew.",
            stacklevel=5,
        )
        return
    for variable, value in zip(variables, state, strict=False):
        variable.assign(value)


@contextmanager
def opened(content: bytes, source: str) -> Iterator[Any]:
    """The HDF5 file of these bytes; damage that shows while it is read becomes a ValueError."""
    h5py = require_h5py()
    if not content.startswith(b"\x89HDF\r\n\x1a\n"):
        raise ValueError(f"{source} is not an HDF5 file.")
    try:
        with h5py.File(io.BytesIO(content), "r") as root:
            yield root
    except ValueError as error:
        if source in str(error):
            raise
        raise ValueError(_damaged(source, error)) from error
    except (OSError, RuntimeError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(_damaged(source, error)) from error


def _damaged(source: str, error: Exception) -> str:
    return f"{source} is damaged or was not written to its end: {error}"


class _Reader:
    """Reads arrays by path, follows no link out of the file, and remembers what was read."""

    def __init__(self, root: Any, source: str) -> None:
        self.root = root
        self.source = source
        self._h5py = require_h5py()
        self._read: set[int] = set()

    def arrays(self, path: str) -> dict[str, Any]:
        """The datasets of a group by name, not read yet; nothing if there is no such group."""
        group = self.root
        for part in path.strip("/").split("/"):
            group = self._member(group, part)
            if group is None:
                return {}
        found = {name: self._member(group, name) for name in group}
        for name, item in found.items():
            if not isinstance(item, self._h5py.Dataset) or item.is_virtual or item.external:
                raise ValueError(f"{self.source}: '{path}/{name}' is not an array of this file.")
            self._read.add(self._address(item))
        return found

    def _member(self, group: Any, name: str) -> Any:
        if not isinstance(group, self._h5py.Group):
            return None
        link = group.get(name, getlink=True)
        if link is None:
            return None
        if not isinstance(link, self._h5py.HardLink):
            raise ValueError(f"{self.source}: '{group.name}/{name}' is a link, which is never followed.")
        return group[name]

    def _address(self, item: Any) -> int:
        return self._h5py.h5o.get_info(item.id).addr

    def refuse_unread(self, model: str) -> None:
        """Raise ValueError if the file holds weights that no layer asked for."""
        unread: list[str] = []

        def look(path: str, item: Any) -> None:
            known = _MORE_STATE.intersection(path.split("/"))
            if isinstance(item, self._h5py.Dataset) and not known and self._address(item) not in self._read:
                unread.append(path)

        self.root.visititems(look)
        if unread:
            more = f" and {len(unread) - 5} more" if len(unread) > 5 else ""
            raise ValueError(
                f"{self.source} was written by another model: it holds weights for which model '{model}' has no layer: "
                f"{', '.join(unread[:5])}{more}."
            )
