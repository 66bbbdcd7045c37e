"""SGD, RMSprop and Adam: each one class here and one pass of a native kernel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.training.optimizers.base import Optimizer
from gatewise.training.optimizers.options import decay_rate, epsilon_of, number_between


class SGD(Optimizer):
    """Gradient descent, with momentum m: m = momentum m - rate g; w += m (Nesterov: w += momentum m - rate g).

    Further arguments are those of `Optimizer`.
    Source: Polyak 1964; Sutskever et al. 2013.
    """

    def __init__(
        self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, *args: Any, **options: Any
    ) -> None:
        super().__init__(learning_rate, *args, **options)
        self.momentum = number_between("SGD", "momentum", momentum, 0, 1)
        self.nesterov = nesterov

    def state_groups(self) -> list[list[str]]:
        return [["momentum"]] if self.momentum else []

    def update(
        self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray], **first: float
    ) -> None:
        kernels.sgd_step(w, g, rate, self.momentum, state.get("momentum"), self.nesterov, **first)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}


class RMSprop(Optimizer):
    """v = rho v + (1 - rho) g^2; w -= rate g / sqrt(v + epsilon); with momentum, m = momentum m + that, w -= m.

    `centered` subtracts the squared mean of g from v.  Further arguments are those of `Optimizer`.
    Source: Tieleman & Hinton 2012.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float | None = 1e-7,
        centered: bool = False,
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **options)
        self.rho = number_between("RMSprop", "rho", rho, 0, 1)
        self.momentum = number_between("RMSprop", "momentum", momentum, 0, 1)
        self.epsilon = epsilon_of("RMSprop", epsilon)
        self.centered = centered

    def state_groups(self) -> list[list[str]]:
        momentum = [["momentum"]] if self.momentum > 0 else []
        return [["velocity"], *momentum, *([["average_gradient"]] if self.centered else [])]

    def update(
        self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray], **first: float
    ) -> None:
        kernels.rmsprop_step(
            w, g, state["velocity"], rate, self.rho, self.epsilon, self.momentum,
            state.get("momentum"), state.get("average_gradient"), **first
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        own = {"rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon, "centered": self.centered}
        return {**super().get_config(), **own}


class Adam(Optimizer):
    """m and v, running means of g and g^2; w -= alpha m / (sqrt(v) + epsilon).

    alpha = rate sqrt(1 - beta_2^t) / (1 - beta_1^t) makes up for both starting at 0.  `amsgrad` uses the largest v
    so far.  Further arguments are those of `Optimizer`.
    Source: Kingma & Ba 2015; Reddi et al. 2018.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **options)
        owner = type(self).__name__
        self.beta_1 = decay_rate(owner, "beta_1", beta_1)
        self.beta_2 = decay_rate(owner, "beta_2", beta_2)
        self.epsilon = epsilon_of(owner, epsilon)
        self.amsgrad = amsgrad

    def state_groups(self) -> list[list[str]]:
        return [["momentum", "velocity"], *([["velocity_hat"]] if self.amsgrad else [])]

    def update(
        self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray], **first: float
    ) -> None:
        alpha = rate * math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        kernels.adam_step(
            w, g, state["momentum"], state["velocity"], alpha, self.beta_1, self.beta_2, self.epsilon,
            state.get("velocity_hat"), **first
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon, "amsgrad": self.amsgrad}
        return {**super().get_config(), **own}
