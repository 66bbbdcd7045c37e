"""keras.preprocessing.sequence: windows of a series by number, and pairs of words that stand together."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.arguments import describe
from gatewise.training.sources.py_dataset import PyDataset
from gatewise.utils.padding import pad_sequences
from gatewise.validation import positive_integer


class TimeseriesGenerator(PyDataset):
    """Batches of windows of a series, each with the target that follows it.

    The window of target row r holds the rows r - length, r - length + sampling_rate, ... before r.

    Args:
        data: (rows, ...), or a list of rows.
        targets: as many rows.
        length: rows from a window's first to its target.
        sampling_rate: rows from one step of a window to the next.
        stride: rows from one window's target to the next one's.
        start_index, end_index: windows lie from start_index on, and their targets up to end_index (it included).
        shuffle: draw the targets of each batch by chance, from NumPy's global stream, with repetition.
        reverse: each window backwards.
        batch_size: windows in a batch.
        **kwargs: `PyDataset`'s.

    Raises:
        ValueError: if the lengths differ, or no window fits.
    """

    def __init__(
        self,
        data: Any,
        targets: Any,
        length: int,
        sampling_rate: int = 1,
        stride: int = 1,
        start_index: int = 0,
        end_index: int | None = None,
        shuffle: bool = False,
        reverse: bool = False,
        batch_size: int = 128,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not hasattr(data, "__len__") or not hasattr(targets, "__len__") or len(data) != len(targets):
            raise ValueError(
                "TimeseriesGenerator: data and targets need the same number of rows; "
                f"got {describe(data)} and {describe(targets)}."
            )
        for argument, value in {
            "length": length, "sampling_rate": sampling_rate, "stride": stride, "batch_size": batch_size,
        }.items():  # fmt: skip
            positive_integer(value, argument, "TimeseriesGenerator")
        self.data, self.targets = data, targets
        self.length, self.sampling_rate, self.stride = length, sampling_rate, stride
        self.start_index = start_index + length
        self.end_index = len(data) - 1 if end_index is None else end_index
        self.shuffle, self.reverse, self.batch_size = shuffle, reverse, batch_size
        if start_index < 0 or self.end_index >= len(data) or self.start_index > self.end_index:
            raise ValueError(
                f"TimeseriesGenerator: with start_index {start_index} and length {length} the first target is row "
                f"{self.start_index}; it must not lie after end_index, {self.end_index}, nor end_index after the last "
                f"row, {len(data) - 1}."
            )

    def __len__(self) -> int:
        """How many batches there are."""
        rows = self.batch_size * self.stride
        return (self.end_index - self.start_index + rows) // rows

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Batch number `index`: windows (N, T, ...) and targets (N, ...)."""
        index = self._from_the_end(index)
        if self.shuffle:
            rows = np.random.randint(self.start_index, self.end_index + 1, size=self.batch_size)
        else:
            first = self.start_index + self.batch_size * self.stride * index
            rows = np.arange(first, min(first + self.batch_size * self.stride, self.end_index + 1), self.stride)
        samples = np.array([self.data[row - self.length : row : self.sampling_rate] for row in rows])
        targets = np.array([self.targets[row] for row in rows])
        return (samples[:, ::-1] if self.reverse else samples), targets

    def _from_the_end(self, index: int) -> int:
        """The number from 0 that `index` means; -1 is the last batch.

        Raises:
            IndexError: if there is no such batch; so that `for batch in generator` ends.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self)} batches, numbered from 0; got {index}.")
        return index % len(self)

    def get_config(self) -> dict[str, Any]:
        """The arguments, with data and targets as JSON texts.

        Raises:
            TypeError: if these hold what JSON has not.
        """
        return {
            "data": _as_json(self.data, "Data"),
            "targets": _as_json(self.targets, "Targets"),
            "length": self.length,
            "sampling_rate": self.sampling_rate,
            "stride": self.stride,
            "start_index": self.start_index,
            "end_index": self.end_index,
            "shuffle": self.shuffle,
            "reverse": self.reverse,
            "batch_size": self.batch_size,
        }

    def to_json(self, **kwargs: Any) -> str:
        """The configuration as a JSON text, for `timeseries_generator_from_json`; `kwargs` are `json.dumps`'s."""
        return json.dumps({"class_name": type(self).__name__, "config": self.get_config()}, **kwargs)


def _as_json(rows: Any, what: str) -> str:
    rows = rows.tolist() if isinstance(rows, np.ndarray) else rows
    try:
        return json.dumps(rows)
    except TypeError as error:
        raise TypeError(f"{what} cannot be written as JSON: {error}. Give numbers, in lists or an array.") from None


def timeseries_generator_from_json(json_string: str) -> TimeseriesGenerator:
    """A generator as `to_json` wrote it.

    Raises:
        ValueError: if the text is no generator's.
    """
    settings = json.loads(json_string)
    if not isinstance(settings, dict) or not isinstance(settings.get("config"), dict):
        raise ValueError(f"A generator's JSON text has 'class_name' and 'config'; got {describe(json_string)}.")
    config = dict(settings["config"])
    config["data"], config["targets"] = json.loads(config["data"]), json.loads(config["targets"])
    # What is written is the first target's row; Keras 2 reads it as start_index, and so loses windows each time.
    config["start_index"] -= config["length"]
    return TimeseriesGenerator(**config)


def make_sampling_table(size: int, sampling_factor: float = 1e-5) -> np.ndarray:
    """How probably a word is kept, by its rank in frequency, so that frequent words do not drown the others.

    p(rank) = min(1, sqrt(sampling_factor / frequency(rank))), with frequencies by Zipf's law:
    1 / frequency(rank) = rank * (log(rank) + 0.577) + 1/2 - 1 / (12 rank).  Rank 0, no word, has rank 1's.

    Args:
        size: words in the vocabulary, and one.
        sampling_factor: greater keeps more.

    Returns:
        (size,) probabilities.

    Source: Mikolov et al. 2013, Distributed Representations of Words and Phrases.
    """
    positive_integer(size, "size", "make_sampling_table")
    if not isinstance(sampling_factor, int | float | np.number) or not sampling_factor > 0:
        raise ValueError(f"make_sampling_table: sampling_factor must be greater than 0; got {sampling_factor!r}.")
    rank = np.arange(size)
    rank[0] = 1
    inverse_frequency = rank * (np.log(rank) + 0.577) + 0.5 - 1.0 / (12.0 * rank)
    f = sampling_factor * inverse_frequency
    return np.minimum(1.0, f / np.sqrt(f))


def skipgrams(
    sequence: Sequence[int],
    vocabulary_size: int,
    window_size: int = 4,
    negative_samples: float = 1.0,
    shuffle: bool = True,
    categorical: bool = False,
    sampling_table: Any = None,
    seed: int | None = None,
) -> tuple[list[list[int]], list[Any]]:
    """Pairs of words that stand near each other, and pairs by chance.

    Chance is Python's own (`random`), drawn from in the same order as by Keras 2: the same seed gives the same pairs.
    A shuffle with a `seed` begins that stream anew.

    Args:
        sequence: words as integers; 0 is no word.
        vocabulary_size: the greatest word, and one.
        window_size: how many words further two words may stand apart.
        negative_samples: pairs by chance for each pair that stands in the text.
        shuffle: mix the pairs.
        categorical: labels as [0, 1] and [1, 0].
        sampling_table: (vocabulary_size,) how probably each word is kept, as `make_sampling_table` makes it.
        seed: of the shuffle.

    Returns:
        pairs, and their labels: 1 for words that stand near each other, 0 for chance.
    """
    positive_integer(vocabulary_size, "vocabulary_size", "skipgrams")
    if not isinstance(negative_samples, int | float | np.number) or not negative_samples >= 0:
        raise ValueError(f"skipgrams: negative_samples must be at least 0; got {negative_samples!r}.")
    couples = _near_pairs(sequence, window_size, sampling_table)
    near, chance = ([0, 1], [1, 0]) if categorical else (1, 0)
    labels: list[Any] = [list(near) if isinstance(near, list) else near for _ in couples]
    if negative_samples > 0:
        count = int(len(couples) * negative_samples)
        words = [couple[0] for couple in couples]
        random.shuffle(words)
        couples += [[words[k % len(words)], random.randint(1, vocabulary_size - 1)] for k in range(count)]
        labels += [list(chance) if isinstance(chance, list) else chance for _ in range(count)]
    if shuffle:
        # The same beginning twice mixes both lists in the same way.
        seed = random.randint(0, 10_000_000) if seed is None else seed
        for mixed in (couples, labels):
            random.seed(seed)
            random.shuffle(mixed)
    return couples, labels


def _near_pairs(sequence: Sequence[int], window_size: int, sampling_table: Any) -> list[list[int]]:
    """[word, word nearby], for each word that is kept, in the order of the text."""
    positive_integer(window_size, "window_size", "skipgrams")
    couples = []
    for i, word in enumerate(sequence):
        if not word or (sampling_table is not None and sampling_table[word] < random.random()):
            continue
        first, end = max(0, i - window_size), min(len(sequence), i + window_size + 1)
        couples += [[word, sequence[j]] for j in range(first, end) if j != i and sequence[j]]
    return couples


__all__ = [
    "TimeseriesGenerator",
    "make_sampling_table",
    "pad_sequences",
    "skipgrams",
    "timeseries_generator_from_json",
]
