"""Bidirectional: a recurrent layer over the sequence, another over its reverse, and their outputs merged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import kernels, serialization, tree, validation
from gatewise.layer import Layer
from gatewise.layers.cell import added
from gatewise.layers.copies import made_anew
from gatewise.layers.sequence_layer import SequenceLayer

_MERGE_MODES = ("sum", "mul", "ave", "concat", None)
_RECURRENT_ARGUMENTS = ("return_sequences", "return_state", "go_backwards", "stateful")


class Bidirectional(SequenceLayer):
    """Runs a recurrent layer forwards and a second one backwards.

    Args:
        layer: a recurrent layer; it serves as the pattern and is not used itself: the two layers inside are made anew
            from its arguments, `forward_layer` and `backward_layer`.
        merge_mode: how each step's two outputs become one: "concat" on the last axis, "sum", "mul", "ave"; None for
            two outputs.
        weights: initial weights, the forward layer's first.
        backward_layer: a recurrent layer with go_backwards=True, used as it is, instead of the pattern's reverse.

    Called as recurrent layers are; `initial_state` holds the forward states, then the backward ones, and so do the
    states returned.  With return_sequences the backward outputs come in the order of the input, and masked steps put
    out zeros; without it they are the output after the whole sequence, read from its end.

    Raises:
        ValueError: for another merge mode, and for layers that are not recurrent or do not go together.

    Source: Schuster & Paliwal 1997.
    """

    not_in_config = ("weights",)
    not_causal = "it reads the sequence from its end too"

    def __init__(
        self, layer: Any, merge_mode: str | None = "concat", weights: Any = None, backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(weights=weights, **kwargs)
        for given, role in ((layer, "layer"), (backward_layer, "backward_layer")):
            if given is not None or role == "layer":
                _check_recurrent(given, role, self.name)
        if merge_mode not in _MERGE_MODES:
            raise ValueError(
                f"Layer '{self.name}' (Bidirectional): Invalid merge mode. Received: {merge_mode}. Merge mode should "
                'be one of {"sum", "mul", "ave", "concat", None}'
            )
        self.merge_mode = merge_mode
        self.forward_layer = made_anew(layer, name=f"forward_{layer.name.removeprefix('forward_')}")
        if backward_layer is None:
            name = f"backward_{layer.name.removeprefix('forward_')}"
            backward_layer = made_anew(layer, name=name, go_backwards=True)
        self.backward_layer = backward_layer
        _check_pair(self.forward_layer, backward_layer, self.name)
        for one in (self.forward_layer, backward_layer):
            one.zero_output_for_mask = one.return_sequences
        if getattr(layer, "remat_steps", None) is not None:
            self.remat_steps = layer.remat_steps
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        self.stateful = layer.stateful
        self.input_rank = getattr(layer, "input_rank", self.input_rank)
        self.supports_masking = True
        if self._batch_input_shape is None:
            self._batch_input_shape = layer._batch_input_shape

    @property
    def layer(self) -> Any:
        """The forward layer."""
        return self.forward_layer

    @property
    def go_backwards(self) -> bool:
        return False

    @property
    def remat_steps(self) -> int | None:
        """The forward layer's `remat_steps`; setting it sets both layers'."""
        return getattr(self.forward_layer, "remat_steps", None)

    @remat_steps.setter
    def remat_steps(self, value: int | None) -> None:
        self.forward_layer.remat_steps = self.backward_layer.remat_steps = value

    # --- states ----------------------------------------------------------------------------------------------

    @property
    def state_shapes(self) -> list[tuple[int, ...]]:
        return [*self.forward_layer.state_shapes, *self.backward_layer.state_shapes]

    @property
    def states(self) -> list[Any] | None:
        """The kept states of a stateful layer: the forward layer's, then the backward layer's."""
        parts = (self.forward_layer.states, self.backward_layer.states)
        return None if None in parts else [state for part in parts for state in part]

    def get_initial_state(self, batch_size: int | None = None) -> list[Any]:
        """What the two layers begin with if no states are given."""
        return [*self.forward_layer.get_initial_state(batch_size), *self.backward_layer.get_initial_state(batch_size)]

    def reset_states(self, states: Any = None) -> None:
        """Set the kept states to zero, or to given values: the forward layer's, then the backward layer's."""
        given = None if states is None else self._halves([None, *tree.leaves(states)])
        for k, layer in enumerate(self._both()):
            layer.reset_states(None if given is None else given[k][1:])

    reset_state = reset_states

    # --- the layer -------------------------------------------------------------------------------------------

    def build(self, input_shape: Any) -> None:
        self._check_that_outputs_merge(input_shape)
        self.forward_layer.ensure_built([tuple(input_shape)])
        self.backward_layer.ensure_built([tuple(input_shape)])

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        for layer, own in zip(self._both(), self._halves(shapes), strict=True):
            layer.check_inputs(own)

    def _check_that_outputs_merge(self, shape: Any) -> None:
        if self.merge_mode in ("concat", None):
            return
        one, other = (_parts_of_shape(layer.compute_output_shape(shape))[0] for layer in self._both())
        if one[-1] != other[-1]:
            raise ValueError(
                f"Layer '{self.name}' (Bidirectional): merge_mode={self.merge_mode!r} needs two outputs of one size; "
                f"the forward layer puts out {one[-1]} features, the backward layer {other[-1]}. Give both the same "
                'number of units, or write merge_mode="concat".'
            )

    def _both(self) -> tuple[Any, Any]:
        return self.forward_layer, self.backward_layer

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if not self.built:
            self.check_inputs(shapes)
        super().ensure_built(shapes[:1])

    def _halves(self, inputs: Sequence[Any]) -> tuple[list, list]:
        """x and the forward states, x and the backward states."""
        x, *states = inputs
        n = len(self.forward_layer.state_shapes)
        if states and len(states) != n + len(self.backward_layer.state_shapes):
            raise ValueError(
                f"Layer '{self.name}' (Bidirectional) was given initial states that do not fit.\n    expected: "
                f"{n} for the forward layer, then {len(self.backward_layer.state_shapes)} for the backward layer\n"
                f"    given:    {len(states)}\nGive them in one list: initial_state=[forward..., backward...]."
            )
        return [x, *states[:n]], [x, *states[n:]]

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        ahead, behind = self._halves(inputs)
        self._check_mask(inputs[0], mask)
        (y, back_ahead), (z, back_behind) = self._at_the_same_time(
            lambda: self.forward_layer.differentiate(ahead, mask, training, None),
            lambda: self.backward_layer.differentiate(behind, mask, training, None),
        )
        (y, *y_states), (z, *z_states) = _parts(y), _parts(z)
        z = self._in_order(z)
        n = len(y_states)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            merged, states = self._split(dy)
            d_y, d_z = self._unmerged(merged, y, z)
            d_z = None if d_z is None else self._in_order(d_z)
            of_ahead = [d_y, *states[:n]] if self.return_state else d_y
            of_behind = [d_z, *states[n:]] if self.return_state else d_z
            ((dx, *d_first), gradients), ((dx_behind, *d_second), others) = self._at_the_same_time(
                lambda: back_ahead(of_ahead, wants_dx), lambda: back_behind(of_behind, wants_dx)
            )
            return (added(dx, dx_behind), *d_first, *d_second), {**gradients, **others}

        return self._returned(y, z, y_states + z_states), pullback

    def infer(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        ahead, behind = self._halves(inputs)
        self._check_mask(inputs[0], mask)
        found = self._at_the_same_time(
            lambda: self.forward_layer.compute(ahead, mask, training, None),
            lambda: self.backward_layer.compute(behind, mask, training, None),
        )
        (y, *y_states), (z, *z_states) = (_parts(one) for one in found)
        return self._returned(y, self._in_order(z), y_states + z_states)

    def _at_the_same_time(self, ahead: Callable[[], Any], behind: Callable[[], Any]) -> Sequence[Any]:
        """Both results: of the forward layer, and of the backward layer.

        Where it pays their kernels run at the same time, and what follows a kernel in the backward layer comes before
        what follows it in the forward layer; so not where that would change the order of the added losses.
        """
        if any(layer.activity_regularizer is not None or layer._loss_functions for layer in self._both()):
            return ahead(), behind()
        return kernels.together((ahead, behind))

    def _check_mask(self, x: np.ndarray, mask: Any) -> None:
        mask = mask[0] if isinstance(mask, list) else mask
        if mask is not None:
            validation.check_sequence_mask(mask, x.shape[0], x.shape[1], self.name)

    def _in_order(self, z: np.ndarray) -> np.ndarray:
        """Outputs of the backward layer in the order of the input, or their gradients in the layer's order."""
        if not self.return_sequences:
            return z
        return z[::-1] if getattr(self.forward_layer, "time_major", False) else z[:, ::-1]

    def _returned(self, y: np.ndarray, z: np.ndarray, states: list) -> Any:
        if self.merge_mode is None:
            return [y, z, *states]
        merged = self._merged(y, z)
        return [merged, *states] if self.return_state else merged

    def _merged(self, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        if self.merge_mode == "concat":
            return np.concatenate([y, z], axis=-1)
        if self.merge_mode == "mul":
            return y * z
        return y + z if self.merge_mode == "sum" else (y + z) * y.dtype.type(0.5)

    def _split(self, dy: Any) -> tuple[list, list]:
        """The gradients of the merged output or the two outputs, and those of the states."""
        flat = list(dy) if isinstance(dy, list | tuple) else [dy]
        n = 2 if self.merge_mode is None else 1
        return flat[:n], flat[n:]

    def _unmerged(self, merged: list, y: np.ndarray, z: np.ndarray) -> tuple[Any, Any]:
        """The gradients of the two outputs from those of what they were merged to."""
        if self.merge_mode is None:
            return merged[0], merged[1]
        (d,) = merged
        if d is None:
            return None, None
        if self.merge_mode == "concat":
            width = y.shape[-1]
            return d[..., :width], d[..., width:]
        if self.merge_mode == "mul":
            return d * z, d * y
        d = d if self.merge_mode == "sum" else d * d.dtype.type(0.5)
        return d, d

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        mask = previous_mask[0] if isinstance(previous_mask, list) else previous_mask
        mask = mask if self.return_sequences else None
        n_states = len(self.state_shapes) if self.return_state else 0
        found = [mask] * (2 if self.merge_mode is None else 1)
        return [*found, *[None] * n_states] if len(found) + n_states > 1 else mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape if tree.is_shape(input_shape) else input_shape[0]
        (y, *y_states), (z, *z_states) = (_parts_of_shape(one.compute_output_shape(shape)) for one in self._both())
        states = [*y_states, *z_states]
        if self.merge_mode is None:
            return [y, z, *states]
        merged = (*y[:-1], y[-1] + z[-1]) if self.merge_mode == "concat" else y
        return [merged, *states] if self.return_state else merged

    def nested_outputs(self, y: list) -> Any:
        if not self.return_state:
            return y
        states = self.get_initial_state(1)
        return tree.fill([None] * (2 if self.merge_mode is None else 1) + states, tree.leaves(y))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        config = dict(config)
        for name in ("layer", "backward_layer"):
            if isinstance(config.get(name), dict):
                config[name] = serialization.deserialize_object(config[name], kind="layer")
        return cls(**config)


def _parts(y: Any) -> list:
    return list(y) if isinstance(y, list | tuple) else [y]


def _parts_of_shape(shape: Any) -> list:
    return [shape] if tree.is_shape(shape) else list(shape)


def _check_recurrent(layer: Any, role: str, name: str) -> None:
    if isinstance(layer, type):
        raise ValueError(
            f"Layer '{name}': Bidirectional wraps a layer, not a class; write Bidirectional({layer.__name__}(...))."
        )
    missing = [argument for argument in _RECURRENT_ARGUMENTS if not hasattr(layer, argument)]
    if not isinstance(layer, Layer) or missing:
        raise ValueError(
            f"Layer '{name}': Bidirectional wraps a recurrent layer, such as LSTM(units); its {role} is "
            f"{type(layer).__name__} {layer!r}"
            + (f", which has no {', '.join(missing)}." if isinstance(layer, Layer) else ".")
        )


def _check_pair(ahead: Any, behind: Any, name: str) -> None:
    """Raise ValueError unless one layer runs forwards and the other backwards, and both return the same."""
    if ahead.go_backwards == behind.go_backwards:
        raise ValueError(
            f"Layer '{name}' (Bidirectional): Forward layer and backward layer should have different `go_backwards` "
            f"value. Received: forward_layer.go_backwards {ahead.go_backwards}, "
            f"backward_layer.go_backwards={behind.go_backwards}. Give a layer that runs forwards, and a backward_layer "
            "with go_backwards=True."
        )
    for attribute in ("stateful", "return_sequences", "return_state"):
        one, other = getattr(ahead, attribute), getattr(behind, attribute)
        if one != other:
            raise ValueError(
                f"Layer '{name}' (Bidirectional): Forward layer and backward layer are expected to have the same value "
                f'for attribute "{attribute}", got "{one}" for forward layer and "{other}" for backward layer'
            )
