"""The variables of an optimizer: read, replaced, and added by users' own optimizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import initializers
from gatewise.variable import Variable


class HoldsVariables:
    """The part of an optimizer that deals with its variables."""

    name: str
    _own_variables: list[Variable]

    @property
    def variables(self) -> list[Variable]:
        """All variables; an optimizer puts them in order."""
        return self._own_variables

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all variables' values."""
        return [variable.numpy() for variable in self.variables]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set all variables.

        Raises:
            ValueError: if their number or a shape is wrong.
        """
        if len(weights) != len(self.variables):
            raise ValueError(
                f"{type(self).__name__} has {len(self.variables)} variables; {len(weights)} weights were given."
            )
        for variable, weight in zip(self.variables, weights, strict=True):
            variable.assign(weight)

    def add_variable(
        self, shape: Any, initializer: Any = "zeros", dtype: Any = None, name: str | None = None
    ) -> Variable:
        """A variable of a user's own optimizer."""
        path = f"{self.name}/{name or 'variable'}"
        made = Variable(initializers.get(initializer), shape, dtype, trainable=False, name=name, path=path)
        self._own_variables.append(made)
        return made

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """A variable with the shape and type of a model's variable."""
        full_name = f"{reference_variable.path.replace('/', '_')}_{name or 'var'}"
        return self.add_variable(reference_variable.shape, initializer, reference_variable.dtype, full_name)

    def assign(self, variable: Variable, value: Any) -> None:
        """Replace a variable's value."""
        variable.assign(value)

    def assign_add(self, variable: Variable, value: Any) -> None:
        """Add to a variable's value."""
        variable.assign_add(value)

    def assign_sub(self, variable: Variable, value: Any) -> None:
        """Subtract from a variable's value."""
        variable.assign_sub(value)
