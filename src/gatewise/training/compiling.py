"""Compiling: what a model is trained for and with, and the running means that tell how it goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatewise import tree
from gatewise.training import optimizers
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
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
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
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: accepted; they change no result.

        Raises:
            ValueError: for unknown names, with the nearest that exist.
        """
        for argument in ("sample_weight_mode", "class_mode", "target_tensors"):
            if legacy.pop(argument, None) is not None and argument == "target_tensors":
                raise TypeError("compile() has no target_tensors: give the targets to fit(x, y).")
        if legacy:
            raise TypeError(f"compile() has no argument {', '.join(map(repr, legacy))}.")
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
