"""MultiOptimizer: an optimizer for each part of a model."""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from gatewise import arguments
from gatewise.serialization import deserialize_object, serialize_object
from gatewise.training.optimizers.base import Optimizer
from gatewise.training.optimizers.loss_scale import LossScaleOptimizer
from gatewise.training.optimizers.state import store_of
from gatewise.variable import ParameterStore, Slot, Variable


class OptimizerMap(MutableMapping):
    """Which optimizer a variable has, by its path.

    A path in the map counts first; else the keys are patterns (regular expressions) of whole paths, "encoder/.*" for
    all that lies in a layer "encoder"; a path that fits none has the default.

    Args:
        default_optimizer: for all other variables.
        optimizer_map: {path or pattern: optimizer}.
    """

    def __init__(self, default_optimizer: Any, optimizer_map: dict[str, Any] | None = None) -> None:
        if not isinstance(default_optimizer, Optimizer):
            raise TypeError(
                "OptimizerMap: default_optimizer must be an optimizer, such as optimizers.SGD(); got "
                f"{arguments.describe(default_optimizer)}."
            )
        if optimizer_map is not None and not isinstance(optimizer_map, dict):
            raise TypeError(
                "OptimizerMap: optimizer_map must be a dictionary {pattern of paths: optimizer}; got "
                f"{arguments.describe(optimizer_map)}."
            )
        self.default_optimizer = default_optimizer
        self._optimizers: dict[str, Any] = {}
        for key, optimizer in (optimizer_map or {}).items():
            self[key] = optimizer

    def __getitem__(self, key: str) -> Any:
        if key in self._optimizers:
            return self._optimizers[key]
        fitting = [pattern for pattern in self._optimizers if re.fullmatch(pattern, key)]
        if len(fitting) > 1:
            raise ValueError(
                f"The variable {key!r} fits several patterns of the OptimizerMap: {fitting}. Write them so that only "
                "one fits, or give the path itself."
            )
        return self._optimizers[fitting[0]] if fitting else self.default_optimizer

    def __setitem__(self, key: str, optimizer: Any) -> None:
        if not isinstance(key, str):
            raise ValueError(f"OptimizerMap: a key is a path or a pattern of paths; got {arguments.describe(key)}.")
        if key in self._optimizers:
            raise ValueError(f"OptimizerMap: {key!r} has an optimizer already; delete it first.")
        _require_single(optimizer, repr(key))
        try:
            re.compile(key)
        except re.error as error:
            raise ValueError(f"OptimizerMap: {key!r} is no regular expression: {error}.") from None
        self._optimizers[key] = optimizer

    def __delitem__(self, key: str) -> None:
        del self._optimizers[key]

    def __len__(self) -> int:
        return len(self._optimizers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._optimizers)

    def __call__(self, variable: Variable) -> Any:
        """The optimizer of a variable."""
        return self[variable.path]

    def get_config(self) -> dict[str, Any]:
        """The default and the map."""
        return {
            "default_optimizer": serialize_object(self.default_optimizer),
            "optimizer_map": {key: serialize_object(value) for key, value in self._optimizers.items()},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        def made(value: Any) -> Any:
            return deserialize_object(value, custom_objects=custom_objects, kind="optimizer")

        by_key = {key: made(value) for key, value in config["optimizer_map"].items()}
        return cls(made(config["default_optimizer"]), by_key)


class MultiOptimizer(Optimizer):
    """Hands each variable to an optimizer of its own.

    The variables of each optimizer lie side by side in the model's buffer, so that each step is still one pass over it.

    Args:
        optimizer_map: an `OptimizerMap`, or a function of a variable that returns an optimizer.
        loss_scale_factor: that of all the optimizers, whatever they were given.

    Attributes:
        optimizers: the optimizers; each has a learning rate of its own.
    """

    def __init__(self, optimizer_map: Any, loss_scale_factor: float | None = None, name: str | None = None) -> None:
        if not callable(optimizer_map):
            raise TypeError(
                "MultiOptimizer takes an OptimizerMap, MultiOptimizer(OptimizerMap(SGD(), {'encoder/.*': Adam()})), or "
                f"a function of a variable that returns an optimizer; got {arguments.describe(optimizer_map)}."
            )
        self.optimizers: list[Any] = []
        self.optimizer_map: Callable[[Variable], Any] = optimizer_map
        super().__init__(0.0, loss_scale_factor=loss_scale_factor, name=name)
        if isinstance(optimizer_map, OptimizerMap):
            for optimizer in (*optimizer_map.values(), optimizer_map.default_optimizer):
                self._place_of(optimizer)
        self._store: ParameterStore | None = None
        self._variables: list[Variable] = []
        self._chosen: dict[Variable, int] = {}
        self._parts: list[tuple[Any, StorePart]] = []

    def _place_of(self, optimizer: Any) -> int:
        place = next((k for k, known in enumerate(self.optimizers) if known is optimizer), None)
        if place is None:
            optimizer.loss_scale_factor = self.loss_scale_factor
            self.optimizers.append(optimizer)
            place = len(self.optimizers) - 1
        return place

    @property
    def loss_scale_factor(self) -> float | None:
        """What the loss is multiplied by, for all the optimizers."""
        return self._scale

    @loss_scale_factor.setter
    def loss_scale_factor(self, value: float | None) -> None:
        self._scale = value
        for optimizer in self.optimizers:
            optimizer.loss_scale_factor = value

    @property
    def built(self) -> bool:
        return self._store is not None

    def _known_store(self) -> ParameterStore | None:
        return self._store

    def _optimizer_of(self, variable: Variable) -> int:
        """The place of the variable's optimizer; asked for once, since a function may make a new one each time."""
        if variable not in self._chosen:
            optimizer = self.optimizer_map(variable)
            _require_single(optimizer, f"variable {variable.path!r}")
            self._chosen[variable] = self._place_of(optimizer)
        return self._chosen[variable]

    def arranged(self, variables: Sequence[Variable]) -> list[Variable]:
        """The variables of the first optimizer, then those of the second, and so on."""
        self._variables = list(variables)
        return sorted(self._variables, key=self._optimizer_of)

    def build(self, variables: Iterable[Variable]) -> None:
        """Make the state of all the optimizers for these variables."""
        variables = list(variables)
        if self._store is None or self._variables != variables:
            self.bind(store_of(self.arranged(variables)))

    def bind(self, store: ParameterStore) -> None:
        """Give each optimizer its part of the store, whose variables are `arranged`."""
        if self._store is store:
            return
        places = [self._optimizer_of(slot.variable) for slot in store.slots]
        if places != sorted(places):
            raise ValueError(
                f"MultiOptimizer '{self.name}': the variables of a store are arranged by their optimizers: "
                "ParameterStore.of(optimizer.arranged(variables))."
            )
        self._parts = []
        for place, optimizer in enumerate(self.optimizers):
            first, count = bisect.bisect_left(places, place), places.count(place)
            part = StorePart(store, first, first + count)
            if count:
                self._parts.append((optimizer, part))
            if count or optimizer.built:  # with nothing left to train it has no state to show either
                optimizer.bind(part)
        self._store = store

    def step(self, params: np.ndarray, grads: np.ndarray, slots: Sequence[Slot] | None = None) -> None:
        """A step of each optimizer on its part; one without any gradient waits."""
        present = None if slots is None else {slot.variable for slot in slots}
        for optimizer, part in self._parts:
            own = None
            if present is not None and not all(slot.variable in present for slot in part.slots):
                own = [slot for slot in part.slots if slot.variable in present]
                if not own:
                    continue
            optimizer.step(part.values, part.gradients, own)
        self._iterations.array[...] += 1

    def _default_variables(self) -> list[Variable]:
        return self._variables

    def finalize_variable_values(self, var_list: Iterable[Variable] | None = None) -> None:
        for optimizer, _ in self._parts:
            optimizer.finalize_variable_values()

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leave variables out of the weight decay of all the optimizers that there are."""
        listed, names = list(var_list or []), list(var_names or [])
        for optimizer in self.optimizers:
            optimizer.exclude_from_weight_decay(listed, names)

    @property
    def iterations(self) -> Any:
        return self._iterations

    @property
    def learning_rate(self) -> Any:
        """There is none: each of `optimizers` has its own."""
        raise AttributeError(
            "A MultiOptimizer has no learning_rate; each of its optimizers has one: "
            "optimizer.optimizers[0].learning_rate."
        )

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        raise AttributeError(
            f"The learning_rate of a MultiOptimizer cannot be set to {value!r}; set that of one of its optimizers: "
            "optimizer.optimizers[0].learning_rate = 0.01."
        )

    lr = learning_rate

    @property
    def variables(self) -> list[Variable]:
        """The own ones, then those of each optimizer."""
        return [*super().variables, *(v for optimizer in self.optimizers for v in optimizer.variables)]

    weights = variables

    def get_config(self) -> dict[str, Any]:
        return {
            "optimizer_map": serialize_object(self.optimizer_map),
            "loss_scale_factor": self.loss_scale_factor,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        chosen = deserialize_object(config["optimizer_map"], custom_objects=custom_objects)
        return cls(**{**config, "optimizer_map": chosen})


class StorePart:
    """Slots `first` to `end` of a `ParameterStore`, with its attributes: what one optimizer of several works on."""

    def __init__(self, store: ParameterStore, first: int, end: int) -> None:
        self.whole, self._range = store, (first, end)
        self.dtype, self.clock = store.dtype, store.clock
        slots = store.slots[first:end]
        start, stop = (slots[0].start, slots[-1].stop) if slots else (0, 0)
        self.values, self.gradients = store.values[start:stop], store.gradients[start:stop]
        self.slots = [Slot(slot.variable, slot.start - start, slot.stop - start, slot.shape) for slot in slots]

    def __reduce__(self) -> tuple:
        return StorePart, (self.whole, *self._range)

    @property
    def variables(self) -> list[Variable]:
        return [slot.variable for slot in self.slots]

    def touch(self) -> None:
        """Say that `values` was written to."""
        self.whole.touch()


def _require_single(optimizer: Any, owner: str) -> None:
    """Raise ValueError unless this is an optimizer that stands for itself."""
    if not isinstance(optimizer, Optimizer):
        raise ValueError(f"The optimizer of {owner} must be one, such as Adam(); got {arguments.describe(optimizer)}.")
    if isinstance(optimizer, LossScaleOptimizer | MultiOptimizer):
        raise ValueError(
            f"The optimizer of {owner} is a {type(optimizer).__name__}; inside a MultiOptimizer there are single ones "
            "only. A LossScaleOptimizer may go around the MultiOptimizer."
        )
