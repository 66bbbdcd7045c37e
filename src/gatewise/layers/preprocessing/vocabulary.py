"""A vocabulary: which index belongs to which token, which places unknown tokens go to, and what is learnt from data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gatewise.layers.preprocessing.hashing import fingerprint64, siphash

_NOWHERE = np.iinfo("int64").max
"""The index of the mask token where vectors are put out: it counts in none of them."""


class Vocabulary:
    """Tokens in order, after the places of the mask token and of unknown tokens.

    Args:
        tokens: the tokens, without special ones.
        mask_token: None, or the token that stands for nothing.
        has_mask_place: whether the mask token has index 0; else it counts nowhere.
        n_unknown: the number of places for unknown tokens.
        hashing: None: an unknown integer goes to the place (integer modulo `n_unknown`); "farmhash": to that of its
            FarmHash; a pair of integers: to that of its SipHash under this key.
    """

    def __init__(
        self, tokens: Sequence[Any], mask_token: Any, has_mask_place: bool, n_unknown: int, hashing: Any
    ) -> None:
        self.tokens = list(tokens)
        self.first_unknown = int(has_mask_place)
        self.first = self.first_unknown + n_unknown
        self._n_unknown, self._hashing = n_unknown, hashing
        self._index = {token: k for k, token in enumerate(self.tokens, self.first)}
        if mask_token is not None:
            self._index[mask_token] = 0 if has_mask_place else _NOWHERE
        self._place_of: dict[Any, int] = {}

    @property
    def size(self) -> int:
        """The number of indices."""
        return self.first + len(self.tokens)

    def index(self, token: Any) -> int:
        """The index of a token; -1 for an unknown one that has no place."""
        known = self._index.get(token)
        if known is not None:
            return known
        if self._n_unknown < 2:
            return self.first_unknown if self._n_unknown else -1
        if token not in self._place_of:
            self._place_of[token] = self.first_unknown + self._hashed(token) % self._n_unknown
        return self._place_of[token]

    def _hashed(self, token: Any) -> int:
        if self._hashing is None:
            return int(token)
        data = str(token).encode("utf-8", "surrogateescape")
        return fingerprint64(data) if self._hashing == "farmhash" else siphash(data, self._hashing)

    def indices(self, tokens: np.ndarray) -> np.ndarray:
        """The index of each token of an array, int64."""
        found = np.fromiter(map(self.index, tokens.reshape(-1).tolist()), np.int64, tokens.size)
        return found.reshape(tokens.shape)


class Counts:
    """How often tokens occur, and in how many documents."""

    def __init__(self) -> None:
        self.tokens: Counter[Any] = Counter()
        self.documents: Counter[Any] = Counter()
        self.n_documents = 0

    def add(self, rows: Iterable[Sequence[Any]]) -> None:
        """Count documents, each a sequence of tokens."""
        for row in rows:
            self.tokens.update(row)
            self.documents.update(set(row))
            self.n_documents += 1

    def ranked(self, without: Sequence[Any]) -> list[Any]:
        """The tokens, the most frequent first, then those that sort last; without the special ones."""
        found = [token for token in self.tokens if token not in without]
        return sorted(found, key=lambda token: (self.tokens[token], token), reverse=True)

    def inverse_document_frequencies(self, tokens: Sequence[Any]) -> np.ndarray:
        """log(1 + documents / (1 + documents with the token)) of each token, float64."""
        with_token = np.array([self.documents[token] for token in tokens], "float64")
        return np.log(1 + self.n_documents / (1 + with_token))
