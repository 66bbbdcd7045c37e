"""Muon: steps of matrices with all singular values near 1; Adam for everything else."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.training.optimizers.base import Optimizer
from gatewise.training.optimizers.options import decay_rate, epsilon_of, not_negative, number_between
from gatewise.training.optimizers.state import FlatState
from gatewise.variable import Slot, Variable


class Muon(Optimizer):
    """Momentum whose step, for matrices, is made nearly orthogonal; other variables take AdamW's steps.

    m = momentum m + g; the step of a matrix is rate * rms_rate * sqrt(larger side) * orthogonal(m) (Nesterov:
    orthogonal(g + momentum m)), by `ns_steps` of the iteration X <- a X + (b A + c A A) X, A = X X'.

    Args:
        adam_beta_1, adam_beta_2, epsilon, adam_weight_decay, adam_lr_ratio: of the Adam for variables that are not
            matrices, embeddings (where `exclude_embeddings`), or whose path a pattern of `exclude_layers` is found in.
        muon_a, muon_b, muon_c: a, b and c of the iteration.
        rms_rate: None leaves that factor and the side's out.

    Further arguments are those of `Optimizer`.
    Source: Jordan et al. 2024; Liu et al. 2025 for rms_rate.
    """

    by_variable = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        adam_beta_1: float = 0.9,
        adam_beta_2: float = 0.999,
        adam_weight_decay: float | None = 0.004,
        epsilon: float | None = 1e-7,
        weight_decay: float | None = 0.004,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        exclude_layers: Iterable[str] | None = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1,
        momentum: float = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        **options: Any,
    ) -> None:
        shared = (clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency)
        super().__init__(
            learning_rate, weight_decay, *shared, loss_scale_factor, gradient_accumulation_steps, name, **options
        )
        if isinstance(exclude_layers, str):
            raise ValueError(f"Muon: exclude_layers must be a list of patterns; write [{exclude_layers!r}].")
        if not isinstance(ns_steps, int) or ns_steps < 0:
            raise ValueError(f"Muon: ns_steps must be an integer of 0 or more; got {ns_steps!r}.")
        self.adam_beta_1 = decay_rate("Muon", "adam_beta_1", adam_beta_1)
        self.adam_beta_2 = decay_rate("Muon", "adam_beta_2", adam_beta_2)
        self.epsilon = epsilon_of("Muon", epsilon)
        self.exclude_layers = list(exclude_layers or [])
        self.muon_a, self.muon_b, self.muon_c = muon_a, muon_b, muon_c
        self.adam_lr_ratio = not_negative("Muon", "adam_lr_ratio", adam_lr_ratio)
        self.momentum = number_between("Muon", "momentum", momentum, 0, 1)
        self.ns_steps = ns_steps
        self.nesterov = nesterov
        self.exclude_embeddings = exclude_embeddings
        self.adam_weight_decay = adam_weight_decay
        if adam_weight_decay is not None:
            not_negative("Muon", "adam_weight_decay", adam_weight_decay)
        self.rms_rate = rms_rate

    def add_state(self, state: FlatState) -> None:
        state.add_buffer("momentum")
        state.add_buffer("velocity")
        for slot in state.store.slots:
            state.show("momentum", slot)
            if self._takes_adam(slot.variable):
                state.show("velocity", slot)

    def update_slot(self, slot: Slot, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: FlatState) -> None:
        m, v = (state.buffers[name][slot.start : slot.stop] for name in ("momentum", "velocity"))
        if self._takes_adam(slot.variable):
            beta_1, beta_2 = self.adam_beta_1, self.adam_beta_2
            alpha = rate * self.adam_lr_ratio * math.sqrt(1 - beta_2**step) / (1 - beta_1**step)
            kernels.adam_step(w, g, m, v, alpha, beta_1, beta_2, self.epsilon)
            return
        number = w.dtype.type
        m += g + m * number(self.momentum - 1)
        aim = g + number(self.momentum) * m if self.nesterov else m
        scale = 1.0 if self.rms_rate is None else self.rms_rate * math.sqrt(max(slot.shape))
        w -= number(rate * scale) * self._orthogonal(aim.reshape(slot.shape)).reshape(-1)

    def _orthogonal(self, matrix: np.ndarray) -> np.ndarray:
        """A matrix with the singular vectors of this one, and singular values near 1."""
        number = matrix.dtype.type
        tall = matrix.shape[0] > matrix.shape[1]
        x = np.ascontiguousarray(matrix.T if tall else matrix)
        x = x / number(math.sqrt(kernels.sum_of_squares(x.reshape(-1))) + 1e-7)
        for _ in range(self.ns_steps):
            squared = kernels.matmul(x, x.T)
            mixed = number(self.muon_b) * squared + kernels.matmul(number(self.muon_c) * squared, squared)
            x = number(self.muon_a) * x + kernels.matmul(mixed, x)
        return x.T if tall else x

    def _takes_adam(self, variable: Variable) -> bool:
        if variable.ndim != 2 or (self.exclude_embeddings and "embedding" in variable.path.lower()):
            return True
        return any(re.search(pattern, variable.path) for pattern in self.exclude_layers)

    def _decays_weights(self) -> bool:
        return bool(self.weight_decay or self.adam_weight_decay)

    def _decay_weights(self, state: FlatState, rate: float, slots: Sequence[Slot] | None) -> None:
        for slot in state.decayed:
            amount = self.adam_weight_decay if self._takes_adam(slot.variable) else self.weight_decay
            if amount:
                state.decay_weights(1 - amount * rate, [slot], slots)

    def get_config(self) -> dict[str, Any]:
        names = (
            "adam_beta_1", "adam_beta_2", "epsilon", "exclude_layers", "muon_a", "muon_b", "muon_c", "adam_lr_ratio",
            "momentum", "ns_steps", "nesterov", "exclude_embeddings", "adam_weight_decay", "rms_rate",
        )  # fmt: skip
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
