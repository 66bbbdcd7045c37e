"""Every kernel on every instruction set: near its twin, and with any number of threads the same to the last bit."""

import numpy as np
import one_state_problems
import problems
import pytest
from problems import assert_results_close, dropout, random_mask
from variant_problems import variant_problem

from gatewise import kernels
from gatewise.kernels import reference

THREADS = (1, 2, 3, 5)
SIZES = (37, 5, 40, 70)  # enough work for each thread to get some; no tile comes out even

# The largest |a - b| / (1 + |b|) between a kernel in float32 and its twin in float64: see docs/accuracy.md.
LIMIT = {"forward": problems.OUTPUTS["float32"], "backward": problems.GRADIENTS["float32"], "other": 3e-6}


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def both_ways(p):
    """The forward and backward pass of a problem, by name of limit."""
    wide = p.in_float64()

    def run(room):
        problem = p if room is kernels else wide
        tape = problem.forward(room)
        return {"forward": list(tape), "backward": list(problem.backward(room, tape))}

    return run


def recurrent(dtype="float32"):
    """Name, and the run of a layer in training; masked and with dropout where the name says so."""
    N, T, F, H = SIZES
    extras = {
        "": {},
        ", masked, dropout": {
            "mask": random_mask("right", N, T),
            "x_dropout": dropout(0.2, N, F, dtype=dtype),
            "h_dropout": dropout(0.2, N, H, dtype=dtype),
        },
    }
    for more, options in extras.items():
        yield "LSTM" + more, both_ways(problems.problem(*SIZES, dtype, **options))
        for family in one_state_problems.FAMILIES:
            yield family + more, both_ways(one_state_problems.problem(family, *SIZES, dtype, **options))
    variants = {
        "peephole, clip": {"peephole": True, "clip": True},
        "projection": {"outputs": 30},
        "coupled, zoneout": {"coupled": True, "zoneout": "drawn"},
        "layer norm, masked, dropout": {"layer_norm": True, "mask": "right", "drop": True},
        "all": {"peephole": True, "clip": True, "outputs": 30, "layer_norm": True, "zoneout": "drawn", "mask": "left"},
    }
    for name, options in variants.items():
        yield "LSTM variant: " + name, both_ways(variant_problem(*SIZES, dtype, **options))


def prediction(name, pack, predict, p):
    """The run of a layer in prediction, against the same layer in training."""

    def run(room):
        if room is reference:
            return {"forward": [p.in_float64().forward(reference)[0]]}
        return {"forward": [predict(pack(kernels))]}

    return name, run


def predictions():
    masked = {"mask": random_mask("left", *SIZES[:2])}
    p = problems.problem(*SIZES, "float32", **masked)
    arguments = {"mask": masked["mask"], "sequences": True}
    yield prediction(
        "lstm_predict",
        lambda room: room.pack_lstm(p.W, p.U, p.b),
        lambda packed: kernels.lstm_predict(p.x, p.h0, p.c0, packed, **arguments)[0],
        p,
    )
    for family in one_state_problems.FAMILIES:
        q = one_state_problems.problem(family, *SIZES, "float32", **masked)
        yield prediction(
            f"{family}, predict", q.pack, lambda packed, q=q: q.predict(kernels, packed, sequences=True)[0], q
        )
    v = variant_problem(*SIZES, "float32", peephole=True, layer_norm=True, zoneout="rates", mask="right")
    yield prediction(
        "lstm_variant_predict",
        lambda room: room.pack_lstm_variant(v.weights),
        lambda packed: kernels.lstm_variant_predict(v.x, v.h0, v.c0, packed, v.options, v.more["mask"], sequences=True)[
            0
        ],
        v,
    )


def steps():
    """The optimizers, and all that goes through arrays once."""
    size = 40_003
    scalars = {
        "sgd_step": ({"lr": 0.03, "momentum": 0.9}, ("velocity",)),
        "rmsprop_step": ({"lr": 0.01, "momentum": 0.7}, ("mean_square", "velocity", "mean")),
        "adam_step": ({"alpha": 0.02}, ("m", "v", "v_hat")),
        "adagrad_step": ({"lr": 0.1, "epsilon": 1e-3}, ("sum",)),
        "adadelta_step": ({"lr": 1.0, "epsilon": 1e-4}, ("mean_square", "mean_step")),
        "adamax_step": ({"alpha": 0.02}, ("m", "u")),
        "nadam_step": ({"of_m": 0.02, "of_g": 0.01, "grown": 0.3}, ("m", "v")),
        "ftrl_step": ({"lr": 0.5, "l1": 0.3, "l2": 0.2}, ("sum", "linear")),
        "lion_step": ({"lr": 0.01}, ("m",)),
        "lamb_step": ({"lr": 0.02, "grown_1": 0.2, "grown_2": 0.3}, ("m", "v")),
        "schedule_free_adamw_step": ({"lr": 0.02, "part": 0.25, "grown": 0.1, "beta_2": 0.5}, ("z", "v")),
        "adafactor_step": ({"rho": 0.05, "decay": 0.4}, ("v",)),
    }
    for name, (options, states) in scalars.items():

        def run(room, name=name, options=options, states=states):
            dtype = np.float32 if room is kernels else np.float64
            w, g = floats(size).astype(dtype), floats(size, seed=1).astype(dtype)
            kept = {key: np.full(size, 0.1, np.float32).astype(dtype) for key in states}
            getattr(room, name)(w, g, **kept, **options)
            return {"other": [w, *kept.values()]}

        yield name, run


def elementwise():
    x, dy = floats(300, 130) * 3, floats(300, 130, seed=1)
    a, b, bias = floats(150, 90) / 10, floats(90, 130), floats(130)
    classes = np.random.default_rng(0).integers(0, 130, 300)

    def run(room):
        as_read = (lambda v: v) if room is kernels else (lambda v: v.astype(np.float64))
        scores = [
            room.score("squared_error", as_read(dy), as_read(x), 0.0)[2],
            room.score("sparse_crossentropy_of_logits", classes, as_read(x), 0.0)[2],
        ]
        return {
            "other": [
                room.matmul(as_read(a), as_read(b), bias=as_read(bias)),
                room.activation_forward("tanh", as_read(x)),
                room.activation_backward("silu", as_read(dy), x=as_read(x)),
                room.softmax_forward(as_read(x)),
                room.softmax_backward(as_read(dy), as_read(x) / 10),
                np.atleast_1d(room.sum_of_squares(as_read(x).ravel())),
                *scores,
            ],
            "backward": [room.column_sums(as_read(x))],
        }

    yield "products, activations, losses", run


CASES = dict([*recurrent(), *predictions(), *steps(), *elementwise()])


def same(one, other):
    """Whether all arrays of two runs are equal to the last bit (a NaN too)."""
    pairs = [pair for name in one for pair in zip(one[name], other[name], strict=True)]
    return all((a is None and b is None) or a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.parametrize("name", CASES)
def test_near_the_twin_and_independent_of_threads(instruction_set, threads, name):
    run, results = CASES[name], []
    for count in THREADS:
        threads(count)
        results.append(run(kernels))
    assert all(same(results[0], other) for other in results[1:])
    expected = run(reference)
    for kind, found in results[0].items():  # the twins' tapes hold more than the kernels' need to
        pairs = [(a, b) for a, b in zip(found, expected[kind], strict=True) if a is not None]
        assert_results_close(*zip(*pairs, strict=True), LIMIT[kind])
