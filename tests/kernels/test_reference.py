"""The NumPy twins against central differences and against Keras."""

import numpy as np
import pytest
from problems import assert_results_close, dropout, problem, random_mask

from gatewise.kernels import reference
from golden import load

GOLDEN = [case for case in load.cases("layers", "lstm") if case["spec"]["class"] == "LSTM" and len(case["calls"]) == 1]


def softmax(x):
    """A pair function that no name stands for, and that is not elementwise."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    y = e / e.sum(axis=-1, keepdims=True)
    return y, lambda dy: y * (dy - (dy * y).sum(axis=-1, keepdims=True))


def weighted_sum(p):
    """The scalar whose gradients lstm_backward gives."""
    tape = p.forward(reference)
    total = np.sum(tape.h * p.dh) + np.sum(tape.h[:, -1] * p.dh_T) + np.sum(tape.c[:, -1] * p.dc_T)
    return total + (0.0 if p.dc is None else np.sum(tape.c * p.dc))


def central_differences(p, name):
    """d weighted_sum / d p.name, one element after the other."""
    a = getattr(p, name)
    gradient, step = np.zeros_like(a), 1e-6
    for index in np.ndindex(a.shape):
        kept = a[index]
        a[index] = kept + step
        above = weighted_sum(p)
        a[index] = kept - step
        gradient[index] = (above - weighted_sum(p)) / (2 * step)
        a[index] = kept
    return gradient


VARIANTS = {
    "plain": {},
    "masked": {"mask": random_mask("scattered", 3, 4)},
    "all masked": {"mask": random_mask("rows", 3, 4)},
    "dropout": {"x_dropout": dropout(0.3, 3, 2), "h_dropout": dropout(0.3, 3, 5, seed=1)},
    "both": {"mask": random_mask("left", 3, 4), "h_dropout": dropout(0.3, 3, 5, seed=1)},
    "softmax": {"activation": softmax},
    "recurrent softmax": {"recurrent_activation": softmax, "mask": random_mask("right", 3, 4)},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_are_central_differences(variant):
    p = problem(3, 4, 2, 5, **VARIANTS[variant])
    p.dc = np.random.default_rng(3).normal(size=p.dh.shape)
    gradients = p.backward(reference, p.forward(reference))
    wanted = [central_differences(p, name) for name in ("x", "h0", "c0", "W", "U", "b")]
    assert_results_close(gradients, wanted, 1e-8)


@pytest.mark.parametrize("name", reference.ACTIVATIONS)
def test_activation_derivatives(name):
    x = np.random.default_rng(0).normal(size=2000) * 3
    step = 1e-6
    slope = reference.activation_backward(name, np.ones_like(x), x)
    differences = (reference.activation_forward(name, x + step) - reference.activation_forward(name, x - step)) / (
        2 * step
    )
    kinks = np.array([-3, -2.5, -1, -0.5, 0, 0.5, 1, 2.5, 3, 6])
    away = np.min(np.abs(x[:, None] - kinks), axis=1) > 2 * step
    assert_results_close([slope[away]], [differences[away]], 1e-8)


@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["id"])
def test_equals_keras(case):
    """Outputs and gradients of the plain cases, in float64."""
    arrays, call = case["arrays"], case["calls"][0]
    kwargs = case["spec"]["kwargs"]
    wide = {name: a.astype(np.float64) for name, a in arrays.items() if a.dtype == np.float32}
    x, W, U, b = wide["c0.x"], wide["w0"], wide["w1"], wide.get("w2")
    mask = arrays["c0.m"] if "mask" in call["kwargs"] else None
    if kwargs.get("go_backwards"):
        x, mask = x[:, ::-1], None if mask is None else mask[:, ::-1]
    defaults = {"activation": "tanh", "recurrent_activation": "sigmoid"}
    names = {name: kwargs.get(name, default) or "linear" for name, default in defaults.items()}
    chosen = {name: softmax if value == "softmax" else value for name, value in names.items()}
    h0, c0 = wide.get("c0.s0"), wide.get("c0.s1")
    tape = reference.lstm_forward(x, h0, c0, W, U, b, mask, **chosen)
    # Before its first step that counts, a layer's output is zero, not the initial state.
    shown = np.ones(x.shape[:2], bool) if mask is None else np.logical_or.accumulate(mask, axis=1)
    if kwargs.get("zero_output_for_mask") and mask is not None:
        shown = mask
    h = tape.h * shown[:, :, None]
    outputs = [h if kwargs.get("return_sequences") else h[:, -1]]
    if kwargs.get("return_state"):
        outputs += [tape.h[:, -1], tape.c[:, -1]]
    for i, value in enumerate(outputs):
        load.assert_close(value, case, f"c0.y{i}", 1e-11)
    if "c0.g.w0" not in arrays:
        return
    dh = np.zeros_like(h)
    if kwargs.get("return_sequences"):
        dh += wide["c0.ct0"]
    else:
        dh[:, -1] = wide["c0.ct0"]
    states = [wide["c0.ct1"], wide["c0.ct2"]] if kwargs.get("return_state") else [None, None]
    dx, dh0, dc0, dW, dU, db = reference.lstm_backward(
        tape, x, h0, c0, W, U, dh * shown[:, :, None], *states, mask, **chosen
    )
    if kwargs.get("go_backwards"):
        dx = dx[:, ::-1]
    for name, value in zip(("x", "s0", "s1", "w0", "w1", "w2"), (dx, dh0, dc0, dW, dU, db), strict=True):
        if f"c0.g.{name}" in arrays:
            load.assert_close(value, case, f"c0.g.{name}", 1e-11)
