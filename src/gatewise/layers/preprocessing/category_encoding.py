"""CategoryEncoding: integers as one-hot, several-hot or counted vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import validation
from gatewise.arguments import CallArguments, describe
from gatewise.layer import Layer
from gatewise.layers.preprocessing import encoding


class CategoryEncoding(Layer):
    """Integers from 0 to `num_tokens` - 1 as vectors of that length.

    Args:
        num_tokens: how many categories there are, K.
        output_mode: "one_hot": a vector for each integer; "multi_hot" (old: "binary"): one vector a row, with ones at
            the row's integers; "count": how often each occurs.
        sparse: must be False.

    Called with `layer(x, count_weights=None)`: in "count" what each integer counts, in the shape of x.
    Input (N, T), output (N, K); one-hot (N, T, K), or (N, K) for T = 1.  Integers from K on count nowhere.

    Raises:
        ValueError: for negative integers ("multi_hot", "count") or fractions.
    """

    takes_floats = False
    not_in_config = (*Layer.not_in_config, "sparse")

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if num_tokens is None:
            raise ValueError(
                "CategoryEncoding needs num_tokens, the number of categories. If it is not known beforehand, use an "
                "IntegerLookup layer."
            )
        self.num_tokens = validation.positive_integer(num_tokens, "num_tokens", type(self).__name__)
        self.output_mode = encoding.output_mode(output_mode, encoding.ENCODINGS, type(self).__name__)
        encoding.refuse_sparse(sparse, type(self).__name__)
        self.built = True

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        rest = {key: value for key, value in kwargs.items() if key != "count_weights"}
        weights = kwargs.get("count_weights", args[1] if len(args) > 1 else None)
        leaves, _ = CallArguments.arrange(tuple(np.asarray(a) if isinstance(a, int) else a for a in args[:1]), rest)
        if weights is None:
            return leaves, None
        if self.output_mode != "count":
            raise ValueError(
                f"Layer '{self.name}' (CategoryEncoding): `count_weights` is not used when `output_mode` is not "
                f"'count'; it is {self.output_mode!r}."
            )
        return [*leaves, *CallArguments.arrange((weights,), {})[0]], None

    def check_inputs(self, shapes: Sequence[Any]) -> None:
        if len(shapes) > 1 and tuple(shapes[0]) != tuple(shapes[1]):
            raise ValueError(
                f"Layer '{self.name}' (CategoryEncoding): count_weights must have the shape of the input, "
                f"{tuple(shapes[0])}; got {tuple(shapes[1])}."
            )

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        x = inputs[0]
        indices = whole_numbers(x, self.name, type(self).__name__)
        if self.output_mode != "one_hot" and indices.size and indices.min() < 0:
            raise ValueError(
                f"Layer '{self.name}' (CategoryEncoding): categories are integers from 0 to {self.num_tokens - 1}; "
                f"got {indices.min()}."
            )
        weights = inputs[1] if len(inputs) > 1 else None
        y = encoding.encoded(indices, self.output_mode, self.num_tokens, self.dtype, weights)
        back = encoding.without_gradient(x)
        return y, lambda dy, wants_dx=True: ((*back(dy, wants_dx)[0], *[None] * (len(inputs) - 1)), {})

    def compute_output_shape(self, input_shape: Any) -> Any:
        return encoding.encoded_shape(encoding.shape_of_first(input_shape), self.output_mode, self.num_tokens)


def whole_numbers(x: np.ndarray, layer: str, cls: str) -> np.ndarray:
    """x as integers.

    Raises:
        ValueError: if it holds text or fractions.
    """
    if x.dtype.kind == "f" and (x == np.floor(x)).all() and (np.abs(x) < 2.0**63).all():
        return x.astype("int64")
    if x.dtype.kind not in "iub":
        hint = " It holds fractions, NaN, or numbers beyond those of int64." if x.dtype.kind == "f" else ""
        raise ValueError(f"Layer '{layer}' ({cls}) takes integers; got {describe(x)}.{hint}")
    return x if x.dtype.kind != "b" else x.astype("int64")
