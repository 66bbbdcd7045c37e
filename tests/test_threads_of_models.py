"""Models, layers and streams large enough for the kernels' threads, used by several Python threads at once."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import gatewise as gw
from gatewise import kernels, layers

COUNTS = pytest.mark.parametrize("count", [2, 4])


@pytest.fixture(autouse=True)
def two_threads():
    before = kernels.get_threads()
    kernels.set_threads(2)
    yield
    kernels.set_threads(before)


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def model_of(seed=0, units=48):
    gw.utils.set_random_seed(seed)
    return gw.Sequential([
        gw.Input((12, 8)),
        layers.Bidirectional(layers.LSTM(units, return_sequences=True)),
        layers.GRU(units),
        layers.Dense(3),
    ])  # fmt: skip


def at_once(count, work):
    """Runs work(0), work(1), ... each on a thread of its own, begun together; returns their results."""
    results, errors, begin = [None] * count, [], threading.Barrier(count)

    def guarded(k):
        begin.wait()
        try:
            results[k] = work(k)
        except BaseException as error:  # handed to the test
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors
    return results


def same(one, other):
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


@COUNTS
@pytest.mark.parametrize("call", ["__call__", "predict_on_batch", "predict"])
def test_one_model(count, call):
    model = model_of()
    inputs = [data(40 + k, 12, 8, seed=k) for k in range(count)]
    more = {"verbose": 0} if call == "predict" else {}
    alone = [getattr(model, call)(x, **more) for x in inputs]
    found = at_once(count, lambda k: [getattr(model, call)(inputs[k], **more) for _ in range(8)])
    assert all(same(ys, [alone[k]] * 8) for k, ys in enumerate(found))


@COUNTS
def test_a_model_that_has_just_been_made(count):
    """Its chain is made while others ask for it too."""
    x, expected = data(20, 12, 8), model_of()(data(20, 12, 8))
    for _ in range(3):
        model = model_of()
        found = at_once(count, lambda k, model=model: [model(x) for _ in range(4)])
        assert all(same(ys, [expected] * 4) for ys in found)


@COUNTS
@pytest.mark.parametrize("layer", [layers.LSTM, layers.GRU, layers.SimpleRNN, layers.Dense])
def test_one_layer(count, layer):
    one, inputs = layer(60), [data(30, 10, 40, seed=k) for k in range(count)]
    alone = [one(x) for x in inputs]
    found = at_once(count, lambda k: [one(inputs[k]) for _ in range(8)])
    assert all(same(ys, [alone[k]] * 8) for k, ys in enumerate(found))


@COUNTS
def test_different_models_train(count):
    x, y = data(32, 12, 8), data(32, 3, seed=9)

    def trained(seed):
        model = model_of(seed)
        model.compile("adam", "mse")
        losses = [np.float64(model.train_on_batch(x, y)) for _ in range(4)]
        return [*losses, *model.get_weights()]

    # Initial weights come from one generator of the process: the models are made one after the other.
    alone = [trained(k) for k in range(count)]
    models = [model_of(k) for k in range(count)]

    def train(k):
        models[k].compile("adam", "mse")
        losses = [np.float64(models[k].train_on_batch(x, y)) for _ in range(4)]
        return [*losses, *models[k].get_weights()]

    found = at_once(count, train)
    assert all(same(a, b) for a, b in zip(alone, found, strict=True))


def streamed(units=300):
    gw.utils.set_random_seed(1)
    return gw.Sequential([gw.Input((None, 8)), layers.LSTM(units, return_sequences=True), layers.Dense(3)])


@COUNTS
def test_streams_of_one_model(count):
    model, x = streamed(), data(2, 30, 8)
    stream = model.stream(batch_size=2)
    alone = np.stack([stream.step(x[:, t]) for t in range(30)], axis=1)
    forks = [model.stream(batch_size=2) for _ in range(count)]
    found = at_once(count, lambda k: np.stack([forks[k].step(x[:, t]) for t in range(30)], axis=1))
    assert same(found, [alone] * count)


def test_one_stream_in_two_threads_is_refused_and_stays_whole():
    """Each step is taken by one thread or refused: the states are those of as many steps as were taken."""
    model, x = streamed(), data(1, 8)
    stream, refused = model.stream(), []

    def steps(k):
        taken = 0
        for _ in range(200):
            try:
                stream.step(x)
                taken += 1
            except RuntimeError as error:
                assert "in use on another thread" in str(error)
                refused.append(error)
        return taken

    taken = sum(at_once(2, steps))
    assert taken + len(refused) == 400
    other = model.stream()
    for _ in range(taken):
        other.step(x)
    assert same(stream.step(x), other.step(x))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_predicts_and_trains():
    model, x, y = model_of(), data(40, 12, 8), data(40, 3, seed=1)
    model.compile("adam", "mse")
    model.train_on_batch(x, y)  # the threads have worked
    expected = model.predict(x, verbose=0)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            good = model.predict(x, verbose=0).tobytes() == expected.tobytes()
            code = 0 if good and np.isfinite(model.train_on_batch(x, y)) else 1
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert model.predict(x, verbose=0).tobytes() == expected.tobytes()


WORK = """
import sys, threading, numpy as np
from gatewise import kernels
kernels.set_threads(int(sys.argv[1]))
rng = np.random.default_rng(0)
a, b = rng.normal(size=(2, 400, 400)).astype("float32")
def work():
    for _ in range(int(sys.argv[2])):
        kernels.matmul(a, b)
"""
ENDS = {
    "after work": "work()",
    "after work on other threads": "ts = [threading.Thread(target=work) for _ in range(4)]\n"
    "for t in ts: t.start()\nfor t in ts: t.join()",
    "while a daemon works": "threading.Thread(target=work, daemon=True).start()\nwork()",
    "by sys.exit": "work()\nsys.exit(0)",
    "in an exit handler": "import atexit\natexit.register(work)\nwork()",
}


@pytest.mark.parametrize("threads", [2, 64])
@pytest.mark.parametrize("end", ENDS)
def test_the_interpreter_ends_with_threads_about(end, threads):
    code = WORK + ENDS[end]
    times = "500" if "daemon" in end else "5"
    arguments = [sys.executable, "-c", code, str(threads), times]
    if "daemon" in end:  # the main thread is to end first
        arguments[2] = code.replace("\nwork()", "\nkernels.matmul(a, b)")
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_nothing_spins_while_idle():
    """The kernels' threads and NumPy's use no processor time in a second in which nothing is asked."""
    code = WORK + (
        "import os, time\nwork()\ntime.sleep(0.2)\nbefore = os.times()\ntime.sleep(1)\nafter = os.times()\n"
        "print(after.user + after.system - before.user - before.system)"
    )
    spent = subprocess.run([sys.executable, "-c", code, "4", "20"], capture_output=True, text=True, timeout=120)
    assert float(spent.stdout) <= 0.03
