"""MultiHeadAttention: several attentions side by side, each on projections of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import config, constraints, initializers, random, regularizers, tree, validation
from gatewise.arguments import is_array
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.layers.attention_core import bound_call, only, stacked_matmul, transposed, weighed
from gatewise.layers.einsum_dense import EinsumDense
from gatewise.layers.head_layout import HeadLayout, fit_each_other
from gatewise.layers.head_masks import HeadCall, permitted_keys


class MultiHeadAttention(Layer):
    """Several attentions side by side, the heads: each on projections of its own.

    head = softmax(q k^T / sqrt(key_dim)) v, with projections q, k, v of query, key, value;   y = heads W + b

    Args:
        num_heads: the number of attentions.
        key_dim: the features of query and key in each.
        value_dim: the features of the value in each; default key_dim.
        dropout: the fraction of the weights that training sets to zero.
        use_bias: whether the projections have biases.
        output_shape: the features of the output, an integer or several; default those of the query.
        attention_axes: the axes along which queries attend to keys; default all but batch and features.
        sliding_window: how far a query sees: keys less than this many places away; default all.
        flash_attention: accepted; there is one way to compute.
        kernel_*, bias_*: initializers, regularizers and constraints of the projections.
        activity_regularizer: of the projections' outputs.
        use_gate: whether each head's result is multiplied by a sigmoid of a projection of the query.
        seed: of the dropout.
        **kwargs: of `Layer`.

    Called with query (N, T, D), value (N, S, E) and, where it is not the value, key (N, S, K).  Masks: query_mask
    (N, T), value_mask, key_mask (N, S), attention_mask (N, T, S), each also taken from the inputs;
    `use_causal_mask=True`: a query attends to keys up to its own place.  What they leave out reaches no result, and a
    query that may attend to nothing gets zeros from the heads.
    Output (N, T, output_shape), with `return_attention_scores=True` also the weights (N, num_heads, T, S).
    Layers inside: query_dense, key_dense, value_dense (kernel (D, heads, key_dim), bias (heads, key_dim)), output_dense
    (kernel (heads, value_dim, output), bias (output,)) and, with use_gate, _gate_dense: the names of Keras's files.

    Raises:
        ValueError: for inputs and masks that do not fit each other.

    Source: Vaswani et al. 2017; Beltagy, Peters & Cohan 2020 (sliding window); Qiu et al. 2025 (gate).
    """

    not_in_config = ("autocast", "flash_attention")
    in_config_if_true = ()
    kept_as = {"output_shape": "projected_shape", "activity_regularizer": "projections_regularizer"}
    not_causal = "a query may attend to any step"

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        cls = type(self).__name__
        self.num_heads = validation.positive_integer(num_heads, "num_heads", cls)
        self.key_dim = validation.positive_integer(key_dim, "key_dim", cls)
        self.value_dim = self.key_dim if value_dim is None else validation.positive_integer(value_dim, "value_dim", cls)
        self.dropout = validation.fraction(dropout, "dropout", cls)
        self.use_bias = bool(use_bias)
        self.projected_shape = _sizes(output_shape, cls)
        self.attention_axes: tuple[int, ...] | None = None
        if attention_axes is not None:
            axes = validation.one_or_more_axes(attention_axes, cls, "attention_axes")
            self.attention_axes = tuple(axes) if isinstance(axes, list) else (axes,)
        if sliding_window is not None:
            sliding_window = validation.positive_integer(sliding_window, "sliding_window", cls)
        self.sliding_window = sliding_window
        self.flash_attention = bool(flash_attention)
        if self.flash_attention and self.dropout > 0:
            raise ValueError(f"{cls}: flash_attention=True leaves no room for dropout; write dropout=0.")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.projections_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.use_gate = bool(use_gate)
        self.seed = seed
        self.supports_masking = True
        self._built_for: dict[str, tuple] = {}
        self._seeds = random.SeedGenerator(seed) if self.dropout > 0 else None

    # --- the projections -------------------------------------------------------------------------------------

    def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
        """Make the projections for inputs of these shapes."""
        shapes = {"query_shape": tuple(query_shape), "value_shape": tuple(value_shape)}
        if key_shape is not None:
            shapes["key_shape"] = tuple(key_shape)
        self._check_shapes(*shapes.values())
        self._built_for = shapes
        for inner in ("softmax", "dropout"):  # Keras makes such layers inside, so a user's own count on from there
            config.unique_name(inner)
        query, value, key = (*shapes.values(), shapes["value_shape"])[:3]
        rank = len(query)
        axes = range(1, rank - 1) if self.attention_axes is None else self.attention_axes
        self.attention_axes = tuple(axis % rank if axis < 0 else axis for axis in axes)
        self.query_dense = self._projection(query, self.key_dim, "query")
        self.key_dense = self._projection(key, self.key_dim, "key")
        if self.use_gate:
            self._gate_dense = self._projection(query, self.value_dim, "gate", "sigmoid")
        self.value_dense = self._projection(value, self.value_dim, "value")
        result = self.projected_shape or (query[-1],)
        lead, wide, made = _LEAD[: rank - 1], "yz", _MADE[: len(result)]
        self.output_dense = self._dense(
            f"{lead}{wide},{wide}{made}->{lead}{made}", (*[None] * (rank - 2), *result), made, "attention_output"
        )
        self.output_dense.ensure_built([(*query[:-1], self.num_heads, self.value_dim)])

    def _projection(self, shape: tuple, width: int, name: str, activation: Any = None) -> EinsumDense:
        """(batch, ..., features) -> (batch, ..., heads, width)."""
        lead = _LEAD[: len(shape) - 1]
        sizes = (*[None] * (len(shape) - 2), self.num_heads, width)
        dense = self._dense(f"{lead}x,xyz->{lead}yz", sizes, "yz", name, activation)
        dense.ensure_built([shape])
        return dense

    def _dense(self, equation: str, sizes: Sequence[Any], bias: str, name: str, activation: Any = None) -> EinsumDense:
        return EinsumDense(
            equation,
            output_shape=sizes,
            activation=activation,
            bias_axes=bias if self.use_bias else None,
            kernel_initializer=_cloned(self.kernel_initializer),
            bias_initializer=_cloned(self.bias_initializer),
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self.projections_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            dtype=self.dtype,
            trainable=self.trainable,
            name=name,
        )

    def get_build_config(self) -> dict[str, Any] | None:
        return {"shapes_dict": dict(self._built_for)} if self._built_for else None

    def build_from_config(self, config: Any) -> None:
        shapes = config.get("shapes_dict")
        if shapes and not self.built:
            self.build(**{name: tuple(shape) for name, shape in shapes.items()})

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A new layer from a configuration; what Keras 2 adds to it, shapes and a way to compute, is left out."""
        return cls(**{name: value for name, value in config.items() if name not in _KERAS_2_ALONE})

    # --- being called ----------------------------------------------------------------------------------------

    def call(
        self,
        query: Any,
        value: Any,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        key_mask: Any = None,
        attention_mask: Any = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        return super().call(**{name: value for name, value in given.items() if value is not None})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._uses_call:  # a subclass with a `call` of its own
            return super().__call__(*args, **kwargs)
        given = bound_call(MultiHeadAttention.call, args, kwargs, self._label)
        for name in (*_INPUTS, *_MASKS):
            if name in given and not is_array(given[name]):
                given[name] = np.asarray(given[name])
        leading = [given.pop(name) for name in _INPUTS if name in given]
        return super().__call__(*leading, **given)

    @property
    def _label(self) -> str:
        """How messages name the layer."""
        return f"'{self.name}' ({type(self).__name__})"

    def _decoded(self, structure: Any, count: int) -> HeadCall:
        """The arguments of a call of `count` arrays by name, each array by its place."""
        if structure is None:
            return HeadCall(0, 1, 2 if count > 2 else None, {})
        args, kwargs = structure.fill(range(count))
        given = bound_call(MultiHeadAttention.call, args, kwargs, self._label)
        return HeadCall(given.pop("query"), given.pop("value"), given.pop("key", None), given)

    def _shapes_of(self, shapes: Sequence[Any], structure: Any) -> list[tuple]:
        """The shapes of query, value and, if there is one, key."""
        call = self._decoded(structure, len(shapes))
        return [tuple(shapes[k]) for k in (call.query, call.value, call.key) if k is not None]

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if not self.built:
            self.build(*self._shapes_of(shapes, structure))

    def _check_shapes(self, query: tuple, value: tuple, key: tuple | None = None) -> None:
        """Raise ValueError unless inputs of these shapes fit each other and the weights."""
        key = value if key is None else key
        shapes = (query, value, key)
        fits = fit_each_other(query, value, key, self.attention_axes)
        if fits and self.built:
            parts = (self.query_dense, self.value_dense, self.key_dense)
            fits = all(shape[-1] == part.kernel.shape[0] for shape, part in zip(shapes, parts, strict=True))
        if not fits:
            built = f" It was built for {self._built_for}." if self.built else ""
            raise ValueError(
                f"Layer {self._label}: the inputs do not fit each other.\n    expected: query (N, T, D), value "
                f"(N, S, E), key (N, S, K), attended along axes {self.attention_axes or 'all but batch and features'}\n"
                f"    given:    {', '.join(map(validation.drawn, shapes))}\nAll have the same rank of at least 3 and "
                f"the same batch, value and key the same steps.{built}"
            )

    def select_masks(self, leaf_masks: Sequence[Any], structure: Any) -> Any:
        return list(leaf_masks)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return previous_mask[0] if isinstance(previous_mask, list | tuple) else previous_mask

    def compute_output_shape(self, query_shape: Any, value_shape: Any = None, key_shape: Any = None) -> Any:
        if not tree.is_shape(query_shape):
            return self.compute_output_shape(*query_shape)
        if value_shape is not None:
            self._check_shapes(tuple(query_shape), tuple(value_shape), None if key_shape is None else tuple(key_shape))
        return (*query_shape[:-1], *(self.projected_shape or (query_shape[-1],)))

    def _symbolic_outputs(self, leaves: Sequence[Any], structure: Any) -> Any:
        shapes = self._shapes_of([tuple(leaf.shape) for leaf in leaves], structure)
        y = SymbolicTensor(self.compute_output_shape(*shapes), self._dtype)
        if not self._decoded(structure, len(leaves)).rest.get("return_attention_scores"):
            return y
        query, value = shapes[:2]
        heads = (self.num_heads,)
        sizes = self._layout(len(query)).scores_shape(query[:-1] + heads, value[:-1] + heads)
        return [y, SymbolicTensor(sizes, self._dtype)]

    def _layout(self, rank: int) -> HeadLayout:
        attended = tuple(self.attention_axes or ())
        return HeadLayout(tuple(k for k in range(rank - 1) if k not in attended), attended)

    # --- what is computed ------------------------------------------------------------------------------------

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        call = self._decoded(structure, len(inputs))
        key_place = call.value if call.key is None else call.key
        query, key, value = (inputs[k] for k in (call.query, key_place, call.value))
        self._check_shapes(query.shape, value.shape, key.shape)
        layout = self._layout(query.ndim)
        permitted = permitted_keys(call, inputs, mask, layout, self)
        if permitted is not None:
            # What is never attended to, and who attends to nothing, must not reach a sum: it may be NaN.
            asks, is_asked = (permitted.any(axis=axis).any(axis=-2) for axis in (-1, -2))
            query = only(query, layout.places(asks, query.shape))
            value, key = (only(x, layout.places(is_asked, x.shape)) for x in (value, key))
        parts = [(self.query_dense, query), (self.key_dense, key), (self.value_dense, value)]
        parts += [(self._gate_dense, query)] if self.use_gate else []
        projected = [dense.differentiate([x], None, training, None) for dense, x in parts]
        heads, weights, heads_back = self._attend([y for y, _ in projected], permitted, training, layout)
        y, output_back = self.output_dense.differentiate([heads], None, training, None)
        returns_weights = bool(call.rest.get("return_attention_scores"))

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            dy, d_weights = dy if returns_weights else (dy, None)
            (d_heads,), gradients = ((None,), {}) if dy is None else output_back(dy)
            flows = heads_back(d_heads, d_weights)
            total: dict[int, Any] = {}
            places = (call.query, key_place, call.value, call.query)
            for place, flow, (_, back) in zip(places, flows, projected, strict=False):
                if flow is None:
                    continue
                (dx,), own = back(flow, wants_dx)
                gradients = {**gradients, **own}
                if dx is not None:
                    total[place] = total[place] + dx if place in total else dx
            return tuple(total.get(place) for place in range(len(inputs))), gradients

        return ([y, weights] if returns_weights else y), pullback

    def _attend(self, projected: list, permitted: Any, training: bool, layout: HeadLayout) -> tuple[Any, Any, Callable]:
        """The heads' results (batch, ..., heads, value_dim), the weights, and the way back.

        Args:
            projected: query, key, value and, with use_gate, gate, each (batch, ..., heads, D).

        Returns:
            (results, weights, back).  back(d_results, d_weights) -> the gradients of what is in `projected`.
        """
        query_shape, key_shape, value_shape = (y.shape[:-1] for y in projected[:3])
        q, k, v = (layout.heads_first(y) for y in projected[:3])
        gate = projected[3] if self.use_gate else None
        shrink = q.dtype.type(1 / math.sqrt(self.key_dim))
        q = q * shrink
        scores = stacked_matmul(q, transposed(k))
        multiplier = None
        if training and self._seeds is not None:
            multiplier = random.dropout_multiplier(self._seeds, scores.shape, self.dropout, scores.dtype.name)
        found = weighed(scores, v, permitted, multiplier)
        heads = layout.heads_last(found.values, query_shape)

        def back(d_results: Any, d_weights: Any) -> list:
            d_gate, d_values = None, None
            if d_results is not None:
                d_gate = None if gate is None else d_results * heads
                d_values = layout.heads_first(d_results if gate is None else d_results * gate)
            ds, dv = found.back(d_values, d_weights=None if d_weights is None else d_weights.reshape(scores.shape))
            dq, dk = stacked_matmul(ds, k) * shrink, stacked_matmul(transposed(ds), q)
            return [
                layout.heads_last(dq, query_shape),
                layout.heads_last(dk, key_shape),
                None if dv is None else layout.heads_last(dv, value_shape),
                d_gate,
            ]

        weights = found.weights.reshape(layout.scores_shape(query_shape, value_shape))
        return (heads if gate is None else heads * gate), weights, back


_LEAD, _MADE = "abcdefghijkl", "mnopqrstuvw"
_KERAS_2_ALONE = ("query_shape", "key_shape", "value_shape", "softmax_robust_masking")
_INPUTS = ("query", "value", "key")
_MASKS = ("query_mask", "value_mask", "key_mask", "attention_mask")


def _sizes(output_shape: Any, layer: str) -> tuple[int, ...] | None:
    """The sizes of the output's axes of features; None for the query's."""
    if output_shape is None or (isinstance(output_shape, list | tuple) and not output_shape):
        return None
    several = output_shape if isinstance(output_shape, list | tuple) else [output_shape]
    return tuple(validation.positive_integer(size, "output_shape", layer) for size in several)


def _cloned(initializer: Any) -> Any:
    """An initializer like this one that draws its own numbers."""
    return initializer.clone() if isinstance(initializer, initializers.Initializer) else initializer
