"""Sizes that arrays without strides only claim are refused, not allocated."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from gatewise import kernels, layers


def claimed(*shape):
    return as_strided(np.zeros(8, np.float32), shape, [0] * (len(shape) - 1) + [4])


def test_more_steps_than_memory_has_addresses():
    with pytest.raises(ValueError, match="more memory than there can be"):
        layers.LSTM(1)(claimed(1, 2**58, 1))


def test_more_weights_than_memory_has_addresses():
    with pytest.raises(ValueError, match="more memory than there can be"):
        kernels.pack_lstm(claimed(2**58, 4), np.zeros((1, 4), np.float32), None)


def test_more_than_this_machine_has():
    with pytest.raises(MemoryError):
        kernels.pack_lstm(claimed(2**45, 4), np.zeros((1, 4), np.float32), None)
