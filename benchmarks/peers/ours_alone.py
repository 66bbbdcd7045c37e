"""gatewise's own ways of doing a thing, beside each other: one function for each kind of cell, named as the kind is."""

from __future__ import annotations

from typing import Any

import gatewise as gw
from benchmarks.architecture import model_of
from benchmarks.problem import Problem, Way

_IN_PREDICTION = {"peephole": {"peephole": True}, "layer_norm": {"layer_norm": True}, "zoneout": {"zoneout_cell": 0.1}}
_IN_TRAINING = _IN_PREDICTION | {"recurrent_dropout": {"recurrent_dropout": 0.1}}


def masked(problem: Problem, mode: str) -> dict[str, Way]:
    """A half-empty batch with its mask, and as if all steps were real."""
    if mode == "train":
        with_mask, dense = (model_of(gw, problem, dense=True, masking=masking) for masking in (True, False))
        return {"masked": _training(with_mask, problem), "dense": _training(dense, problem)._replace(must_agree=False)}
    layer, mask = model_of(gw, problem, dense=False).layers[0], problem.mask
    return {
        "masked": Way(lambda: layer(problem.x, mask=mask)),
        "dense": Way(lambda: layer(problem.x), must_agree=False),
    }


def variants(problem: Problem, mode: str) -> dict[str, Way]:
    """The plain layer, then each variant."""
    _, T, F, H = problem.cell
    ways = {}
    for name, options in {"plain": {}, **(_IN_TRAINING if mode == "train" else _IN_PREDICTION)}.items():
        chosen: list[Any] = [gw.Input((T, F)), gw.layers.LSTM(H, **options)]
        model = gw.Sequential([*chosen, gw.layers.Dense(1)] if mode == "train" else chosen)
        way = _training(model, problem) if mode == "train" else _calling(model.layers[0], problem)
        ways[name] = way._replace(must_agree=False)
    return ways


def small(problem: Problem, mode: str) -> dict[str, Way]:
    """Ways of asking a small model, and the kernel that all of them end in."""
    model = model_of(gw, problem, dense=True)
    layer, x, one = model.layers[0], problem.x, problem.x[:1]
    stream, step = model.stream(problem.cell.N), problem.x[:, 0].copy()
    packed = gw.kernels.pack_lstm(*problem.layers[0])
    predict = gw.kernels.lstm_predict
    ways = {
        "native": lambda: predict(x, None, None, packed),
        "layer(x)": lambda: layer(x),
        "model(x)": lambda: model(x),
        "predict_on_batch": lambda: model.predict_on_batch(x),
        "predict, one sample": lambda: model.predict(one, verbose=0),
        "stream step": lambda: stream.step(step),
    }
    first = lambda y: y[1] if isinstance(y, tuple) else y  # noqa: E731
    return {name: Way(call, first, must_agree=False) for name, call in ways.items()}


def quantized(problem: Problem, mode: str) -> dict[str, Way]:
    """The layer in float32, and on weights of int8 and of bfloat16."""
    plain = model_of(gw, problem, dense=False)
    ways = {"float32": _calling(plain.layers[0], problem)}
    for storage, options in (("int8", {"calibration": problem.x}), ("bfloat16", {"dtype": "bfloat16"})):
        model = gw.quantize(plain, **options)
        ways[storage] = _calling(model.layers[0], problem)._replace(must_agree=False)
    return ways


def _calling(layer: Any, problem: Problem) -> Way:
    return Way(lambda: layer(problem.x))


def _training(model: Any, problem: Problem) -> Way:
    model.compile("adam", "mse")
    return Way(lambda: model.train_on_batch(problem.x, problem.y))
