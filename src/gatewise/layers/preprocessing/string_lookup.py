"""StringLookup: strings as indices of a vocabulary, or as vectors; and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.layers.preprocessing import text
from gatewise.layers.preprocessing.lookup import Lookup


class StringLookup(Lookup):
    """Strings as indices of a vocabulary, or as vectors; with `invert` indices as strings.

    See `Lookup` for the arguments; `encoding` is that of bytes.
    """

    vocabulary_dtype = "string"
    takes_text = True
    _config_names = (
        "invert", "max_tokens", "num_oov_indices", "oov_token", "mask_token", "output_mode", "sparse",
        "pad_to_max_tokens", "idf_weights", "vocabulary", "vocabulary_size", "oov_method", "salt", "encoding",
    )  # fmt: skip

    def __init__(
        self,
        max_tokens: int | None = None,
        num_oov_indices: int = 1,
        mask_token: str | None = None,
        oov_token: str = "[UNK]",
        vocabulary: Any = None,
        idf_weights: Any = None,
        invert: bool = False,
        output_mode: str = "int",
        pad_to_max_tokens: bool = False,
        sparse: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        salt: Any = None,
        oov_method: str = "floormod",
        **kwargs: Any,
    ) -> None:
        self.encoding = encoding
        super().__init__(
            max_tokens, num_oov_indices, mask_token, oov_token, vocabulary, idf_weights, invert, output_mode,
            pad_to_max_tokens, sparse, salt, oov_method, name=name, **kwargs,
        )  # fmt: skip

    @property
    def input_type(self) -> str:
        """The type of the inputs that a model makes for the layer."""
        return "int64" if self.invert else "string"

    def _keys(self, value: Any) -> np.ndarray:
        return text.strings(value, self.encoding, f"Layer '{self.name}' ({type(self).__name__})")
