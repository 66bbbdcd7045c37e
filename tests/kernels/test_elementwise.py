"""Activations against their twins; accuracy over the whole range."""

import numpy as np
import pytest
from problems import assert_results_close

from gatewise import kernels
from gatewise.kernels import reference

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
