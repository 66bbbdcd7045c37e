"""The same seed gives the same training, whatever the number of threads and whatever runs beside it."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import gatewise
from gatewise import config, kernels, random
from gatewise.layers import LSTM, Dense, Dropout


def trained(units=24, dtype="float32", seed=7, batch_size=32):
    """The weights after training with every kind of chance: initial weights, dropout, shuffling."""
    gatewise.utils.set_random_seed(seed)
    model = gatewise.Sequential([
        gatewise.Input((9, 5), dtype=dtype),
        LSTM(units, dropout=0.2, recurrent_dropout=0.1, return_sequences=True, dtype=dtype),
        LSTM(units, dtype=dtype),
        Dropout(0.3, dtype=dtype),
        Dense(2, dtype=dtype),
    ])  # fmt: skip
    model.compile("adam", "mse")
    x, y = np.random.rand(100, 9, 5), np.random.rand(100, 2)
    model.fit(x, y, batch_size=batch_size, epochs=3, validation_split=0.2, verbose=0)
    return [*model.get_weights(), model.predict(x)]


def same(a, b):
    return all((v == w).all() for v, w in zip(a, b, strict=True))


@pytest.fixture
def threads():
    before = kernels.get_threads()
    yield config.set_threads
    config.set_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units, batch_size", [(1, 32), (24, 32), (24, 3), (70, 80)])
def test_any_number_of_threads(threads, dtype, units, batch_size):
    found = []
    for n in (1, 2, 3):
        threads(n)
        found.append(trained(units, dtype, batch_size=batch_size))
    assert same(found[0], found[1]) and same(found[0], found[2])


def test_a_seed_decides_everything():
    assert same(trained(), trained())
    assert not same(trained(), trained(seed=8))


def test_another_process_finds_the_same():
    script = f"""
        import sys; sys.path.insert(0, {str(__file__).rsplit("/", 1)[0]!r})
        from test_determinism import trained
        print([float(w.sum(dtype="float64")).hex() for w in trained()])
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str([float(w.sum(dtype="float64")).hex() for w in trained()])


def test_evaluation_and_prediction_draw_nothing():
    def next_numbers(between):
        gatewise.utils.set_random_seed(1)
        model = gatewise.Sequential([gatewise.Input((4, 2)), LSTM(3, dropout=0.5), Dropout(0.5), Dense(1)])
        model.compile("sgd", "mse")
        x = np.zeros((6, 4, 2))
        between(model, x)
        return random.next_generator().random(4)

    plain = next_numbers(lambda model, x: None)
    used = next_numbers(lambda model, x: (model.predict(x), model.evaluate(x, x[:, 0, :1], verbose=0)))
    np.testing.assert_array_equal(plain, used)
