"""Adagrad, Adadelta, Ftrl and Adafactor: rates by element, from sums and means of squared gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.training.optimizers.base import Optimizer
from gatewise.training.optimizers.options import epsilon_of, not_negative, number_between
from gatewise.training.optimizers.state import FlatState
from gatewise.variable import Slot


class Adagrad(Optimizer):
    """w -= rate g / sqrt(s + epsilon), with s the sum of all g^2, from `initial_accumulator_value` on.

    Further arguments are those of `Optimizer`.
    Source: Duchi, Hazan & Singer 2011.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float | None = 1e-7,
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **options)
        self.initial_accumulator_value = not_negative("Adagrad", "initial_accumulator_value", initial_accumulator_value)
        self.epsilon = epsilon_of("Adagrad", epsilon)

    def add_state(self, state: FlatState) -> None:
        state.add(["accumulator"], self.initial_accumulator_value)

    def update(
        self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray], **first: float
    ) -> None:
        kernels.adagrad_step(w, g, state["accumulator"], rate, self.epsilon, **first)

    def get_config(self) -> dict[str, Any]:
        own = {"initial_accumulator_value": self.initial_accumulator_value, "epsilon": self.epsilon}
        return {**super().get_config(), **own}


class Adadelta(Optimizer):
    """w -= rate s, s = g sqrt(d + epsilon) / sqrt(a + epsilon), with a and d the running means of g^2 and s^2.

    Further arguments are those of `Optimizer`.
    Source: Zeiler 2012.
    """

    def __init__(
        self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float | None = 1e-7, *args: Any, **options: Any
    ) -> None:
        super().__init__(learning_rate, *args, **options)
        self.rho = number_between("Adadelta", "rho", rho, 0, 1)
        self.epsilon = epsilon_of("Adadelta", epsilon)

    def state_groups(self) -> list[list[str]]:
        return [["accumulated_grad", "accumulated_delta_var"]]

    def update(
        self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray], **first: float
    ) -> None:
        kernels.adadelta_step(
            w, g, state["accumulated_grad"], state["accumulated_delta_var"], rate, self.rho, self.epsilon, **first
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rho": self.rho, "epsilon": self.epsilon}


class Ftrl(Optimizer):
    """Follow the regularized leader: weights that solve the penalized problem of all gradients so far.

    n, from `initial_accumulator_value` on, sums g^2; s = n^(-learning_rate_power);
    z += g + 2 l2_shrinkage w - (s_after - s_before) / rate w;
    w = (clip(z, -l1, l1) - z) / (s / rate + 2 (l2 + beta / (2 rate))).  At a rate of 0 nothing changes.

    Further arguments are those of `Optimizer`.
    Source: McMahan et al. 2013.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **options)
        if not isinstance(learning_rate_power, float | int) or not learning_rate_power <= 0:
            raise ValueError(f"Ftrl: learning_rate_power must be a number of 0 or less; got {learning_rate_power!r}.")
        self.learning_rate_power = learning_rate_power
        self.initial_accumulator_value = not_negative("Ftrl", "initial_accumulator_value", initial_accumulator_value)
        self.l1_regularization_strength = not_negative("Ftrl", "l1_regularization_strength", l1_regularization_strength)
        self.l2_regularization_strength = not_negative("Ftrl", "l2_regularization_strength", l2_regularization_strength)
        self.l2_shrinkage_regularization_strength = not_negative(
            "Ftrl", "l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength
        )
        self.beta = not_negative("Ftrl", "beta", beta)

    def add_state(self, state: FlatState) -> None:
        state.add(["accumulator", "linear"])
        state.buffers["accumulator"][:] = self.initial_accumulator_value

    def keeps_padding(self) -> bool:
        return self.initial_accumulator_value > 0

    def update(
        self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray], **first: float
    ) -> None:
        if rate == 0:
            return
        kernels.ftrl_step(
            w, g, state["accumulator"], state["linear"], rate, self.learning_rate_power,
            self.l1_regularization_strength, self.l2_regularization_strength + self.beta / (2 * rate),
            self.l2_shrinkage_regularization_strength, **first
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }


class Adafactor(Optimizer):
    """Rates by element that for a matrix come from its rows and its columns alone; nothing like momentum is kept.

    With v the running mean of g^2 (for a matrix: the product of its rows' and its columns' means) and s = g / sqrt(v),
    w -= rho max(epsilon_2, rms(w)) s / max(1, rms(s) / clip_threshold), rho = min(rate, 1 / sqrt(t)).

    Args:
        beta_2_decay: the means keep 1 - t^beta_2_decay of what they were.
        epsilon_1: is added to g^2.  epsilon_2: the least size that weights are taken to have.
        clip_threshold: what the root mean square of a step may be.
        relative_step: kept for the configuration: Keras limits the rate by 1 / sqrt(t) in any case.

    Further arguments are those of `Optimizer`.
    Source: Shazeer & Stern 2018.
    """

    by_variable = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **options)
        if not isinstance(beta_2_decay, float | int) or not beta_2_decay <= 0:
            raise ValueError(f"Adafactor: beta_2_decay must be a number of 0 or less; got {beta_2_decay!r}.")
        self.beta_2_decay = beta_2_decay
        self.epsilon_1 = not_negative("Adafactor", "epsilon_1", epsilon_1)
        self.epsilon_2 = not_negative("Adafactor", "epsilon_2", epsilon_2)
        self.clip_threshold = number_between("Adafactor", "clip_threshold", clip_threshold, 0, math.inf, "(")
        self.relative_step = relative_step

    def add_state(self, state: FlatState) -> None:
        state.add_buffer("velocity")
        for slot in state.store.slots:
            name, shape = slot.variable.name, slot.shape
            if len(shape) >= 2:
                rows, columns, path = shape[:-1], (*shape[:-2], shape[-1]), f"{self.name}/{name}"
                state.hold(("rows", slot.variable), name, path, np.zeros(rows))
                state.hold(("columns", slot.variable), name, path, np.zeros(columns))
            else:  # Keras keeps two integers there that are never used
                for key in ("rows", "columns"):
                    state.hold((key, slot.variable), name, f"{self._scope}{name}", np.int32(0))
            state.show("velocity", slot)

    def update_slot(self, slot: Slot, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: FlatState) -> None:
        r = c = None
        if len(slot.shape) >= 2:
            r, c = (state.held[axis, slot.variable].array.reshape(-1) for axis in ("rows", "columns"))
        v, rho = state.buffers["velocity"][slot.start : slot.stop], min(rate, 1 / math.sqrt(step))
        decay = 1 - step**self.beta_2_decay
        kernels.adafactor_step(w, g, v, r, c, rho, decay, self.epsilon_1, self.epsilon_2, self.clip_threshold)

    def get_config(self) -> dict[str, Any]:
        names = ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
