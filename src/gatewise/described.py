"""What a layer says of itself: its name, its types, what it is connected to, its configuration."""

from __future__ import annotations

from typing import Any

from gatewise import configuration, tree
from gatewise.graph import Node
from gatewise.weights import WeightOwner


class Described(WeightOwner):
    """What has weights, a name and a place in a graph: the base of `Layer` that tells of them."""

    _name: str
    _inbound_nodes: list[Node]
    _added_losses: list[Any] | None = None

    @property
    def name(self) -> str:
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        self._name = value

    @property
    def dtype(self) -> str:
        return self._dtype

    compute_dtype = dtype
    variable_dtype = dtype

    @property
    def path(self) -> str:
        return self._name

    @property
    def losses(self) -> list[Any]:
        """The weights' regularization terms, and what layers added in the last call that was no training step."""
        found = [v.regularizer(v.value) for v in self.trainable_weights if v.regularizer is not None]
        if self._added_losses is None:
            return [*found, *(function() for function in self.loss_functions())]
        return [*found, *self._added_losses]

    @property
    def metrics(self) -> list[Any]:
        """The metrics in attributes of the layer, and of those inside it."""
        return self.held_metrics()

    def _connected(self, what: str) -> Node:
        if not self._inbound_nodes:
            raise AttributeError(f"Layer '{self.name}' was not called on an Input yet, so it has no {what}.")
        return self._inbound_nodes[0]

    @property
    def input(self) -> Any:
        found = self._connected("input").inputs
        return found[0] if len(found) == 1 else found

    @property
    def output(self) -> Any:
        found = self._connected("output").outputs
        return found[0] if len(found) == 1 else found

    @property
    def input_shape(self) -> Any:
        return tree.map_leaves(lambda x: tuple(x.shape), self.input)

    @property
    def output_shape(self) -> Any:
        return tree.map_leaves(lambda y: y.shape, self.output)

    def explain_speed(
        self,
        batch_size: int = 32,
        steps: int | None = None,
        training: bool = False,
        measure: bool = True,
        lang: str | None = None,
    ) -> Any:
        """Which kernels run, why, and what time to expect; see `gatewise.explain.speed.explain_speed`."""
        from gatewise.explain.speed import explain_speed

        return explain_speed(self, batch_size, steps, training, measure, lang)

    def get_config(self) -> dict[str, Any]:
        """The arguments from which `from_config` makes the same layer again, as JSON."""
        return configuration.config_of(self, Described)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A new layer from what `get_config` returned; its weights are new."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"
