"""Whatever reaches the native module, the answer is a result or an error, never a crash: random bad arguments.

Run under the address sanitizer by tools/check_kernels.py, where reading a byte too far is a crash too.
"""

import contextlib
import ctypes
import math

import numpy as np
import problems
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided
from one_state_problems import FAMILIES
from one_state_problems import problem as one_state
from variant_problems import variant_problem

from gatewise.kernels import _native

ANSWERS = (TypeError, ValueError, MemoryError)
SETTINGS = {
    "deadline": None, "database": None, "derandomize": True, "suppress_health_check": list(HealthCheck),
}  # fmt: skip


# --- odd objects ---------------------------------------------------------------------------------------------


class Describing:
    """Not an array, but it says that it is one; `described` is asked anew each time."""

    def __init__(self, described):
        self._described = described

    @property
    def __array_struct__(self):
        return self._described()


def short_lived(shape):
    """An array that only its description keeps alive."""
    return Describing(lambda: np.full(shape, 0.5, np.float32).__array_struct__)


def changing(shape):
    """An array whose shape is another each time it is asked for; its last axis is not contiguous."""
    arrays = [
        np.zeros((*shape[:-1], 2 * shape[-1]), np.float32)[..., ::2],
        *(np.zeros(1, np.float32) for _ in range(4)),
    ]

    def described():
        return (arrays.pop(0) if len(arrays) > 1 else arrays[0]).__array_struct__

    return Describing(described)


def failing():
    def described():
        raise KeyError("no description today")

    return Describing(described)


def capsule(content):
    make = ctypes.pythonapi.PyCapsule_New
    make.restype, make.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return Describing(lambda: make(ctypes.addressof(content), None, None))


NOTHING = ctypes.create_string_buffer(256)  # what a capsule points to; its first number is not the 2 of an array


class Subclass(np.ndarray):
    """An array that is not of NumPy's own class."""


def unaligned(shape):
    size = math.prod(shape) * 4
    return np.zeros(size + 1, "u1")[1:].view("f4").reshape(shape)


def forms(a):
    """Arrays of other forms than a; some are good arguments, most are not."""
    shape = a.shape
    return [
        a.astype("f8"), a.astype("f2"), np.ones(shape, "i4"), a.astype("?"), a.astype(">f4"), a.astype(object),
        a.astype("c8"), a.astype("U3"), a.astype("M8[s]") if a.dtype != bool else a.astype("i1"),
        np.zeros(shape, [("re", "f4"), ("im", "f4")]), np.zeros((*shape, 3), "f4")[..., 0],
        np.repeat(a, 2, -1)[..., ::2], a[::-1], a[..., ::-1], a.T, np.asfortranarray(a), a[..., :-1], a[:0],
        a[..., :0], a[None], a.ravel(), a.reshape(-1, shape[-1]), np.broadcast_to(a[:1], shape),
        np.broadcast_to(np.float32(1), shape),
        as_strided(np.zeros(8, "f4"), (2**45, *shape[1:]), (0,) * a.ndim), unaligned(shape), a.view(Subclass),
        np.ma.masked_array(a), np.zeros((1,) * 9, "f4"), np.zeros((), "f4"), np.full(shape, np.nan, "f4"),
        np.zeros(tuple(n + 1 for n in shape), "f4"), a.tolist(), memoryview(np.ascontiguousarray(a)),
        short_lived(shape), changing(shape), frozen(a),
    ]  # fmt: skip


def frozen(a):
    a = a.copy()
    a.flags.writeable = False
    return a


OTHERS = [
    None, 0, 1, -1, 2**31, 2**63, 2**70, 0.5, math.nan, math.inf, -0.0, 1j, "", "tanh", "gelu", "lstm", "\ud800",
    "tanh\0", b"tanh", (), (1, 2), (None,) * 5, (True,) * 5, [], [None], {}, set(), object(), type, len, np.float32(3),
    True, failing(), capsule(NOTHING), Describing(lambda: 5), Describing(lambda: None), ..., range(3), np.dtype("f4"),
]  # fmt: skip


# --- good calls ----------------------------------------------------------------------------------------------


def calls():
    """Each function's name, and arguments that it takes."""
    p = problems.problem(3, 4, 2, 5, "float32", mask=problems.random_mask("right", 3, 4))
    drops = {"x_dropout": problems.dropout(0.2, 3, 2, dtype="f4"), "h_dropout": problems.dropout(0.2, 3, 5, dtype="f4")}
    start = {"x": p.x, "h0": p.h0, "c0": p.c0}
    chosen = {"mask": p.options["mask"], "activation": "tanh", "recurrent_activation": "sigmoid"}
    weights = {"W": p.W, "U": p.U}
    packed = _native.pack_lstm(p.W, p.U, p.b)
    yield "pack_lstm", {**weights, "b": p.b}
    yield "lstm_forward", {**start, **weights, "b": p.b, **chosen, **drops}
    yield "lstm_predict", {**start, "weights": packed, **chosen, "sequences": True}
    tape = _native.lstm_forward(p.x, p.h0, p.c0, p.W, p.U, p.b, **chosen)
    ends = {"dh": p.dh, "dh_T": p.dh_T, "dc_T": p.dc_T}
    yield "lstm_backward", {"tape": tape, **start, **weights, **ends, **chosen, "dc": p.dh, "wants": (True,) * 5}
    yield from one_state_calls(drops)
    yield from variant_calls(ends)
    yield from narrow_calls(p, start, chosen)
    yield from small_calls(p.x[0])


def one_state_calls(drops):
    for family in FAMILIES:
        q = one_state(family, 3, 4, 2, 5, "float32", mask=problems.random_mask("left", 3, 4))
        kind = q.kind
        chosen = {"mask": q.options["mask"], "activation": "tanh"}
        if q.prefix == "gru":
            chosen["recurrent_activation"] = "sigmoid"
        start, weights = {"x": q.x, "h0": q.h0}, {"W": q.W, "U": q.U}
        yield f"pack_{q.prefix}", {**weights, "b": q.b, **kind}
        packed = getattr(_native, f"pack_{q.prefix}")(q.W, q.U, q.b, **kind)
        yield f"{q.prefix}_forward", {**start, **weights, "b": q.b, **chosen, **kind, **drops}
        yield f"{q.prefix}_predict", {**start, "weights": packed, **chosen, "sequences": True}
        tape = getattr(_native, f"{q.prefix}_forward")(q.x, q.h0, q.W, q.U, q.b, **chosen, **kind)
        ends = {"dh": q.dh, "dh_T": q.dh_T}
        yield f"{q.prefix}_backward", {"tape": tape, **start, **weights, **ends, **chosen, **kind, "wants": (True,) * 5}


def variant_calls(ends):
    v = variant_problem(3, 4, 2, 5, "float32", peephole=True, layer_norm=True, zoneout="drawn", mask="right", drop=True)
    weights, options = tuple(v.weights), tuple(v.options)
    start = {"x": v.x, "h0": v.h0, "c0": v.c0}
    yield "pack_lstm_variant", {"weights": weights}
    yield "lstm_variant_forward", {**start, "weights": weights, "options": options, **v.more}
    predict = {"weights": _native.pack_lstm_variant(weights), "options": options, "mask": v.more["mask"]}
    yield "lstm_variant_predict", {**start, **predict}
    tape = _native.lstm_variant_forward(v.x, v.h0, v.c0, weights, options, **v.more)
    both = {"weights": weights, "options": options}
    yield "lstm_variant_backward", {"tape": tape, **start, **both, **ends, **v.more, "dc": v.dc, "wants": (True,) * 11}


def narrow_calls(p, start, chosen):
    rounded = {"W": np.round(p.W * 10), "U": np.round(p.U * 10), "b": p.b}
    scales = {"scales": np.full(20, 0.1, "f4"), "x_range": np.full(2, 2, "f4"), "h_range": 1.0}
    for storage, more in {"bfloat16": {}, "int8": scales}.items():
        given = {"layer": "lstm", "storage": storage, **rounded, **more}
        yield "pack_narrow", given
        yield "narrow_predict", {**start, "weights": _native.pack_narrow(**given), **chosen, "sequences": True}


def small_calls(a):
    a = np.ascontiguousarray(a)
    yield "matmul", {"a": a, "b": a.T.copy(), "out": np.zeros((4, 4), "f4"), "accumulate": True, "bias": a[:, 0].copy()}
    yield "activation_forward", {"name": "mish", "x": a}
    yield "activation_backward", {"name": "mish", "dy": a, "x": a, "y": a}
    yield "score", {"name": "squared_error", "y_true": a, "y_pred": a + 1, "option": 0.0}
    yield "score", {"name": "sparse_crossentropy", "y_true": np.array([0, 1, 0, 1]), "y_pred": abs(a) + 0.1}
    yield "softmax_forward", {"x": a}
    yield "softmax_backward", {"dy": a, "y": a}
    yield "column_sums", {"x": a}
    yield "sum_of_squares", {"g": a.ravel()}
    w = {name: np.full(8, 0.5, "f4") for name in ("w", "g")}
    states = {
        "sgd_step": ("velocity",),
        "rmsprop_step": ("mean_square", "velocity", "mean"),
        "adam_step": ("m", "v", "v_hat"),
        "adagrad_step": ("sum",),
        "adadelta_step": ("mean_square", "mean_step"),
        "adamax_step": ("m", "u"),
        "nadam_step": ("m", "v"),
        "ftrl_step": ("sum", "linear"),
        "lion_step": ("m",),
        "lamb_step": ("m", "v"),
        "schedule_free_adamw_step": ("z", "v"),
    }
    scalars = {"lr", "alpha", "of_m", "of_g", "grown", "grown_1", "grown_2", "part"}
    for name, kept in states.items():
        said = getattr(_native, name).__nb_signature__[0][0]
        given = {key: 0.1 for key in sorted(scalars) if f" {key}:" in said}
        if "velocity" in kept:
            given["momentum"] = 0.9
        yield name, {**w, **{key: np.full(8, 0.5, "f4") for key in kept}, **given}
    matrix = {"v": np.zeros(8, "f4"), "r": np.zeros(4, "f4"), "c": np.zeros(2, "f4")}
    yield "adafactor_step", {**w, **matrix, "rho": 0.1}
    yield "average_step", {"average": w["w"], "w": w["g"], "momentum": 0.5}
    yield "set_threads", {"count": 2}
    yield "use_instruction_set", {"name": "baseline"}
    yield "plan_recurrence", {"layer": "lstm", "N": 3, "T": 4, "F": 2, "H": 5, "item": 4}
    yield "together", {"calls": (lambda: _native.get_threads(), lambda: _native.activation_forward("tanh", a))}
    yield "measure_fma_peak", {"seconds": 1e-4, "threads": 1, "item": 4}


NAMES = [name for name, _ in calls()]


@contextlib.contextmanager
def same_settings():
    """Puts the instruction set and the number of threads back to what they were: some of the functions set them."""
    before, threads = _native.instruction_set(), _native.get_threads()
    try:
        yield
    finally:
        _native.use_instruction_set(before)
        _native.set_threads(threads)


def called(name, arguments):
    """Calls a function of the module; an answer that is none fails the test."""
    with same_settings(), contextlib.suppress(*ANSWERS):
        getattr(_native, name)(**arguments)


def replacements(value):
    """What may stand in a good argument's place."""
    odd = st.integers(0, len(OTHERS) - 1).map(OTHERS.__getitem__)
    if isinstance(value, np.ndarray):
        made = forms(np.atleast_1d(value))
        return st.one_of(st.integers(0, len(made) - 1).map(made.__getitem__), odd)
    if isinstance(value, tuple):
        return st.one_of(odd, st.integers(0, len(value)).map(lambda n: value[:n]), replaced_in(value))
    return odd


def replaced_in(values):
    """A tuple with one item replaced."""
    places = st.integers(0, len(values) - 1)
    return places.flatmap(lambda i: replacements(values[i]).map(lambda v: (*values[:i], v, *values[i + 1 :])))


@st.composite
def bad_arguments(draw, good):
    """The good arguments, with one to three replaced, or left out."""
    arguments = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in good.items()}
    for name in draw(st.lists(st.sampled_from(list(arguments)), min_size=1, max_size=3, unique=True)):
        arguments[name] = draw(replacements(arguments[name]))
    if draw(st.integers(0, 9)) == 0:
        arguments.pop(draw(st.sampled_from(list(arguments))))
    return arguments


# --- chains and streams --------------------------------------------------------------------------------------


class Said:
    """Attributes as gatewise.chains reads them."""

    training, values, stamp = None, None, 0
    entries = ()


def chain_of(stages, weights, circumstances=None, features=2):
    said = Said()
    told = (said, said, said, [], said, said) if circumstances is None else circumstances
    return _native.Chain(4, 3, features, stages, [], lambda: weights, told)


RECURRENT_STAGE = ("lstm", 5, "tanh", "sigmoid", True, False, False)
DENSE_STAGE = ("dense", 3, "linear", False)


def chain_parts():
    p = problems.problem(3, 4, 2, 5, "float32")
    return p, [RECURRENT_STAGE, DENSE_STAGE], [_native.pack_lstm(p.W, p.U, p.b), (p.dh[0, :3].T.copy()[:5], None)]


@settings(max_examples=300, **SETTINGS)
@given(st.data())
def test_chains_of_anything(data):
    p, stages, weights = chain_parts()
    parts = {"stages": stages, "weights": weights, "circumstances": None}
    which = data.draw(st.sampled_from(["stages", "weights", "circumstances", "x"]))
    if which == "circumstances":
        said = Said()
        parts[which] = data.draw(replacements((said, said, said, [], said, said)))
    elif which != "x":
        parts[which] = list(data.draw(replaced_in(tuple(parts[which]))))
    x = data.draw(replacements(p.x)) if which == "x" else p.x
    try:
        chain_of(**parts)(x)
    except (*ANSWERS, AttributeError):  # an object without the attributes that a chain looks at
        pass


@settings(max_examples=300, **SETTINGS)
@given(st.data())
def test_training_chains_of_anything(data):
    p, stages, weights = chain_parts()
    W = np.zeros((5, 3), "f4")
    held = [(Said(), W)]
    given = [(p.W, p.U, p.b, p.W * 0, p.U * 0, p.b * 0), (W, None, None, W * 0, None, None)]
    loss = ("squared_error", 0.0, 1e-7, np.zeros(()), np.zeros(()))
    parts = {"weights": given, "held": held, "loss": loss, "metrics": [loss]}
    which = data.draw(st.sampled_from([*parts, "x", "y"]))
    if which in ("weights", "held", "metrics"):
        parts[which] = list(data.draw(replaced_in(tuple(parts[which]))))
    elif which == "loss":
        parts[which] = data.draw(replacements(loss))
    arrays = {"x": p.x, "y": np.zeros((3, 4, 3), "f4")}
    if which in arrays:
        arrays[which] = data.draw(replacements(arrays[which]))
    for one in parts["held"]:
        if isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], Said):
            one[0].array = one[1]
    try:
        _native.TrainingChain(chain_of(stages, weights), *parts.values()).step(*arrays.values(), True)
    except (*ANSWERS, AttributeError):
        pass


@settings(max_examples=300, **SETTINGS)
@given(st.data())
def test_streams_of_anything(data):
    p, _, weights = chain_parts()
    states = [np.zeros((3, 5), "f4") for _ in range(2)]
    stages = (("masking", 0.0), ("lstm", 5, "tanh", "sigmoid", states, False), ("dense", 3, "linear"))
    given = (None, *weights)
    which = data.draw(st.sampled_from(["stages", "weights", "states", "x", "mask"]))
    if which == "stages":
        stages = data.draw(replaced_in(stages))
    elif which == "weights":
        given = data.draw(replaced_in(given))
    elif which == "states":
        states[data.draw(st.integers(0, 1))] = data.draw(replacements(states[0]))
    x, mask = p.x[:, 0].copy(), np.ones((3, 1), bool)
    x = data.draw(replacements(x)) if which == "x" else x
    mask = data.draw(replacements(mask)) if which == "mask" else mask
    try:
        stream = _native.StreamSteps(3, 2, 4, list(stages), [], lambda: list(given), lambda v: v, lambda m: m)
        stream.step(x, mask)
        stream.run(p.x, np.ones((3, 4), bool))
    except ANSWERS:
        pass


def test_every_function_is_here():
    functions = {name for name in dir(_native) if type(getattr(_native, name)).__name__ == "nb_func"}
    harmless = {"get_threads", "instruction_set", "supported_instruction_sets", "narrow_instruction_set", "use_vnni"}
    assert functions - harmless <= set(NAMES)


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_bad_arguments(number):
    name, good = list(calls())[number]
    copies = {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in good.items()}
    with same_settings():
        getattr(_native, name)(**copies)  # good indeed

    @settings(max_examples=60, **SETTINGS)
    @given(bad_arguments(good))
    def check(arguments):
        called(name, arguments)

    check()
