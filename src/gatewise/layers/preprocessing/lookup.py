"""What StringLookup and IntegerLookup share: tokens as indices of a vocabulary, or as vectors; and back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from gatewise import configuration
from gatewise.arguments import CallArguments
from gatewise.graph import SymbolicTensor
from gatewise.layer import Layer
from gatewise.layers.preprocessing import encoding
from gatewise.layers.preprocessing import lookup_arguments as checked
from gatewise.layers.preprocessing.category_encoding import whole_numbers
from gatewise.layers.preprocessing.vocabulary import Counts, Vocabulary

_MODES = ("int", *encoding.ENCODINGS, "tf_idf")
_VOCABULARY_FILE = "vocabulary.txt"


class Lookup(Layer):
    """What StringLookup and IntegerLookup share.

    Args:
        max_tokens: at most this many indices, special ones included; None for any number.
        num_oov_indices: places for tokens that are not in the vocabulary; with 0 they are refused.
        mask_token: the token that stands for nothing: index 0 in "int", in vectors it counts nowhere; None: no such.
        oov_token: what unknown indices become with `invert`, and what the places of unknown tokens are called.
        vocabulary: the tokens in order, with or without the special ones before them; or a file with one a line.
        idf_weights: of the tokens of `vocabulary`, for "tf_idf".
        invert: from indices to tokens.
        output_mode: "int": indices, int64; "one_hot", "multi_hot", "count": vectors as of `CategoryEncoding`; "tf_idf":
            counts times the inverse document frequencies.
        pad_to_max_tokens: make vectors of length `max_tokens` although the vocabulary is shorter.
        oov_method: where several places for unknown tokens are: "floormod" (integers modulo their number; strings by
            FarmHash) or "farmhash".
        salt: an integer or two: a key under which unknown tokens are hashed (SipHash).
        sparse: must be False.

    Input (...); output (...), or with vectors as of `CategoryEncoding`.

    Raises:
        ValueError: for a vocabulary with repeated or misplaced tokens, and for a call before there is one.
    """

    takes_floats = False
    vocabulary_dtype: str = "string"
    _config_names: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        max_tokens: int | None,
        num_oov_indices: int,
        mask_token: Any,
        oov_token: Any,
        vocabulary: Any,
        idf_weights: Any,
        invert: bool,
        output_mode: str,
        pad_to_max_tokens: bool,
        sparse: bool,
        salt: Any,
        oov_method: str = "floormod",
        vocabulary_size: int | None = None,
        has_input_vocabulary: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        cls = type(self).__name__
        self.max_tokens, self.num_oov_indices = checked.sizes(max_tokens, num_oov_indices, pad_to_max_tokens, cls)
        self.oov_method = checked.method(oov_method, cls)
        encoding.refuse_sparse(sparse, cls)
        self.invert, self.sparse, self.pad_to_max_tokens = bool(invert), False, bool(pad_to_max_tokens)
        self.mask_token, self.oov_token = mask_token, oov_token
        self.output_mode = encoding.output_mode(output_mode, _MODES, cls)
        self.salt = checked.salt(salt, self._is_hashed, cls)
        if self.invert and self.output_mode != "int":
            raise ValueError(f"{cls}: `output_mode` must be 'int' when `invert` is true; got {output_mode!r}.")
        if idf_weights is not None and self.output_mode != "tf_idf":
            raise ValueError(f"{cls}: `idf_weights` go with output_mode='tf_idf' only; it is {output_mode!r}.")
        from_file = isinstance(vocabulary, str | os.PathLike)
        self.input_vocabulary = None if vocabulary is None or from_file else np.asarray(vocabulary).tolist()
        self.input_idf_weights = None if idf_weights is None else np.asarray(idf_weights).tolist()
        self._is_fixed = vocabulary is not None if has_input_vocabulary is None else bool(has_input_vocabulary)
        self._frozen_size: int | None = vocabulary_size
        self._vocabulary = self._vocabulary_of([])
        self._idf: np.ndarray | None = None
        self._counts = Counts()
        if self.output_mode == "tf_idf" and self._is_fixed and vocabulary is not None and idf_weights is None:
            raise ValueError(f"{cls}: with output_mode='tf_idf', `idf_weights` must be given with `vocabulary`.")
        if vocabulary is not None:
            self.set_vocabulary(vocabulary, idf_weights)
        self.built = True

    # --- the vocabulary --------------------------------------------------------------------------------------

    @property
    def _is_hashed(self) -> bool:
        """Whether unknown tokens are hashed to choose among several places for them."""
        return self.vocabulary_dtype == "string" or self.oov_method == "farmhash"

    def _vocabulary_of(self, tokens: Sequence[Any]) -> Vocabulary:
        has_mask_place = self.mask_token is not None and self.output_mode == "int"
        hashing = (self.salt or "farmhash") if self._is_hashed else None
        return Vocabulary(tokens, self.mask_token, has_mask_place, self.num_oov_indices, hashing)

    def get_vocabulary(self, include_special_tokens: bool = True) -> list[Any]:
        """The tokens by index."""
        known = self._vocabulary
        special = [self.mask_token] * known.first_unknown + [self.oov_token] * self.num_oov_indices
        return [*(special if include_special_tokens else ()), *known.tokens]

    def vocabulary_size(self) -> int:
        """The number of tokens, special ones included."""
        return self._vocabulary.size

    def set_vocabulary(self, vocabulary: Any, idf_weights: Any = None) -> None:
        """Replace the vocabulary.

        Args:
            vocabulary: as at construction.
            idf_weights: of its tokens, for "tf_idf".

        Raises:
            ValueError: for repeated, misplaced or too many tokens, an empty vocabulary, or unsuitable weights.
        """
        cls = f"Layer '{self.name}' ({type(self).__name__})"
        if (self.output_mode == "tf_idf") != (idf_weights is not None):
            raise ValueError(f"{cls}: idf_weights must be given with output_mode='tf_idf', and only then.")
        from_file = isinstance(vocabulary, str | os.PathLike)
        if not from_file and not np.size(vocabulary):
            raise ValueError(f"{cls}: cannot set an empty vocabulary.")
        given = self._from_file(vocabulary) if from_file else self._plain(vocabulary)
        if not given:
            raise ValueError(f"{cls}: the vocabulary file {os.fspath(vocabulary)!r} is empty.")
        special = self._vocabulary.first
        before = self.get_vocabulary()[:special]
        has_special = not from_file and given[:special] == before
        tokens = given[special:] if has_special else given
        self._check_tokens(tokens, before, cls)
        self._take(tokens)
        if idf_weights is not None:
            self._idf = self._checked_idf(np.asarray(idf_weights, "float64"), len(given), 0 if has_special else special)

    def _plain(self, vocabulary: Any) -> list[Any]:
        """Tokens as Python objects of the vocabulary's type."""
        return self._keys(vocabulary).reshape(-1).tolist()

    def _from_file(self, path: Any) -> list[Any]:
        if self.output_mode == "tf_idf":
            raise ValueError(f"{type(self).__name__}: with output_mode='tf_idf' the vocabulary cannot be a file.")
        if not os.path.isfile(path):
            raise ValueError(f"{type(self).__name__}: the vocabulary file {os.fspath(path)!r} does not exist.")
        with open(path, "rb") as file:
            return self._lines(file.read())

    def _lines(self, content: bytes) -> list[Any]:
        """The tokens of a file, one a line."""
        lines = content.decode("utf-8").replace("\r\n", "\n").split("\n")
        while lines and lines[-1] == "":
            lines.pop()
        return self._plain(lines)

    def _check_tokens(self, tokens: Sequence[Any], special: Sequence[Any], owner: str) -> None:
        repeated = [token for token, count in Counter(tokens).items() if count > 1]
        if repeated:
            raise ValueError(f"{owner}: the vocabulary has at least one repeated term: {repeated[:10]}.")
        for kind, token, matters in (("mask", self.mask_token, True), ("OOV", self.oov_token, self.invert)):
            if token is not None and matters and token in tokens:
                raise ValueError(
                    f"{owner}: found the reserved {kind} token {token!r} inside the vocabulary. Leave special tokens "
                    f"out, or put all of them first, in this order: {list(special)}."
                )
        size = self._vocabulary.first + len(tokens)
        if self.max_tokens is not None and size > self.max_tokens:
            raise ValueError(f"{owner}: the vocabulary has {size} tokens; max_tokens is {self.max_tokens}.")

    def _take(self, tokens: Sequence[Any]) -> None:
        """Make these the tokens, if vectors keep their length.

        Raises:
            RuntimeError: if they would not, after a graph was made with it.
        """
        fresh = self._vocabulary_of(tokens)
        is_free = self.output_mode == "int" or self.pad_to_max_tokens
        if not is_free and self._frozen_size not in (None, fresh.size):
            raise RuntimeError(
                f"Layer '{self.name}' ({type(self).__name__}): with output_mode={self.output_mode!r} the size of the "
                f"vocabulary cannot change from {self._frozen_size} to {fresh.size}; make a new layer, or set "
                "pad_to_max_tokens=True."
            )
        self._vocabulary = fresh
        self._frozen_size = fresh.size

    def _checked_idf(self, weights: np.ndarray, n_tokens: int, n_before: int) -> np.ndarray:
        """The weight of every index: unknown tokens get the mean."""
        if weights.shape != (n_tokens,):
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}): idf_weights must be one number for each of the "
                f"{n_tokens} tokens of the vocabulary; got shape {weights.shape}."
            )
        return self._padded_idf(np.concatenate([np.full(n_before, weights.mean()), weights]))

    def _padded_idf(self, weights: np.ndarray) -> np.ndarray:
        missing = (self._depth or 0) - len(weights)
        return np.pad(weights, (0, max(missing, 0))).astype(self.dtype)

    # --- learning it -----------------------------------------------------------------------------------------

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Learn the vocabulary: the tokens of the data, the most frequent first.

        Args:
            data: an array or list of tokens, each row of which is a document (of one token, if there is one axis); or
                an iterable of such batches.
            steps: how many batches to take of an iterable; default all.

        Raises:
            ValueError: if the vocabulary was given.
        """
        self.reset_state()
        if isinstance(data, list | tuple) or hasattr(data, "__array__"):
            tokens = self._keys(data)
            self.update_state(tokens[:, None] if tokens.ndim == 1 else tokens)
        else:
            for k, batch in enumerate(data):
                if steps is not None and k >= steps:
                    break
                self.update_state(batch)
        self.finalize_state()

    def update_state(self, data: Any) -> None:
        """Take a batch into account; a single axis is one document."""
        tokens = self._keys(data)
        self.count(tokens.reshape(1, -1).tolist() if tokens.ndim < 2 else [row.reshape(-1).tolist() for row in tokens])

    def count(self, documents: Sequence[Sequence[Any]]) -> None:
        """Take documents, lists of tokens, into account."""
        if self._is_fixed:
            raise ValueError(
                f"Cannot adapt layer '{self.name}' ({type(self).__name__}): its vocabulary was given. Leave out "
                "`vocabulary` to learn one."
            )
        self._counts.add(documents)

    def finalize_state(self) -> None:
        """Make the vocabulary of what was counted."""
        if self._is_fixed or not self._counts.tokens:
            self._frozen_size = self._vocabulary.size
            return
        tokens = self._counts.ranked([t for t in (self.mask_token, self.oov_token) if t is not None])
        if self.max_tokens is not None:
            tokens = tokens[: max(self.max_tokens - self._vocabulary.first, 0)]
        self._take(tokens)
        if self.output_mode == "tf_idf":
            weights = self._counts.inverse_document_frequencies(tokens)
            mean = weights.mean() if weights.size else 0.0
            self._idf = self._padded_idf(np.concatenate([np.full(self._vocabulary.first, mean), weights]))
        self.reset_state()

    def reset_state(self) -> None:
        """Forget what was counted."""
        self._counts = Counts()

    # --- the layer -------------------------------------------------------------------------------------------

    def _keys(self, value: Any) -> np.ndarray:
        """`value` as an array of what is looked up: tokens."""
        return np.asarray(value)

    def _indices_given(self, value: Any) -> np.ndarray:
        """`value` as an array of indices, for `invert`."""
        return whole_numbers(np.asarray(value), self.name, type(self).__name__)

    def arrange(self, args: tuple, kwargs: dict[str, Any]) -> tuple[list, Any]:
        if args and isinstance(args[0], str | bytes | int | list | tuple):
            args = (self._indices_given(args[0]) if self.invert else self._keys(args[0]), *args[1:])
        return CallArguments.arrange(args, kwargs)

    def _as_input(self, value: Any) -> Any:
        return self._indices_given(value) if self.invert else self._keys(value)

    @property
    def _depth(self) -> int | None:
        return self.max_tokens if self.pad_to_max_tokens else self._frozen_size

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        back = encoding.without_gradient(inputs[0])
        if self.invert:
            return self._tokens_at(self._indices_given(inputs[0])), back
        indices = self.indices_of(self._keys(inputs[0]))
        return (indices if self.output_mode == "int" else self.vectors(indices)), back

    def indices_of(self, tokens: np.ndarray) -> np.ndarray:
        """The index of each token, int64.

        Raises:
            ValueError: for unknown tokens where they have no place, and if there is no vocabulary.
        """
        if not self._vocabulary.tokens and not self._frozen_size:
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}) has no vocabulary yet: call adapt(data), or give "
                "`vocabulary`."
            )
        found = self._vocabulary.indices(tokens)
        if (found == -1).any():
            unknown = sorted(set(tokens[found == -1].tolist()))
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}): when `num_oov_indices=0` all inputs should be in the "
                f"vocabulary; unknown: {unknown[:10]}. Consider num_oov_indices=1."
            )
        return found

    def vectors(self, indices: np.ndarray) -> np.ndarray:
        """Indices as vectors, as `output_mode` says."""
        depth = self._depth
        assert depth is not None
        if self.output_mode != "tf_idf":
            return encoding.encoded(indices, self.output_mode, depth, self.dtype)
        return encoding.encoded(indices, "count", depth, self.dtype) * self._idf

    def _tokens_at(self, indices: np.ndarray) -> np.ndarray:
        by_index = self.get_vocabulary()
        first, end = self._vocabulary.first_unknown, len(by_index)
        found = [by_index[k] if (0 <= k < first or first <= k < end) else self.oov_token for k in indices.flat]
        result = np.empty(len(found), object if self.vocabulary_dtype == "string" else "int64")
        result[:] = found
        return result.reshape(indices.shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = encoding.shape_of_first(input_shape)
        if self.output_mode == "int":
            return shape
        return encoding.encoded_shape(shape, "one_hot" if self.output_mode == "one_hot" else "count", self._depth)

    def _symbolic_outputs(self, leaves: Sequence[Any], structure: Any) -> Any:
        kind = self.dtype if self.output_mode != "int" else self.vocabulary_dtype if self.invert else "int64"
        return SymbolicTensor(self.compute_output_shape(leaves[0].shape), kind)

    # --- files -----------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        special = {
            "idf_weights": self.input_idf_weights,
            "vocabulary": self.input_vocabulary,
            "vocabulary_size": self._frozen_size,
        }
        base = {"name": self.name, "trainable": self.trainable, "dtype": configuration.dtype_config(self.dtype)}
        return base | {n: special[n] if n in special else getattr(self, n) for n in self._config_names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        checked.refuse_file(config, cls.__name__)
        return cls(**config)

    def get_build_config(self) -> dict[str, Any] | None:
        return {}

    def save_own_variables(self, store: Any) -> None:
        if self.output_mode == "tf_idf" and self._idf is not None:
            store["idf_weights"] = self._idf

    def load_own_variables(self, store: Any) -> None:
        if "idf_weights" in store:
            self._idf = np.asarray(store["idf_weights"], self.dtype)

    def assets(self) -> dict[str, bytes]:
        """The vocabulary, one token a line, unless the configuration has it.

        Raises:
            ValueError: for a token with a line break.
        """
        if self.input_vocabulary is not None:
            return {}
        tokens = [str(token) for token in self.get_vocabulary()]
        broken = next((token for token in tokens if "\n" in token), None)
        if broken is not None:
            raise ValueError(
                f"Layer '{self.name}' ({type(self).__name__}) cannot be saved: its token {broken!r} has a line break, "
                "and files have one token a line."
            )
        return {_VOCABULARY_FILE: "\n".join(tokens).encode("utf-8", "surrogateescape")}

    def take_assets(self, files: dict[str, bytes]) -> None:
        """Read what `assets` wrote."""
        if self.input_vocabulary is not None or _VOCABULARY_FILE not in files:
            return
        tokens = self._lines(files[_VOCABULARY_FILE])
        if self._frozen_size == len(tokens) + 1:
            tokens += self._plain([""])  # the last token is the empty string, whose line looks like none
        special = self._vocabulary.first
        if len(tokens) > special:
            self._take(tokens[special:])
