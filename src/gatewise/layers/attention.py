"""Attention and AdditiveAttention: values weighed by how well their keys fit each query."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import random, validation
from gatewise.arguments import describe, is_array
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.layers.attention_core import (
    as_mask,
    bound_call,
    causal_mask,
    check_mask,
    only,
    stacked_matmul,
    transposed,
    weighed,
)
from gatewise.variable import Variable

_AXES = ("batch", "steps", "features")


class Attention(Layer):
    """For each query the mean of the values, weighed by the softmax of the scores of their keys.

    dot:     scores = scale query key^T
    concat:  scores = concat_score_weight sum(tanh(scale (query + key)))
    y = softmax(scores) value

    Args:
        use_scale: whether there is a trained `scale`; without it, 1.
        score_mode: "dot" or "concat".
        dropout: the fraction of the weights that training sets to zero.
        seed: of the choice.
        **kwargs: of `Layer`.

    Called with [query (N, T, D), value (N, S, V)], or [query, value, key (N, S, D)]; without a key the value is it.
    `mask` is a list for query (N, T) and value (N, S); what it leaves out is not attended to, and gives zeros; a query
    that may attend to nothing gives zeros too.  `use_causal_mask=True`: a query attends to keys up to its own place.
    Output (N, T, V), with `return_attention_scores=True` also the weights (N, T, S).
    Weights: scale (), concat_score_weight (), where there are such.

    Raises:
        ValueError: for anything but two or three inputs of these shapes, and masks that do not fit them.

    Source: Luong, Pham & Manning 2015.
    """

    takes_list = True
    not_causal = "a query may attend to any step"

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if score_mode not in ("dot", "concat"):
            raise ValueError(
                f"{type(self).__name__}: Invalid value for argument score_mode. Expected one of 'dot', 'concat'; got "
                f"{score_mode!r}."
            )
        self.use_scale = bool(use_scale)
        self.score_mode = score_mode
        self.dropout = validation.fraction(dropout, "dropout", type(self).__name__)
        self.seed = seed
        self.scale: Variable | None = None
        self.concat_score_weight: Variable | None = None
        self._seeds = random.SeedGenerator(seed) if self.dropout > 0 else None

    def build(self, input_shape: Any) -> None:
        if self.use_scale:
            self.scale = self.add_weight((), "ones", name="scale")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight((), "ones", name="concat_score_weight")

    # --- being called ----------------------------------------------------------------------------------------

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        options = {"return_attention_scores": return_attention_scores, "use_causal_mask": use_causal_mask}
        return super().call(inputs, mask=mask, training=training, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._uses_call:  # a subclass with a `call` of its own
            return super().__call__(*args, **kwargs)
        given = bound_call(Attention.call, args, kwargs, f"'{self.name}' ({type(self).__name__})")
        inputs, mask = given.pop("inputs", None), given.get("mask")
        if not isinstance(inputs, list | tuple) or any(not is_array(x) for x in inputs):
            raise ValueError(
                f"{self._who} must be called on a list of arrays: [query, value] or [query, value, key]. It was given "
                f"{describe(inputs)}. Write layer([x, x]) for a sequence that attends to itself."
            )
        if mask is not None and not (isinstance(mask, list | tuple) and len(mask) in (2, 3)):
            raise ValueError(
                f"{self._who}: the mask must be a list, [query_mask, value_mask], either of which may be None; it was "
                f"given {describe(mask)}."
            )
        return super().__call__(list(inputs), **given)

    @property
    def _who(self) -> str:
        return f"Layer '{self.name}' ({type(self).__name__})"

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        shapes = [tuple(shape) for shape in shapes]
        given = "    given:    [" + ", ".join(map(validation.drawn, shapes)) + "]"
        if len(shapes) not in (2, 3):
            raise ValueError(
                f"{self._who} accepts a list of 2 or 3 inputs, [query, value] or [query, value, key]; it was given "
                f"{len(shapes)}.\n{given}"
            )
        if not _fit_each_other(*(*shapes, shapes[1])[:3]):
            raise ValueError(
                f"{self._who}: the inputs do not fit each other.\n"
                f"    expected: [query (N, T, D), value (N, S, V), key (N, S, D)]\n{given}\n"
                "All have the same batch, query and key the same features, key and value the same steps. The value is "
                "the key where none is given."
            )

    def ensure_built(self, shapes: Sequence[Any], structure: Any = None) -> None:
        if not self.built:
            self.check_inputs(shapes)
        super().ensure_built(shapes, structure)

    def compute_output_shape(self, input_shape: Any) -> Any:
        query, value = input_shape[0], input_shape[1]
        return (*query[:-1], value[-1])

    def _symbolic_outputs(self, leaves: Sequence[Any], structure: Any) -> Any:
        shapes = [tuple(leaf.shape) for leaf in leaves]
        y = SymbolicTensor(self.compute_output_shape(shapes), self._dtype)
        if structure is None or not structure.kwargs.get("return_attention_scores"):
            return y
        return [y, SymbolicTensor((*shapes[0][:-1], shapes[-1][-2]), self._dtype)]

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return previous_mask[0] if isinstance(previous_mask, list | tuple) else None

    # --- what is computed ------------------------------------------------------------------------------------

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        options = {} if structure is None else structure.kwargs
        returns_weights = bool(options.get("return_attention_scores"))
        query, value, *keys = inputs
        query_mask, permitted = self._masks(query, value, mask, bool(options.get("use_causal_mask")))
        if query_mask is not None:
            # The weights of a masked query are those of its content, as in Keras; only what is no number is left out.
            query = only(query, query_mask | (np.isfinite(query).all(axis=-1) & returns_weights))
        if permitted is not None:
            used = np.broadcast_to(permitted.any(axis=-2), value.shape[:-1])
            value, keys = only(value, used), [only(key, used) for key in keys]
        scores, score_back = self._scores(query, keys[0] if keys else value)
        multiplier = None
        if training and self._seeds is not None:
            multiplier = random.dropout_multiplier(self._seeds, scores.shape, self.dropout, scores.dtype.name)
        found = weighed(scores, value, permitted, multiplier)
        y = found.values if query_mask is None else only(found.values, query_mask)

        def pullback(dy: Any, wants_dx: bool = True) -> tuple[tuple, dict]:
            dy, d_kept = dy if returns_weights else (dy, None)
            if dy is not None and query_mask is not None:
                dy = only(dy, query_mask)
            d_scores, d_value = found.back(dy, d_kept=d_kept)
            d_query, d_key, gradients = score_back(d_scores, wants_dx)
            if not wants_dx:
                return (None,) * len(inputs), gradients
            if keys:
                return (d_query, d_value, d_key), gradients
            return (d_query, d_key if d_value is None else d_key + d_value), gradients

        return ([y, found.kept] if returns_weights else y), pullback

    def _masks(self, query: np.ndarray, value: np.ndarray, mask: Any, is_causal: bool) -> tuple[Any, Any]:
        """The mask of the queries (N, T), or None; and which keys each may attend to, (N, T, S), or None."""
        query_mask, value_mask = (as_mask(one) for one in (mask if mask is not None else (None, None))[:2])
        who = f"'{self.name}' ({type(self).__name__})"
        check_mask(query_mask, query.shape[:-1], _AXES[:2], "queries", who)
        check_mask(value_mask, value.shape[:-1], _AXES[:2], "values", who)
        permitted = None if value_mask is None else value_mask[..., None, :]
        if is_causal:
            causal = causal_mask(query.shape[-2], value.shape[-2])
            permitted = causal if permitted is None else causal & permitted
        return query_mask, permitted

    def _scores(self, query: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, Callable]:
        """(N, T, S), and the way back: (d_scores, wants_dx) -> (d_query, d_key, {variable: gradient})."""
        if self.score_mode == "concat":
            return self._concat_scores(query, key)
        products = stacked_matmul(query, transposed(key))
        scale = None if self.scale is None else self.scale.array

        def back(ds: np.ndarray, wants_dx: bool) -> tuple[Any, Any, dict]:
            gradients = self._gradient(self.scale, lambda: np.add.reduce(ds * products, axis=None))
            if not wants_dx:
                return None, None, gradients
            ds = ds if scale is None else ds * scale
            return stacked_matmul(ds, key), stacked_matmul(transposed(ds), query), gradients

        return (products if scale is None else products * scale), back

    def _concat_scores(self, query: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, Callable]:
        assert self.concat_score_weight is not None
        outer = self.concat_score_weight.array
        inner = query.dtype.type(1) if self.scale is None else self.scale.array
        sums = query[..., :, None, :] + key[..., None, :, :]
        bent = np.tanh(inner * sums)
        fits = np.add.reduce(bent, axis=-1)

        def back(ds: np.ndarray, wants_dx: bool) -> tuple[Any, Any, dict]:
            gradients = self._gradient(self.concat_score_weight, lambda: np.add.reduce(ds * fits, axis=None))
            d_bent = (outer * ds)[..., None] * (1 - bent * bent)
            gradients |= self._gradient(self.scale, lambda: np.add.reduce(d_bent * sums, axis=None))
            d_sums = inner * d_bent
            return d_sums.sum(axis=-2), d_sums.sum(axis=-3), gradients

        return outer * fits, back

    def _gradient(self, variable: Variable | None, gradient: Callable[[], Any]) -> dict:
        """{variable: its gradient}, if there is such a variable and it is trained."""
        if variable is None or not (self._trainable and variable.trainable):
            return {}
        return {variable: np.asarray(gradient(), variable.array.dtype)}


def _fit_each_other(query: tuple, value: tuple, key: tuple) -> bool:
    """Whether queries of this shape can attend to such values and keys."""
    rank = len(query)
    if rank < 3 or len(value) != rank or len(key) != rank or query[-1] is None:
        return False
    pairs = [*zip(query[:-2], value[:-2], strict=True), *zip(value[:-1], key[:-1], strict=True), (query[-1], key[-1])]
    return all(None in pair or pair[0] == pair[1] for pair in pairs)


class AdditiveAttention(Attention):
    """Attention whose scores are sum(scale tanh(query + key)), with a scale for each feature.

    Args:
        use_scale: whether there is a trained `scale` (D,); without it, 1.
        dropout: the fraction of the weights that training sets to zero.
        **kwargs: `seed` and those of `Layer`.

    Inputs, masks and outputs as of `Attention`.  Weight: scale (D,).

    Source: Bahdanau, Cho & Bengio 2015.
    """

    not_in_config = (*Attention.not_in_config, "score_mode")

    def __init__(self, use_scale: bool = True, dropout: float = 0.0, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(use_scale=use_scale, dropout=dropout, seed=seed, **kwargs)

    def build(self, input_shape: Any) -> None:
        if self.use_scale:
            self.scale = self.add_weight((input_shape[0][-1],), "glorot_uniform", name="scale")

    def _scores(self, query: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, Callable]:
        scale = query.dtype.type(1) if self.scale is None else self.scale.array
        bent = np.tanh(query[..., :, None, :] + key[..., None, :, :])

        def back(ds: np.ndarray, wants_dx: bool) -> tuple[Any, Any, dict]:
            gradients = self._gradient(
                self.scale, lambda: (ds[..., None] * bent).reshape(-1, bent.shape[-1]).sum(axis=0)
            )
            d_sums = ds[..., None] * scale * (1 - bent * bent)
            return d_sums.sum(axis=-2), d_sums.sum(axis=-3), gradients

        return np.add.reduce(scale * bent, axis=-1), back
