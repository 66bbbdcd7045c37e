"""What a model is trained for: the losses and metrics of its outputs, put together as in Keras."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np

from gatewise import suggest
from gatewise.training import losses as losses_module
from gatewise.training import metrics as metrics_module

_CROSSENTROPY = ("crossentropy", "ce")
"""The cross-entropy that suits the shapes: binary, sparse categorical or categorical."""


class Objective:
    """The losses and metrics of a compiled model.

    Args:
        loss: name, function or `Loss`; or a list or dictionary of them, None (or no entry) for an output without one.
            "crossentropy" is the one that suits the shapes of targets and output.
        loss_weights: a number, or a list or dictionary of numbers; None for 1 each.
        metrics, weighted_metrics: as in Keras; the second use sample weights.
        names: the outputs' names.
    """

    def __init__(self, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any, names: Sequence[str]) -> None:
        self.names = list(names)
        asked = spread(loss, self.names, "loss", broadcast=True)
        self._by_shape = [k for k, item in enumerate(asked) if isinstance(item, str) and item.lower() in _CROSSENTROPY]
        self.losses = [
            losses_module.as_loss("categorical_crossentropy" if k in self._by_shape else item)
            for k, item in enumerate(asked)
        ]
        weights = spread(loss_weights, self.names, "loss_weights", broadcast=True)
        self.weights = [1.0 if w is None else _loss_weight(w) for w in weights]
        self._asked = (
            _asked_metrics(metrics, self.names, "metrics"),
            _asked_metrics(weighted_metrics, self.names, "weighted_metrics"),
        )
        self._has_metrics = any(items for asked in self._asked for items in asked)
        with_loss = [k for k, item in enumerate(self.losses) if item is not None]
        self.has_loss = bool(with_loss)
        self.loss_tracker = metrics_module.Mean(name="loss")
        self.output_trackers = {
            k: metrics_module.Mean(name=f"{self.names[k]}_loss") for k in with_loss if len(with_loss) > 1
        }
        self.unweighted: list[list[Any]] | None = None
        self.weighted: list[list[Any]] = []
        self._keyed: list[tuple[str, Any]] = []
        self.held: list[Any] = []
        """Metrics in attributes of the model and its layers, which those update themselves."""
        self.added: dict[str, Any] = {}
        """The mean of each number that layers add with `add_metric`."""
        self.built_for: list[list[Any]] | None = None
        """The shapes of the targets and outputs that the metrics were made for."""
        self._accepted: set[tuple] = set()
        """(output, shape of a sample's target, shape of the output) where only the shapes mattered, and did fit."""

    def names_with_targets(self) -> list[str]:
        """The outputs that need targets: those with a loss or metrics."""
        asked = zip(self.names, self.losses, *self._asked, strict=True)
        return [name for name, *wants in asked if any(want is not None and want != [] for want in wants)]

    # --- loss ------------------------------------------------------------------------------------------------

    def forward(
        self,
        y_true: Sequence[Any] | None,
        y_pred: Sequence[Any],
        weights: Sequence[Any] | None,
        masks: Sequence[Any],
    ) -> tuple[float, list[float], Callable[[], list]]:
        """The total loss, each output's loss, and a function that returns the gradient of each output.

        Raises:
            ValueError: if an output with a loss has no target.
        """
        if self._by_shape and y_true is not None:
            self._choose_crossentropies(y_true, [y.shape for y in y_pred])
        total, parts, backs = 0.0, [], []
        for k, loss in enumerate(self.losses):
            if loss is None:
                parts.append(0.0)
                backs.append(None)
                continue
            if y_true is None or y_true[k] is None:
                raise ValueError(f"'{self.names[k]}': its loss, {loss.name}, needs targets; give y, as fit(x, y).")
            value, back = loss.forward(y_true[k], y_pred[k], None if weights is None else weights[k], masks[k])
            if value.__class__ is not float:
                raise ValueError(
                    f"'{self.names[k]}': the loss {loss.name} returned an array of shape {np.shape(value)}; what is "
                    "trained on is one number: give it reduction='sum_over_batch_size'."
                )
            parts.append(value)
            backs.append(back)
            total += self.weights[k] * value

        def pullback() -> list:
            return [None if back is None else back(w) for back, w in zip(backs, self.weights, strict=True)]

        return total, parts, pullback

    def _choose_crossentropies(self, y_true: Sequence[Any], output_shapes: Sequence[Any]) -> None:
        for k in self._by_shape:
            if y_true[k] is not None:
                kind = metrics_module.kind_for(y_true[k].shape, output_shapes[k])
                self.losses[k] = losses_module.as_loss(f"{kind}_crossentropy")
        self._by_shape = []

    def check_targets(self, y_true: Sequence[Any], output_shapes: Sequence[Any]) -> None:
        """Raise ValueError if targets do not suit their losses and outputs."""
        if self._by_shape:
            self._choose_crossentropies(y_true, output_shapes)
        for k, (loss, y, shape) in enumerate(zip(self.losses, y_true, output_shapes, strict=True)):
            if loss is None or y is None or (k, y.shape[1:], shape) in self._accepted:
                continue
            losses_module.check_targets(loss, y, shape, self.names[k])
            if not losses_module.judges_values(loss):
                self._accepted.add((k, y.shape[1:], shape))

    # --- metrics ---------------------------------------------------------------------------------------------

    def build_metrics(self, y_true: Sequence[Any], y_pred: Sequence[Any]) -> None:
        """Make the metrics: what "accuracy" means depends on the shapes of targets and predictions.

        Raises:
            ValueError: if an output with metrics has no target.
        """
        made: list[list[list[Any]]] = []
        for asked in self._asked:
            for name, y, items in zip(self.names, y_true, asked, strict=True):
                if items and y is None:
                    raise ValueError(f"'{name}': its metrics compare with targets, and y has none for it.")
            made.append([
                [metrics_module.resolve(item, np.shape(y_true[k]), np.shape(y_pred[k])) for item in asked[k]]
                for k in range(len(self.names))
            ])  # fmt: skip
        self.unweighted, self.weighted = made
        self._keyed = self._named_metrics()
        self.built_for = [[None if y is None else list(np.shape(y)) for y in group] for group in (y_true, y_pred)]

    def _named_metrics(self) -> list[tuple[str, Any]]:
        """The metrics with their names in the logs: the output's first where there are several, each name once."""
        found: dict[str, Any] = {}
        for group, mark in ((self.unweighted or [], ""), (self.weighted, "weighted_")):
            for name, metrics in zip(self.names, group, strict=True):
                prefix = "" if len(self.names) == 1 else f"{name}_"
                for metric in metrics:
                    key = prefix + metric.name
                    if key in found and mark:
                        key = prefix + mark + metric.name
                    found[_numbered(key, found)] = metric
        return list(found.items())

    def update(
        self,
        y_true: Sequence[Any] | None,
        y_pred: Sequence[Any],
        weights: Sequence[Any] | None,
        masks: Sequence[Any],
        total: float,
        parts: Sequence[float],
        batch: int,
    ) -> None:
        """Count a batch of `batch` samples into all running means."""
        self.loss_tracker.add(total * batch, batch)
        for k, tracker in self.output_trackers.items():
            tracker.add(parts[k] * batch, batch)
        if y_true is None or not self._has_metrics:
            return
        if self.unweighted is None:
            self.build_metrics(y_true, y_pred)
        for k, metrics in enumerate(self.unweighted or ()):
            for metric in metrics:
                metrics_module.update(metric, y_true[k], y_pred[k], None, masks[k])
        for k, metrics in enumerate(self.weighted):
            for metric in metrics:
                metrics_module.update(metric, y_true[k], y_pred[k], None if weights is None else weights[k], masks[k])

    def count_added(self, told: Sequence[tuple[str, Any]]) -> None:
        """Count what layers added with `add_metric` in a batch into running means."""
        for name, value in told:
            if name not in self.added:
                self.added[name] = metrics_module.Mean(name=name)
            self.added[name].update_state(value)

    @property
    def metrics(self) -> list[Any]:
        """All metrics, the mean loss first."""
        compiled = [metric for _, metric in self._keyed]
        return [self.loss_tracker, *self.output_trackers.values(), *self.held, *compiled, *self.added.values()]

    def results(self) -> dict[str, float]:
        """The running means by name, the loss first."""
        logs = {"loss": self.loss_tracker.result()}
        for tracker in self.output_trackers.values():
            logs[tracker.name] = tracker.result()
        named = self._keyed
        if self.held or self.added:
            named = [*((metric.name, metric) for metric in self.held), *named]
            taken = {key for key, _ in named}
            named += [(key, metric) for key, metric in self.added.items() if key not in taken]
        for key, metric in named:
            result = metric.result()
            if isinstance(result, dict):
                logs.update(result)
            else:
                logs[key] = result
        for key, value in logs.items():
            if value.__class__ is not float:
                logs[key] = float(value) if np.ndim(value) == 0 else value
        return logs

    def reset(self) -> None:
        """Begin all running means anew."""
        for metric in self.metrics:
            metric.reset_state()


def spread(given: Any, names: Sequence[str], what: str, broadcast: bool = False) -> list:
    """One item for each output, from a list, a dictionary by output name, or one item.

    Raises:
        ValueError: if a list's length or a dictionary's keys do not fit the outputs.
    """
    if given is None:
        return [None] * len(names)
    if isinstance(given, dict) and not _is_configuration(given):
        unknown = [key for key in given if key not in names]
        if unknown:
            raise ValueError(f"{what}: {suggest.unknown('output', unknown[0], names)}")
        return [given.get(name) for name in names]
    if isinstance(given, list | tuple):
        if len(given) != len(names):
            several = f"the model has {len(names)} outputs ({', '.join(names)}); give one for each"
            raise ValueError(
                f"{what} is a list of {len(given)}, but {several if len(names) > 1 else 'the model has one output'}."
            )
        return list(given)
    return [given] * len(names) if broadcast else [given, *[None] * (len(names) - 1)]


def _asked_metrics(given: Any, names: Sequence[str], what: str) -> list[list]:
    """The metrics asked for, a list for each output.

    Raises:
        ValueError: for something else than metrics, and for names that are not known.
    """
    if given is None or (isinstance(given, list | tuple) and not given):
        return [[] for _ in names]
    is_dict = isinstance(given, dict) and not _is_configuration(given)
    if not is_dict and not isinstance(given, list | tuple):
        raise ValueError(f"{what} is a list, such as ['accuracy'], or a dictionary by output; got {given!r}.")
    if is_dict or len(names) > 1:
        per_output = spread(given, names, what)
        asked = [list(m) if isinstance(m, list | tuple) else [] if m is None else [m] for m in per_output]
    else:
        asked = [[m for item in given for m in (item if isinstance(item, list | tuple) else [item])]]
    for item in (item for items in asked for item in items):
        if item is None:
            raise ValueError(f"{what} holds None; write a name, a function or a Metric.")
        if isinstance(item, str) and item.lower() not in metrics_module.ACCURACY_BY_SHAPE:
            metrics_module.get(item)
    return asked


def _is_configuration(given: dict[str, Any]) -> bool:
    """True for a dictionary that describes one object, not one for each output."""
    return "class_name" in given


def _loss_weight(given: Any) -> float:
    if isinstance(given, bool) or not hasattr(given, "__float__"):
        raise ValueError(f"loss_weights holds numbers, one for each output; got {given!r}.")
    return float(given)


def _numbered(key: str, taken: Container[str]) -> str:
    """The key, or the first of key_1, key_2, ... that is free."""
    if key not in taken:
        return key
    return next(name for k in itertools.count(1) if (name := f"{key}_{k}") not in taken)
