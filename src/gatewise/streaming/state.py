"""StreamState: what a stream remembers, as a value: a dictionary of arrays that can be copied, saved and given back."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gatewise.arguments import describe
from gatewise.files.atomic import atomic_write


class StreamState(dict[str, list[np.ndarray]]):
    """{layer name: [arrays]}, each array with the rows of the batch first; of an LSTM [h, c].

    A layer used more than once has an entry for each use: "name", "name@2", ...  A layer inside a nested model is
    called "model/layer".
    """

    def copy(self) -> StreamState:
        """The same with arrays of its own."""
        return StreamState({name: [a.copy() for a in arrays] for name, arrays in self.items()})

    def rows(self, rows: Any) -> StreamState:
        """The same for other rows of the batch: a list of row numbers, a slice or a boolean mask."""
        return StreamState({name: [a[rows].copy() for a in arrays] for name, arrays in self.items()})

    def save(self, path: Any) -> None:
        """Write the arrays to one .npz file, whole or not at all."""
        with atomic_write(path) as file:
            flat: dict[str, Any] = {f"{name}:{k}": a for name, arrays in self.items() for k, a in enumerate(arrays)}
            np.savez(file, **flat)

    @staticmethod
    def load(path: Any) -> StreamState:
        """Read what `save` wrote; nothing in the file is run.

        Raises:
            ValueError: if the file is something else.
        """
        found: dict[str, dict[int, np.ndarray]] = {}
        try:
            with np.load(path, allow_pickle=False) as file:
                for key in file.files:
                    name, _, place = key.rpartition(":")
                    found.setdefault(name, {})[int(place)] = file[key]
        except (ValueError, zipfile.BadZipFile, AttributeError, TypeError) as problem:
            raise ValueError(f"{path} does not hold the state of a stream: {problem}") from None
        for name, arrays in found.items():
            if not name or sorted(arrays) != list(range(len(arrays))):
                raise ValueError(f"{path} does not hold the state of a stream: parts of '{name}' are missing.")
        return StreamState({name: [arrays[k] for k in sorted(arrays)] for name, arrays in found.items()})


def checked(given: Any, names: Sequence[str], kept: Sequence[Sequence[np.ndarray]], model: str) -> list[list]:
    """The arrays in `given` in the order of `names`.

    Raises:
        ValueError: unless there is, for each name, an array of the shape of each one kept.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"The state of a stream is a dictionary {{layer name: [arrays]}}; got {describe(given)}.")
    if set(given) != set(names):
        raise ValueError(
            f"The state does not belong to a stream of model '{model}'.\n    expected: the layers {list(names)}\n"
            f"    given:    {list(given)}"
        )
    found = []
    for name, own in zip(names, kept, strict=True):
        arrays = [np.asarray(a) for a in given[name]]
        if [a.shape for a in arrays] != [a.shape for a in own] or any(a.dtype.kind not in "fiub" for a in arrays):
            raise ValueError(
                f"The state of layer '{name}' does not fit the stream of model '{model}'.\n"
                f"    expected: {[a.shape for a in own]}, the batch first\n    given:    {[a.shape for a in arrays]}\n"
                "A state of other rows can be made with state.rows([0, 0, 1]), a stream with "
                "model.stream(batch_size=...)."
            )
        found.append(arrays)
    return found
