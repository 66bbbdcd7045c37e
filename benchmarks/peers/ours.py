"""gatewise: through a model, and by calling the layer itself."""

from __future__ import annotations

import gatewise as gw
from benchmarks.architecture import model_of
from benchmarks.peers import ours_alone
from benchmarks.problem import Problem, Way, fitting


def prepare(problem: Problem, mode: str, threads: int) -> dict[str, Way]:
    """{way: Way} for a cell."""
    gw.config.set_threads(threads)
    alone = getattr(ours_alone, problem.kind, None)
    if alone is not None:
        return alone(problem, mode)
    if mode == "train":
        model = model_of(gw, problem, dense=True)
        model.compile("adam", "mse")
        return {"train_on_batch": Way(lambda: model.train_on_batch(problem.x, problem.y))}
    if mode == "fit":
        return {"fit": fitting(model_of(gw, problem, dense=True), problem)}
    model = model_of(gw, problem, dense=False)
    ways = {"predict_on_batch": Way(lambda: model.predict_on_batch(problem.x))}
    if len(model.layers) == 1:
        layer = model.layers[0]
        ways = {"layer": Way(lambda: layer(problem.x)), **ways}
    return ways
