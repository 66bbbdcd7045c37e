"""gatewise: through a model, and by calling the layer itself."""

from __future__ import annotations

import gatewise as gw
from benchmarks.problem import Problem, Way, fitting


def prepare(problem: Problem, mode: str, threads: int) -> dict[str, Way]:
    """{way: Way} for a cell."""
    _, T, F, H = problem.cell
    gw.config.set_threads(threads)
    weights = [problem.W, problem.U, problem.b]
    if mode == "train":
        model = gw.Sequential([gw.Input((T, F)), gw.layers.LSTM(H), gw.layers.Dense(1)])
        model.set_weights([*weights, problem.d, problem.b[:1] * 0])
        model.compile("adam", "mse")
        return {"train_on_batch": Way(lambda: model.train_on_batch(problem.x, problem.y))}
    if mode == "fit":
        model = gw.Sequential([gw.Input((T, F)), gw.layers.LSTM(H), gw.layers.Dense(1)])
        model.set_weights([*weights, problem.d, problem.b[:1] * 0])
        return {"fit": fitting(model, problem)}
    layer = gw.layers.LSTM(H)
    model = gw.Sequential([gw.Input((T, F)), layer])
    model.set_weights(weights)
    return {
        "layer": Way(lambda: layer(problem.x)),
        "predict_on_batch": Way(lambda: model.predict_on_batch(problem.x)),
    }
