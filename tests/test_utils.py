"""Seeds, one-hot classes and padded sequences."""

import random

import numpy as np
import pytest

from gatewise import initializers
from gatewise.utils import pad_sequences, set_random_seed, to_categorical


def drawn():
    return initializers.GlorotUniform()((3, 4)).tolist(), np.random.rand(), random.random()


def test_a_seed_begins_everything_anew():
    set_random_seed(7)
    first, second = drawn(), drawn()
    set_random_seed(7)
    assert drawn() == first != second
    set_random_seed(8)
    assert drawn() != first


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "1", True, None])
def test_what_is_no_seed(seed):
    with pytest.raises(ValueError, match="set_random_seed takes an integer"):
        set_random_seed(seed)


def test_to_categorical():
    assert to_categorical([0, 2, 1]).tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    assert to_categorical([[0], [1]], 3).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert to_categorical(np.zeros((2, 4), int), 5).shape == (2, 4, 5)
    assert to_categorical(np.array([1.0, 0.0])).tolist() == [[0, 1], [1, 0]]
    assert to_categorical([]).shape == (0, 0)


@pytest.mark.parametrize(
    "x, n, said",
    [
        ([3], 3, "Class 3 is outside 0 ... 2"),
        ([-1], None, "Class -1"),
        ([0.5], None, "integer classes"),
        (["a"], None, "integer classes"),
    ],
)
def test_what_are_no_classes(x, n, said):
    with pytest.raises(ValueError, match=said):
        to_categorical(x, n)


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, [[0, 0, 1], [2, 3, 4], [0, 5, 6]]),
        ({"padding": "post"}, [[1, 0, 0], [2, 3, 4], [5, 6, 0]]),
        ({"maxlen": 2}, [[0, 1], [3, 4], [5, 6]]),
        ({"maxlen": 2, "truncating": "post", "value": 9}, [[9, 1], [2, 3], [5, 6]]),
        ({"maxlen": 4, "padding": "post", "value": -1}, [[1, -1, -1, -1], [2, 3, 4, -1], [5, 6, -1, -1]]),
    ],
)
def test_pad_sequences(options, expected):
    assert pad_sequences([[1], [2, 3, 4], [5, 6]], **options).tolist() == expected


def test_padding_steps_of_several_numbers():
    padded = pad_sequences([np.ones((2, 3)), np.zeros((0,)), np.full((1, 3), 2.0)], dtype="float32")
    assert padded.shape == (3, 2, 3) and padded.dtype == np.float32
    assert padded[1].sum() == 0 and padded[2].tolist() == [[0] * 3, [2] * 3]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (([1, 2],), "a list of sequences"),
        ((3,), "a list of sequences"),
        (([[1]], None, "int32", "left"), "padding is 'pre' or 'post'"),
        (([np.ones((2, 3)), np.ones((2, 4))],), "one shape"),
        (([["a"]], None, "int32", "pre", "pre", "x"), "give dtype=object"),
    ],
)
def test_what_cannot_be_padded(arguments, said):
    with pytest.raises(ValueError, match=said):
        pad_sequences(*arguments)
