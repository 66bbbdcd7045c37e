"""TimeDistributed: the same layer at every time step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatewise import serialization, tree, validation
from gatewise.layer import Layer


class TimeDistributed(Layer):
    """Applies a layer (or a model) to each time step, with the same weights at every step.

    Args:
        layer: what to apply; it sees (N, ...) for each step of an input (N, T, ...).

    The steps are samples of one large batch (N T, ...), so the layer runs once.  A mask (N, T) goes on to the
    output; a mask with further axes reaches the layer.

    Raises:
        ValueError: if `layer` is not a layer, or the input has fewer than three axes.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise ValueError(
                f"TimeDistributed wraps a layer; got {layer!r}. Write TimeDistributed(Dense(1))."
                if not isinstance(layer, type)
                else f"TimeDistributed wraps a layer, not a class; write TimeDistributed({layer.__name__}(...))."
            )
        super().__init__(**kwargs)
        self.layer = layer
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        self.layer.ensure_built([self._step_shape(input_shape)])

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        shape = tuple(shapes[0])
        if len(shape) < 3:
            raise ValueError(
                "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, received: "
                f"{shape}\n    expected: (batch, time steps, features, ...)\n    given:    {validation.drawn(shape)}\n"
                f"Layer '{self.name}': give the layer before it return_sequences=True."
            )
        self.layer.check_inputs([self._step_shape(shape)])

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if not self.built:
            self.check_inputs(shapes)
        super().ensure_built(shapes, structure)

    @staticmethod
    def _step_shape(shape: Any) -> tuple:
        return (shape[0], *shape[2:])

    def _steps(self, x: Any, mask: Any) -> tuple[Any, Any]:
        """Input and mask with batch and time made one axis."""
        inner = mask.reshape(-1, *mask.shape[2:]) if mask is not None and mask.ndim > 2 else None
        return x.reshape(-1, *x.shape[2:]), inner

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        lead = x.shape[:2]
        rows, inner_mask = self._steps(x, mask)
        y, back = self.layer.differentiate([rows], inner_mask, training, None)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            flat = tree.map_leaves(lambda d: None if d is None else d.reshape(-1, *d.shape[2:]), dy)
            (dx, *_), gradients = back(flat, wants_dx)
            return (None if dx is None else dx.reshape(x.shape),), gradients

        return tree.map_leaves(lambda leaf: leaf.reshape(*lead, *leaf.shape[1:]), y), pullback

    def infer(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        rows, inner_mask = self._steps(x, mask)
        y = self.layer.compute([rows], inner_mask, training, None)
        return tree.map_leaves(lambda leaf: leaf.reshape(*x.shape[:2], *leaf.shape[1:]), y)

    def compute_output_shape(self, input_shape: Any) -> Any:
        inner = self.layer.compute_output_shape(self._step_shape(input_shape))
        return tree.map_shapes(lambda s: (s[0], input_shape[1], *s[1:]), inner)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        config = dict(config)
        layer = config.pop("layer")
        return cls(
            layer if isinstance(layer, Layer) else serialization.deserialize_object(layer, kind="layer"),
            **config,
        )
