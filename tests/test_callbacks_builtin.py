"""The callbacks that come with the library: when they stop, what they set, write, print and refuse."""

import http.server
import json
import threading
import urllib.parse
import warnings

import numpy as np
import pytest

import gatewise
from gatewise import callbacks, optimizers
from training_models import data, forecaster

X, Y = data(6)


def compiled(optimizer=None, **settings):
    model = forecaster()
    model.compile(optimizer or optimizers.SGD(0.5), "mse", **settings)
    return model


class Script(callbacks.Callback):
    """Writes given numbers into the logs, one an epoch, and the epoch's number into the weights."""

    def __init__(self, numbers, name="val_loss"):
        self.numbers, self.name = numbers, name

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.numbers[epoch]
        self.model.set_weights([np.full_like(w, epoch) for w in self.model.get_weights()])


def run(numbers, *chosen, name="val_loss", model=None, **arguments):
    model = model or compiled()
    history = model.fit(X, Y, epochs=len(numbers), verbose=0, callbacks=[Script(numbers, name), *chosen], **arguments)
    return model, history


# Which epochs run, measured with Keras 3.15.1 on the same numbers.
STOPS = [
    ({}, [5, 4, 4, 3], 3),
    ({"patience": 2}, [5, 4, 4, 4, 3, 3, 3, 1], 4),
    ({"patience": 2}, [5, 4, 4, 3, 3, 3, 3, 1], 6),
    ({"patience": 1, "min_delta": 0.5}, [5, 4, 3.8, 3.6, 1], 3),
    ({"patience": 1, "baseline": 3}, [5, 4, 3.5, 2, 1], 5),
    ({"patience": 3, "baseline": 3}, [5, 4, 2, 2, 2, 2, 2], 6),
    ({"mode": "max", "patience": 1}, [1, 2, 1, 5], 3),
    ({"start_from_epoch": 2}, [1, 2, 3, 2, 3, 9], 5),
    ({"patience": 0}, [float("nan"), 1, 1], 2),
    ({"patience": 0}, [1, float("nan"), 1], 2),
]


@pytest.mark.parametrize("settings, numbers, epochs", STOPS)
def test_early_stopping_stops_as_keras_does(settings, numbers, epochs):
    _, history = run(numbers, callbacks.EarlyStopping(**settings))
    assert len(history.epoch) == epochs


@pytest.mark.parametrize(
    "settings, numbers, best",
    [
        ({"patience": 2}, [5, 3, 4, 4, 4], 1),
        ({"patience": 9}, [5, 3, 4, 2, 4], 3),
        ({"patience": 2, "baseline": 1}, [5, 3, 4, 4, 4], 1),
        ({"patience": 2, "start_from_epoch": 1}, [1, 3, 4, 4, 4], 1),
    ],
)
def test_early_stopping_restores_the_best_weights(settings, numbers, best, capsys):
    stopping = callbacks.EarlyStopping(restore_best_weights=True, verbose=1, **settings)
    model, _ = run(numbers, stopping)
    assert stopping.best_epoch == best and all((w == best).all() for w in model.get_weights())
    assert f"after epoch {best + 1}." in capsys.readouterr().out


def test_what_is_better_is_found_from_the_metrics():
    for metric, name, sign in [
        ("accuracy", "accuracy", 1), ("mae", "mae", -1), ("mse", "mse", -1),
        (gatewise.metrics.RootMeanSquaredError(), "root_mean_squared_error", -1),
        (gatewise.metrics.CosineSimilarity(name="alike"), "alike", 1),
    ]:  # fmt: skip
        model = compiled(metrics=[metric])
        stopping = callbacks.EarlyStopping(f"val_{name}", patience=9)
        model.fit(X, Y, epochs=1, validation_data=(X, Y), verbose=0, callbacks=[stopping])
        assert stopping._sign == sign, name


@pytest.mark.parametrize("kind", [callbacks.EarlyStopping, callbacks.ReduceLROnPlateau])
def test_unknown_names_are_refused_with_those_that_exist(kind):
    with pytest.raises(ValueError, match=r"unknown name 'val_los'. Did you mean 'val_loss'.*mode='min'"):
        compiled().fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=[kind("val_los")])
    with pytest.warns(UserWarning, match="Nothing was validated"):
        compiled().fit(X, Y, verbose=0, callbacks=[kind()])
    with pytest.warns(UserWarning, match="unknown name 'wrong'.*Known: .*loss"):
        compiled().fit(X, Y, verbose=0, callbacks=[kind("wrong", mode="max")])
    with pytest.warns(UserWarning, match="mode is 'auto', 'min' or 'max'; got 'least'"):
        kind(mode="least")
    with pytest.raises(TypeError, match="monitor is a name"):
        kind(3)


def test_an_array_cannot_be_watched():
    with pytest.raises(ValueError, match=r"array of shape \(2,\)"):
        run([np.ones(2)], callbacks.EarlyStopping())


def test_reduce_lr_on_plateau():
    # Rates after each epoch, measured with Keras 3.15.1.
    numbers = [5, 5, 5, 4, 4, 4, 4, 4]
    for settings, rates in [
        ({"factor": 0.5, "patience": 1}, [0.5, 0.25, 0.125, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125]),
        ({"factor": 0.5, "patience": 2}, [0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.0625]),
        ({"factor": 0.5, "patience": 1, "cooldown": 2}, [0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625]),
        ({"factor": 0.5, "patience": 1, "min_lr": 0.2}, [0.5, 0.25, *[np.float32(0.2)] * 6]),
        ({"factor": 0.5, "patience": 1, "epsilon": 2.0}, [0.5 * 0.5**k for k in range(8)]),
    ]:
        model, history = run(numbers, callbacks.ReduceLROnPlateau(**settings))
        after = [*history.history["learning_rate"][1:], float(model.optimizer.learning_rate)]
        assert after == rates, settings
    with pytest.raises(ValueError, match="factor must be below 1"):
        callbacks.ReduceLROnPlateau(factor=1.0)


def test_learning_rate_scheduler(capsys):
    model, history = run([1, 1, 1], callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5, verbose=1))
    assert history.history["learning_rate"] == [0.25, 0.125, 0.0625]
    assert "Epoch 3: the learning rate is 0.0625." in capsys.readouterr().out
    model, history = run([1, 1], callbacks.LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1)))
    assert history.history["learning_rate"] == [0.5, 0.25]
    with pytest.raises(ValueError, match="must return a number; it returned 'fast'"):
        run([1], callbacks.LearningRateScheduler(lambda epoch: "fast"))
    with pytest.raises(TypeError, match="schedule is a function"):
        callbacks.LearningRateScheduler(0.1)


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"

    def write(epochs, **settings):
        logger = callbacks.CSVLogger(path, **settings)
        logger.on_train_begin()
        for epoch in epochs:
            logger.on_epoch_end(epoch, {"loss": 0.5, "b": np.array([1, 2]), "text": "x,y"})
        logger.on_train_end()

    # The text that Keras 3.15.1 writes for the same calls.
    line = ',"""[1, 2]""",0.5,"x,y",NA,NA,NA\r\n'
    header = "epoch,b,loss,text,val_b,val_loss,val_text\r\n"
    write([0, 1])
    assert path.read_bytes().decode() == header + "0" + line + "1" + line
    write([2], append=True)
    assert path.read_bytes().decode() == header + "0" + line + "1" + line + "2" + line
    write([0], separator=";")
    assert path.read_bytes().decode().splitlines()[1] == '0;"""[1, 2]""";0.5;x,y;NA;NA;NA'
    with pytest.raises(ValueError, match="separator is one character"):
        callbacks.CSVLogger(path, separator="")
    with pytest.raises(FileNotFoundError):
        run([1], callbacks.CSVLogger(tmp_path / "missing" / "log.csv"))


def test_terminate_on_nan(capsys):
    model, bad = compiled(), Y.copy()
    bad[4] = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stop = callbacks.TerminateOnNaN()
        history = model.fit(X, bad, batch_size=2, epochs=3, shuffle=False, verbose=0, callbacks=[stop])
        assert history.epoch == [0] and "Batch 2: the loss is" in capsys.readouterr().out
        with pytest.raises(RuntimeError, match="after batch 2"):
            strict = callbacks.TerminateOnNaN(raise_error=True)
            compiled().fit(X, bad, batch_size=2, shuffle=False, verbose=0, callbacks=[strict])


def test_lambda_callback():
    called = []
    made = callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: called.append(epoch),
        on_train_batch_end=lambda batch, logs: called.append(("batch", batch)),
        on_test_end=lambda logs: called.append("test"),
        tag="mine",
    )
    compiled().fit(X, Y, batch_size=3, epochs=1, validation_data=(X, Y), verbose=0, callbacks=[made])
    assert called == [("batch", 0), ("batch", 1), "test", 0] and made.tag == "mine"
    with pytest.raises(TypeError, match="unknown hook 'on_epoch_ends'. Did you mean 'on_epoch_end'"):
        callbacks.LambdaCallback(on_epoch_ends=print)
    with pytest.raises(TypeError, match="on_epoch_end is a function"):
        callbacks.LambdaCallback(on_epoch_end=3)


def test_progbar_logger_prints_what_fit_prints_itself(capsys):
    def printed(**arguments):
        model = compiled()
        model.fit(X, Y, epochs=2, validation_data=(X, Y), verbose=2, **arguments)
        model.evaluate(X, Y, verbose=1, **arguments)
        model.predict(X, verbose=1, **arguments)
        return capsys.readouterr().out

    assert printed(callbacks=[callbacks.ProgbarLogger()]) == printed()
    compiled().fit(X, Y, verbose=0, callbacks=[callbacks.ProgbarLogger()])
    assert capsys.readouterr().out == ""


@pytest.fixture
def server():
    got = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            got.append((self.path, self.headers, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    running = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_port}", got
    running.shutdown()
    thread.join()
    running.server_close()


def test_remote_monitor(server):
    root, got = server
    run(
        [0.5], callbacks.RemoteMonitor(root), callbacks.RemoteMonitor(root, "/x", headers={"A": "b"}, send_as_json=True)
    )
    (path, headers, form), (other_path, other_headers, text) = got
    assert (path, other_path) == ("/publish/epoch/end/", "/x") and other_headers["A"] == "b"
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert other_headers["Content-Type"] == "application/json"
    told = json.loads(urllib.parse.parse_qs(form)["data"][0])
    assert told == json.loads(text) and told["epoch"] == 0 and told["val_loss"] == 0.5


def test_remote_monitor_without_a_server():
    with pytest.warns(UserWarning, match="could not tell http://127.0.0.1:9 of epoch 0"):
        _, history = run([0.5], callbacks.RemoteMonitor("http://127.0.0.1:9"))
    assert history.epoch == [0]
    with pytest.raises(ValueError, match="root begins with http"):
        callbacks.RemoteMonitor("file:///etc")


def test_swap_ema_weights():
    seen = {}

    class Look(callbacks.Callback):
        def on_test_begin(self, logs=None):
            seen["test"] = self.model.get_weights()

        def on_epoch_end(self, epoch, logs=None):
            seen["epoch"] = self.model.get_weights()

    def trained(*chosen):
        model = compiled(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
        model.fit(X, Y, batch_size=2, epochs=2, shuffle=False, validation_data=(X, Y), verbose=0, callbacks=[*chosen])
        return model

    plain = trained()
    swapping = trained(callbacks.SwapEMAWeights(), Look())
    for a, b, c in zip(plain.get_weights(), swapping.get_weights(), seen["test"], strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)  # at the end the weights are the average
    assert not np.array_equal(seen["epoch"][0], seen["test"][0])
    on_epoch = trained(callbacks.SwapEMAWeights(swap_on_epoch=True), Look())
    for a, b, c in zip(plain.get_weights(), on_epoch.get_weights(), seen["epoch"], strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)

    class Stop(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    def stopped(*chosen):
        model = compiled(optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5))
        model.fit(X, Y, batch_size=2, epochs=9, shuffle=False, verbose=0, callbacks=[*chosen, Stop()])
        return model.get_weights()

    # Keras ends with the weights that are no average, where the end comes unforeseen; see docs/differences.md.
    for a, b in zip(plain.get_weights(), stopped(callbacks.SwapEMAWeights(swap_on_epoch=True)), strict=True):
        np.testing.assert_array_equal(a, b)
    best = callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
    kept = stopped(best, callbacks.SwapEMAWeights(swap_on_epoch=True))
    for a, b in zip(best.best_weights, kept, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match=r"SGD\(use_ema=True\)"):
        compiled().fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=[callbacks.SwapEMAWeights()])


def test_pruning():
    class Trial:
        def __init__(self):
            self.told = []

        def report(self, value, step):
            self.told.append((step, value))

        def should_prune(self):
            return len(self.told) == 2

    trial = Trial()
    with pytest.raises(Exception, match="Given up after epoch 4: val_loss is 2") as caught:
        run([5, 4, 3, 2, 1], callbacks.PruningCallback(trial, "val_loss", interval=2))
    assert type(caught.value).__name__ == "TrialPruned" and trial.told == [(1, 4.0), (3, 2.0)]
    with pytest.raises(TypeError, match="the argument of an Optuna objective"):
        callbacks.PruningCallback("trial")
    with pytest.raises(ValueError, match="interval is a positive integer"):
        callbacks.PruningCallback(trial, interval=0)


@pytest.mark.parametrize(
    "settings, name, saved",  # what Keras 3.15.1 saves
    [
        ({}, "{epoch:02d}-{val_loss:.2f}.keras", ["01-5.00", "02-4.00", "03-4.00", "04-3.00"]),
        ({"save_freq": 2}, "{epoch}-{batch:03d}.keras", ["1-002", "2-001", "2-003", "3-002", "4-001", "4-003"]),
        ({"save_freq": 4}, "{epoch}-{batch}.keras", ["2-1", "3-2", "4-3"]),
        ({"save_best_only": True}, "{epoch}.keras", ["1", "2", "4"]),
        (
            {"save_best_only": True, "initial_value_threshold": 3.5, "save_weights_only": True},
            "{epoch}.weights.h5",
            "4",
        ),
    ],
)
def test_model_checkpoint_saves_the_files_that_keras_saves(tmp_path, settings, name, saved):
    model, _ = run([5, 4, 4, 3], callbacks.ModelCheckpoint(tmp_path / "new" / name, **settings), batch_size=2)
    ending = ".weights.h5" if settings.get("save_weights_only") else ".keras"
    found = sorted(path.name for path in (tmp_path / "new").iterdir())
    assert found == [f"{one}{ending}" for one in saved]
    last = tmp_path / "new" / found[-1]
    other = forecaster() if ending == ".weights.h5" else gatewise.load_model(last)
    if ending == ".weights.h5":
        other.load_weights(last)
    assert len(other.get_weights()) == len(model.get_weights())


def test_model_checkpoint_refuses_and_keeps_the_file_before(tmp_path):
    for settings, name, message in [
        ({}, "a.txt", r"ModelCheckpoint: A file of a model ends in .*\.keras.*; got"),
        ({"save_weights_only": True}, "a.keras", r"only=True\): A file of weights ends in \.weights\.h5; got"),
        ({}, "a.h5", r"ModelCheckpoint: A file of a model ends in"),
        ({"save_freq": "batch"}, "a.keras", "save_freq is 'epoch' or a number of batches"),
        ({"save_freq": 0}, "a.keras", "save_freq is 'epoch' or a number of batches"),
    ]:
        with pytest.raises(ValueError, match=message):
            callbacks.ModelCheckpoint(tmp_path / name, **settings)
    with pytest.raises(KeyError, match="asks for 'mae'; there are epoch, loss, val_loss"):
        run([1], callbacks.ModelCheckpoint(tmp_path / "{mae}.keras"))
    with pytest.warns(UserWarning, match="Nothing was validated"):
        compiled().fit(
            X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / "a.keras", save_best_only=True)]
        )
    whole = (tmp_path / "a.keras").read_bytes()
    (tmp_path / "folder.keras").mkdir()
    with pytest.raises(IsADirectoryError, match="is a folder"):
        run([1], callbacks.ModelCheckpoint(tmp_path / "folder.keras"))
    assert (tmp_path / "a.keras").read_bytes() == whole


def test_unknown_names_of_callbacks():
    with pytest.raises(AttributeError, match="Did you mean 'EarlyStopping'"):
        callbacks.EarlyStoping  # noqa: B018
