"""Keras 1's and 2's K: values of variables, the phase, functions of symbolic tensors and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, config, ops
from gatewise.context import name_scope as name_scope
from gatewise.context import running
from gatewise.graph import Graph, SymbolicTensor
from gatewise.layer import Layer
from gatewise.ops.operation import as_operation
from gatewise.variable import Variable

epsilon, set_epsilon, floatx, set_floatx = config.epsilon, config.set_epsilon, config.floatx, config.set_floatx


def backend() -> str:
    """The name of what computes."""
    return "gatewise"


def image_data_format() -> str:
    """Channels come last."""
    return "channels_last"


image_dim_ordering = image_data_format


def set_image_data_format(data_format: str) -> None:
    """Accept "channels_last".

    Raises:
        ValueError: for anything else.
    """
    if data_format not in ("channels_last", "tf"):
        raise ValueError(f"gatewise keeps channels last; got data_format={data_format!r}. Use a Permute layer.")


set_image_dim_ordering = set_image_data_format


def get_uid(prefix: str = "") -> int:
    """A number that counts up for each prefix."""
    name = config.unique_name(f"{prefix} uid")
    return int(name.rsplit("_", 1)[1]) + 1 if name != f"{prefix} uid" else 1


def standardize_dtype(dtype: Any) -> str:
    """The name of a type; the default float type for None."""
    return np.dtype(config.floatx() if dtype is None else getattr(dtype, "name", dtype)).name


def is_float_dtype(dtype: Any) -> bool:
    """True for types of floats."""
    return np.dtype(standardize_dtype(dtype)).kind == "f"


def is_int_dtype(dtype: Any) -> bool:
    """True for types of integers."""
    return np.dtype(standardize_dtype(dtype)).kind in "iu"


def result_type(*dtypes: Any) -> str:
    """The type that arrays of these types are computed in together: of floats and integers the floats'."""
    names = [standardize_dtype(dtype) for dtype in dtypes]
    floats = [name for name in names if is_float_dtype(name)]
    return np.result_type(*(floats or names)).name


# ---- values -----------------------------------------------------------------------------------------------------


def get_value(x: Any) -> np.ndarray:
    """The value as a NumPy array.

    Raises:
        TypeError: for a symbolic tensor, which has none.
    """
    return x.numpy() if isinstance(x, Variable) else np.asarray(autodiff.plain(x))


eval = get_value


def set_value(x: Variable, value: Any) -> None:
    """Give a variable another value."""
    x.assign(value)


def batch_get_value(tensors: Sequence[Any]) -> list[np.ndarray]:
    """The values of several variables."""
    return [get_value(x) for x in tensors]


def batch_set_value(tuples: Sequence[tuple[Variable, Any]]) -> None:
    """Give several variables other values: [(variable, value), ...]."""
    for x, value in tuples:
        x.assign(value)


def update(x: Variable, new_x: Any) -> Any:
    """Give a variable another value; returns it."""
    return x.assign(new_x)


def update_add(x: Variable, increment: Any) -> Any:
    """Add to a variable; returns its value."""
    return x.assign_add(autodiff.plain(increment))


def update_sub(x: Variable, decrement: Any) -> Any:
    """Take from a variable; returns its value."""
    return x.assign_sub(autodiff.plain(decrement))


def moving_average_update(x: Variable, value: Any, momentum: float) -> Any:
    """x becomes momentum x + (1 - momentum) value; returns it."""
    return x.assign(momentum * x.array + (1 - momentum) * np.asarray(autodiff.plain(value)))


def print_tensor(x: Any, message: str = "") -> Any:
    """Print an array and return it; a symbolic tensor is printed whenever it is computed."""
    return _printed(x, message)


def _print(x: Any, message: str = "") -> Any:
    print(message, autodiff.plain(x))
    return x


_print.__name__ = "print_tensor"
_printed = as_operation(_print)


# ---- the phase --------------------------------------------------------------------------------------------------


class Phase(int):
    """0 or 1, for testing or training; recognized as such among the inputs of `K.function`."""


def learning_phase() -> Phase:
    """1 while a model is being trained, else 0: what `training` is in a layer's call."""
    return Phase(bool(running.training))


def set_learning_phase(value: Any) -> None:
    """Let layers that are called without `training` be in training (1) or not (0), on this thread.

    Raises:
        ValueError: for any other value.
    """
    if value not in (0, 1):
        raise ValueError(f"K.set_learning_phase takes 0 (testing) or 1 (training); got {value!r}.")
    running.training = bool(value)


class _Either(Layer):
    """One of two inputs: the first in training."""

    def call(self, inputs: Any, training: bool = False) -> Any:
        return inputs[0] if training else inputs[1]


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """x in training, alt otherwise; either may be a function that returns it.  `training` overrides the phase."""
    if training is not None and not isinstance(training, Phase):
        chosen = x if training else alt
        return chosen() if callable(chosen) else chosen
    values = [value() if callable(value) else value for value in (x, alt)]
    if any(isinstance(value, SymbolicTensor) for value in values):
        return _Either()(values)
    return values[0] if running.training else values[1]


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """x outside of training, alt in it."""
    return in_train_phase(alt, x, training=training)


def clear_session() -> None:
    """Count the names of layers from the beginning again, and forget the phase that was set."""
    config.reset_names()
    running.training = None


reset_uids = config.reset_names


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """For each number, or for all at once, one of two expressions; either may be a function that returns it.

    A condition with fewer axes than the expressions chooses for all numbers of the axes it lacks.
    """
    if not isinstance(condition, SymbolicTensor) and np.ndim(autodiff.plain(condition)) == 0:
        chosen = then_expression if bool(autodiff.plain(condition)) else else_expression
        return chosen() if callable(chosen) else chosen
    then, other = (e() if callable(e) else e for e in (then_expression, else_expression))
    missing = len(ops.shape(then)) - len(ops.shape(condition))
    for _ in range(missing):
        condition = ops.expand_dims(condition, -1)
    return ops.where(condition, then, other)


# ---- functions and gradients ------------------------------------------------------------------------------------


def function(
    inputs: Sequence[Any], outputs: Any, updates: Any = None, name: str | None = None
) -> Callable[[Sequence[Any]], Any]:
    """A function that computes symbolic tensors (such as `model.layers[3].output`) from values of others.

    Args:
        inputs: symbolic tensors; `K.learning_phase()` among them takes the phase, 0 or 1.
        outputs: a symbolic tensor, a variable or an array; or a list of them.

    Returns:
        f([values]) -> the outputs as arrays, a list if `outputs` is one.

    Raises:
        TypeError: if an input is neither symbolic nor the learning phase, or if there are updates.
        ValueError: when called, for another number of values; if an output needs an input that is not given.
    """
    if updates:
        raise TypeError("K.function has no updates: change variables with K.set_value, or train with model.fit.")
    for x in inputs:
        if not isinstance(x, SymbolicTensor | Phase):
            raise TypeError(f"K.function: inputs are symbolic tensors such as model.input; got {type(x).__name__}.")
    asked = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    ends = [y for y in asked if isinstance(y, SymbolicTensor)]
    starts = [x for x in inputs if isinstance(x, SymbolicTensor)]
    graph = Graph(starts, ends)

    def run(values: Sequence[Any]) -> Any:
        if len(values) != len(inputs):
            raise ValueError(f"This function has {len(inputs)} inputs; it was given {len(values)} values, as a list.")
        training = next((bool(v) for x, v in zip(inputs, values, strict=True) if isinstance(x, Phase)), False)
        given = [np.asarray(v, x.dtype) for x, v in zip(inputs, values, strict=True) if isinstance(x, SymbolicTensor)]
        computed = iter(graph.run(given, None, training)[0])
        results = [next(computed) if isinstance(y, SymbolicTensor) else get_value(y) for y in asked]
        return results if isinstance(outputs, list | tuple) else results[0]

    return run


class _Gradients(Layer):
    """The gradients of the sum of a symbolic tensor, as a layer of what it is computed from."""

    def __init__(self, graph: Graph, variables: Sequence[Variable]) -> None:
        super().__init__()
        self._of, self._wanted = graph, variables
        self._n_tensors = 0

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = [tuple(x.shape) for x in self._of.inputs[: self._n_tensors]]
        return [*shapes, *(v.shape for v in self._wanted)]

    def infer(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        (y,), _, back = self._of.forward(inputs, None, training)
        d_inputs, gradients = back([np.ones_like(y)])
        found = [np.zeros_like(x) if d is None else d for x, d in zip(inputs, d_inputs, strict=True)]
        of_variables = [gradients.get(v) for v in self._wanted]
        zeros = [
            np.zeros(v.shape, v.dtype) if g is None else g for v, g in zip(self._wanted, of_variables, strict=True)
        ]
        return [*found[: self._n_tensors], *zeros]

    def forward(self, *inputs: Any, mask: Any = None, training: bool = False, structure: Any = None) -> Any:
        raise TypeError("K.gradients gives gradients to look at; they cannot be differentiated again in a loss.")


def gradients(loss: Any, variables: Any) -> Any:
    """Symbolic tensors: the gradients of the sum of `loss`, to be computed with `K.function`.

    Args:
        loss: a symbolic tensor.
        variables: symbolic tensors it depends on, or weights; one, or a list.

    Raises:
        TypeError: for a loss that is not symbolic.
    """
    if not isinstance(loss, SymbolicTensor):
        raise TypeError(
            "K.gradients takes a symbolic tensor, such as K.mean(model.output). The gradients of a compiled model's "
            "loss for data are model.value_and_grad(x, y)[1]."
        )
    wanted = list(variables) if isinstance(variables, list | tuple) else [variables]
    tensors = [x for x in wanted if isinstance(x, SymbolicTensor)]
    weights = [x for x in wanted if isinstance(x, Variable)]
    roots = _roots(loss, tensors)
    layer = _Gradients(Graph([*tensors, *roots], [loss]), weights)
    layer._n_tensors = len(tensors)
    found = layer([*tensors, *roots])
    flat = iter(found if isinstance(found, list | tuple) else [found])
    of = {id(x): y for x, y in zip([*tensors, *weights], flat, strict=True)}
    return [of[id(x)] for x in wanted]


def _roots(end: SymbolicTensor, stops: Sequence[SymbolicTensor]) -> list[SymbolicTensor]:
    """The tensors of Input() that a tensor is computed from without passing through one of the stops."""
    known, found, stack = {id(x) for x in stops}, [], [end]
    while stack:
        tensor = stack.pop()
        if id(tensor) in known:
            continue
        known.add(id(tensor))
        if tensor.node.parents:
            stack.extend(tensor.node.parents)
        else:
            found.append(tensor)
    return found
