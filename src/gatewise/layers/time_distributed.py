"""TimeDistributed: the same layer at every time step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gatewise import serialization, tree, validation
from gatewise.layer import Layer
from gatewise.layers.cell import added
from gatewise.stepper import CannotStep, LayerUse, Stepper
from gatewise.variable import structure_clock


class _Traits(NamedTuple):
    stateful: bool = False  # a state goes from step to step
    mixing: bool = False  # in training a sample's result depends on the others
    penalised: bool = False  # each step adds its own mean penalty to the loss


class TimeDistributed(Layer):
    """Applies a layer (or a model) to each time step, with the same weights at every step.

    Args:
        layer: what to apply; it sees (N, ...) for each step of an input (N, T, ...).

    The steps are samples of one large batch (N T, ...), so the layer runs once; a layer that keeps states, or whose
    samples see each other in training (BatchNormalization), runs step by step, as in Keras, and so does one with an
    activity_regularizer, whose penalties are added up over the steps.  A mask (N, T) goes on to the output.  The layer
    is given its part of a mask that says which vectors of features count (one axis less than the input:
    BatchNormalization leaves the others out of its statistics), and of a mask with further axes.

    Raises:
        ValueError: if `layer` is not a layer, or the input has fewer than three axes.
    """

    stepwise = True
    _may_chain = True

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
        self._known_traits: tuple[int, _Traits] = (0, _Traits())

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

    def _traits(self) -> _Traits:
        """What the layers inside do that keeps steps from running together as one batch."""
        stamp, traits = self._known_traits
        if stamp != structure_clock.stamp:
            inside = self.layer.with_sublayers()
            traits = _Traits(
                stateful=any(getattr(layer, "stateful", False) for layer in inside),
                mixing=any(layer.mixes_samples for layer in inside),
                penalised=any(layer.activity_regularizer is not None for layer in inside),
            )
            self._known_traits = (structure_clock.stamp, traits)
        return traits

    def _one_by_one(self, training: bool) -> bool:
        """Whether steps may not run together as one batch."""
        traits = self._traits()
        return traits.stateful or traits.penalised or (training and traits.mixing)

    def _pieces(self, x: Any, mask: Any, training: bool) -> tuple[list, list]:
        """Inputs and masks for the layer: one large batch, or each step's."""
        if mask is not None and mask.shape[:2] != x.shape[:2]:
            validation.check_sequence_mask(mask, x.shape[0], x.shape[1], self.name)
        if mask is not None and mask.ndim < 3 and x.ndim > 3:
            mask = None  # it says which steps count, and the layer sees whole steps
        if self._one_by_one(training):
            steps = range(x.shape[1])
            return [x[:, t] for t in steps], [self._inner_mask(None if mask is None else mask[:, t]) for t in steps]
        mask = None if mask is None else mask.reshape(-1, *mask.shape[2:])
        return [x.reshape(-1, *x.shape[2:])], [self._inner_mask(mask)]

    def _inner_mask(self, mask: Any) -> Any:
        return None if mask is None else self.layer.select_masks([mask], None)

    @staticmethod
    def _joined(pieces: list, lead: tuple[int, int]) -> Any:
        """The layer's outputs, (N, T, ...)."""
        if len(pieces) == 1:
            return tree.map_leaves(lambda y: y.reshape(*lead, *y.shape[1:]), pieces[0])
        found = [np.stack(steps, axis=1) for steps in zip(*map(tree.leaves, pieces), strict=True)]
        return tree.fill(pieces[0], found)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        pieces, inner_masks = self._pieces(x, mask, training)
        pairs = [
            self.layer.differentiate([piece], inner, training, None)
            for piece, inner in zip(pieces, inner_masks, strict=True)
        ]

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            gradients: dict[Any, Any] = {}
            dxs: list[Any] = [None] * len(pairs)
            for k in reversed(range(len(pairs))):

                def piece_of(d: Any, k: int = k) -> Any:
                    if d is None or len(pairs) > 1:
                        return None if d is None else d[:, k]
                    return d.reshape(-1, *d.shape[2:])

                (dxs[k], *_), found = pairs[k][1](tree.map_leaves(piece_of, dy), wants_dx)
                for variable, gradient in found.items():
                    gradients[variable] = added(gradients.get(variable), gradient)
            if not wants_dx or dxs[0] is None:
                return (None,), gradients
            return (dxs[0].reshape(x.shape) if len(dxs) == 1 else np.stack(dxs, axis=1),), gradients

        return self._joined([y for y, _ in pairs], x.shape[:2]), pullback

    def infer(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (x,) = inputs
        pieces, inner_masks = self._pieces(x, mask, training)
        found = [
            self.layer.compute([piece], inner, training, None) for piece, inner in zip(pieces, inner_masks, strict=True)
        ]
        return self._joined(found, x.shape[:2])

    def stepper(self, use: LayerUse) -> Stepper:
        if use.is_timed and self._traits().stateful:
            raise CannotStep("the layer inside keeps states between steps (stateful=True)")
        return super().stepper(use)

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
