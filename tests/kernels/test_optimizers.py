"""Optimizer steps and the sum of squares against their twins, and against Keras's steps."""

import math

import numpy as np
import pytest
from problems import assert_results_close

from gatewise import kernels
from gatewise.kernels import reference
from golden import load


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
    yield "adagrad_step", {"lr": 0.1, "epsilon": 1e-3}, ("sum",)
    yield "adadelta_step", {"lr": 1.0, "rho": 0.8, "epsilon": 1e-4}, ("mean_square", "mean_step")
    yield "adamax_step", {"alpha": 0.02, "beta_1": 0.8, "beta_2": 0.9}, ("m", "u")
    yield "nadam_step", {"of_m": 0.02, "of_g": 0.01, "grown": 0.3, "beta_2": 0.9}, ("m", "v")
    yield "ftrl_step", {"lr": 0.5}, ("sum+", "linear")
    yield "ftrl_step", {"lr": 0.5, "l1": 0.3, "l2": 0.2, "shrinkage": 0.1}, ("sum+", "linear")
    yield "ftrl_step", {"lr": 0.5, "power": -0.3}, ("sum+", "linear")
    yield "lion_step", {"lr": 0.01, "beta_1": 0.8, "beta_2": 0.9}, ("m",)
    yield "lamb_step", {"lr": 0.02, "grown_1": 0.2, "grown_2": 0.3}, ("m", "v")
    yield "schedule_free_adamw_step", {"lr": 0.02, "part": 0.25, "grown": 0.1, "beta_2": 0.5}, ("z", "v")
    yield "adafactor_step", {"rho": 0.05, "decay": 0.4}, ("v",)


WITH_FIRST = {
    "sgd_step", "rmsprop_step", "adam_step", "adagrad_step", "adadelta_step", "adamax_step", "nadam_step", "ftrl_step",
    "lion_step", "schedule_free_adamw_step",
}  # fmt: skip
"""The steps that scale and limit gradients and decay weights in the same pass."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function, scalars, states", list(settings()))
def test_optimizer_step(instruction_set, threads, function, scalars, states, dtype):
    _compare_steps(threads, function, scalars, states, dtype)


def _compare_steps(threads, function, scalars, states, dtype):
    rng = np.random.default_rng(0)
    for size in (0, 1, 5, 16, 1000, 300_001):
        w = rng.normal(size=size).astype(dtype)
        kept = {name.rstrip("+"): np.full(size, 0.1 if "+" in name else 0, dtype) for name in states}
        twin_w, twin_kept = w.astype(np.float64), {name: state.astype(np.float64) for name, state in kept.items()}
        for step in range(3):
            threads(1 + step)
            g = rng.normal(size=size).astype(dtype)
            getattr(kernels, function)(w, g, **kept, **scalars)
            getattr(reference, function)(twin_w, g.astype(np.float64), **twin_kept, **scalars)
        limit = {"float32": 2e-6, "float64": 1e-14}[dtype]
        assert_results_close([w, *kept.values()], [twin_w, *twin_kept.values()], limit)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "first", [{"scale": 0.3}, {"limit": 0.5}, {"keep": 0.9}, {"scale": 2.5, "limit": 1.5, "keep": 0.7}]
)
@pytest.mark.parametrize("function, scalars, states", [case for case in settings() if case[0] in WITH_FIRST])
def test_what_comes_before_the_formula(instruction_set, threads, function, scalars, states, first, dtype):
    _compare_steps(threads, function, {**scalars, **first}, states, dtype)


@pytest.mark.parametrize("function", sorted(WITH_FIRST))
def test_nan_passes_every_limit(instruction_set, function):
    name, scalars, states = next(case for case in settings() if case[0] == function)
    w, g = np.ones(9, "float32"), np.zeros(9, "float32")
    g[3] = np.nan
    kept = {key.rstrip("+"): np.full(9, 0.1, "float32") for key in states}
    getattr(kernels, name)(w, g, **kept, **scalars, limit=0.5)
    assert np.flatnonzero(np.isnan(w)).tolist() == [3]
    assert np.isnan(g[3])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_average_step(instruction_set, threads, dtype):
    rng = np.random.default_rng(0)
    for size in (0, 1, 5, 1000, 300_001):
        average, w = rng.normal(size=(2, size)).astype(dtype)
        twin = average.astype(np.float64)
        for step in range(3):
            threads(1 + step)
            kernels.average_step(average, w, 0.99)
            reference.average_step(twin, w.astype(np.float64), 0.99)
        assert_results_close([average], [twin], {"float32": 2e-6, "float64": 1e-14}[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 1), (1, 9), (130, 70), (3, 5, 4), (2, 3, 1, 65), (4, 0), (600, 601)])
def test_adafactor_of_matrices(instruction_set, threads, shape, dtype):
    rng = np.random.default_rng(0)
    w, size = rng.normal(size=shape).astype(dtype).ravel(), math.prod(shape)
    kept = {"v": size, "r": size // max(shape[-1], 1) if size else 4, "c": size // max(shape[-2], 1) if size else 0}
    kept = {name: np.zeros(count, dtype) for name, count in kept.items()}
    twin_w, twin_kept = w.astype(np.float64), {name: state.astype(np.float64) for name, state in kept.items()}
    for step in range(3):
        threads(1 + step)
        g, decay = rng.normal(size=size).astype(dtype), 1 - (step + 1) ** -0.8
        kernels.adafactor_step(w, g, **kept, rho=0.1, decay=decay)
        reference.adafactor_step(twin_w, g.astype(np.float64), **twin_kept, rho=0.1, decay=decay)
    limit = {"float32": 2e-6, "float64": 1e-14}[dtype]
    assert_results_close([w, *kept.values()], [twin_w, *twin_kept.values()], limit)


@pytest.mark.parametrize("function", ["lamb_step", "adafactor_step"])
def test_norms_do_not_depend_on_threads(instruction_set, threads, function):
    rng = np.random.default_rng(0)
    w, g = rng.normal(size=(2, 700 * 500)).astype(np.float32)
    ends = []
    for count in (1, 2, 3):
        threads(count)
        after, m, v = w.copy(), np.zeros_like(w), np.zeros_like(w)
        if function == "lamb_step":
            kernels.lamb_step(after, g, m, v, 0.1, 0.1, 0.001)
        else:
            kernels.adafactor_step(after, g, v, np.zeros(700, "f4"), np.zeros(500, "f4"))
        ends.append(after.tobytes())
    assert len(set(ends)) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda w: kernels.adagrad_step(w, w, None, 0.1), "adagrad_step: sum must be an array, got None"),
        (lambda w: kernels.lamb_step(w, w, w, w[:3], 0.1, 0.1, 0.1), "v has 3 elements, expected 6"),
        (lambda w: kernels.adafactor_step(w, w, w, r=w), "both, or neither"),
        (lambda w: kernels.adafactor_step(w, w, w, r=w[:2], c=w[:2]), "rows and columns of w"),
        (lambda w: kernels.adafactor_step(w, w, w, r=w[:4], c=w[:4]), "rows and columns of w"),
    ],
)
def test_wrong_states(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong(np.ones(6))


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
