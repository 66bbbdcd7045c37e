"""LossScaleOptimizer: the loss multiplied by a factor that follows the size of the gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.serialization import deserialize_object, serialize_object
from gatewise.training.optimizers.base import Optimizer
from gatewise.training.optimizers.options import number_between
from gatewise.variable import ParameterStore, Slot, Variable

_OF_THE_INNER: dict[str, Any] = {
    "weight_decay": None, "clipnorm": None, "global_clipnorm": None, "clipvalue": None, "use_ema": False,
    "ema_momentum": 0.99, "ema_overwrite_frequency": None, "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}  # fmt: skip
"""Options that older configurations hold with these values; another is for the inner optimizer."""


class LossScaleOptimizer(Optimizer):
    """Scales the loss for another optimizer, and skips steps whose gradients are not finite.

    The loss is multiplied by the scale, the gradients divided by it.  A step with NaN or infinity in a gradient
    changes no weight and halves the scale; after `dynamic_growth_steps` finite steps in a row the scale doubles.
    For a scale that never changes give the inner optimizer a `loss_scale_factor`.

    Args:
        inner_optimizer: what makes the steps.
        initial_scale: the first scale.
        dynamic_growth_steps: how many finite steps in a row double it.

    In a loop of one's own the scale goes in by hand: `pullback(optimizer.scale_loss(1.0))` of `loss_and_pullback`.
    """

    def __init__(
        self,
        inner_optimizer: Any,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        name: str | None = None,
        **options: Any,
    ) -> None:
        if not isinstance(inner_optimizer, Optimizer) or isinstance(inner_optimizer, LossScaleOptimizer):
            raise ValueError(
                "LossScaleOptimizer: inner_optimizer must be another optimizer, such as optimizers.Adam(); got "
                f"{type(inner_optimizer).__name__}."
            )
        if not options.pop("dynamic", True):
            raise ValueError(
                "LossScaleOptimizer always adapts its scale; instead of dynamic=False give the inner optimizer a "
                "loss_scale_factor."
            )
        for option, default in _OF_THE_INNER.items():
            if options.pop(option, default) != default:
                raise ValueError(f"LossScaleOptimizer has no {option}: give it to the inner optimizer.")
        if options:
            raise TypeError(f"LossScaleOptimizer has no {next(iter(options))}: give it to the inner optimizer.")
        if isinstance(dynamic_growth_steps, bool) or not isinstance(dynamic_growth_steps, int | np.integer):
            raise ValueError(f"LossScaleOptimizer: dynamic_growth_steps is an integer; got {dynamic_growth_steps!r}.")
        number_between("LossScaleOptimizer", "dynamic_growth_steps", dynamic_growth_steps, 1, math.inf)
        number_between("LossScaleOptimizer", "initial_scale", initial_scale, 0, math.inf, "()")
        super().__init__(0.0, name=name)
        self.inner_optimizer = inner_optimizer
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        inner_optimizer.loss_scale_factor = None  # or the gradients would be divided twice

    @property
    def loss_scale_factor(self) -> float | None:
        """The scale as it is now."""
        scale = self.__dict__.get("dynamic_scale")
        return self.__dict__.get("initial_scale") if scale is None else float(scale.array)

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        if value is not None:
            raise ValueError("LossScaleOptimizer finds its scale itself; it begins with initial_scale.")

    @property
    def built(self) -> bool:
        return self.inner_optimizer.built and "dynamic_scale" in self.__dict__

    def _known_store(self) -> ParameterStore | None:
        return self.inner_optimizer._known_store() if self.built else None

    def _default_variables(self) -> list[Variable]:
        return self.inner_optimizer._default_variables()

    def arranged(self, variables: Sequence[Variable]) -> list[Variable]:
        return self.inner_optimizer.arranged(variables)

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the state for these variables, the inner optimizer's included."""
        self._make_scale()
        self.inner_optimizer.build(variables)

    def bind(self, store: ParameterStore) -> None:
        """Have the inner optimizer work on the parameters of `store`."""
        self._make_scale()
        self.inner_optimizer.bind(store)

    def _make_scale(self) -> None:
        if "dynamic_scale" not in self.__dict__:
            self.step_counter = self.add_variable((), "zeros", "int64", "step_counter")
            self.dynamic_scale = self.add_variable((), "ones", "float32", "dynamic_scale")
            self.dynamic_scale.assign(self.initial_scale)

    def step(self, params: np.ndarray, grads: np.ndarray, slots: Sequence[Slot] | None = None) -> None:
        """The inner optimizer's step on gradients divided by the scale, unless one of them is not finite."""
        scale, counter = self.dynamic_scale.array, self.step_counter.array
        # The sum of squares is the quick answer; it overflows where numbers of float64 are huge.
        if not (math.isfinite(kernels.sum_of_squares(grads)) or np.isfinite(grads).all()):
            scale[...] *= 0.5
            counter[...] = 0
            return
        grads /= grads.dtype.type(scale)
        self.inner_optimizer.step(params, grads, slots)
        if counter == self.dynamic_growth_steps - 1:
            scale[...] *= 2
            counter[...] = 0
        else:
            counter[...] += 1

    def finalize_variable_values(self, var_list: Iterable[Variable] | None = None) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    @property
    def iterations(self) -> Any:
        """How many steps the inner optimizer made: skipped ones do not count."""
        return self.inner_optimizer.iterations

    @property
    def learning_rate(self) -> Any:
        """The inner optimizer's."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self.inner_optimizer.learning_rate = value

    lr = learning_rate

    @property
    def variables(self) -> list[Variable]:
        """The own ones, then the inner optimizer's."""
        return [*super().variables, *self.inner_optimizer.variables]

    weights = variables

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "inner_optimizer": serialize_object(self.inner_optimizer),
            "initial_scale": self.initial_scale,
            "dynamic_growth_steps": self.dynamic_growth_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        inner = deserialize_object(config["inner_optimizer"], custom_objects=custom_objects, kind="optimizer")
        return cls(**{**config, "inner_optimizer": inner})
