"""Ctrl-C in the middle of fit: the step under way is finished, and everything can be used and trained on."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from gatewise.training import callbacks
from gatewise.training.interrupt import finishing_the_step
from training_models import data, forecaster

X, Y = data()

pytestmark = pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="needs signals")

SCRIPT = """
    import signal, sys, numpy as np, gatewise
    from gatewise.layers import LSTM, Dense

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job begins with Ctrl-C ignored
    gatewise.utils.set_random_seed(0)
    model = gatewise.Sequential([gatewise.Input((5, 3)), LSTM(4), Dense(1)])
    model.compile("adam", "mse")
    x, y = np.random.rand(4000, 5, 3), np.random.rand(4000, 1)
    steps = []

    class Tell(gatewise.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            steps.append(batch)

        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                print("running", flush=True)

    try:
        model.fit(x, y, batch_size=2, epochs=100000, verbose=0, callbacks=[Tell()])
        print("never interrupted")
    except KeyboardInterrupt:
        pass
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert len(model.history.history["loss"]) == len(model.history.epoch) >= 2
    assert int(model.optimizer.iterations) == len(steps), "a step was left half done"
    before = model.evaluate(x, y, verbose=0)
    history = model.fit(x, y, batch_size=200, epochs=3, verbose=0)
    assert np.isfinite(model.predict(x)).all() and model.evaluate(x, y, verbose=0) < 1.5 * before
    assert int(model.optimizer.iterations) == len(steps) + 60
    print("usable")
"""


@pytest.fixture(autouse=True)
def ctrl_c_interrupts():
    """Python's own handler, which a test run in the background does not begin with."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_process_that_is_interrupted():
    command = [sys.executable, "-c", textwrap.dedent(SCRIPT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "running\n"
        time.sleep(0.05)
        os.kill(process.pid, signal.SIGINT)
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (out, process.returncode) == ("usable\n", 0), err


class Press(callbacks.Callback):
    """Presses Ctrl-C at a hook."""

    def __init__(self, hook):
        self.steps = 0
        setattr(self, hook, self._press)

    def _press(self, *args):
        signal.raise_signal(signal.SIGINT)
        self.steps += 1  # reached: the step is finished first


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_test_batch_begin", "on_epoch_end"])
def test_the_step_under_way_is_finished(hook):
    model = forecaster()
    model.compile("sgd", "mse")
    press = Press(hook)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=2, epochs=2, validation_data=(X, Y), verbose=0, callbacks=[press])
    assert press.steps == 1
    expected = {"on_train_batch_begin": 1, "on_train_batch_end": 1, "on_test_batch_begin": 4, "on_epoch_end": 5}[hook]
    assert int(model.optimizer.iterations) == expected
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(model.fit(X, Y, epochs=2, verbose=0).epoch) == 2


def test_ctrl_c_after_the_last_step_is_not_lost():
    model = forecaster()
    model.compile("sgd", "mse")
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, verbose=0, callbacks=[Press("on_epoch_end")])
    assert len(model.history.history["loss"]) == 1


def test_a_second_ctrl_c_does_not_wait():
    with pytest.raises(KeyboardInterrupt), finishing_the_step():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one was not heard")


def test_a_users_handler_is_left_alone():
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    try:
        model = forecaster()
        model.compile("sgd", "mse")
        history = model.fit(X, Y, batch_size=2, epochs=2, verbose=0, callbacks=[Press("on_train_batch_end")])
        assert len(heard) == 8 and history.epoch == [0, 1]
    finally:
        signal.signal(signal.SIGINT, before)


def test_training_in_several_threads_at_once():
    def train(found):
        model = forecaster()
        model.compile("adam", "mse")
        found.append(model.fit(X, Y, batch_size=2, epochs=50, shuffle=False, verbose=0).history["loss"])

    found = []
    threads = [threading.Thread(target=train, args=(found,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    train(found)
    assert len(found) == 5 and all(course == found[0] for course in found)
    assert np.isfinite(found[0]).all()
