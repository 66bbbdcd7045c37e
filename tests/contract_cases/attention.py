"""Attention layers."""

from __future__ import annotations

from contract_cases.case import Case
from gatewise import layers

QUERY_VALUE = [(3, 4, 2), (3, 5, 2)]
QUERY_VALUE_KEY = [(3, 4, 2), (3, 5, 3), (3, 5, 2)]


CASES = [
    Case("Attention", lambda **c: layers.Attention(**c), QUERY_VALUE),
    Case("Attention scaled", lambda **c: layers.Attention(use_scale=True, **c), QUERY_VALUE_KEY),
    Case("Attention concat", lambda **c: layers.Attention(score_mode="concat", **c), QUERY_VALUE_KEY),
    Case("Attention concat scaled", lambda **c: layers.Attention(True, "concat", **c), QUERY_VALUE),
    Case("AdditiveAttention", lambda **c: layers.AdditiveAttention(**c), QUERY_VALUE_KEY),
    Case("AdditiveAttention not scaled", lambda **c: layers.AdditiveAttention(False, **c), QUERY_VALUE),
]
