"""The base of all optimizers: everything but the formula of the update.

Parameters lie in one flat buffer (`gatewise.variable.ParameterStore`), and so does every state of an optimizer; a
step is a handful of passes over flat memory, usually one.  The order is Keras's: unscale the gradients, accumulate,
clip, decay the weights, update, average, overwrite by the average, constrain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gatewise import config
from gatewise.training.optimizers import gradients as clipping
from gatewise.training.optimizers.holding import HoldsVariables
from gatewise.training.optimizers.options import check_options, takes_keywords, unknown_argument
from gatewise.training.optimizers.rate import Rate
from gatewise.training.optimizers.state import FlatState, Known, store_of
from gatewise.variable import ParameterStore, Slot, Variable


class Optimizer(HoldsVariables):
    """Base class of optimizers.

    A built-in one defines `state_groups`, the names of its states, and `update`, the formula over flat arrays.  A
    user's may define `build(variables)` and `update_step(gradient, variable, learning_rate)` instead, as in Keras.

    Args:
        learning_rate: a number, a schedule, or a callable of no argument or of the step.
        weight_decay: before each update, w -= w * weight_decay * learning_rate.
        clipnorm, global_clipnorm, clipvalue: limit of the norm of each variable's gradient, of all together, or of
            each element; at most one of them.
        use_ema: keep an exponential moving average of the weights, with `ema_momentum`; it overwrites the weights
            every `ema_overwrite_frequency` steps and at the end of training.
        loss_scale_factor: what `scale_loss` multiplies by and a step divides by.
        gradient_accumulation_steps: update once in so many steps, by the mean of their gradients.
        name: default the class's name in snake case.
        lr, decay: Keras 1 and 2: the learning rate; and rate / (1 + decay * step).
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        *,
        lr: Any = None,
        decay: float | None = None,
        **unknown: Any,
    ) -> None:
        owner = type(self).__name__
        if unknown:
            raise unknown_argument(type(self), next(iter(unknown)))
        self.name = name or config.unique_name(config.snake_case(owner))
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        check_options(self)
        self._iterations = Variable(
            np.zeros((), np.int64), trainable=False, name="iteration", path=f"{self.name}/iteration"
        )
        self._rate = Rate(owner, self.name, learning_rate if lr is None else lr, float(decay or 0.0))
        self._state: FlatState | None = None
        self._own_variables: list[Variable] = []
        self._undecayed: tuple[set[int], re.Pattern[str] | None] = (set(), None)
        self._parked: Known = {}
        self._scope = f"{self.name}/"

    # --- what a subclass defines -------------------------------------------------------------------------

    initial_state = 0.0
    by_variable = False
    """Whether the formula looks at whole variables (their norms, say), so that each needs a call of its own."""

    def state_groups(self) -> list[list[str]]:
        """Names of the states; those of one group are listed variable by variable, group after group."""
        return []

    def add_state(self, state: FlatState) -> None:
        """Add the states of all variables, in Keras's order."""
        for names in self.state_groups():
            state.add(names, self.initial_state)

    def begin_update(self, state: FlatState, step: int) -> None:
        """What comes once before all updates of a step."""

    def keeps_padding(self) -> bool:
        """Whether an update turns weights, gradients and states of zero, as between two slots, into zero."""
        return getattr(self, "epsilon", 1.0) != 0

    def update(
        self, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: dict[str, np.ndarray], **first: float
    ) -> None:
        """Change w in place.

        Args:
            w, g: flat arrays of weights and gradients.
            rate: the learning rate.
            step: the number of this update, from 1.
            state: the flat states by name, to be changed too.
            first: `scale`, `limit`, `keep`, for the kernel: what it does to g and w on the way in.  A formula that does
                not take them finds gradients clipped and weights decayed.
        """
        raise TypeError(
            f"{type(self).__name__} has no formula: give it update_step(gradient, variable, learning_rate)."
        )

    def update_slot(
        self, slot: Slot, w: np.ndarray, g: np.ndarray, rate: float, step: int, state: FlatState, **first: float
    ) -> None:
        """`update` for one variable: w and g are its parts of the flat arrays."""
        self.update(w, g, rate, step, state.part(slot), **first)

    def update_step(self, gradient: Any, variable: Variable, learning_rate: float) -> None:
        """A user's formula for one variable: changes it with `assign`, `assign_add` or `assign_sub`."""
        raise TypeError(
            f"{type(self).__name__} has no formula: give it update_step(gradient, variable, learning_rate)."
        )

    # --- building ----------------------------------------------------------------------------------------

    @property
    def built(self) -> bool:
        return self._state is not None

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the state for these variables, which move into one buffer if they are not in one already."""
        variables = list(variables)
        if self._state is None or self._state.store.variables != variables:
            if self._state is None:
                self._scope = ""  # as in Keras, where only a step puts all state below the optimizer's name
            self._bind(store_of(variables))

    def _known_store(self) -> ParameterStore | None:
        """The store that the optimizer is bound to."""
        return None if self._state is None else self._state.store

    def _default_variables(self) -> list[Variable]:
        """The variables that a list of gradients alone belongs to."""
        store = self._known_store()
        return [] if store is None else store.variables

    def arranged(self, variables: Sequence[Variable]) -> list[Variable]:
        """The variables in the order in which their store is to hold them."""
        return list(variables)

    def bind(self, store: ParameterStore) -> None:
        """Work on the parameters of `store`.  The state of variables known from an earlier one is kept."""
        if self._state is None and type(self).build is not Optimizer.build:
            self.build(store.variables)  # a user's, who looks at `built` before anything else
        if self._state is None or self._state.store is not store:
            self._bind(store)

    def _bind(self, store: ParameterStore) -> None:
        if self._state is not None:
            self._parked.update(self._state.known())  # what belongs to weights that are frozen for a while too
        state = FlatState(store, self.name, self._decays)
        if self.use_ema:
            state.add(["average"])
        if self.gradient_accumulation_steps:
            state.add(["gradient_accumulator"])
        self.add_state(state)
        state.adopt(self._parked)
        self._state = state
        self._rate.hold_in(store.dtype)
        by_kernel = type(self).update_step is Optimizer.update_step and not self.by_variable
        self._takes_first = by_kernel and takes_keywords(type(self).update)
        self._plain = not (
            self._decays_weights() or self.clipnorm or self.clipvalue or self.global_clipnorm or self.use_ema
            or self.loss_scale_factor or self.gradient_accumulation_steps or state.constrained
        )  # fmt: skip

    # --- the step ----------------------------------------------------------------------------------------

    def step(self, params: np.ndarray, grads: np.ndarray, slots: Sequence[Slot] | None = None) -> None:
        """One step over flat buffers, those of the store that the optimizer is bound to.

        Args:
            params: the weights, changed in place.
            grads: their gradients, which may be scaled and clipped in place.
            slots: those that have a gradient; None for all.
        """
        state = self._bound()
        count = int(self._iterations.array)
        if self._plain:
            self._update(state, params, grads, count, slots)
        else:
            self._careful_step(state, params, grads, count, slots)
        self._iterations.array[...] = count + 1
        state.clock.tick()
        state.store.touch()

    def _bound(self) -> FlatState:
        if self._state is None:
            raise ValueError(
                f"{type(self).__name__} has no variables yet: bind(store) or build(variables) comes first."
            )
        return self._state

    def _careful_step(
        self, state: FlatState, params: np.ndarray, grads: np.ndarray, count: int, slots: Sequence[Slot] | None
    ) -> None:
        """A step with everything that is optional, in order."""
        if self.loss_scale_factor:
            grads /= self.loss_scale_factor
        every = self.gradient_accumulation_steps or 1
        if every > 1:
            state.buffers["gradient_accumulator"] += grads
        if (count + 1) % every == 0:
            if every > 1:
                np.divide(state.buffers["gradient_accumulator"], every, out=grads)
                state.buffers["gradient_accumulator"][:] = 0
            self._update(state, params, grads, count, slots, **self._prepare(state, grads, count, slots))
        if self.use_ema:
            updates, frequency = count // every, self.ema_overwrite_frequency
            overwrite = frequency is not None and frequency > 0 and (updates + 1) % frequency == 0
            state.average(self.ema_momentum if updates else 0.0, overwrite)
        state.constrain(slots)

    def _decays_weights(self) -> bool:
        return bool(self.weight_decay)

    def _decay_weights(self, state: FlatState, rate: float, slots: Sequence[Slot] | None) -> None:
        if self.weight_decay:
            state.decay_weights(1 - self.weight_decay * rate, state.decayed, slots)

    def _prepare(
        self, state: FlatState, grads: np.ndarray, count: int, slots: Sequence[Slot] | None
    ) -> dict[str, float]:
        """Clip the gradients and decay the weights, or return what has the formula's own pass do so."""
        first: dict[str, float] = {}
        if self.clipnorm:
            clipping.clip_each_norm(grads, state.store.slots if slots is None else slots, self.clipnorm)
        elif self.global_clipnorm:
            first["scale"] = clipping.scale_to_global_norm(grads, self.global_clipnorm)
        elif self.clipvalue:
            first["limit"] = self.clipvalue
        rate = self._rate.current(count)
        if self._takes_first and self.weight_decay and len(state.decayed) == len(state.store.slots):
            first["keep"] = 1 - self.weight_decay * rate
        else:
            self._decay_weights(state, rate, slots)
        if self._takes_first:
            return first
        if first:
            clipping.prepare(grads, **first)
        return {}

    def _update(
        self, state: FlatState, params: np.ndarray, grads: np.ndarray, count: int, slots: Sequence[Slot] | None,
        **first: float,
    ) -> None:  # fmt: skip
        rate, number = self._rate.current(count), count // (self.gradient_accumulation_steps or 1) + 1
        users = type(self).update_step is not Optimizer.update_step
        self.begin_update(state, number)
        if slots is None and not users and not self.by_variable and self.keeps_padding():
            self.update(params, grads, rate, number, state.buffers, **first)
            return
        for slot in state.store.slots if slots is None else slots:
            part = slice(slot.start, slot.stop)
            if users:
                self.update_step(grads[part].reshape(slot.shape), slot.variable, rate)
            else:
                self.update_slot(slot, params[part], grads[part], rate, number, state, **first)

    def apply(self, grads: Any, trainable_variables: Iterable[Variable] | None = None) -> None:
        """Change variables by their gradients.

        Args:
            grads: {variable: gradient}, or a list in the order of the variables (None: leave that variable alone).
            trainable_variables: for a list, and the first step, the variables; default those of the first step.

        Raises:
            ValueError: no gradients at all, an unknown variable, or a gradient of the wrong shape.
        """
        grads, trainable_variables = clipping.in_order(type(self).__name__, grads, trainable_variables)
        if not grads:
            return
        store = self._known_store()
        if trainable_variables is None and store is None:
            raise ValueError(f"{type(self).__name__}.apply(grads) needs the variables: apply(grads, variables).")
        variables = self._default_variables() if trainable_variables is None else list(trainable_variables)
        if store is None:
            store = store_of(self.arranged(variables))
            self.bind(store)
        if not store.owns_all():
            store.take_in()
        slots = clipping.write_gradients(type(self).__name__, store, grads, variables)
        self.step(store.values, store.gradients, slots)

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """`apply` for pairs of gradient and variable; returns the step counter."""
        self.apply(*clipping.from_pairs(type(self).__name__, grads_and_vars))
        return self._iterations

    def finalize_variable_values(self, var_list: Iterable[Variable] | None = None) -> None:
        """At the end of training the weights become their moving average, where one is kept."""
        if self.use_ema and self._state is not None:
            self._state.store.values[:] = self._state.buffers["average"]
            self._state.store.touch()

    def scale_loss(self, loss: Any) -> Any:
        """The loss as it is to be differentiated."""
        return loss * self.loss_scale_factor if self.loss_scale_factor else loss

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leave variables out of the weight decay: those listed, and those whose name contains one of the strings.

        Raises:
            ValueError: if the optimizer is built already.
        """
        if self.built:
            raise ValueError("exclude_from_weight_decay() comes before the optimizer is built, so before fit.")
        names = list(var_names or [])
        self._undecayed = ({id(v) for v in var_list or []}, re.compile("|".join(names)) if names else None)

    def _decays(self, variable: Variable) -> bool:
        listed, pattern = self._undecayed
        return id(variable) not in listed and not (pattern is not None and pattern.search(variable.name))

    # --- learning rate, variables, configuration ---------------------------------------------------------

    @property
    def iterations(self) -> Any:
        """How many updates were made: a variable; with gradient accumulation a number."""
        every = self.gradient_accumulation_steps
        return int(self._iterations.array) // every if every else self._iterations

    @property
    def learning_rate(self) -> Any:
        """The current rate: a variable, to be assigned to; a number where a schedule or callable gives it."""
        variable = self._rate.variable
        return self._rate.current(int(self._iterations.array)) if variable is None else variable

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        self._rate.set(value)

    lr = learning_rate

    @property
    def variables(self) -> list[Variable]:
        """Step counter, learning rate (where it is a number), then the state, in Keras's order."""
        rate = [] if self._rate.variable is None else [self._rate.variable]
        state = [] if self._state is None else self._state.variables
        return [self._iterations, *rate, *state, *self._own_variables]

    weights = variables

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor, the learning rate as it is now."""
        return {
            "name": self.name,
            "learning_rate": self._rate.get_config(),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            **({"decay": self._rate.decay} if self._rate.decay else {}),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """An optimizer from its arguments, those that Keras 1 and 2 wrote included."""
        return cls(**{key: value for key, value in config.items() if key not in _WITHOUT_MEANING})


_WITHOUT_MEANING = ("is_legacy_optimizer", "jit_compile")
"""Arguments in configurations of TensorFlow's Keras 2 that change no result."""
