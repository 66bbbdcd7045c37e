"""keras.preprocessing.text: texts as lists of word numbers, as in Keras 1 and 2.

For new models the layer `TextVectorization` does this inside the model, so that it is saved with it.
"""

from __future__ import annotations

import collections
import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from gatewise import suggest
from gatewise.arguments import describe
from gatewise.training.finite import levels_to_user

_SIGNS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
_MODES = ("binary", "count", "freq", "tfidf")


def text_to_word_sequence(input_text: str, filters: str = _SIGNS, lower: bool = True, split: str = " ") -> list[str]:
    """The words of a text.

    Args:
        input_text: the text.
        filters: signs that stand between words and are dropped.
        lower: in small letters.
        split: what else stands between words.
    """
    if not isinstance(input_text, str):
        raise TypeError(f"text_to_word_sequence takes one text; got {describe(input_text)}.")
    text = input_text.lower() if lower else input_text
    text = text.translate(str.maketrans(dict.fromkeys(filters, split)))
    return [word for word in text.split(split) if word]


def one_hot(
    input_text: str,
    n: int,
    filters: str = _SIGNS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """The words of a text as numbers from 1 to n - 1, by Python's `hash`.

    The numbers differ from one run of Python to the next (unless PYTHONHASHSEED is set), and two words may share one.
    """
    return hashing_trick(input_text, n, hash, filters, lower, split, analyzer)


def hashing_trick(
    text: str,
    n: int,
    hash_function: Callable[[str], int] | str | None = None,
    filters: str = _SIGNS,
    lower: bool = True,
    split: str = " ",
    analyzer: Callable[[str], Iterable[str]] | None = None,
) -> list[int]:
    """The words of a text as numbers from 1 to n - 1, by a hash of each.

    Args:
        text: the text.
        n: how many numbers there are, 0 included, which no word gets.
        hash_function: None: Python's `hash`; "md5": the same in every run; or a function of the word.
        filters, lower, split: as in `text_to_word_sequence`.
        analyzer: a function that cuts the text into words, instead of these.
    """
    if isinstance(n, bool) or not hasattr(n, "__index__") or n < 2:
        raise ValueError(f"n must be an integer of at least 2: words get the numbers from 1 to n - 1; got {n!r}.")
    if isinstance(hash_function, str) and hash_function != "md5":
        raise ValueError(f"hash_function is 'md5', a function or None; got {hash_function!r}.")
    number = _md5 if isinstance(hash_function, str) else hash_function or hash
    words = text_to_word_sequence(text, filters, lower, split) if analyzer is None else analyzer(text)
    return [number(word) % (n - 1) + 1 for word in words]


def _md5(word: str) -> int:
    return int(hashlib.md5(word.encode(), usedforsecurity=False).hexdigest(), 16)


class Tokenizer:
    """Numbers the words of texts by how frequent they are: 1 the most frequent (after `oov_token`), 0 none.

    Args:
        num_words: only words with numbers below this are kept in sequences; default all.
        filters: signs that stand between words and are dropped.
        lower: in small letters.
        split: what else stands between words.
        char_level: each character is a word.
        oov_token: a word that stands for unknown ones; it gets number 1.
        analyzer: a function that cuts a text into words, instead of filters, lower and split.
        **kwargs: `document_count`, and `nb_words` (Keras 1's name of num_words).

    Attributes:
        word_counts: word -> how often it occurs.  word_docs: word -> in how many texts.
        word_index: word -> number.  index_word: number -> word.  index_docs: number -> in how many texts.
        document_count: how many texts were seen.
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = _SIGNS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        analyzer: Callable[[str], Iterable[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        if "nb_words" in kwargs:
            warnings.warn("Tokenizer: `nb_words` is called `num_words` now.", stacklevel=levels_to_user())
            num_words = kwargs.pop("nb_words")
        self.document_count = kwargs.pop("document_count", 0)
        if kwargs:
            raise TypeError(f"Unrecognized keyword arguments passed to Tokenizer: {kwargs}")
        if num_words is not None and (isinstance(num_words, bool) or not hasattr(num_words, "__index__")):
            raise ValueError(f"Tokenizer: num_words must be an integer or None; got {num_words!r}.")
        self.num_words = num_words
        self.filters, self.lower, self.split = filters, lower, split
        self.char_level, self.oov_token, self.analyzer = char_level, oov_token, analyzer
        self.word_counts: dict[str, int] = collections.OrderedDict()
        self.word_docs: dict[str, int] = collections.defaultdict(int)
        self.index_docs: dict[int, int] = collections.defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}

    def fit_on_texts(self, texts: Iterable[str | Sequence[str]]) -> None:
        """Learn the words of texts, beside those of texts before; a text may be a list of words already."""
        for text in self._several(texts):
            self.document_count += 1
            words = self._words(text)
            for word in words:
                self.word_counts[word] = self.word_counts.get(word, 0) + 1
            for word in set(words):
                self.word_docs[word] = self.word_docs.get(word, 0) + 1
        by_count = sorted(self.word_counts.items(), key=lambda item: item[1], reverse=True)
        vocabulary = [] if self.oov_token is None else [self.oov_token]
        vocabulary += [word for word, _ in by_count]
        self.word_index = {word: k for k, word in enumerate(vocabulary, 1)}
        self.index_word = {k: word for word, k in self.word_index.items()}
        for word, count in self.word_docs.items():
            self.index_docs[self.word_index[word]] = count

    def fit_on_sequences(self, sequences: Sequence[Iterable[int]]) -> None:
        """Learn from texts that are numbers already in how many each number occurs: what mode "tfidf" needs."""
        self.document_count += len(sequences)
        for sequence in sequences:
            for number in set(sequence):
                self.index_docs[number] = self.index_docs.get(number, 0) + 1

    def texts_to_sequences(self, texts: Iterable[str | Sequence[str]]) -> list[list[int]]:
        """Each text as a list of numbers; unknown words are left out, or are `oov_token`'s number."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[str | Sequence[str]]) -> Iterator[list[int]]:
        """`texts_to_sequences`, one text after another."""
        unknown = self._unknown()
        for text in self._several(texts):
            numbers = (self._kept(self.word_index.get(word), unknown) for word in self._words(text))
            yield [number for number in numbers if number is not None]

    def sequences_to_texts(self, sequences: Iterable[Iterable[int]]) -> list[str]:
        """Each list of numbers as a text, with a space between two words."""
        return list(self.sequences_to_texts_generator(sequences))

    def sequences_to_texts_generator(self, sequences: Iterable[Iterable[int]]) -> Iterator[str]:
        """`sequences_to_texts`, one sequence after another."""
        unknown = self._unknown()
        for sequence in sequences:
            numbers = (self._kept(number if number in self.index_word else None, unknown) for number in sequence)
            yield " ".join(self.index_word[number] for number in numbers if number is not None)

    def _unknown(self) -> int | None:
        """The number of unknown words."""
        return None if self.oov_token is None else self.word_index.get(self.oov_token)

    def _kept(self, number: int | None, unknown: int | None) -> int | None:
        """A word's number, unless it is too rare; then, and where there is none, that of unknown words."""
        return unknown if number is None or (self.num_words and number >= self.num_words) else number

    def texts_to_matrix(self, texts: Iterable[str | Sequence[str]], mode: str = "binary") -> np.ndarray:
        """Each text as a row with a column for each word; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(self, sequences: Sequence[Sequence[int]], mode: str = "binary") -> np.ndarray:
        """Each sequence as a row with a column for each number.

        Args:
            sequences: lists of numbers.
            mode: "binary": 1 if it occurs; "count": how often; "freq": how often by the sequence's length; "tfidf":
                (1 + log(count)) * log(1 + texts / (1 + texts in which it occurs)).

        Returns:
            (sequences, num_words), float64.

        Raises:
            ValueError: for another mode, and before anything was learnt.
        """
        if mode not in _MODES:
            raise ValueError(f"sequences_to_matrix: {suggest.unknown('mode', mode, _MODES)}")
        if not self.num_words and not self.word_index:
            raise ValueError("The Tokenizer knows no words yet: give num_words, or call fit_on_texts first.")
        if mode == "tfidf" and not self.document_count:
            raise ValueError("The Tokenizer has seen no texts yet: call fit_on_texts before mode 'tfidf'.")
        width = self.num_words or len(self.word_index) + 1
        matrix = np.zeros((len(sequences), width))
        for row, sequence in zip(matrix, sequences, strict=True):
            for number, count in collections.Counter(n for n in sequence if n < width).items():
                row[number] = self._entry(number, count, len(sequence), mode)
        return matrix

    def _entry(self, number: int, count: int, length: int, mode: str) -> float:
        if mode == "tfidf":
            rarity = np.log(1 + self.document_count / (1 + self.index_docs.get(number, 0)))
            return (1 + np.log(count)) * rarity
        return {"count": count, "freq": count / length, "binary": 1}[mode]

    def _several(self, texts: Any) -> Iterable[Any]:
        """The texts; a single one is as many as it has characters, which only `char_level` may want.

        Raises:
            TypeError: for no texts at all.
        """
        if isinstance(texts, bytes) or not hasattr(texts, "__iter__"):
            raise TypeError(f"The Tokenizer takes a list of texts; got {describe(texts)}.")
        if isinstance(texts, str) and not self.char_level:
            warnings.warn(
                "The Tokenizer takes a list of texts and was given one text: each of its characters counts as a text. "
                "Write [text].",
                stacklevel=levels_to_user(),
            )
        return texts

    def _words(self, text: Any) -> Sequence[str]:
        """A text cut into words; a list of words stays one."""
        if isinstance(text, list) or self.char_level:
            if not self.lower:
                return text
            return [word.lower() for word in text] if isinstance(text, list) else text.lower()
        if self.analyzer is not None:
            return list(self.analyzer(text))
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def get_config(self) -> dict[str, Any]:
        """The settings, and what was learnt as JSON texts; an analyzer is not among them."""
        learnt = ("word_counts", "word_docs", "index_docs", "index_word", "word_index")
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            **{name: json.dumps(getattr(self, name)) for name in learnt},
        }

    def to_json(self, **kwargs: Any) -> str:
        """The configuration as a JSON text, for `tokenizer_from_json`; `kwargs` are `json.dumps`'s."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def tokenizer_from_json(json_string: str) -> Tokenizer:
    """A tokenizer as `to_json` wrote it.

    Raises:
        ValueError: if the text is no tokenizer's.
    """
    settings = json.loads(json_string)
    if not isinstance(settings, dict) or "word_index" not in settings.get("config", {}):
        raise ValueError(f"A tokenizer's JSON text has 'class_name' and 'config'; got {describe(json_string)}.")
    config = dict(settings["config"])
    by_word = {name: json.loads(config.pop(name)) for name in ("word_counts", "word_docs", "word_index")}
    # In JSON every key is a text.
    by_number = {
        name: {int(key): value for key, value in json.loads(config.pop(name)).items()}
        for name in ("index_docs", "index_word")
    }
    tokenizer = Tokenizer(**config)
    vars(tokenizer).update(by_word, **by_number)
    return tokenizer


__all__ = ["Tokenizer", "hashing_trick", "one_hot", "text_to_word_sequence", "tokenizer_from_json"]
