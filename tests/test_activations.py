"""Activations against Keras's values and gradients, and against central differences."""

import inspect
import warnings

import numpy as np
import pytest

from gatewise import activations, autodiff, kernels
from golden import load

CASES = list(load.cases("losses_metrics", "activations"))
NAMES = sorted(name for name in activations._registry.objects if name != "threshold")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_equals_keras(case, dtype):
    fn = activations.get(case["activation"])
    arrays = case["arrays"]
    y, pullback = fn.forward(arrays["x"].astype(dtype), **case["kwargs"])
    assert y.dtype == dtype
    load.assert_close(y, case, "value")
    dx = pullback(arrays["ct"].astype(dtype))
    assert dx.dtype == dtype
    load.assert_close(dx, case, "grad")


@pytest.mark.parametrize("name", NAMES)
def test_pullback_is_the_derivative(name):
    rng = np.random.default_rng(3)
    x, direction = rng.normal(size=(2, 5, 6))
    fn = activations.get(name)
    y, pullback = fn.forward(x)
    dy = rng.normal(size=y.shape)
    step = 1e-6
    expected = np.sum(dy * (fn(x + step * direction) - fn(x - step * direction))) / (2 * step)
    assert np.sum(pullback(dy) * direction) == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_no_overflow_and_no_change_of_type(name, dtype):
    x = np.array([[-1e30, -800, -90, -1, 0, 1, 90, 1e30]], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, pullback = activations.get(name).forward(x)
        assert y.dtype == dtype
        assert not np.isnan(y).any()
        if name in ("sigmoid", "tanh", "softplus", "softmax", "log_softmax", "elu", "softsign"):
            assert np.isfinite(pullback(np.ones_like(y))).all()


def test_inside_a_users_function():
    x = np.linspace(-2, 2, 7)
    y, pullback = autodiff.vjp(lambda x: activations.silu(x) * x, x)
    np.testing.assert_allclose(y, activations.silu(x) * x)
    slope = activations.silu(x) + x * activations.silu.forward(x)[1](np.ones(7))
    np.testing.assert_allclose(pullback(np.ones(7))[0], slope)


def test_forward_of_a_users_function():
    y, pullback = activations.forward_of(lambda x: x * x)(np.array([1.0, 3.0], "float32"))
    np.testing.assert_array_equal(y, [1, 9])
    assert pullback(np.ones(2, "float32")).tolist() == [2, 6]


def test_get():
    assert activations.get(None) is activations.linear
    assert activations.get("swish") is activations.silu
    assert activations.get(np.sin) is np.sin
    assert activations.get(activations.tanh) is activations.tanh
    config = {"module": "keras.activations", "class_name": "function", "config": "relu"}
    assert activations.get(config) is activations.relu


def test_old_hard_sigmoid_has_a_name():
    assert activations.get("hard_sigmoid_keras2")(np.array([1.0])) == pytest.approx(0.7)
    assert activations.get("hard_sigmoid")(np.array([1.0])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", NAMES)
def test_serialize_and_back(name):
    fn = activations.get(name)
    assert activations.deserialize(activations.serialize(fn)) is fn


def test_unknown_name_names_the_nearest():
    with pytest.raises(ValueError, match="unknown activation 'thanh'. Did you mean 'tanh'"):
        activations.get("thanh")
    with pytest.raises(ValueError, match="from int 3"):
        activations.get(3)


def test_every_activation_says_what_it_is():
    for name in NAMES:
        assert inspect.getdoc(activations.get(name))


@pytest.mark.parametrize("name", [n for n in NAMES if activations.kernel_name(activations.get(n))])
def test_kernels_compute_the_same(name):
    fn = activations.get(name)
    x = np.random.default_rng(0).normal(scale=3, size=(4, 9))
    y, pullback = fn.forward(x)
    kernel = activations.kernel_name(fn)
    np.testing.assert_allclose(kernels.activation_forward(kernel, x), y, rtol=1e-13, atol=1e-14)
    dy = np.random.default_rng(1).normal(size=(4, 9))
    np.testing.assert_allclose(kernels.activation_backward(kernel, dy, x, y), pullback(dy), rtol=1e-11, atol=1e-13)


def test_only_built_in_functions_have_kernels():
    assert activations.kernel_name(activations.tanh) == "tanh"
    assert activations.kernel_name(activations.softmax) is None
    assert activations.kernel_name(activations.threshold) is None
    assert activations.kernel_name(lambda x: x) is None
    assert activations.kernel_name(np.tanh) is None


def test_every_name_of_keras():
    names = (
        "celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear "
        "log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus "
        "sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold"
    )
    for name in names.split():
        assert activations.get(name) is getattr(activations, name)
        config = {"class_name": "function", "config": name, "module": "builtins"}
        assert activations.get(config) is activations.get(name)
