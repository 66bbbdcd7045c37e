"""gatewise.random: keras.random's distributions by their statistics, and the same numbers from the same seed."""

import copy
import itertools
import pickle

import numpy as np
import pytest

from gatewise import autodiff, random
from gatewise.random import SeedGenerator

N = 20000


@pytest.mark.parametrize(
    ("draw", "mean", "deviation"),
    [
        (lambda **s: random.normal((N,), 2.0, 0.5, **s), 2.0, 0.5),
        (lambda **s: random.uniform((N,), -1.0, 3.0, **s), 1.0, 4 / np.sqrt(12)),
        (lambda **s: random.truncated_normal((N,), 1.0, 2.0, **s), 1.0, 2 * 0.8796),
        (lambda **s: random.randint((N,), 0, 10, **s), 4.5, np.sqrt(99 / 12)),
        (lambda **s: random.binomial((N,), 10, 0.3, **s), 3.0, np.sqrt(2.1)),
        (lambda **s: random.beta((N,), 2.0, 3.0, **s), 0.4, 0.2),
        (lambda **s: random.gamma((N,), 4.0, **s), 4.0, 2.0),
    ],
)
def test_distributions(draw, mean, deviation):
    numbers = draw(seed=7)
    assert abs(numbers.mean() - mean) < 5 * deviation / np.sqrt(N) and abs(numbers.std() / deviation - 1) < 0.03
    np.testing.assert_array_equal(draw(seed=7), numbers)
    seeds = SeedGenerator(3)
    first, second = draw(seed=seeds), draw(seed=seeds)
    assert (first != second).any()
    np.testing.assert_array_equal(draw(seed=SeedGenerator(3)), first)


def test_a_copy_of_a_seed_generator_goes_on_from_where_it_is():
    seeds = SeedGenerator(3)
    seeds.next()
    copies = [copy.deepcopy(seeds), pickle.loads(pickle.dumps(seeds))]
    expected = seeds.next().random(4)
    for other in copies:
        np.testing.assert_array_equal(other.next().random(4), expected)
    # Counters of itertools can be copied only up to Python 3.13.
    assert not any(isinstance(value, itertools.count) for value in vars(seeds).values())


def test_types():
    assert random.normal((2,)).dtype == np.float32 and random.normal((2,), dtype="float64").dtype == np.float64
    assert random.randint((2,), 0, 3).dtype == np.int32 and random.uniform((2,), 0, 9, dtype="int32").dtype == np.int32
    assert random.uniform((100000,), 0.0, 1.0, seed=1).max() < 1
    assert np.abs(random.truncated_normal((N,), seed=1)).max() <= 2


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: random.randint((2,), 3, 3), "between 3 and 3 there are none"),
        (lambda: random.uniform((2,), 0, None, dtype="int32"), "a maxval above minval"),
        (lambda: random.categorical(np.zeros(3), 2), r"\(samples, classes\); got \(3,\)"),
        (lambda: random.dropout(np.ones((2, 3)), 0.5, noise_shape=(2,)), r"each axis of inputs \(2, 3\); got \(2,\)"),
    ],
)
def test_what_cannot_be_drawn_says_why(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


def test_one_number_is_an_array_too():
    one = [random.normal, random.uniform, random.truncated_normal]
    drawn = [f(()) for f in one] + [random.randint((), 0, 3), random.gamma((), 2.0), random.beta((), 2.0, 3.0)]
    assert all(isinstance(y, np.ndarray) and y.shape == () for y in drawn)
    assert all(abs(random.truncated_normal((), seed=k)) <= 2 for k in range(60))  # some are drawn again


def test_categorical():
    logits = np.log(np.array([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8]]))
    drawn = random.categorical(logits, N, seed=2)
    assert drawn.shape == (2, N) and drawn.dtype == np.int32
    for row, p in zip(drawn, np.exp(logits), strict=True):
        np.testing.assert_allclose(np.bincount(row) / N, p, atol=0.02)


def test_shuffle_keeps_what_there_is():
    x = np.arange(12.0).reshape(3, 4)
    shuffled = random.shuffle(x, axis=1, seed=5)
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), x)
    _, pullback = autodiff.vjp(lambda v: random.shuffle(v, axis=1, seed=5), x)
    np.testing.assert_array_equal(pullback(shuffled)[0], x)


def test_dropout():
    x = np.ones((200, 50), "float32")
    y = random.dropout(x, 0.25, seed=1)
    assert y.dtype == np.float32 and set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(y.mean() - 1) < 0.02 and not random.dropout(x, 1.0).any()
    assert (random.dropout(x, 0.5, noise_shape=(None, 1), seed=1).std(axis=1) == 0).all()
    wide = x.astype(float)
    _, pullback = autodiff.vjp(lambda v: random.dropout(v, 0.25, seed=1), wide)
    np.testing.assert_allclose(pullback(wide)[0], y, rtol=1e-6)


def test_what_is_refused():
    with pytest.raises(ValueError, match="known shape"):
        random.normal((None, 3))
    with pytest.raises(ValueError, match="from 0 to 1"):
        random.dropout(np.ones(3), 1.5)
    with pytest.raises(TypeError, match="A seed is an integer"):
        random.uniform((2,), seed="seven")
