"""Whatever reaches the native module, it answers with an error that says what came."""

import numpy as np
import pytest
from problems import problem

from gatewise import kernels

P = problem(3, 4, 2, 5, "float32")
FORWARD = {"x": P.x, "h0": P.h0, "c0": P.c0, "W": P.W, "U": P.U, "b": P.b}

BAD_VALUES = [
    ("x", None, TypeError, "x must be a NumPy array of float32 or float64, got None"),
    ("x", [[1.0]], TypeError, "x must be a NumPy array .* got list"),
    ("x", "text", TypeError, "got str"),
    ("x", P.x[0], ValueError, r"x has shape \(4, 2\), expected \(N, T, F\)"),
    ("x", P.x.astype(int), TypeError, "x must be float32 or float64, got int64"),
    ("x", P.x.astype("f2"), TypeError, "got float16"),
    ("x", P.x.astype(">f4"), TypeError, "byte order"),
    ("x", P.x.astype(object), TypeError, "got object"),
    ("x", P.x[:, :0], ValueError, "no time steps"),
    ("x", P.x[:, :, :1], ValueError, r"W has shape \(2, 20\), expected \(F, 4H\) = \(1, 20\)"),
    ("x", np.zeros((2,) * 7, "f4"), ValueError, "7 axes"),
    ("h0", P.h0[:2], ValueError, r"h0 has shape \(2, 5\), expected \(N, H\) = \(3, 5\)"),
    ("c0", P.c0[:, :4], ValueError, "c0 has shape"),
    ("c0", P.c0.astype("f8"), TypeError, "c0 is float64 but x is float32"),
    ("W", P.W[:, :19], ValueError, "W has shape"),
    ("U", P.U[:, :19], ValueError, r"U has shape \(5, 19\), expected \(H, 4H\) = \(5, 20\)"),
    ("U", P.U[:4], ValueError, r"U has shape \(4, 20\), expected \(H, 4H\) = \(4, 16\)"),
    ("U", None, TypeError, "U must be"),
    ("b", P.b[:3], ValueError, r"b has shape \(3,\), expected \(4H,\) = \(20,\)"),
    ("mask", np.ones((3, 4)), TypeError, "mask must be a bool array, got float64"),
    ("mask", np.ones((3, 5), bool), ValueError, r"mask has shape \(3, 5\), expected \(N, T\) = \(3, 4\)"),
    ("mask", 1, TypeError, "got int"),
    ("x_dropout", P.h0, ValueError, r"expected \(N, F\)"),
    ("h_dropout", P.h0[0], ValueError, r"expected \(N, H\)"),
    ("activation", "thanh", ValueError, "'thanh'"),
    ("recurrent_activation", None, TypeError, "got NoneType"),
]


@pytest.mark.parametrize("name, value, error, message", BAD_VALUES)
def test_forward(name, value, error, message):
    with pytest.raises(error, match=message):
        kernels.lstm_forward(**FORWARD | {name: value})


@pytest.mark.parametrize("name, value, error, message", [b for b in BAD_VALUES if b[0] in ("x", "h0", "c0", "mask")])
def test_predict(name, value, error, message):
    arguments = {"x": P.x, "h0": P.h0, "c0": P.c0, "weights": kernels.pack_lstm(P.W, P.U, P.b)}
    if "W has shape" in message:
        message = r"x has shape \(3, 4, 1\), expected \(N, T, F\) = \(3, 4, 2\)"
    if "but x is" in message:
        message = "c0 is float64 but weights is float32"
    with pytest.raises(error, match=message):
        kernels.lstm_predict(**arguments | {name: value})


def test_nothing_but_packed_weights():
    for weights in (None, (P.W, P.U, P.b), P.W):
        with pytest.raises(TypeError):
            kernels.lstm_predict(P.x, None, None, weights)
    with pytest.raises(TypeError):
        kernels.PackedLSTM()


BACKWARD_VALUES = [
    ("tape", None, TypeError, "what lstm_forward returned"),
    ("tape", (P.x,) * 4, ValueError, "tape.h has shape"),
    ("dh", P.dh[:, :3], ValueError, "dh has shape"),
    ("dh_T", P.dh, ValueError, "dh_T has shape"),
    ("dc_T", P.dc_T.astype("f8"), TypeError, "dc_T is float64"),
    ("wants", None, ValueError, "five booleans"),
    ("wants", (True, True), ValueError, "five booleans"),
    ("activation", "gelu", ValueError, "need tape.z"),
]


@pytest.mark.parametrize("name, value, error, message", BACKWARD_VALUES)
def test_backward(name, value, error, message):
    names = ("x", "h0", "c0", "W", "U")
    arguments = {"tape": P.forward(kernels), "dh": P.dh, **{key: FORWARD[key] for key in names}}
    with pytest.raises(error, match=message):
        kernels.lstm_backward(**arguments | {name: value})


def test_a_tape_of_another_problem():
    other = problem(3, 4, 2, 6, "float32").forward(kernels)
    with pytest.raises(ValueError, match="tape.h has shape"):
        P.backward(kernels, other)
    with pytest.raises(ValueError, match="not contiguous"):
        P.backward(kernels, P.forward(kernels)._replace(h=P.dh[:, ::-1]))


def test_no_units_and_no_features():
    with pytest.raises(ValueError, match="no features"):
        kernels.lstm_forward(P.x[:, :, :0], None, None, P.W[:0], P.U, P.b)
    with pytest.raises(ValueError, match="no units"):
        kernels.lstm_forward(P.x, None, None, P.W[:, :0], P.U[:0, :0], None)
    with pytest.raises(ValueError, match="length 0"):
        kernels.pack_lstm(P.W[:0], P.U)


def test_optimizers():
    w, g = np.zeros(5, "f4"), np.zeros(5, "f4")
    frozen = np.zeros(5, "f4")
    frozen.flags.writeable = False
    for arguments, error, message in [
        ((frozen, g, 0.1), ValueError, "read-only"),
        ((w, g[:4], 0.1), ValueError, "g has 4 elements, expected 5"),
        ((w[::2], g[:3], 0.1), ValueError, "flat and contiguous"),
        ((w.reshape(5, 1), g, 0.1), ValueError, "flat and contiguous"),
        ((w, g.astype("f8"), 0.1), TypeError, "g is float64 but w is float32"),
        ((w, g, 0.1, 0.9), ValueError, "momentum needs"),
    ]:
        with pytest.raises(error, match=message):
            kernels.sgd_step(*arguments)
    with pytest.raises(ValueError, match="m and v"):
        kernels.adam_step(w, g, None, None, 0.1)
    with pytest.raises(ValueError, match="mean_square"):
        kernels.rmsprop_step(w, g, None, 0.1)


def test_threads():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        kernels.set_threads(0)
    with pytest.raises(TypeError):
        kernels.set_threads("two")
