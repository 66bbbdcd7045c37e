"""Callbacks: which hooks are called, when, and with what."""

import warnings

import numpy as np
import pytest

from gatewise import optimizers
from gatewise.training import callbacks
from training_models import data, forecaster

X, Y = data(5)


def compiled(**settings):
    model = forecaster()
    model.compile(optimizers.SGD(0.0), "mse", **settings)
    return model


class Recorder(callbacks.Callback):
    """Writes down every call."""

    def __init__(self):
        self.calls = []

    def set_model(self, model):
        super().set_model(model)
        self.calls.append("set_model")


def _recording(hook):
    def method(self, *args):
        *numbers, logs = args
        self.calls.append((hook, *numbers, sorted(logs)))

    return method


for _hook in callbacks.HOOKS:
    setattr(Recorder, _hook, _recording(_hook))


def test_the_order_of_calls_in_fit():
    recorder = Recorder()
    compiled(metrics=["mae"]).fit(X, Y, batch_size=3, epochs=2, validation_split=0.4, verbose=0, callbacks=[recorder])
    seen = ["loss", "mae"]
    both = sorted([*seen, "val_loss", "val_mae"])
    epoch = [
        ("on_epoch_begin", []),
        ("on_train_batch_begin", 0, []), ("on_train_batch_end", 0, seen),
        ("on_test_begin", []), ("on_test_batch_begin", 0, []), ("on_test_batch_end", 0, seen), ("on_test_end", seen),
        ("on_epoch_end", both),
    ]  # fmt: skip
    numbered = [[(c[0], k, c[1]) if "epoch" in c[0] else c for c in epoch] for k in range(2)]
    assert recorder.calls == [
        "set_model", ("on_train_begin", []), *numbered[0], *numbered[1], ("on_train_end", both),
    ]  # fmt: skip


def test_the_order_of_calls_in_evaluate_and_predict():
    model, recorder = compiled(), Recorder()
    model.evaluate(X, Y, batch_size=3, verbose=0, callbacks=recorder)
    assert [c[0] for c in recorder.calls[1:]] == [
        "on_test_begin", *["on_test_batch_begin", "on_test_batch_end"] * 2, "on_test_end",
    ]  # fmt: skip
    recorder = Recorder()
    model.predict(X, batch_size=3, callbacks=[recorder])
    assert [c[0] for c in recorder.calls[1:]] == [
        "on_predict_begin", *["on_predict_batch_begin", "on_predict_batch_end"] * 2, "on_predict_end",
    ]  # fmt: skip
    assert recorder.calls[3] == ("on_predict_batch_end", 0, ["outputs"])


def test_logs_of_batches_are_running_means():
    logged = []

    class Keep(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            logged.append((batch, dict(logs)))

    model = compiled(metrics=["mae"])
    model.fit(X, Y, batch_size=2, shuffle=False, verbose=0, callbacks=[Keep()])
    error = (model.predict(X) - Y)[:, 0]
    for k, logs in logged:
        seen = error[: 2 * k + 2]
        assert logs == {
            "loss": pytest.approx(np.mean(seen**2), rel=1e-5), "mae": pytest.approx(np.abs(seen).mean(), rel=1e-5),
        }  # fmt: skip
    assert [k for k, _ in logged] == [0, 1, 2]


def test_the_older_names_of_batch_hooks_and_any_names_of_parameters():
    calls = []

    class Old(callbacks.Callback):
        def on_batch_begin(self, number, info):
            calls.append(("begin", number, info))

        def on_batch_end(self, number, info):
            calls.append(("end", number, sorted(info)))

    compiled().fit(X, Y, batch_size=3, verbose=0, callbacks=[Old()])
    assert calls == [("begin", 0, {}), ("end", 0, ["loss"]), ("begin", 1, {}), ("end", 1, ["loss"])]


def test_params_and_model():
    found = []

    class Look(callbacks.Callback):
        def on_train_begin(self, logs=None):
            found.append((self.params, self.model))

        on_test_begin = on_predict_begin = on_train_begin

    model = compiled()
    model.fit(X, Y, batch_size=2, epochs=3, verbose=0, callbacks=[Look()])
    model.evaluate(X, Y, batch_size=3, verbose=0, callbacks=[Look()])
    model.predict(X, callbacks=[Look()])
    assert found == [
        ({"verbose": 0, "epochs": 3, "steps": 3}, model),
        ({"verbose": 0, "epochs": 1, "steps": 2}, model),
        ({"verbose": 0, "epochs": 1, "steps": 1}, model),
    ]


@pytest.mark.parametrize("hook, epochs, batches", [("on_train_batch_end", 1, 2), ("on_epoch_end", 1, 3)])
def test_stop_training(hook, epochs, batches):
    recorder = Recorder()

    class Stop(callbacks.Callback):
        pass

    def method(self, number, logs=None):
        self.model.stop_training = number == 1 or hook == "on_epoch_end"

    setattr(Stop, hook, method)
    model = compiled()
    history = model.fit(X, Y, batch_size=2, epochs=4, validation_data=(X, Y), verbose=0, callbacks=[Stop(), recorder])
    assert history.epoch == list(range(epochs)) and list(history.history) == ["loss", "val_loss"]
    assert sum(c[0] == "on_train_batch_end" for c in recorder.calls) == batches
    assert recorder.calls[-1][0] == "on_train_end"
    assert len(model.fit(X, Y, epochs=2, verbose=0).epoch) == 2


# (batches, epochs) until the end, measured with Keras 3.15.1.
STOPS = {"train_begin": (1, 1), "epoch_begin": (1, 1), "train_batch_begin": (1, 1), "train_batch_end": (1, 1)}
STOPS |= {"test_begin": (3, 1), "test_batch_end": (3, 1), "test_end": (3, 1), "epoch_end": (3, 1)}


@pytest.mark.parametrize("hook", STOPS)
def test_stop_training_at_any_hook_ends_with_the_batch_and_the_epoch_under_way(hook):
    class Stop(callbacks.Callback):
        pass

    def method(self, *args):
        self.model.stop_training = True

    setattr(Stop, f"on_{hook}", method)
    recorder = Recorder()
    history = compiled().fit(
        X, Y, batch_size=2, epochs=4, validation_data=(X, Y), verbose=0, callbacks=[Stop(), recorder]
    )
    batches = sum(c[0] == "on_train_batch_end" for c in recorder.calls)
    assert (batches, len(history.epoch)) == STOPS[hook] and recorder.calls[-1][0] == "on_train_end"


def test_logs_that_callbacks_change_are_the_epochs_alone():
    class Change(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["added"] = logs.pop("loss")

    recorder = Recorder()
    history = compiled().fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=[Change(), recorder])
    assert recorder.calls[-2:] == [("on_epoch_end", 0, ["added", "val_loss"]), ("on_train_end", ["loss", "val_loss"])]
    assert sorted(history.history) == ["added", "val_loss"]


def test_a_list_of_callbacks_in_a_loop_of_ones_own():
    model, recorder = compiled(), Recorder()
    heard = callbacks.CallbackList([recorder], add_history=True, model=model, epochs=2, steps=3, verbose=0)
    assert recorder.params == {"epochs": 2, "steps": 3, "verbose": 0} and recorder.model is heard.model is model
    heard.on_train_begin()
    heard.on_epoch_begin(0)
    heard.on_batch_begin(0)
    heard.on_train_batch_end(0, {"loss": 1.0})
    heard.on_epoch_end(0, {"loss": 1.0})
    heard.on_train_end(logs={"loss": 1.0})
    assert recorder.calls == [
        "set_model", ("on_train_begin", []), ("on_epoch_begin", 0, []), ("on_train_batch_begin", 0, []),
        ("on_train_batch_end", 0, ["loss"]), ("on_epoch_end", 0, ["loss"]), ("on_train_end", ["loss"]),
    ]  # fmt: skip
    assert heard.callbacks[-1].history == {"loss": [1.0]}
    kinds = [type(one).__name__ for one in callbacks.CallbackList(None, add_history=True, add_progbar=True).callbacks]
    assert kinds == ["History", "ProgbarLogger"]
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=heard)
    assert history is heard.callbacks[-1] and history.epoch == [0, 1]


def own(kind, *args, **settings):
    """One of the library's callbacks, subclassed as users do: its arguments first, then what is new."""

    class Own(kind):
        def __init__(self):
            super().__init__(*args, **settings)
            self.seen = []

        def on_train_begin(self, logs=None):
            self.seen.append("begin")
            super().on_train_begin(logs)

        def on_epoch_end(self, epoch, logs=None):
            self.seen.append(epoch)
            super().on_epoch_end(epoch, logs)

        def on_train_end(self, logs=None):
            self.seen.append("end")
            super().on_train_end(logs)

    return Own()


@pytest.mark.parametrize(
    "kind",
    ["BackupAndRestore", "CSVLogger", "EarlyStopping", "History", "LambdaCallback", "LearningRateScheduler"]
    + ["ModelCheckpoint", "ProgbarLogger", "ReduceLROnPlateau", "RemoteMonitor", "SwapEMAWeights", "TensorBoard"]
    + ["TerminateOnNaN"],
)
def test_every_callback_can_be_subclassed(kind, tmp_path):
    arguments = {"BackupAndRestore": [tmp_path / "b"], "CSVLogger": [tmp_path / "log.csv"], "TensorBoard": [tmp_path]}
    arguments |= {"ModelCheckpoint": [tmp_path / "m.keras"], "LearningRateScheduler": [lambda epoch: 0.1]}
    if kind == "RemoteMonitor":
        arguments[kind] = ["http://127.0.0.1:9"]
    if kind == "TensorBoard":
        pytest.importorskip("tensorboardX")
    chosen = own(getattr(callbacks, kind), *arguments.get(kind, []))
    model = forecaster()
    model.compile(optimizers.SGD(0.01, use_ema=True), "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the server that is not there
        model.fit(X, Y, epochs=2, validation_data=(X, Y), verbose=0, callbacks=[chosen])
    assert chosen.seen == ["begin", 0, 1, "end"]


def test_a_callback_that_is_given_twice_is_called_twice_as_in_keras():
    recorder = Recorder()
    compiled().fit(X, Y, verbose=0, callbacks=[recorder, recorder])
    assert sum(c[0] == "on_epoch_end" for c in recorder.calls) == 2


@pytest.mark.parametrize("method, hook", [("evaluate", "on_test_batch_end"), ("predict", "on_predict_batch_end")])
def test_stopping_evaluation_and_prediction(method, hook):
    class Stop(callbacks.Callback):
        pass

    model = compiled()
    attribute = {"evaluate": "stop_evaluating", "predict": "stop_predicting"}[method]
    setattr(Stop, hook, lambda self, batch, logs: setattr(self.model, attribute, True))
    if method == "predict":
        assert model.predict(X, batch_size=2, callbacks=[Stop()]).shape == (2, 1)
    else:
        found = model.evaluate(X, Y, batch_size=2, verbose=0, callbacks=[Stop()])
        assert found == pytest.approx(model.evaluate(X[:2], Y[:2], verbose=0), rel=1e-6)


def test_history():
    model, own = compiled(), callbacks.History()
    history = model.fit(X, Y, epochs=3, verbose=0)
    assert isinstance(history, callbacks.History) and model.history is history and history.epoch == [0, 1, 2]
    assert model.fit(X, Y, epochs=2, verbose=0, callbacks=[own]) is own is model.history
    assert len(own.history["loss"]) == 2


def test_logs_that_a_callback_adds_are_kept():
    class Add(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["epochs_done"] = epoch + 1

    assert compiled().fit(X, Y, epochs=2, verbose=0, callbacks=[Add()]).history["epochs_done"] == [1, 2]


def test_a_callback_may_change_the_learning_rate_and_the_weights():
    class Halve(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.5**epoch

        def on_train_batch_end(self, batch, logs=None):
            self.model.set_weights([np.zeros_like(w) for w in self.model.get_weights()])

    model = compiled()
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[Halve()])
    assert float(model.optimizer.learning_rate) == 0.25
    assert all((w == 0).all() for w in model.get_weights())


def test_nested_lists_and_objects_of_other_classes():
    class Duck:
        def __init__(self):
            self.epochs = []

        def on_epoch_end(self, epoch, logs):
            self.epochs.append(epoch)

    duck, recorder = Duck(), Recorder()
    compiled().fit(X, Y, epochs=2, verbose=0, callbacks=[[duck], (recorder,)])
    assert duck.epochs == [0, 1] and len(recorder.calls) > 5


def test_an_error_in_a_callback_comes_through():
    class Broken(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyError("mine")

    model = compiled()
    with pytest.raises(KeyError, match="mine"):
        model.fit(X, Y, epochs=2, verbose=0, callbacks=[Broken()])
    assert len(model.fit(X, Y, verbose=0).history["loss"]) == 1


@pytest.mark.parametrize("wrong, message", [(callbacks.History, r"write History\("), (3, "on_epoch_end")])
def test_what_is_no_callback(wrong, message):
    with pytest.raises(TypeError, match=message):
        compiled().fit(X, Y, verbose=0, callbacks=[wrong])
