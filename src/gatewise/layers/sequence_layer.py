"""SequenceLayer: how recurrent layers and Bidirectional are called: sequences, initial states, mask, mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import tree, validation
from gatewise.arguments import CallArguments, is_array
from gatewise.layer import Layer

_ARGUMENTS = ("sequences", "initial_state", "mask", "training")


class SequenceLayer(Layer):
    """Base of the layers that take sequences and, if wanted, the states to begin with."""

    input_rank: int | None = 3  # (batch, steps, features)

    @property
    def state_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each state without the batch, flat."""
        return []

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """The states a run begins with if none are given, nested as the layer takes them."""
        return []

    def nested_outputs(self, y: list) -> Any:
        """Several outputs, given flat, nested as the layer returns them."""
        return y

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._chain is not None and len(args) == 1 and not kwargs and (y := self._chain(args[0])) is not None:
            return y
        if self._uses_call:  # a subclass with a `call` of its own, and so with its own arguments
            return super().__call__(*args, **kwargs)
        if not kwargs and len(args) == 1 and type(args[0]) is np.ndarray and args[0].dtype.kind == "f":
            y = self._called(CallArguments([args[0]], None, None, None))  # nothing to sort out
            return self.nested_outputs(y) if isinstance(y, list) else y
        if "inputs" in kwargs:  # Keras 1 and 2
            kwargs["sequences"] = kwargs.pop("inputs")
        unknown = set(kwargs) - set(_ARGUMENTS) | set(_ARGUMENTS[: len(args)]) & set(kwargs)
        if unknown or len(args) > len(_ARGUMENTS):
            raise TypeError(
                f"Layer '{self.name}' ({type(self).__name__}) is called with {', '.join(_ARGUMENTS)}, each once; "
                f"got {sorted(unknown) or f'{len(args)} positional arguments'}."
            )
        y = super().__call__(**dict(zip(_ARGUMENTS, args, strict=False)), **kwargs)
        return self.nested_outputs(y) if isinstance(y, list) else y

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        if self._uses_call:
            return super().arrange(args, kwargs)
        return self.arranged_call(*args, **kwargs)

    def arranged_call(
        self, sequences: Any = None, initial_state: Any = None, mask: Any = None, training: Any = None
    ) -> tuple[list, None]:
        """The call's arrays, flat: the sequences, then the states."""
        x, states = sequences, initial_state
        if isinstance(x, list | tuple) and states is None and all(hasattr(item, "shape") for item in x):
            ranks = {len(item.shape) for item in x}  # one rank, below that of a batch: a list of single sequences
            if len(x) == 1 + len(self.state_shapes) and (len(ranks) > 1 or min(ranks) >= (self.input_rank or 0)):
                x, states = x[0], list(x[1:])  # Keras 1 and 2: layer([x, h, c])
        leaves, _ = super().arrange((x,), {})
        if states is not None:
            given = list(tree.leaves(states))
            if not all(is_array(state) for state in given):
                validation.check_states(given[:8], self.state_shapes, None, self.name)
            leaves.extend(given)
        return leaves, None
