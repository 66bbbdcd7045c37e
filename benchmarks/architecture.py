"""The layers of a problem in Keras's interface: the same lines for gatewise and Keras, given as a module."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.problem import Problem

_CLASSES = {"lstm": "LSTM", "gru": "GRU", "simple_rnn": "SimpleRNN"}


def recurrent_layers(library: Any, problem: Problem, **options: Any) -> list[Any]:
    """The recurrent layers, without their weights; `options` go to the last one."""
    H = problem.cell.H
    make = getattr(library.layers, _CLASSES[problem.family])
    if problem.kind == "bidirectional":
        return [library.layers.Bidirectional(make(H), **options)]
    if problem.kind == "stacked":
        return [make(H, return_sequences=True), make(H, **options)]
    return [make(H, **options)]


def model_of(library: Any, problem: Problem, dense: bool, masking: bool = False, **options: Any) -> Any:
    """A Sequential model with the problem's weights, with Dense(1) behind if `dense`, and Masking in front."""
    _, T, F, _ = problem.cell
    chosen = [library.Input((T, F))]
    if masking:
        chosen.append(library.layers.Masking(0.0))
    chosen += recurrent_layers(library, problem, **options)
    weights = [array for layer in problem.layers for array in layer]
    if dense:
        chosen.append(library.layers.Dense(1))
        weights += [problem.d, np.zeros(1, np.float32)]
    model = library.Sequential(chosen)
    model.set_weights(weights)
    return model
