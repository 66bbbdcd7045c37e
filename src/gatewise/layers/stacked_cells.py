"""StackedRNNCells: several cells as one, each fed by the one before."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from gatewise import serialization, tree
from gatewise.layer import Layer
from gatewise.layers import stepping
from gatewise.layers.cell import Cell, added
from gatewise.layers.chance import Chance


class StackedRNNCells(Cell):
    """Several cells as one: the output of each is the input of the next.

    Args:
        cells: the cells, built-in or the user's, the first one first.

    States nest by cell, `[[h, c], [h], ...]`, in and out.  Whole sequences run cell by cell, which gives the
    same numbers as step by step: no cell looks at a later one.

    Raises:
        ValueError: if there is no cell, or one of them cannot compute a step.
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(cells, list | tuple) or not cells:
            raise ValueError(f"StackedRNNCells takes a list of at least one cell; got {cells!r}.")
        for cell in cells:
            stepping.check_cell(cell, self.name, "StackedRNNCells")
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        shape = stepping.output_shape(self.cells[-1], self.dtype)
        return shape[0] if len(shape) == 1 else shape

    @property
    def features(self) -> int | None:
        first = self.cells[0]
        return first.features if isinstance(first, Cell) else None

    @property
    def state_shapes(self) -> list[tuple[int, ...]]:
        return [tuple(state.shape[1:]) for state in tree.leaves(self.get_initial_state(1))]

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """The initial states of each cell."""
        return [stepping.initial_states(cell, batch_size or 1, self.dtype) for cell in self.cells]

    def _state_tree(self) -> Any:
        return self.get_initial_state(1)

    def build(self, input_shape: Any) -> None:
        shape = tuple(input_shape)
        for cell in self.cells:
            cell.ensure_built([shape])
            stepping.make_late_weights(cell, shape)
            shape = (shape[0], *stepping.output_shape(cell, self.dtype))

    def _states_of_each(self, states: Sequence[Any]) -> list[list]:
        """Flat states, divided among the cells; none stay none."""
        if not states:
            return [[] for _ in self.cells]
        rest = list(states)
        counts = [len(list(tree.leaves(stepping.initial_states(cell, 1, self.dtype)))) for cell in self.cells]
        return [[rest.pop(0) for _ in range(count)] for count in counts]

    def drawn(self, shape: Sequence[int], training: bool) -> Chance:
        inside = []
        for cell in self.cells:
            inside.append(stepping.drawn(cell, shape, training))
            shape = (*shape[:2], *stepping.output_shape(cell, self.dtype))
        return Chance(inside=tuple(inside))

    def run_states(
        self, x: Any, states: Sequence[Any], mask: Any, training: bool, every_step: bool, chance: Any = None
    ) -> Any:
        last: list[Any] = []
        y_last = None
        inside = [None] * len(self.cells) if chance is None else chance.inside
        parts = zip(self.cells, self._states_of_each(states), inside, strict=True)
        for k, (cell, own, drawn) in enumerate(parts, start=1):
            x, y_last, after = stepping.run(cell, x, own, mask, training, every_step or k < len(self.cells), drawn)
            last.extend(after)
        return x, y_last, last

    def trace_states(self, x: Any, states: Sequence[Any], mask: Any, training: bool, chance: Any = None) -> Any:
        inside = [None] * len(self.cells) if chance is None else chance.inside
        traces = [partial(stepping.trace, chance=drawn) for drawn in inside]
        return self.traced_by(traces, x, states, mask, training)

    def traced_by(self, traces: Sequence[Any], x: Any, states: Sequence[Any], mask: Any, training: bool) -> Any:
        """`trace_states` by these functions, one for each cell, of `stepping.trace`'s contract."""
        last, counts, backs = [], [], []
        for trace, cell, own in zip(traces, self.cells, self._states_of_each(states), strict=True):
            x, after, back = trace(cell, x, own, mask, training)
            last.extend(after)
            counts.append(len(after))
            backs.append(back)

        def pullback(dy: Any, dy_last: Any, d_last: Sequence[Any], wants_dx: bool) -> tuple[Any, list, dict]:
            d_last, d_states, gradients = list(d_last), [], {}
            for k in reversed(range(len(backs))):
                own, d_last = d_last[len(d_last) - counts[k] :], d_last[: len(d_last) - counts[k]]
                dy, before, found = backs[k](dy, dy_last, own, wants_dx or k > 0)
                dy_last = None
                d_states = [*before, *d_states]
                for variable, gradient in found.items():  # the same cell may stand in several places
                    gradients[variable] = added(gradients.get(variable), gradient)
            return dy, d_states, gradients

        return x, last, pullback

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        config = dict(config)
        config["cells"] = [
            cell if isinstance(cell, Layer) else serialization.deserialize_object(cell, kind="layer")
            for cell in config["cells"]
        ]
        return cls(**config)
