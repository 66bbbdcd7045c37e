"""TextVectorization: texts as sequences of word indices, or as vectors of counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import configuration, serialization
from gatewise.arguments import CallArguments, describe
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.layers.preprocessing import encoding, text
from gatewise.layers.preprocessing.lookup_arguments import is_whole, refuse_file
from gatewise.layers.preprocessing.string_lookup import StringLookup

_STANDARDIZED = ("lower_and_strip_punctuation", "lower", "strip_punctuation")
_SPLITS = ("whitespace", "character")
_MODES = ("int", *encoding.ENCODINGS, "tf_idf")
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}  # as in Keras, other letters stay as they are
_NO_PUNCTUATION = dict.fromkeys(map(ord, "!\"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'"))
_SPACE = re.compile("[ \t\n\r\f\v]+")


class TextVectorization(Layer):
    """Texts as word indices: standardized, split into words, joined to n-grams, looked up.

    Args:
        max_tokens: at most this many indices, special ones included.
        standardize: "lower_and_strip_punctuation", "lower", "strip_punctuation" (of ASCII letters and signs), None, or
            a function of an array of strings that returns one.
        split: "whitespace", "character", None (each text is one token), or a function of an array of strings that
            returns a list of tokens for each.
        ngrams: put out all runs of up to so many tokens; or a tuple of lengths.
        output_mode: "int": indices, 0 for padding and 1 for unknown words; "one_hot", "multi_hot", "count", "tf_idf":
            vectors, as of `StringLookup`.
        output_sequence_length: cut or pad to this many indices; default as many as the longest text of the batch has.
        pad_to_max_tokens: make vectors of length `max_tokens` although the vocabulary is shorter.
        vocabulary, idf_weights: as of `StringLookup`; else learnt by `adapt`.
        sparse, ragged: must be False.
        encoding: of bytes.

    Input (N,) or (N, 1), output (N, T); vectors (N, K), "one_hot" (N, T, K) with zeros where a text has ended.
    """

    takes_floats = False
    takes_text = True
    input_type = "string"

    def __init__(
        self,
        max_tokens: int | None = None,
        standardize: Any = "lower_and_strip_punctuation",
        split: Any = "whitespace",
        ngrams: int | Sequence[int] | None = None,
        output_mode: str = "int",
        output_sequence_length: int | None = None,
        pad_to_max_tokens: bool = False,
        vocabulary: Any = None,
        idf_weights: Any = None,
        sparse: bool = False,
        ragged: bool = False,
        encoding: str = "utf-8",
        name: str | None = None,
        vocabulary_size: int | None = None,
        has_input_vocabulary: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        _check_choice("standardize", standardize, _STANDARDIZED)
        _check_choice("split", split, _SPLITS)
        self.standardize, self.split, self.encoding = standardize, split, encoding
        self.ngrams = int(ngrams) if is_whole(ngrams) else ngrams
        self._widths = _widths(ngrams)
        self._lookup_layer = StringLookup(
            max_tokens, mask_token="", vocabulary=vocabulary, idf_weights=idf_weights,
            output_mode=_mode(output_mode), pad_to_max_tokens=pad_to_max_tokens, sparse=sparse, encoding=encoding,
            vocabulary_size=vocabulary_size, has_input_vocabulary=has_input_vocabulary, dtype=self.dtype,
        )  # fmt: skip
        self.max_tokens, self.pad_to_max_tokens = self._lookup_layer.max_tokens, self._lookup_layer.pad_to_max_tokens
        self.output_mode = self._lookup_layer.output_mode
        self.output_sequence_length = self._checked_length(output_sequence_length)
        self.sparse = self.ragged = False
        if ragged:
            raise ValueError(
                "TextVectorization: outputs are padded arrays; leave out ragged=True (an Embedding with mask_zero=True "
                "skips the padding)."
            )
        self.built = True

    def _checked_length(self, length: Any) -> int | None:
        if length is None:
            return None
        if self.output_mode != "int":
            raise ValueError(
                "TextVectorization: `output_sequence_length` goes with output_mode='int' only; it is "
                f"{self.output_mode!r}."
            )
        if not is_whole(length) or length < 1:
            raise ValueError(
                f"TextVectorization: `output_sequence_length` must be a positive integer or None; got {length!r}."
            )
        return int(length)

    # --- the vocabulary --------------------------------------------------------------------------------------

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[str]:
        """The tokens by index; see `StringLookup`."""
        return self._lookup_layer.get_vocabulary(include_special_tokens)

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Replace the vocabulary; see `StringLookup`."""
        self._lookup_layer.set_vocabulary(vocabulary, idf_weights)

    def vocabulary_size(self) -> int:
        """The number of tokens, special ones included."""
        return self._lookup_layer.vocabulary_size()

    def adapt(self, data: Any, batch_size: int | None = None, steps: int | None = None) -> None:
        """Learn the vocabulary from texts.

        Args:
            data: an array or list of texts, or an iterable of such batches.
            batch_size: accepted.
            steps: how many batches to take of an iterable; default all.
        """
        self.reset_state()
        if isinstance(data, str | list | tuple) or hasattr(data, "__array__"):
            texts = self._texts(data)
            self.update_state(texts[:, None] if texts.ndim == 1 else texts)
        else:
            for k, batch in enumerate(data):
                if steps is not None and k >= steps:
                    break
                self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Take a batch of texts into account."""
        tokens = self._tokens(self._texts(data))
        if isinstance(tokens, np.ndarray):
            tokens = tokens.reshape(1, -1) if tokens.ndim < 2 else tokens.reshape(len(tokens), -1)
        self._lookup_layer.count([list(row) for row in tokens])

    def finalize_state(self) -> None:
        """Make the vocabulary of what was seen."""
        self._lookup_layer.finalize_state()

    def reset_state(self) -> None:
        """Forget what was seen."""
        self._lookup_layer.reset_state()

    # --- from texts to tokens --------------------------------------------------------------------------------

    def _texts(self, value: Any) -> np.ndarray:
        return text.strings(value, self.encoding, f"Layer '{self.name}' (TextVectorization)")

    def _tokens(self, texts: np.ndarray) -> Any:
        """The tokens of each text: a list of lists; an array where each text is one token."""
        texts = self._standardized(texts)
        if self.split is None:
            return texts if self._widths is None else _joined_last(texts, self._widths)
        if texts.ndim > 1:
            if texts.ndim > 2 or texts.shape[-1] != 1:
                raise ValueError(
                    f"Layer '{self.name}' (TextVectorization) splits texts, one a row: the input must have the shape "
                    f"(batch,) or (batch, 1); got {texts.shape}."
                )
            texts = texts[:, 0]
        rows = self._split_rows(texts.reshape(-1))
        return rows if self._widths is None else [_joined(row, self._widths) for row in rows]

    def _standardized(self, texts: np.ndarray) -> np.ndarray:
        if callable(self.standardize):
            return self._texts(self.standardize(texts.astype(str)))
        if self.standardize is None:
            return texts
        found = texts.reshape(-1).tolist()
        if "lower" in self.standardize:
            found = [item.translate(_LOWER) for item in found]
        if "strip" in self.standardize:
            found = [item.translate(_NO_PUNCTUATION) for item in found]
        return self._texts(found or np.empty(0, object)).reshape(texts.shape)

    def _split_rows(self, texts: np.ndarray) -> list[list[str]]:
        if self.split == "whitespace":
            return [[word for word in _SPACE.split(item) if word] for item in texts.tolist()]
        if self.split == "character":
            return [list(item) for item in texts.tolist()]
        found = self.split(texts.astype(str))
        rows = [list(row) if not isinstance(row, str) else None for row in found]
        if len(rows) != len(texts) or None in rows:
            raise ValueError(
                f"Layer '{self.name}' (TextVectorization): the function given as `split` takes an array of "
                f"{len(texts)} texts and must return a list of tokens for each; it returned {describe(found)}."
            )
        return [[str(token) for token in row or ()] for row in rows]

    # --- the layer -------------------------------------------------------------------------------------------

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        if args and isinstance(args[0], str | bytes | list | tuple):
            args = (self._texts(args[0]), *args[1:])
        return CallArguments.arrange(args, kwargs)

    def _as_input(self, value: Any) -> Any:
        return self._texts(value)

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        texts = self._texts(inputs[0])
        tokens = self._tokens(texts)
        lookup, T = self._lookup_layer, self.output_sequence_length
        is_int = self.output_mode == "int"
        if isinstance(tokens, np.ndarray):
            indices = lookup.indices_of(tokens)
            indices = _with_length(indices, T) if T is not None else indices
        else:
            indices = np.full((len(tokens), T or max(map(len, tokens), default=0)), 0 if is_int else -1, "int64")
            for row, words in zip(indices, tokens, strict=True):
                kept = words[: len(row)]
                row[: len(kept)] = lookup.indices_of(
                    text.strings(kept or np.empty(0, object), self.encoding, self.name)
                )
            indices = indices if texts.ndim else indices[0]
        y = indices if is_int else lookup.vectors(indices)
        return y, encoding.without_gradient(inputs[0])

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape, T = encoding.shape_of_first(input_shape), self.output_sequence_length
        if self.split is None:
            shape = (*shape[:-1], T or (shape[-1] if self._widths is None else None)) if len(shape) > 1 else shape
        else:
            shape = (shape[0], T)
        if self.output_mode == "int":
            return shape
        return (
            (*shape, self._lookup_layer._depth)
            if self.output_mode == "one_hot" and self.split is not None
            else (self._lookup_layer.compute_output_shape(shape))
        )

    def _symbolic_outputs(self, leaves: Sequence[Any], structure: Any) -> Any:
        kind = "int64" if self.output_mode == "int" else self.dtype
        return SymbolicTensor(self.compute_output_shape(leaves[0].shape), kind)

    # --- files -----------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        lookup = self._lookup_layer
        given = {
            "max_tokens": self.max_tokens,
            "standardize": serialization.serialize_object(self.standardize),
            "split": serialization.serialize_object(self.split),
            "ngrams": self.ngrams,
            "output_mode": self.output_mode,
            "output_sequence_length": self.output_sequence_length,
            "pad_to_max_tokens": self.pad_to_max_tokens,
            "sparse": False,
            "ragged": False,
            "vocabulary": lookup.input_vocabulary,
            "idf_weights": lookup.input_idf_weights,
            "encoding": self.encoding,
            "vocabulary_size": self.vocabulary_size(),
        }
        base = {"name": self.name, "trainable": self.trainable, "dtype": configuration.dtype_config(self.dtype)}
        return base | given

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        refuse_file(config, cls.__name__)
        config = dict(config)
        for name in ("standardize", "split"):
            if not isinstance(config.get(name), str):
                config[name] = serialization.deserialize_object(config.get(name))
        return cls(**config)

    def save_own_variables(self, store: Any) -> None:
        self._lookup_layer.save_own_variables(store)

    def load_own_variables(self, store: Any) -> None:
        self._lookup_layer.load_own_variables(store)

    def assets(self) -> dict[str, bytes]:
        return self._lookup_layer.assets()

    def take_assets(self, files: dict[str, bytes]) -> None:
        self._lookup_layer.take_assets(files)


def _check_choice(argument: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value is not None and not callable(value) and value not in allowed:
        raise ValueError(
            f"Unknown value for `{argument}` argument of TextVectorization. Allowed values are: {allowed}, None, or a "
            f"function. Received: {argument}={value!r}"
        )


def _mode(value: Any) -> str:
    return encoding.output_mode(value, _MODES, "TextVectorization")


def _widths(ngrams: Any) -> tuple[int, ...] | None:
    """The lengths of n-grams asked for."""
    if ngrams is None:
        return None
    widths = tuple(range(1, ngrams + 1)) if is_whole(ngrams) else ngrams
    if not isinstance(widths, tuple | list) or not all(is_whole(n) and n >= 1 for n in widths) or not widths:
        raise ValueError(
            f"TextVectorization: `ngrams` must be None, a positive integer, or a tuple of them; got {ngrams!r}."
        )
    return tuple(widths)


def _joined(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """All runs of neighbouring tokens of these lengths, joined by spaces."""
    return [" ".join(row[k : k + n]) for n in widths for k in range(len(row) - n + 1)]


def _joined_last(tokens: np.ndarray, widths: Sequence[int]) -> np.ndarray:
    """`_joined` along the last axis."""
    if tokens.ndim == 0:
        raise ValueError("TextVectorization: n-grams of a single token that is not split make no sense; give a list.")
    rows = [_joined(row, widths) for row in tokens.reshape(-1, tokens.shape[-1]).tolist()]
    result = np.empty((len(rows), len(rows[0]) if rows else 0), object)
    result[:] = rows
    return result.reshape(*tokens.shape[:-1], -1)


def _with_length(indices: np.ndarray, length: int) -> np.ndarray:
    """The last axis cut or padded with zeros to a length."""
    if indices.ndim == 0:
        raise ValueError("TextVectorization: a single token has no length; give a list of texts.")
    indices = indices[..., :length]
    return np.pad(indices, [*[(0, 0)] * (indices.ndim - 1), (0, length - indices.shape[-1])])
