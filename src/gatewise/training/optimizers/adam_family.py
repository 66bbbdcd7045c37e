"""AdamW, Adamax, Nadam, ScheduleFreeAdamW, Lamb and Lion: Adam's relatives, each by a native kernel."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.training.optimizers.base import Optimizer
from gatewise.training.optimizers.classic import Adam
from gatewise.training.optimizers.options import decay_rate, epsilon_of, not_negative, number_between
from gatewise.training.optimizers.state import FlatState


class AdamW(Adam):
    """Adam whose weights decay apart from the gradients: w -= w * weight_decay * rate before each update.

    Further arguments are those of `Optimizer`.
    Source: Loshchilov & Hutter 2019.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        amsgrad: bool = False,
        *args: Any,
        **options: Any,
    ) -> None:
        if weight_decay is None:
            raise ValueError("AdamW: weight_decay must be a number; got None. Without one, write Adam.")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay, *args, **options)


class _Moments(Optimizer):
    """What these optimizers share: beta_1, beta_2 and epsilon."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, *args, **options)
        owner = type(self).__name__
        self.beta_1 = decay_rate(owner, "beta_1", beta_1)
        self.beta_2 = decay_rate(owner, "beta_2", beta_2)
        self.epsilon = epsilon_of(owner, epsilon)

    def state_groups(self) -> list[list[str]]:
        return [["momentum", "velocity"]]

    def get_config(self) -> dict[str, Any]:
        own = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        return {**super().get_config(), **own}


class Adamax(_Moments):
    """m, the running mean of g, over u, the decaying maximum of |g|: w -= rate / (1 - beta_1^t) m / (u + epsilon).

    Further arguments are those of `Optimizer`.
    Source: Kingma & Ba 2015, section 7.
    """

    def state_groups(self) -> list[list[str]]:
        return [["momentum", "norm"]]

    def update(
        self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray], **first: float
    ) -> None:
        alpha = rate / (1 - self.beta_1**step)
        kernels.adamax_step(
            w, g, state["momentum"], state["norm"], alpha, self.beta_1, self.beta_2, self.epsilon, **first
        )  # fmt: skip


class Nadam(_Moments):
    """Adam that looks ahead as Nesterov's momentum does.

    u_t = beta_1 (1 - 0.96^(t d) / 2) is the momentum of step t, p_t = u_1 ... u_t, with d = `schedule_decay`;
    w -= rate (u_{t+1} m / (1 - p_{t+1}) + (1 - u_t) g / (1 - p_t)) / (sqrt(v / (1 - beta_2^t)) + epsilon).

    Args:
        schedule_decay: d; 1 in Keras 3, 0.004 in Keras 1 and 2.

    Further arguments are those of `Optimizer`.
    Source: Dozat 2016.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-7,
        *args: Any,
        schedule_decay: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, *args, **options)
        self.schedule_decay = not_negative("Nadam", "schedule_decay", schedule_decay)

    def add_state(self, state: FlatState) -> None:
        super().add_state(state)
        state.hold("product", "variable", f"{self._scope}variable", 1.0)

    def begin_update(self, state: FlatState, step: int) -> None:
        state.held["product"].array[...] *= self._momentum_of(step)

    def update(
        self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray], **first: float
    ) -> None:
        now, ahead = self._momentum_of(step), self._momentum_of(step + 1)
        product = float(self._bound().held["product"].array)
        kernels.nadam_step(
            w, g, state["momentum"], state["velocity"], rate * ahead / (1 - product * ahead),
            rate * (1 - now) / (1 - product), 1 - self.beta_2**step, self.beta_1, self.beta_2, self.epsilon, **first
        )  # fmt: skip

    def _momentum_of(self, step: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96 ** (step * self.schedule_decay))

    def get_config(self) -> dict[str, Any]:
        older = {} if self.schedule_decay == 1 else {"schedule_decay": self.schedule_decay}
        return {**super().get_config(), **older}


class ScheduleFreeAdamW(_Moments):
    """AdamW that needs no schedule: gradients are taken between a fast point z and the mean x of its course.

    z -= rate g / (sqrt(v / (1 - beta_2^t)) + epsilon);  x += (z - x) / t;  w = (1 - beta_1) z + beta_1 x.
    x is not kept but found from w and z, and as in Keras (on TensorFlow and torch) from the z of after the step.

    Args:
        warmup_steps: the rate rises from 0 for so many steps.

    Further arguments are those of `Optimizer`.
    Source: Defazio et al. 2024.
    """

    def __init__(
        self,
        learning_rate: Any = 0.0025,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = 1e-8,
        warmup_steps: int = 0,
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, *args, **options)
        number_between("ScheduleFreeAdamW", "beta_1", beta_1, 0, 1, "()")  # the mean is found by dividing by it
        self.warmup_steps = not_negative("ScheduleFreeAdamW", "warmup_steps", warmup_steps)

    def add_state(self, state: FlatState) -> None:
        super().add_state(state)
        state.buffers["momentum"][:] = state.store.values

    def update(
        self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray], **first: float
    ) -> None:
        if self.warmup_steps > 0:
            rate *= min(step / self.warmup_steps, 1.0)
        kernels.schedule_free_adamw_step(
            w, g, state["momentum"], state["velocity"], rate, 1 / step, 1 - self.beta_2**step, self.beta_1,
            self.beta_2, self.epsilon, **first
        )  # fmt: skip

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "warmup_steps": self.warmup_steps}


class Lamb(_Moments):
    """Adam whose step of each variable has the length of its weights: w -= rate |w| / |s| s, with Adam's step s.

    s = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon). Further arguments are those of `Optimizer`.
    Source: You et al. 2020.
    """

    by_variable = True

    def update(self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray]) -> None:
        kernels.lamb_step(
            w, g, state["momentum"], state["velocity"], rate, 1 - self.beta_1**step, 1 - self.beta_2**step,
            self.beta_1, self.beta_2, self.epsilon,
        )  # fmt: skip


class Lion(Optimizer):
    """Steps of one size: w -= rate sign(beta_1 m + (1 - beta_1) g); then m = beta_2 m + (1 - beta_2) g.

    Further arguments are those of `Optimizer`.
    Source: Chen et al. 2023.
    """

    def __init__(
        self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, *args: Any, **options: Any
    ) -> None:
        super().__init__(learning_rate, *args, **options)
        self.beta_1 = number_between("Lion", "beta_1", beta_1, 0, 1, "(")
        self.beta_2 = number_between("Lion", "beta_2", beta_2, 0, 1)

    def state_groups(self) -> list[list[str]]:
        return [["momentum"]]

    def update(
        self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray], **first: float
    ) -> None:
        kernels.lion_step(w, g, state["momentum"], rate, self.beta_1, self.beta_2, **first)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "beta_1": self.beta_1, "beta_2": self.beta_2}
