"""What a layer tells a file about itself: how it was built, and which arrays are its own.

The names are Keras's, so a user's layer may override them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.variable import Variable


class Saveable:
    """The base of `Layer` that deals with files."""

    name: str
    built: bool

    def get_build_config(self) -> dict[str, Any] | None:
        """The input shape that the layer was built for, {"input_shape": ...}; None if it needed none."""
        shape = getattr(self, "_build_shape", None)
        return None if shape is None else {"input_shape": shape}

    def build_from_config(self, config: Mapping[str, Any]) -> None:
        """Create the weights for the shape that `get_build_config` wrote (or Keras: one shape for each argument)."""
        shape = config.get("input_shape")
        if shape is None:
            shape = next(iter((config.get("shapes_dict") or {}).values()), None)
        if shape is None or self.built:
            return
        shape = tree.map_shapes(tuple, shape)
        self.build(shape)
        if not self.built:
            self.mark_built(shape)

    def build(self, input_shape: Any) -> None:
        """Create the weights for inputs of this shape."""

    def mark_built(self, input_shape: Any) -> None:
        """Note that the weights exist."""
        self.built = True

    def saved_variables(self) -> list[Variable]:
        """The layer's own variables (not those of layers inside it) in the order of files: trainable ones first."""
        own = self._own_variables()
        return [v for v in own if v.trainable] + [v for v in own if not v.trainable]

    def _own_variables(self) -> list[Variable]:
        return []

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Put the layer's own arrays into `store`, under the names "0", "1", ..."""
        for index, variable in enumerate(self.saved_variables()):
            store[str(index)] = variable.numpy()

    def assets(self) -> dict[str, bytes]:
        """Files that belong to the layer besides its arrays: name -> content.

        A user's layer may define `save_assets(folder)`, which writes them, and `load_assets(folder)`, as in Keras.
        """
        save = getattr(self, "save_assets", None)
        if save is None:
            return {}
        with tempfile.TemporaryDirectory() as folder:
            save(folder)
            return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir()) if path.is_file()}

    def take_assets(self, files: dict[str, bytes]) -> None:
        """Read what `assets` wrote."""
        load = getattr(self, "load_assets", None)
        if load is None or not files:
            return
        with tempfile.TemporaryDirectory() as folder:
            for name, content in files.items():
                (Path(folder) / Path(name).name).write_bytes(content)
            load(folder)

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Take the layer's own arrays from `store`.

        Raises:
            ValueError: if their number or a shape differs.
        """
        for variable, value in self.matched_variables(store):
            variable.assign(value)

    def matched_variables(self, store: Mapping[str, Any]) -> list[tuple[Variable, Any]]:
        """Each own variable with its array in `store`, checked but not assigned.

        Raises:
            ValueError: if their number or a shape differs, or an array does not hold numbers.
        """
        variables = self.saved_variables()
        who = f"layer '{self.name}' ({type(self).__name__})"
        if set(store) != {str(index) for index in range(len(variables))}:
            names = [f"{v.name} {v.shape}" for v in variables] or "none"
            found = [np.shape(value) for value in store.values()]
            raise ValueError(f"{who} has the weights {names}; the file holds arrays of the shapes {found} for it.")
        pairs = []
        for index, variable in enumerate(variables):
            value = store[str(index)]
            if tuple(value.shape) != variable.shape or value.dtype.kind not in "biuf":
                raise ValueError(
                    f"weight '{variable.path}' of {who} has shape {variable.shape} and type {variable.dtype}; the file "
                    f"holds shape {tuple(value.shape)} and type {value.dtype} for it."
                )
            pairs.append((variable, value))
        return pairs
