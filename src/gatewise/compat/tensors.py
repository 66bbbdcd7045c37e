"""Arrays that answer to what scripts ask of TensorFlow's tensors, and the datasets that give them.

gatewise's own arrays are NumPy's, everywhere.  Scripts written for TensorFlow take a batch from a dataset and write
`batch.numpy()`, which a NumPy array does not have; so the datasets that such scripts find give them these instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from gatewise import data, tree, utils
from gatewise.data.dataset import SizedDataset


class Tensor(np.ndarray):
    """A NumPy array with `numpy()`; its parts, single numbers too, are such arrays."""

    def numpy(self) -> Any:
        """The plain NumPy array, or number."""
        return np.asarray(self)[()] if self.ndim == 0 else np.asarray(self)

    def set_shape(self, shape: Any) -> None:
        """Accepted: the shape is known."""

    def get_shape(self) -> tuple[int, ...]:
        """The shape."""
        return self.shape

    def __getitem__(self, key: Any) -> Any:
        return _tensor(super().__getitem__(key))

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self)))


def _tensor(value: Any) -> Any:
    """Arrays and numbers of NumPy's as tensors."""
    return np.asarray(value).view(Tensor) if isinstance(value, np.ndarray | np.generic) else value


def _of_tensors(dataset: Any) -> Any:
    return dataset.map(lambda first, *rest: tree.map_leaves(_tensor, (first, *rest) if rest else first))


class Dataset(data.Dataset):
    """`tf.data.Dataset`: what begins a chain.  What is chained behind it is `gatewise.data.Dataset`'s."""

    @staticmethod
    def from_tensor_slices(tensors: Any, name: Any = None) -> SizedDataset:
        """The rows of arrays."""
        return _of_tensors(data.Dataset.from_tensor_slices(tensors))

    @staticmethod
    def from_tensors(tensors: Any, name: Any = None) -> SizedDataset:
        """One element, as given."""
        return _of_tensors(data.Dataset.from_tensors(tensors))

    @staticmethod
    def from_generator(generator: Any, *types: Any, args: Any = (), **options: Any) -> data.Dataset:
        """What a function yields."""
        return _of_tensors(data.Dataset.from_generator(generator, *types, args=args, **options))

    @staticmethod
    def range(*limits: int, output_type: Any = "int64", name: Any = None) -> SizedDataset:
        """The numbers of `range(*limits)`."""
        return _of_tensors(data.Dataset.range(*limits, output_type=output_type))


def timeseries_dataset_from_array(*args: Any, **kwargs: Any) -> SizedDataset:
    """`gatewise.utils.timeseries_dataset_from_array`, whose batches have `numpy()`."""
    return _of_tensors(utils.timeseries_dataset_from_array(*args, **kwargs))
