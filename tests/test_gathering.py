"""predict and evaluate hold one batch: outputs go into one array, and nothing is left of a batch that was counted."""

import itertools
import tracemalloc

import numpy as np
import pytest

import gatewise
from gatewise.training.gathering import Gathered
from training_models import random


def test_batches_are_gathered_whatever_was_expected():
    pieces = [random(n, 2, 3, seed=n) for n in (4, 4, 3)]
    for expected in ((11,), (None,), (5,), (1000,), (None, 3), (None, 2), (None, 50)):
        gathered = Gathered(*expected)
        for piece in pieces:
            gathered.add([piece, piece[:, 0, 0].astype(int)])
        found = gathered.result()
        np.testing.assert_array_equal(found[0], np.concatenate(pieces))
        np.testing.assert_array_equal(found[1], np.concatenate(pieces)[:, 0, 0].astype(int))
        assert gathered.batches == 3 and found[0].shape == (11, 2, 3)


def test_batches_that_differ_in_their_steps_are_filled_up_with_zeros():
    pieces = [random(2, steps, 3) for steps in (4, 2, 5, 1)]
    gathered = Gathered(None)
    for piece in pieces:
        gathered.add([piece])
    (found,) = gathered.result()
    expected = np.concatenate([np.pad(p, [(0, 0), (0, 5 - p.shape[1]), (0, 0)]) for p in pieces])
    np.testing.assert_array_equal(found, expected)


def test_wider_types_and_text():
    for first, second in ((["a"], ["longer"]), ([1], [2.5]), ([True], [3])):
        gathered = Gathered(2)
        gathered.add([np.array(first)])
        gathered.add([np.array(second)])
        np.testing.assert_array_equal(gathered.result()[0], np.concatenate([first, second]))


def test_what_has_no_rows_is_refused():
    gathered = Gathered(4)
    gathered.add([np.float32(3.0)])
    with pytest.raises(ValueError, match="single number for a batch.*predict_on_batch"):
        gathered.add([np.float32(3.0)])
    gathered = Gathered(4)
    gathered.add([random(2, 3)])
    with pytest.raises(ValueError, match=r"shape \(2, 2, 2\).*\(3,\)"):
        gathered.add([random(2, 2, 2)])


def peak(call):
    """The most memory that is held at once on the way, beyond what there was, in bytes; and what is returned."""
    tracemalloc.start()
    try:
        result = call()
        return tracemalloc.get_traced_memory()[1], result
    finally:
        tracemalloc.stop()


def wide():
    model = gatewise.Sequential([gatewise.Input((4,)), gatewise.layers.Dense(500)])
    model.compile("sgd", "mse", metrics=["mae"])
    model.evaluate(random(8, 4), random(8, 500), verbose=0)
    model.predict(random(8, 4))
    return model


class Loader:
    """Batches, and how many there are."""

    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x) // 32

    def __iter__(self):
        return (self.x[k : k + 32] for k in range(0, len(self.x), 32))


@pytest.mark.parametrize("kind", ["arrays", "loader", "iterable"])
def test_predict_holds_its_result_and_one_batch(kind):
    model, x = wide(), random(3200, 4)
    given = {"arrays": x, "loader": Loader(x), "iterable": iter(Loader(x))}[kind]
    found, result = peak(lambda: model.predict(given, batch_size=32))
    batch = 32 * 500 * 4
    # In place, an array of unknown length has room for half as many rows again until all are there.
    assert found < result.nbytes * (1.5 if kind == "iterable" else 1) + 8 * batch, (found, result.nbytes)


@pytest.mark.parametrize("method", ["evaluate", "fit"])
def test_evaluate_and_fit_hold_one_batch(method):
    model, x, y = wide(), random(32, 4), random(32, 500)

    def batches(n):
        return ((x, y.copy()) for _ in range(n))

    run = getattr(model, method)
    few, _ = peak(lambda: run(batches(5), verbose=0))
    many, _ = peak(lambda: run(batches(200), verbose=0))
    assert many < few + y.nbytes / 2, (few, many)


def test_outputs_of_predict_do_not_share_memory():
    model = wide()
    x = random(64, 4)
    a, b = model.predict(x), model.predict(itertools.islice(iter([x, x]), 2))
    assert not np.shares_memory(a, b) and a.flags.writeable and b.base is None
