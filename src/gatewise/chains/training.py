"""Training chains: the native object behind the steps of `fit` and `train_on_batch` in the ordinary case."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import config
from gatewise.chains.links import Link, links_of
from gatewise.chains.prediction import chain_of
from gatewise.kernels import TrainingChain
from gatewise.variable import ParameterStore, Variable, structure_clock


class TrainingSteps:
    """A model's training steps by its native object.

    Args:
        model: what is trained.
        native: computes the loss, the gradients and the means of a batch.
        others: the metrics that are not the native object's.
    """

    __slots__ = ("_epsilon", "_native", "_objective", "_of_classes", "_optimizer", "_others", "_store")

    def __init__(self, model: Any, native: TrainingChain, others: list[Any]) -> None:
        self._native, self._others, self._epsilon = native, others, config.epsilon()
        self._of_classes = model._objective.losses[0].mean_score.of_classes
        self._objective, self._optimizer, self._store = model._objective, model.optimizer, model._store

    def __reduce__(self) -> tuple:
        return type(None), ()  # a copy of the model makes its own

    def step(self, model: Any, x: Any, y: Any) -> float | None:
        """One step on a batch, counted into the running means: the loss; None where the general way is to be gone."""
        same = model.optimizer is self._optimizer and model._objective is self._objective
        if not same or config.epsilon() != self._epsilon:
            model._training, model._training_tried = None, (0, (), False)
            return None
        others, numbers = self._others, y
        if not self._of_classes and type(y) is np.ndarray and y.dtype.kind in "iub":
            numbers = y.astype(self._store.dtype)
        found: Any = self._native.step(x, numbers, bool(others))
        if found is None:
            if model._store is not self._store or not self._native.is_current():
                model._training, model._training_tried = None, (0, (), False)
            return None
        optimizer, store = self._optimizer, self._store
        if optimizer.loss_scale_factor:
            store.gradients *= optimizer.loss_scale_factor
        optimizer.step(store.values, store.gradients)
        if not others:
            return found
        loss, output = found
        for metric in others:
            metric.update_state(y, output)
        return loss

    def alone(self, model: Any, x: Any, y: Any) -> tuple[float, Any] | None:
        """A step by itself: (the loss, what `train_on_batch` returns); None where the general way is to be gone."""
        if self._others:
            model.reset_metrics()
        else:
            self._native.reset()
        loss = self.step(model, self._in_type(x), self._in_type(y))
        if loss is None:
            return None
        results = list(model._logs().values()) if self._others else self._native.results()
        return loss, results[0] if len(results) == 1 else results

    def _in_type(self, given: Any) -> Any:
        """An array of floats in the model's type."""
        own = self._store.dtype
        if type(given) is not np.ndarray or given.dtype is own or given.dtype.kind != "f":
            return given
        with np.errstate(over="ignore"):  # as `data.as_array` does
            return given.astype(own)


def notice_step(model: Any) -> None:
    """Note that a model took a training step the general way; make its chain once nothing changes any more."""
    store = model._store
    if store is None or not store.slots:
        return
    state = (model._objective, model.optimizer, store, store.slots[0].variable.array)
    stamp, before, is_tried = model._training_tried
    if stamp != structure_clock.stamp or any(a is not b for a, b in zip(state, before, strict=True)):
        model._training_tried = (structure_clock.stamp, state, False)
    elif not is_tried:
        model._training_tried = (stamp, state, True)
        model._training = training_steps(model)


def training_steps(model: Any) -> TrainingSteps | None:
    """The chain in which a model's steps can be taken; None if they cannot."""
    objective = model._objective
    links = links_of(model)
    if links is None or not all(link.trains for link in links) or not _is_plain(objective) or model._penalized():
        return None
    places = _places(links, model._store)
    loss = objective.losses[0].mean_score
    if places is None or loss is None:
        return None
    metrics = [metric for _, metric in objective._keyed]
    known = [metric for metric in metrics if getattr(metric, "mean_score", None) is not None]
    native = TrainingChain(
        chain_of(model, links),
        places,
        [(v, v.array) for link in links for v in link.parameters if v is not None],
        _measure(loss, objective.loss_tracker),
        [_measure(metric.mean_score, metric) for metric in known],
    )
    return TrainingSteps(model, native, [metric for metric in metrics if metric not in known])


def _is_plain(objective: Any) -> bool:
    """Whether there is one loss with a weight of 1, and metrics that are made already and nothing else."""
    return (
        len(objective.losses) == 1
        and objective.losses[0] is not None
        and objective.weights == [1.0]
        and not objective._by_shape
        and not objective.held
        and not objective.added
        and (objective.unweighted is not None or not objective._has_metrics)
    )


def _measure(score: Any, mean: Any) -> tuple:
    return score.name, score.option, config.epsilon(), mean.total.array, mean.count.array


def _places(links: list[Link], store: ParameterStore) -> list[tuple | None] | None:
    """For each link that computes its weights, and the parts of the gradient buffer that are theirs.

    None unless these are the store's variables, each used once.
    """
    gradients = store._gradient_of
    used: set[Variable] = set()
    found: list[tuple | None] = []
    for link in links:
        if link.told is None:
            continue
        held = [v for v in link.parameters if v is not None]
        if not used.isdisjoint(held):
            return None
        used.update(held)
        if any((v in gradients) is not (link.is_trained and v.trainable) for v in held):
            return None
        arrays = [None if v is None else v.array for v in link.parameters]
        slopes = [None if v is None else gradients.get(v) for v in link.parameters]
        found.append((*arrays, *slopes) if held else None)
    return found if used.issuperset(gradients) else None
