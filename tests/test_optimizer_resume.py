"""Training that was saved and resumed equals training that was not interrupted, to the last bit."""

import numpy as np
import pytest

from gatewise import Input, Sequential, callbacks, config, constraints, kernels, layers, models
from gatewise.training import optimizers, schedules
from gatewise.training.optimizers import SGD, Adam, Lamb, Nadam, RMSprop
from gatewise.variable import Variable

KINDS = {
    "SGD": lambda **o: SGD(0.05, momentum=0.9, nesterov=True, **o),
    "RMSprop": lambda **o: RMSprop(0.01, momentum=0.5, centered=True, **o),
    "Adam": lambda **o: Adam(0.02, amsgrad=True, **o),
    "AdamW": lambda **o: optimizers.AdamW(0.02, **o),
    "Adagrad": lambda **o: optimizers.Adagrad(0.1, **o),
    "Adadelta": lambda **o: optimizers.Adadelta(1.0, **o),
    "Adamax": lambda **o: optimizers.Adamax(0.02, **o),
    "Nadam": lambda **o: Nadam(0.02, **o),
    "Ftrl": lambda **o: optimizers.Ftrl(0.1, l1_regularization_strength=0.001, beta=0.1, **o),
    "Lion": lambda **o: optimizers.Lion(0.01, **o),
    "Lamb": lambda **o: Lamb(0.02, **o),
    "Adafactor": lambda **o: optimizers.Adafactor(0.05, **o),
    "Muon": lambda **o: optimizers.Muon(0.02, **o),
    "ScheduleFreeAdamW": lambda **o: optimizers.ScheduleFreeAdamW(0.02, warmup_steps=7, **o),
}
OPTIONS = {
    "clipnorm": {"clipnorm": 0.05},
    "clipvalue": {"clipvalue": 0.02},
    "global_clipnorm": {"global_clipnorm": 0.1},
    "weight_decay": {"weight_decay": 0.05},
    "use_ema": {"use_ema": True, "ema_momentum": 0.8},
    "ema_overwrite": {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 3},
    "accumulation": {"gradient_accumulation_steps": 3},  # an epoch has 4 batches: saved with a sum under way
    "ema_and_accumulation": {"use_ema": True, "ema_overwrite_frequency": 2, "gradient_accumulation_steps": 3},
    "loss_scale": {"loss_scale_factor": 64.0},
    "decay": {"decay": 0.1},
    "schedule": {"learning_rate": schedules.ExponentialDecay(0.05, 3, 0.7)},
}
CASES = [(kind, "plain", {}) for kind in KINDS] + [
    (kind, name, options) for kind in KINDS for name, options in OPTIONS.items() if name != "schedule"
]


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    before = config.floatx()
    config.set_floatx(request.param)
    yield request.param
    config.set_floatx(before)


def compiled(optimizer):
    """A small model of two kinds of matrices, a vector and a constraint, always with the same weights."""
    config.reset_names()
    model = Sequential([
        Input((3, 2)),
        layers.SimpleRNN(3, kernel_constraint=constraints.MaxNorm(1.0)),
        layers.Dense(1),
    ])  # fmt: skip
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    model.compile(optimizer, "mse")
    return model


def fit(model, epochs, initial_epoch=0, **more):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(14, 3, 2)), rng.normal(size=(14, 1))
    model.fit(x, y, batch_size=4, epochs=epochs, initial_epoch=initial_epoch, shuffle=False, verbose=0, **more)


def saver(path, method):
    """A callback that saves at the end of the second epoch: within `fit`, where averages are not yet written back."""

    class Save(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                getattr(self.model, method)(path)

    return Save()


def assert_same_bits(model, other):
    pairs = zip(model.get_weights(), other.get_weights(), strict=True)
    assert all(a.tobytes() == b.tobytes() for a, b in pairs)
    ours, theirs = model.optimizer.variables, other.optimizer.variables
    assert [v.path for v in ours] == [v.path for v in theirs]
    assert [v.dtype for v in ours] == [v.dtype for v in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a.numpy().tobytes() == b.numpy().tobytes(), a.path


@pytest.mark.parametrize(("kind", "name", "options"), CASES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_saved_model_goes_on_as_if_never_stopped(kind, name, options, dtype, tmp_path):
    model = compiled(KINDS[kind](**options))
    path = tmp_path / "model.keras"
    fit(model, 4, callbacks=[saver(path, "save")])
    resumed = models.load_model(path)
    assert resumed.optimizer.get_config() == {**model.optimizer.get_config(), "name": resumed.optimizer.name}
    fit(resumed, 4, initial_epoch=2)
    assert_same_bits(model, resumed)
    assert model.predict(np.ones((1, 3, 2)), verbose=0).dtype == dtype


@pytest.mark.parametrize("rate", [OPTIONS["schedule"]["learning_rate"], lambda: 0.05, lambda step: 0.1 / (1 + step)])
@pytest.mark.parametrize("cls", [SGD, Nadam, optimizers.Adafactor])
def test_saved_weights_go_on_with_any_rate(cls, rate, tmp_path):
    path = tmp_path / "model.weights.h5"
    model = compiled(cls(rate))
    fit(model, 4, callbacks=[saver(path, "save_weights")])
    resumed = compiled(cls(rate))
    resumed.load_weights(path)
    fit(resumed, 4, initial_epoch=2)
    assert_same_bits(model, resumed)


def test_saved_weights_go_on_where_some_do_not_decay(tmp_path):
    def made():
        optimizer = Adam(0.02, weight_decay=0.3)
        optimizer.exclude_from_weight_decay(var_names=["bias", "recurrent"])
        return compiled(optimizer)

    path, model = tmp_path / "model.weights.h5", made()
    fit(model, 4, callbacks=[saver(path, "save_weights")])
    resumed = made()
    resumed.load_weights(path)
    fit(resumed, 4, initial_epoch=2)
    assert_same_bits(model, resumed)


@pytest.mark.parametrize("kind", KINDS)
def test_freezing_for_a_while_keeps_the_state(kind):
    model = compiled(KINDS[kind]())
    fit(model, 1)
    frozen = model.layers[0]
    weights = [w.copy() for w in frozen.get_weights()]
    states = {v.path: v.numpy() for v in model.optimizer.variables if "simple_rnn" in v.path}
    assert states
    frozen.trainable = False
    fit(model, 1)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(weights, frozen.get_weights(), strict=True))
    frozen.trainable = True
    model.optimizer.bind(model._ready_store())
    now = {v.path: v.numpy() for v in model.optimizer.variables}
    assert all(now[path].tobytes() == state.tobytes() for path, state in states.items())
    fit(model, 1)
    assert all((a != b).any() for a, b in zip(weights, frozen.get_weights(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_nothing(kind):
    before, ends = kernels.get_threads(), set()
    rng = np.random.default_rng(2)
    w, g = rng.normal(size=(2, 300, 301)).astype(np.float32)
    try:
        for count in (1, 2, 3):
            kernels.set_threads(count)
            variable = Variable(w, name="kernel")
            optimizer = KINDS[kind]()
            for _ in range(2):
                optimizer.apply([g], [variable])
            ends.add(variable.numpy().tobytes())
    finally:
        kernels.set_threads(before)
    assert len(ends) == 1
