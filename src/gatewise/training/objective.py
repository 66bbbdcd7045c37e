"""What a model is trained for: the losses and metrics of its outputs, put together as in Keras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import suggest
from gatewise.training import losses as losses_module
from gatewise.training import metrics as metrics_module


class Objective:
    """The losses and metrics of a compiled model.

    Args:
        loss: name, function or `Loss`; or a list or dictionary of them, one for each output.
        loss_weights: a list or dictionary of numbers, or None for 1 each.
        metrics, weighted_metrics: as in Keras; the second use sample weights.
        names: the outputs' names.
    """

    def __init__(self, loss: Any, loss_weights: Any, metrics: Any, weighted_metrics: Any, names: Sequence[str]) -> None:
        self.names = list(names)
        n = len(self.names)
        self.losses = [losses_module.as_loss(item) for item in spread(loss, self.names, "loss", broadcast=True)]
        weights = spread(loss_weights, self.names, "loss_weights", broadcast=True)
        self.weights = [1.0 if w is None else float(w) for w in weights]
        self._asked = (
            _asked_metrics(metrics, self.names, "metrics"),
            _asked_metrics(weighted_metrics, self.names, "weighted_metrics"),
        )
        self.loss_tracker = metrics_module.Mean(name="loss")
        self.output_trackers = [metrics_module.Mean(name=f"{name}_loss") for name in self.names] if n > 1 else []
        self.unweighted: list[list[Any]] | None = None
        self.weighted: list[list[Any]] = []
        self._keys: list[str] = []

    # --- loss ------------------------------------------------------------------------------------------------

    def forward(
        self,
        y_true: Sequence[Any],
        y_pred: Sequence[Any],
        weights: Sequence[Any] | None,
        masks: Sequence[Any],
    ) -> tuple[float, list[float], Callable[[], list]]:
        """The total loss, each output's loss, and a function that returns the gradient of each output."""
        total, parts, backs = 0.0, [], []
        for k, loss in enumerate(self.losses):
            if loss is None:
                parts.append(0.0)
                backs.append(None)
                continue
            value, back = loss.forward(y_true[k], y_pred[k], None if weights is None else weights[k], masks[k])
            parts.append(value)
            backs.append(back)
            total += self.weights[k] * value

        def pullback() -> list:
            return [None if back is None else back(w) for back, w in zip(backs, self.weights, strict=True)]

        return total, parts, pullback

    def value(
        self,
        y_true: Sequence[Any],
        y_pred: Sequence[Any],
        weights: Sequence[Any] | None,
        masks: Sequence[Any],
    ) -> tuple[float, list[float]]:
        """The total loss and each output's loss."""
        total, parts, _ = self.forward(y_true, y_pred, weights, masks)
        return total, parts

    def check_targets(self, y_true: Sequence[Any], output_shapes: Sequence[Any]) -> None:
        """Raise ValueError if targets do not suit their losses and outputs."""
        for loss, y, shape, name in zip(self.losses, y_true, output_shapes, self.names, strict=True):
            if loss is not None and y is not None:
                losses_module.check_targets(loss, y, shape, name)

    # --- metrics ---------------------------------------------------------------------------------------------

    def build_metrics(self, y_true: Sequence[Any], y_pred: Sequence[Any]) -> None:
        """Make the metrics: what "accuracy" means depends on the shapes of targets and predictions."""
        made: list[list[list[Any]]] = []
        for asked in self._asked:
            made.append([
                [metrics_module.resolve(item, np.shape(y_true[k]), np.shape(y_pred[k])) for item in asked[k]]
                for k in range(len(self.names))
            ])  # fmt: skip
        self.unweighted, self.weighted = made
        self._keys = self._log_keys()

    def _log_keys(self) -> list[str]:
        """The metrics' names in the logs: with the output's name where there are several, each name once."""
        keys: list[str] = []
        for group, prefix in ((self.unweighted or [], ""), (self.weighted, "weighted_")):
            for name, found in zip(self.names, group, strict=True):
                for metric in found:
                    key = metric.name if len(self.names) == 1 else f"{name}_{metric.name}"
                    keys.append(f"{prefix}{key}" if prefix and key in keys else key)
        return keys

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
        self.loss_tracker.update_state(total, batch)
        for tracker, part in zip(self.output_trackers, parts, strict=False):
            tracker.update_state(part, batch)
        if y_true is None:
            return
        if self.unweighted is None:
            self.build_metrics(y_true, y_pred)
        for k, metrics in enumerate(self.unweighted or ()):
            for metric in metrics:
                metrics_module.update(metric, y_true[k], y_pred[k], None, masks[k])
        for k, metrics in enumerate(self.weighted):
            for metric in metrics:
                metrics_module.update(metric, y_true[k], y_pred[k], None if weights is None else weights[k], masks[k])

    @property
    def metrics(self) -> list[Any]:
        """All metrics, the mean loss first."""
        flat = [m for group in ((self.unweighted or []), self.weighted) for found in group for m in found]
        return [self.loss_tracker, *self.output_trackers, *flat]

    def results(self) -> dict[str, float]:
        """The running means by name, the loss first."""
        logs = {"loss": self.loss_tracker.result()}
        logs.update((tracker.name, tracker.result()) for tracker in self.output_trackers)
        flat = [m for group in ((self.unweighted or []), self.weighted) for found in group for m in found]
        for key, metric in zip(self._keys, flat, strict=True):
            result = metric.result()
            if isinstance(result, dict):
                logs.update(result)
            else:
                logs[key] = result
        return {key: float(v) if np.ndim(v) == 0 else v for key, v in logs.items()}

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
    if isinstance(given, dict):
        unknown = [key for key in given if key not in names]
        if unknown:
            raise ValueError(f"{what}: {suggest.unknown('output', unknown[0], names)}")
        return [given.get(name) for name in names]
    if isinstance(given, list | tuple):
        if len(given) != len(names):
            raise ValueError(
                f"{what} is a list of {len(given)}, but the model has {len(names)} outputs ({', '.join(names)}); give one for each."
            )
        return list(given)
    return [given] * len(names) if broadcast else [given, *[None] * (len(names) - 1)]


def _asked_metrics(given: Any, names: Sequence[str], what: str) -> list[list]:
    """The metrics asked for, a list for each output."""
    if given is None:
        return [[] for _ in names]
    if isinstance(given, dict) or (isinstance(given, list | tuple) and len(names) > 1):
        per_output = spread(given, names, what)
        return [list(m) if isinstance(m, list | tuple) else [] if m is None else [m] for m in per_output]
    if not isinstance(given, list | tuple):
        raise ValueError(f"{what} is a list, such as ['accuracy']; got {given!r}.")
    flat = [m for item in given for m in (item if isinstance(item, list | tuple) else [item])]
    return [flat, *[[] for _ in names[1:]]]
