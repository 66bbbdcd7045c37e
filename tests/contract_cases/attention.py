"""Attention layers, and the projections they are made of."""

from __future__ import annotations

from typing import Any

import gatewise as gw
from contract_cases.case import Case
from gatewise import layers

QUERY_VALUE = [(3, 4, 2), (3, 5, 2)]
QUERY_VALUE_KEY = [(3, 4, 2), (3, 5, 3), (3, 5, 2)]


def _heads(name: str, shapes: Any = QUERY_VALUE_KEY, masks: Any = None, **options: Any) -> Case:
    """A model around the layer, which is called with arrays one by one."""

    def make(**common: Any) -> Any:
        inputs = [gw.Input(shape[1:], dtype=common.get("dtype")) for shape in shapes]
        layer = layers.MultiHeadAttention(2, 3, **options, **common)
        y = layer(*(inputs if len(inputs) > 1 else inputs * 2), **masks or {})
        return gw.Model(inputs if len(inputs) > 1 else inputs[0], y)

    return Case(f"MultiHeadAttention {name}", make, shapes if len(shapes) > 1 else shapes[0])


CASES = [
    Case("Attention", lambda **c: layers.Attention(**c), QUERY_VALUE),
    Case("Attention scaled", lambda **c: layers.Attention(use_scale=True, **c), QUERY_VALUE_KEY),
    Case("Attention concat", lambda **c: layers.Attention(score_mode="concat", **c), QUERY_VALUE_KEY),
    Case("Attention concat scaled", lambda **c: layers.Attention(True, "concat", **c), QUERY_VALUE),
    Case("AdditiveAttention", lambda **c: layers.AdditiveAttention(**c), QUERY_VALUE_KEY),
    Case("AdditiveAttention not scaled", lambda **c: layers.AdditiveAttention(False, **c), QUERY_VALUE),
    Case("EinsumDense", lambda **c: layers.EinsumDense("abc,cde->abde", (None, 3, 2), bias_axes="de", **c)),
    Case("EinsumDense dots", lambda **c: layers.EinsumDense("...x,xy->...y", 3, "tanh", "y", **c), (3, 2, 2, 4)),
    Case("EinsumDense by step", lambda **c: layers.EinsumDense("abc,bcd->abd", (4, 3), bias_axes="b", **c)),
    Case("EinsumDense over time", lambda **c: layers.EinsumDense("abc,bd->acd", (2, 3), bias_axes="cd", **c)),
    Case("EinsumDense dots last", lambda **c: layers.EinsumDense("ab...,bc->ac...", 3, bias_axes="c", **c)),
    Case("EinsumDense summed", lambda **c: layers.EinsumDense("abc,cd->ad", 3, kernel_regularizer="l2", **c)),
    _heads("query and value", QUERY_VALUE),
    _heads("itself", [(3, 4, 2)]),
    _heads("key", value_dim=2, output_shape=5),
    _heads("no bias, gate", use_bias=False, use_gate=True),
    _heads("several outputs", QUERY_VALUE, output_shape=(2, 3), use_gate=True),
    _heads("causal, scores", QUERY_VALUE, {"use_causal_mask": True, "return_attention_scores": True}),
    _heads("window", QUERY_VALUE, sliding_window=2),
    _heads("two axes", [(2, 3, 2, 4), (2, 2, 3, 4)], {"return_attention_scores": True}),
    _heads("second axis", [(2, 3, 2, 4), (2, 3, 3, 4)], attention_axes=2),
    _heads("regularized", kernel_regularizer="l2", activity_regularizer="l2", bias_initializer="ones"),
]
