"""Building a layer: its weights come into being once, for the shapes of its first inputs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from gatewise.context import name_scope


class Buildable:
    """The part of `Layer` that builds it."""

    built: bool
    takes_list: bool
    build: Any
    set_weights: Any
    _initial_weights: Any

    def build_for(self, leaves: Sequence[Any], structure: Any = None) -> None:
        """Build the layer for these inputs, symbolic or real, once."""
        self.ensure_built([tuple(leaf.shape) for leaf in leaves], structure)

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        """Build the layer for inputs of these shapes, once."""
        if self.built:
            return
        shape = self._shape_to_build(shapes, structure)
        self.build(shape)
        if not self.built:
            self.mark_built(shape)

    def _shape_to_build(self, shapes: Sequence[Any], structure: Any) -> Any:
        """The argument of `build` for flat inputs of these shapes: a shape, or a nesting of shapes."""
        if structure is not None:
            return structure.first_argument(shapes) if shapes else None
        return list(shapes) if self.takes_list else shapes[0]

    def mark_built(self, input_shape: Any) -> None:
        """Note that the weights exist, and give them the values of the `weights` argument."""
        self.built = True
        self._build_shape = input_shape
        if self._initial_weights is not None:
            values, self._initial_weights = self._initial_weights, None
            self.set_weights(values)


def noting_that_it_is_built(build: Callable[..., None]) -> Callable[..., None]:
    """A class's `build` that runs once, under the layer's name, and leaves the layer built, whoever calls it."""

    @functools.wraps(build)
    def noting(self: Any, *args: Any, **kwargs: Any) -> None:
        if type(self).build is not noting:  # called by a subclass as super().build(...): that one is not done yet
            build(self, *args, **kwargs)
        elif not self.built:
            with name_scope(self.name):
                build(self, *args, **kwargs)
            if "_build_shape" not in vars(self):  # also where the user's own `build` sets self.built
                self.mark_built((*args, *kwargs.values(), None)[0])

    return noting
