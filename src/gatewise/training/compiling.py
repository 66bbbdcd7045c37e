"""Compiling: what a model is trained for and with, and the running means that tell how it goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.training import optimizers
from gatewise.training.data import check_count
from gatewise.training.objective import Objective
from gatewise.variable import ParameterStore


class Compiled:
    """The part of a model that `compile` sets: optimizer, losses and metrics."""

    name: str
    optimizer: Any = None
    loss: Any = None
    _objective: Objective | None = None
    _compiled_with: dict[str, Any] | None = None
    _store: ParameterStore | None = None

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool | None = False,
        steps_per_execution: int | str | None = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        **legacy: Any,
    ) -> None:
        """Say how to train.

        Args:
            optimizer: name, configuration or `Optimizer`.
            loss: name, function or `Loss`, or a list or dictionary of them for several outputs (None, or no entry, for
                an output without a loss).
            loss_weights: how much each output's loss counts.
            metrics: names, functions or `Metric` objects; without sample weights.  weighted_metrics: with them.
            run_eagerly, auto_scale_loss: True or False; steps_per_execution: a whole number of batches, or "auto";
                jit_compile: True, False or "auto".  They change no result.

        Raises:
            ValueError: for unknown names, with the nearest that exist, and for values that an argument does not take.
        """
        for argument in ("sample_weight_mode", "class_mode", "target_tensors"):
            if legacy.pop(argument, None) is not None and argument == "target_tensors":
                raise TypeError("compile() has no target_tensors: give the targets to fit(x, y).")
        if legacy:
            raise TypeError(f"compile() has no argument {', '.join(map(repr, legacy))}.")
        if not (isinstance(steps_per_execution, str) and steps_per_execution == "auto"):
            check_count(steps_per_execution, "steps_per_execution")
        _check_switch(run_eagerly, "run_eagerly")
        _check_switch(jit_compile, "jit_compile", "auto")
        _check_switch(auto_scale_loss, "auto_scale_loss")
        chosen = optimizers.get(optimizer)
        settings = {
            "optimizer": optimizer, "loss": loss, "loss_weights": loss_weights,
            "metrics": metrics, "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly, "steps_per_execution": steps_per_execution, "jit_compile": jit_compile,
        }  # fmt: skip
        names = self._known_output_names()
        # Everything that can be refused comes before anything is kept: a failed compile leaves the model as it was.
        self._objective = None if names is None else _objective(settings, names)
        self.optimizer, self.loss, self._compiled_with, self._store = chosen, loss, settings, None

    @property
    def compiled(self) -> bool:
        return self._compiled_with is not None

    def _require_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(
                f"Model '{self.name}' must be compiled before {method}(): write "
                "model.compile(optimizer='adam', loss='mse')."
            )

    def _known_output_names(self) -> list[str] | None:
        """The outputs' names; None as long as nobody knows how many there are."""
        names = getattr(self, "output_names", None)
        if names is None and hasattr(self, "_output_tree"):  # a subclassed model that has run
            names = [f"output_{k + 1}" for k, _ in enumerate(tree.leaves(self._output_tree))]  # type: ignore[attr-defined]
        return names

    def _ready_objective(self, n_outputs: int) -> Objective:
        """The objective for a model of so many outputs."""
        objective = self._objective
        if objective is None or len(objective.names) != n_outputs:
            names = self._known_output_names() or [f"output_{k + 1}" for k in range(n_outputs)]
            objective = self._objective = _objective(self._compiled_with or {}, names)
            objective.held = self.held_metrics()  # type: ignore[attr-defined]
        return objective

    @property
    def metrics(self) -> list[Any]:
        """The metrics compiled with, the mean loss first."""
        return self._objective.metrics if self._objective is not None else []

    @property
    def metrics_names(self) -> list[str]:
        """The names of the numbers that `evaluate` returns, in order."""
        return list(self._objective.results()) if self._objective is not None else []

    def reset_metrics(self) -> None:
        """Begin all running means anew."""
        if self._objective is not None:
            self._objective.held = self.held_metrics()  # type: ignore[attr-defined]
            self._objective.reset()

    def get_metrics_result(self) -> dict[str, float]:
        """The running means by name."""
        return self._objective.results() if self._objective is not None else {}

    def _logs(self) -> dict[str, Any]:
        """What is shown and handed to callbacks."""
        return self.get_metrics_result()


def _objective(settings: dict[str, Any], names: Sequence[str]) -> Objective:
    asked = {key: settings.get(key) for key in ("loss", "loss_weights", "metrics", "weighted_metrics")}
    return Objective(**asked, names=names)


def _check_switch(value: Any, argument: str, *others: str) -> None:
    """Raise ValueError unless a value is True, False, None (Keras 2 for "as usual") or one of some words."""
    if not (value is None or isinstance(value, bool | np.bool_) or (isinstance(value, str) and value in others)):
        known = " or ".join(["True", "False", *map(repr, others)])
        raise ValueError(f"{argument} is {known}; got {value!r}.")
