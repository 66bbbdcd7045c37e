"""Activations, optimizers and the sum of squares against their twins; accuracy over the whole range."""

import math

import numpy as np
import pytest
from problems import assert_results_close

from gatewise import kernels
from gatewise.kernels import reference
from golden import load

SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan])


def sample(dtype):
    """Numbers of every size, both signs."""
    sizes = np.logspace(-30, np.log10(85), 20_000)
    return np.concatenate([np.linspace(-20, 20, 40_001), sizes, -sizes]).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", kernels.ACTIVATIONS)
def test_activation(instruction_set, name, dtype):
    x = sample(dtype)
    x = x[x < 80]  # exp(80) and its cube are still float32 numbers
    y = kernels.activation_forward(name, x)
    expected = reference.activation_forward(name, x.astype(np.float64))
    assert y.dtype == dtype
    assert_results_close([y], [expected], {"float32": 4e-7, "float64": 2e-15}[dtype])
    slope = kernels.activation_backward(name, np.ones_like(x), x, y)
    expected = reference.activation_backward(name, np.ones(len(x)), x.astype(np.float64))
    # A derivative taken from the rounded output, as of log_sigmoid near 0, is off by that rounding.
    assert_results_close([slope], [expected], {"float32": 3e-6, "float64": 2e-14}[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", kernels.ACTIVATIONS)
def test_activation_of_special_values(instruction_set, name, dtype):
    y = kernels.activation_forward(name, SPECIAL.astype(dtype))
    with np.errstate(invalid="ignore", over="ignore"):
        expected = reference.activation_forward(name, SPECIAL)
    assert np.isnan(y[-1])
    finite = np.isfinite(expected)
    assert np.allclose(y[finite], expected[finite], rtol=1e-6 if dtype == "float32" else 1e-15, atol=0)
    assert np.array_equal(y[~finite], expected[~finite].astype(dtype), equal_nan=True)


# The largest relative errors, in the units of numpy.finfo(dtype).eps.
EXACT = {"exponential": np.exp, "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}


@pytest.mark.parametrize("name", EXACT)
def test_relative_accuracy(instruction_set, name):
    x = sample("float32")
    x = x[x != 0]
    y = kernels.activation_forward(name, x)
    exact = EXACT[name](x.astype(np.float64))
    normal = exact > 2e-37 if name != "tanh" else slice(None)
    error = np.abs(y[normal] / exact[normal] - 1)
    assert error.max() < (1e-7 if name == "exponential" else 2e-7)
    assert np.sqrt(np.mean(error**2)) < 5e-8
    x = sample("float64")
    x = x[x != 0]
    exact = EXACT[name](x.astype(np.longdouble))
    assert np.max(np.abs(kernels.activation_forward(name, x) / exact - 1)) < 1e-15


def test_activation_keeps_shape_and_takes_views():
    x = np.random.default_rng(0).normal(size=(3, 4, 6)).astype(np.float32)
    for view in (x, x[:, ::-1], x[..., ::2], x[0], np.float32(2) * np.ones((), np.float32)):
        assert np.array_equal(kernels.activation_forward("mish", view), kernels.activation_forward("mish", view.copy()))
    assert kernels.activation_forward("tanh", np.zeros((0, 3))).shape == (0, 3)


def test_names_are_the_twins():
    assert set(kernels.ACTIVATIONS) == set(reference.ACTIVATIONS)
    x = np.linspace(-2, 2, 9)
    for name in kernels.ACTIVATIONS:
        needed = {"x": x} if name in kernels.ACTIVATIONS_NEEDING_INPUT else {"y": kernels.activation_forward(name, x)}
        kernels.activation_backward(name, np.ones(9), **needed)
        with pytest.raises(ValueError, match="needs"):
            kernels.activation_backward("gelu", np.ones(9), y=x)


# ---- optimizers -----------------------------------------------------------------------------------------


def settings():
    """(function, scalar arguments, names of the states)."""
    yield "sgd_step", {"lr": 0.03}, ()
    yield "sgd_step", {"lr": 0.03, "momentum": 0.9}, ("velocity",)
    yield "sgd_step", {"lr": 0.03, "momentum": 0.9, "nesterov": True}, ("velocity",)
    yield "rmsprop_step", {"lr": 0.01, "rho": 0.8, "epsilon": 1e-3}, ("mean_square",)
    yield "rmsprop_step", {"lr": 0.01, "momentum": 0.7}, ("mean_square", "velocity")
    yield "rmsprop_step", {"lr": 0.01}, ("mean_square", "mean")
    yield "rmsprop_step", {"lr": 0.01, "momentum": 0.7}, ("mean_square", "velocity", "mean")
    yield "adam_step", {"alpha": 0.02}, ("m", "v")
    yield "adam_step", {"alpha": 0.02, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4}, ("m", "v", "v_hat")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function, scalars, states", list(settings()))
def test_optimizer_step(instruction_set, threads, function, scalars, states, dtype):
    rng = np.random.default_rng(0)
    for size in (0, 1, 5, 16, 1000, 300_001):
        w = rng.normal(size=size).astype(dtype)
        kept = {name: np.zeros(size, dtype) for name in states}
        twin_w, twin_kept = w.astype(np.float64), {name: np.zeros(size) for name in states}
        for step in range(3):
            threads(1 + step)
            g = rng.normal(size=size).astype(dtype)
            getattr(kernels, function)(w, g, **kept, **scalars)
            getattr(reference, function)(twin_w, g.astype(np.float64), **twin_kept, **scalars)
        limit = {"float32": 2e-6, "float64": 1e-14}[dtype]
        assert_results_close([w, *kept.values()], [twin_w, *twin_kept.values()], limit)


def keras_optimizers():
    """The golden cases of the three optimizers, without what happens outside a step."""
    steps = {"SGD": {"momentum", "nesterov"}, "RMSprop": {"rho", "momentum", "epsilon", "centered"}}
    steps["Adam"] = {"beta_1", "beta_2", "epsilon", "amsgrad"}
    for case in load.cases("training", "optimizer_steps"):
        chosen = steps.get(case["optimizer"]["class"])
        if chosen is not None and set(case["optimizer"]["kwargs"]) <= chosen | {"learning_rate"}:
            yield case


@pytest.mark.parametrize("case", list(keras_optimizers()), ids=lambda case: case["id"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_optimizer_equals_keras(case, dtype):
    name, kwargs = case["optimizer"]["class"], dict(case["optimizer"]["kwargs"])
    lr = kwargs.pop("learning_rate", 0.01 if name == "SGD" else 0.001)
    count = case["variables"]
    values = [case["arrays"][f"v{j}"].astype(dtype).ravel() for j in range(count)]
    w = np.concatenate(values)
    states = {key: np.zeros_like(w) for key in ("velocity", "mean_square", "mean", "m", "v", "v_hat")}
    borders = np.cumsum([v.size for v in values])[:-1]
    for step in range(case["steps"]):
        g = np.concatenate([case["arrays"][f"g{step}.{j}"].astype(dtype).ravel() for j in range(count)])
        one_step(name, w, g, lr, step + 1, states, **kwargs)
        for j, after in enumerate(np.split(w, borders)):
            wanted = f"after{step}.{j}"
            load.assert_close(after.reshape(case["arrays"][wanted].shape), case, wanted)


def one_step(name, w, g, lr, count, states, **kwargs):
    """One step of Keras's optimizer of that name."""
    velocity = states["velocity"] if kwargs.get("momentum") else None
    if name == "SGD":
        kernels.sgd_step(w, g, lr, velocity=velocity, **kwargs)
    elif name == "RMSprop":
        mean = states["mean"] if kwargs.pop("centered", False) else None
        kernels.rmsprop_step(w, g, states["mean_square"], lr, velocity=velocity, mean=mean, **kwargs)
    else:
        v_hat = states["v_hat"] if kwargs.pop("amsgrad", False) else None
        beta_1, beta_2 = kwargs.get("beta_1", 0.9), kwargs.get("beta_2", 0.999)
        alpha = lr * math.sqrt(1 - beta_2**count) / (1 - beta_1**count)
        kernels.adam_step(w, g, states["m"], states["v"], alpha, v_hat=v_hat, **kwargs)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sum_of_squares(instruction_set, threads, dtype):
    for size in (0, 1, 7, 4096, 4097, 500_003):
        g = np.random.default_rng(0).normal(size=size).astype(dtype)
        sums = set()
        for count in (1, 2, 3):
            threads(count)
            sums.add(kernels.sum_of_squares(g))
        assert len(sums) == 1
        assert math.isclose(sums.pop(), reference.sum_of_squares(g), rel_tol=1e-12)
