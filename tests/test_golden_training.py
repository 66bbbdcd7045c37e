"""Training against Keras: the course of fit, the final weights and optimizer state, evaluate and predict."""

import numpy as np
import pytest

from gatewise import callbacks, config
from golden import build, load

GROUPS = ("seed_models", "optimizers", "regularizers_constraints", "weights_masks", "architectures", "schedules_fit")


def _is_supported(case):
    settings = [case["spec"], case["compile"], {k: v for k, v in case["fit"].items() if k == "callbacks"}]
    known_losses = all(isinstance(case["compile"].get(key), str | list | dict | None) for key in ("loss", "metrics"))
    return known_losses and all(map(build.is_supported, settings))


CASES = [case for group in GROUPS for case in load.cases("training", group) if _is_supported(case)]
CHAOTIC = {case["id"] for case in CASES if "f64_loss_by_epoch" in case.get("agreement", {})}
"""Long runs that magnify rounding: two float64 backends of Keras part by 1e-5 in them."""


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    before = config.floatx()
    config.set_floatx(request.param)
    yield request.param
    config.set_floatx(before)


class BatchLogs(callbacks.Callback):
    """Keeps what each batch logged."""

    def __init__(self):
        self.logs = {}

    def on_train_batch_end(self, batch, logs=None):
        for name, value in logs.items():
            self.logs.setdefault(name, []).append(value)


def trained(case, dtype):
    """A model trained as the case says, what `fit` and `evaluate` returned, and what each batch logged."""
    config.reset_names()
    model = build.build(case["spec"])
    fit = {key: build.filled(value, case, dtype) for key, value in case["fit"].items() if key != "callbacks"}
    if isinstance(fit.get("class_weight"), dict):
        fit["class_weight"] = {int(key): value for key, value in fit["class_weight"].items()}
    batches = BatchLogs()
    fit["callbacks"] = [*build.build(case["fit"].get("callbacks", [])), batches]
    settings = build.build(case["compile"])
    if case.get("exclude_from_weight_decay"):
        settings["optimizer"].exclude_from_weight_decay(var_names=case["exclude_from_weight_decay"])
    if not model.built:
        x = fit["x"]
        model(x[:1] if isinstance(x, np.ndarray) else x)
    model.set_weights(build.weights_of(case, dtype))
    model.compile(**settings)
    history = model.fit(**fit, verbose=0)
    if model.stateful:
        model.reset_states()
    x, y, weights = fit["x"], fit["y"], fit.get("sample_weight")
    size = fit.get("batch_size")
    results = model.evaluate(x, y, batch_size=size, sample_weight=weights, return_dict=True, verbose=0)
    if model.stateful:
        model.reset_states()
    predicted = model.predict(x, batch_size=size, verbose=0)
    return model, history, results, predicted, batches.logs


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_training_equals_keras(case, dtype):
    model, history, results, predicted, batch_logs = trained(case, dtype)
    double = dtype == "float64"
    expected = case["expected"]["history" + ("_f64" if double else "")]
    assert set(history.history) == set(expected)
    tolerance = 1e-12 if double else load.float32_tolerance(case)
    if case["id"] in CHAOTIC:
        _assert_course(case, history.history["loss"], double)
        return
    for name, course in expected.items():
        assert load.error(history.history[name], course) <= tolerance, name
    for name, course in case["expected"]["batch_logs" + ("_f64" if double else "")].items():
        assert load.error(batch_logs[name][: len(course)], course) <= tolerance, name
    for name, value in case["expected"]["evaluate" + ("_f64" if double else "")].items():
        assert load.error(results[name], value) <= tolerance, name
    for k, weight in enumerate(model.get_weights()):
        load.assert_close(weight, case, f"final.w{k}", float64=1e-12)
    iterations, *states = model.optimizer.variables
    assert [iterations.path, *(state.path for state in states)] == case["optimizer_variables"]
    assert iterations.numpy() == case["arrays"]["opt.0"]
    for k, state in enumerate(states, start=1):
        if case["arrays"][f"opt.{k}"].dtype.kind == "i":
            assert state.array == case["arrays"][f"opt.{k}"]
        else:
            load.assert_close(state.numpy(), case, f"opt.{k}", float64=1e-12)
    outputs = predicted if isinstance(predicted, list) else [predicted]
    for k, y in enumerate(outputs):
        load.assert_close(y, case, f"predict{k}", float64=1e-12)


def _assert_course(case, losses, double):
    """The loss by epoch, as long as Keras's own backends agree on it."""
    exact = np.array(case["expected"]["history_f64"]["loss"])
    if double:
        spread = np.maximum.accumulate(case["agreement"]["f64_loss_by_epoch"])
        assert (np.abs(losses - exact) <= np.maximum(1e-12, 100 * spread)).all()
        return
    single = np.array(case["expected"]["history"]["loss"])
    together = np.abs(single - exact) < 1e-5
    common = len(exact) if together.all() else int(np.argmin(together))
    assert common >= 20
    assert (np.abs(losses - single)[:common] <= 1e-4).all()
