"""The weights of a layer: made, found at any depth, read, replaced, frozen and counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, constraints, initializers, regularizers, tree
from gatewise.arguments import describe, standard_dtype
from gatewise.context import record_loss, record_metric, running
from gatewise.graph import SymbolicTensor
from gatewise.saveable import Saveable
from gatewise.variable import Variable, structure_clock

# Attributes that hold variables or layers of others: the nodes a layer is part of, what training derives from a model.
_UNTRACKED = frozenset({
    "_variables", "_inbound_nodes", "_constructed_with", "_initial_weights", "_states", "_graph", "_penalties",
    "_store", "_objective", "_known_metrics", "_compiled_with", "optimizer", "history", "_chain", "_training",
})  # fmt: skip


class WeightOwner(Saveable):
    """What has weights: the base of `Layer` that deals with them."""

    name: str
    built: bool
    _dtype: str
    _trainable: bool
    _variables: list[Variable]
    _loss_functions: tuple[Any, ...] = ()
    _known_metrics: tuple[int, list[Any]] = (0, [])

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        name: str | None = None,
    ) -> Variable:
        """Create a weight.  Keras 2's order `add_weight(name, shape, ...)` is understood too.

        Args:
            shape: a tuple of sizes; default a scalar.
            initializer: name, object or function; default glorot_uniform for floats.
            dtype: default the layer's.
            regularizer, constraint: name, object or function, or None.
        """
        if isinstance(shape, str) or (shape is None and isinstance(initializer, tuple | list)):
            name, shape, initializer = shape, initializer, None
        shape = () if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
        dtype = self._dtype if dtype is None else standard_dtype(dtype, type(self).__name__, any_type=True)
        initializer = initializers.get("glorot_uniform" if initializer is None else initializer)
        name = name or "variable"
        variable = Variable(
            initializer,
            shape,
            dtype,
            trainable=trainable,
            name=name,
            path="/".join([*(running.scopes or [self.name]), name]),
            regularizer=regularizers.get(regularizer),
            constraint=constraints.get(constraint),
        )
        self._variables.append(variable)
        structure_clock.tick()
        return variable

    def add_loss(self, loss: Any, inputs: Any = None) -> None:
        """Add a term to the loss of the model, or a list of them.

        Args:
            loss: inside `call` a number or an array (which is summed), whose gradient flows.  Outside a function
                without arguments, evaluated at every step; for a functional model also a symbolic tensor.
            inputs: accepted for Keras 2's sake.

        Raises:
            ValueError: for a number outside of `call`: it would change nothing.
        """
        for term in loss if isinstance(loss, list | tuple) else [loss]:
            if isinstance(term, SymbolicTensor):
                self._add_symbolic("add_loss", term, None)
            elif running.scopes:
                record_loss(_summed(term() if callable(term) else term))
            elif callable(term):
                self._loss_functions = (*self._loss_functions, term)
                structure_clock.tick()
            else:
                raise ValueError(
                    f"{type(self).__name__}.add_loss outside of call() was given a number, {describe(term)}: it does "
                    "not change with the weights. Give a function, add_loss(lambda: ...), or call add_loss in call()."
                )

    def add_metric(self, value: Any, name: str | None = None, aggregation: str | None = "mean") -> None:
        """Show the mean of a number over an epoch's batches among the metrics, under this name.

        Args:
            value: inside `call` a number, or an array (of which each element counts); for a functional model outside of
                it, a symbolic tensor.
            name: its key in the history and in `evaluate(return_dict=True)`.
            aggregation: accepted for Keras 2's sake.

        Raises:
            ValueError: without a name, or for a number outside of `call`.
        """
        if not isinstance(name, str):
            raise ValueError(f"{type(self).__name__}.add_metric needs a name to show the number under: name='...'.")
        if isinstance(value, SymbolicTensor):
            self._add_symbolic("add_metric", value, name)
        elif running.scopes:
            record_metric(name, np.array(autodiff.plain(value)))
        else:
            raise ValueError(
                f"{type(self).__name__}.add_metric('{name}') outside of call() was given a number, {describe(value)}. "
                "Call it in call(), where there is a new one for each batch."
            )

    def _add_symbolic(self, method: str, tensor: Any, name: str | None) -> None:
        """What `add_loss` and `add_metric` do with a symbolic tensor: only functional models can."""
        raise ValueError(
            f"{type(self).__name__}.{method} was given {tensor!r}, which has no value yet. A Model(inputs, outputs) "
            f"takes such tensors: model.{method}(...)."
        )

    def loss_functions(self) -> list[Any]:
        """The functions given to `add_loss`, of this layer and those inside it."""
        return [*self._loss_functions, *(f for layer in self.sublayers() for f in layer.loss_functions())]

    def held_metrics(self) -> list[Any]:
        """The metrics in attributes of this layer, and of those inside it.

        Asked for at every step, so they are looked for anew only when a layer, a weight or a metric was made.
        """
        if self._known_metrics[0] != structure_clock.stamp:
            self._known_metrics = (structure_clock.stamp, self._find_metrics())
        return self._known_metrics[1]

    def _find_metrics(self) -> list[Any]:
        found: dict[int, Any] = {}
        for key, value in vars(self).items():
            if key not in _UNTRACKED:
                for item in tree.leaves(value):
                    if hasattr(item, "update_state") and hasattr(item, "result"):
                        found.setdefault(id(item), item)
        for layer in self.sublayers():
            found.update((id(metric), metric) for metric in layer._find_metrics() if id(metric) not in found)
        return list(found.values())

    def sublayers(self) -> list[Any]:
        """The layers held in attributes, lists, tuples and dictionaries of this layer, in order of assignment."""
        found: dict[int, Any] = {}
        for key, value in vars(self).items():
            if key not in _UNTRACKED:
                for item in tree.leaves(value):
                    if isinstance(item, WeightOwner):
                        found.setdefault(id(item), item)
        return list(found.values())

    def with_sublayers(self) -> list[Any]:
        """The layer and all layers inside it, at any depth, each once."""
        found: dict[int, Any] = {}
        stack: list[Any] = [self]
        while stack:
            current = stack.pop()
            if id(current) not in found:
                found[id(current)] = current
                stack.extend(reversed(current.sublayers()))
        return list(found.values())

    def _own_variables(self) -> list[Variable]:
        found = {id(v): v for v in self._variables}
        for key, value in vars(self).items():
            if key not in _UNTRACKED:
                for item in tree.leaves(value):
                    if isinstance(item, Variable):
                        found.setdefault(id(item), item)
        return list(found.values())

    @property
    def weights(self) -> list[Variable]:
        """All variables: the layer's own, trainable ones first, then those of the layers inside it."""
        own = self._own_variables()
        found = {id(v): v for v in [v for v in own if v.trainable] + [v for v in own if not v.trainable]}
        for layer in self.sublayers():
            found.update((id(v), v) for v in layer.weights if id(v) not in found)
        return list(found.values())

    variables = weights

    @property
    def trainable_weights(self) -> list[Variable]:
        if not self.trainable:
            return []
        found = {id(v): v for v in self._own_variables() if v.trainable}
        for layer in self.sublayers():
            found.update((id(v), v) for v in layer.trainable_weights if id(v) not in found)
        return list(found.values())

    @trainable_weights.setter
    def trainable_weights(self, weights: Sequence[Variable]) -> None:
        """Keras 1's way of saying which variables a layer has, made by K.variable."""
        known = {id(v) for v in self._variables}
        self._variables.extend(v for v in weights if id(v) not in known)
        for variable in weights:
            variable.trainable = True

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        trainable = {id(v) for v in self.trainable_weights}
        return [v for v in self.weights if id(v) not in trainable]

    non_trainable_variables = non_trainable_weights

    @property
    def has_trainable_variables(self) -> bool:
        return bool(self.trainable_weights)

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        structure_clock.tick()
        for layer in self.sublayers():
            layer.trainable = value

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights, in the order of `weights`."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace all weights.

        Raises:
            ValueError: if their number or a shape differs.
        """
        variables = self.weights
        if not isinstance(weights, list | tuple | np.ndarray):
            raise TypeError(f"set_weights() takes a list of arrays; got {describe(weights)}.")
        if len(weights) != len(variables):
            raise ValueError(
                f"Layer '{self.name}' has {len(variables)} weight arrays, "
                f"shaped {[v.shape for v in variables]}; set_weights() was given {len(weights)}."
            )
        for variable, value in zip(variables, weights, strict=True):
            if variable.shape != np.shape(value):
                raise ValueError(
                    f"Layer '{self.name}': weight '{variable.path}' has shape {variable.shape}; "
                    f"set_weights() was given an array of shape {np.shape(value)} for it."
                )
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(value)

    def count_params(self) -> int:
        """How many numbers the weights hold.

        Raises:
            ValueError: if the layer is not built, so that its weights do not exist yet.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call count_params on layer '{self.name}', but the layer isn't built: its weights "
                "depend on "
                "the number of features of its input. Call it on data, give it input_shape=(...), or use .build(shape)."
            )
        return sum(v.size for v in self.weights)


def _summed(loss: Any) -> Any:
    """A term of a loss as one number: Keras adds up what has more."""
    return loss if np.ndim(autodiff.plain(loss)) == 0 else loss.sum()
