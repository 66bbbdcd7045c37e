"""IntegerLookup: integers as indices of a vocabulary, or as vectors; and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.layers.preprocessing.category_encoding import whole_numbers
from gatewise.layers.preprocessing.lookup import Lookup


class IntegerLookup(Lookup):
    """Integers as indices of a vocabulary, or as vectors; with `invert` indices as the integers.

    See `Lookup` for the arguments; `vocabulary_dtype` must be "int64".
    """

    vocabulary_dtype = "int64"
    input_type = "int64"
    _config_names = (
        "invert", "max_tokens", "num_oov_indices", "oov_token", "mask_token", "output_mode", "sparse",
        "pad_to_max_tokens", "vocabulary_dtype", "idf_weights", "vocabulary", "vocabulary_size", "oov_method", "salt",
    )  # fmt: skip

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        oov_token: int = -1,
        vocabulary: Any = None,
        vocabulary_dtype: str = "int64",
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        sparse: bool = False,
        pad_to_max_tokens: bool = False,
        oov_method: str = "floormod",
        salt: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if vocabulary_dtype != "int64":
            raise ValueError(f"IntegerLookup: vocabulary_dtype must be 'int64'; got {vocabulary_dtype!r}.")
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode,
            pad_to_max_tokens, sparse, salt, oov_method, name=name, **kwargs,
        )  # fmt: skip

    def _plain(self, vocabulary: Any) -> list[Any]:
        if isinstance(vocabulary, list) and all(isinstance(item, str) for item in vocabulary):
            return [int(item) for item in vocabulary]
        return super()._plain(vocabulary)

    def _keys(self, value: Any) -> np.ndarray:
        return whole_numbers(np.asarray(value), self.name, type(self).__name__)
