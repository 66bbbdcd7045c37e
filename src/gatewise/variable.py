"""Variable: a named, trainable array; ParameterStore: the one buffer that a model's variables are views of.

A variable begins with memory of its own.  When a model is trained, its `ParameterStore` takes the trainable
variables in: one contiguous buffer of values and one of gradients, in which every variable is a slot.  An
optimizer step is then one pass over flat memory.  A variable shared by two models belongs to the store that
took it last; the other store sees that and takes it back when it is needed.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from gatewise import autodiff, config, products

_ALIGNMENT_BYTES = 64
_stamps = itertools.count(1)


class _Traced(threading.local):
    """What holds for the variables of this thread."""

    values: dict[Variable, Any] | None = None
    """The traced values of those that are being differentiated."""
    before: dict[Variable, np.ndarray] | None = None
    """The values that those had which a trial assigned to."""


_traced = _Traced()


class _Stamped:
    __slots__ = ("stamp",)

    def __init__(self) -> None:
        self.stamp = 0


last_tick = _Stamped()
"""The newest stamp of all clocks: as long as it stays, no weight was written to and no structure has changed."""


class _Clock:
    """When the memory behind a variable was last written: a number never used twice."""

    __slots__ = ("stamp",)

    def __init__(self) -> None:
        self.tick()

    def tick(self) -> None:
        self.stamp = last_tick.stamp = next(_stamps)


structure_clock = _Clock()
"""Ticks whenever a layer or weight is made, set or frozen: the key of whatever is derived from a model's structure."""


@autodiff.stand_in
class Variable:
    """A named array that layers compute with and optimizers change.

    Args:
        initializer: an array, or a callable `initializer(shape, dtype=...)` with `shape` given.
        shape: the shape, for a callable initializer.
        dtype: NumPy name of the type; default is the array's own, or `config.floatx()`.
        trainable: whether optimizers may change it.
        name: the last part of its path.
        path: "layer/name"; default is `name`.
        regularizer, constraint: objects of gatewise.regularizers and gatewise.constraints, or None.

    Attributes:
        array: the memory itself, for kernels: writable, and never a traced value.  Call `touch` after writing.
    """

    def __init__(
        self,
        initializer: Any,
        shape: Sequence[int] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        name: str | None = None,
        *,
        path: str | None = None,
        regularizer: Any = None,
        constraint: Any = None,
    ) -> None:
        if isinstance(initializer, str):
            from gatewise import initializers

            initializer = initializers.get(initializer)
        if callable(initializer) and not hasattr(initializer, "__array__"):
            if shape is None:
                raise ValueError("A Variable made by an initializer needs a shape; got shape=None.")
            dtype = config.floatx() if dtype is None else dtype
            value = initializer(tuple(shape), dtype=dtype)
        else:
            value = initializer
            if dtype is None and not hasattr(value, "dtype"):
                dtype = config.floatx() if np.asarray(value).dtype.kind == "f" else None
        self.array = np.array(value, dtype=dtype, order="C")
        self.name = name or config.unique_name("variable")
        self.path = path or self.name
        self._trainable = bool(trainable)
        self.regularizer = regularizer
        self.constraint = constraint
        self.store: ParameterStore | None = None
        self._clock = _Clock()

    @property
    def trainable(self) -> bool:
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        structure_clock.tick()

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def size(self) -> int:
        return self.array.size

    @property
    def dtype(self) -> str:
        return self.array.dtype.name

    @property
    def value(self) -> Any:
        """The current value: a read-only view, or the traced value while the variable is being differentiated."""
        bound = _traced.values
        if bound is not None and self in bound:
            return bound[self]
        view = self.array.view()
        view.flags.writeable = False
        return view

    @property
    def _trace(self) -> int:
        return getattr(self.value, "_trace", autodiff.NOT_TRACED)

    @property
    def _node(self) -> Any:
        return self.value._node

    @property
    def _value(self) -> Any:
        return self.value._value

    @property
    def stamp(self) -> int:
        """Changes whenever the memory behind the variable may have been written: the key of every cache."""
        return self._clock.stamp

    def touch(self) -> None:
        """Say that `array` was written to."""
        self._clock.tick()

    def numpy(self) -> np.ndarray:
        """A copy of the value."""
        return self.array.copy()

    def assign(self, value: Any) -> Any:
        """Replace the value by another of the same shape and return it.

        Raises:
            ValueError: if the shapes differ.
        """
        value = np.asarray(autodiff.plain(value))
        if value.shape != self.shape:
            raise ValueError(
                f"Variable '{self.path}' has shape {self.shape}; it cannot take a value of shape {value.shape}."
            )
        before = _traced.before
        if before is not None:
            before.setdefault(self, self.array.copy())
        np.copyto(self.array, value, casting="unsafe")
        self._clock.tick()
        return self.value

    def assign_add(self, value: Any) -> Any:
        return self.assign(self.array + np.asarray(value))

    def assign_sub(self, value: Any) -> Any:
        return self.assign(self.array - np.asarray(value))

    def move_to(self, store: ParameterStore, memory: np.ndarray) -> None:
        """Carry the value into `memory`, a part of `store`, and live there from now on."""
        np.copyto(memory, self.array)
        self.array = memory
        self.store = store
        self._clock = store.clock

    def __repr__(self) -> str:
        return f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, value={self.array}>"

    def __len__(self) -> int:
        return len(self.array)

    def __float__(self) -> float:
        return float(self.array)

    def __int__(self) -> int:
        return int(self.array)

    def __bool__(self) -> bool:
        return bool(self.array)

    def __getitem__(self, index: Any) -> Any:
        return self.value[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        value = np.asarray(self.value, dtype=dtype)
        return value.copy() if copy and np.may_share_memory(value, self.array) else value

    def __getstate__(self) -> dict[str, Any]:
        # A copy (copy.deepcopy, pickle) has memory of its own until a store takes it in.
        return {**self.__dict__, "array": self.array.copy(), "store": None, "_clock": _Clock()}

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is np.matmul and method == "__call__" and not kwargs:
            return _product(*_values(inputs))
        return getattr(ufunc, method)(*_values(inputs), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return function(*_values(args), **{key: _values(value) for key, value in kwargs.items()})


def _values(tree: Any) -> Any:
    """The same nesting with each variable replaced by its value."""
    if isinstance(tree, Variable):
        return tree.value
    if isinstance(tree, list | tuple):
        return type(tree)(_values(branch) for branch in tree)
    return tree


def _product(a: Any, b: Any) -> Any:
    """a @ b, its sums by the kernels: NumPy's last bits depend on the number of its threads."""
    return products.matmul(a, b) if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) else a @ b


def _give_operators() -> None:
    """Arithmetic of variables is arithmetic of their values."""

    def binary(symbol: str) -> Callable[..., Any]:
        def operate(self: Variable, other: Any) -> Any:
            other = other.value if isinstance(other, Variable) else other
            value = self.value
            result = getattr(value, symbol)(other)
            return result

        return operate

    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
        setattr(Variable, f"__{name}__", binary(f"__{name}__"))
        setattr(Variable, f"__r{name}__", binary(f"__r{name}__"))
    Variable.__matmul__ = lambda self, other: _product(self.value, _values(other))  # type: ignore[attr-defined]
    Variable.__rmatmul__ = lambda self, other: _product(_values(other), self.value)  # type: ignore[attr-defined]
    for name in ("lt", "le", "gt", "ge"):
        setattr(Variable, f"__{name}__", binary(f"__{name}__"))
    Variable.__neg__ = lambda self: -self.value  # type: ignore[attr-defined]
    Variable.__abs__ = lambda self: abs(self.value)  # type: ignore[attr-defined]


_give_operators()


@contextmanager
def traced_values(values: dict[Variable, Any]) -> Iterator[None]:
    """Within the block, on this thread, `variable.value` of the given variables is the traced value."""
    outer = _traced.values
    _traced.values = values if outer is None else {**outer, **values}
    try:
        yield
    finally:
        _traced.values = outer


@contextmanager
def assignments_undone() -> Iterator[None]:
    """Within the block, on this thread, a trial is run: afterwards every variable has the value it had before."""
    outer, _traced.before = _traced.before, {}
    try:
        yield
    finally:
        before, _traced.before = _traced.before or {}, outer
        for variable, value in before.items():
            variable.assign(value)


def on_trial() -> bool:
    """True within `assignments_undone` on this thread."""
    return _traced.before is not None


def tracing() -> bool:
    """True while variables of this thread are being differentiated."""
    return _traced.values is not None


class Slot(NamedTuple):
    """Where a variable lies in its store: elements start to stop of the flat buffers."""

    variable: Variable
    start: int
    stop: int
    shape: tuple[int, ...]


class ParameterStore:
    """The one buffer of a model's trainable parameters, and one of the same layout for their gradients.

    Every slot begins on a 64-byte boundary; the padding between slots is zero and stays zero.

    Attributes:
        values, gradients: flat arrays of one float type.
        slots: a `Slot` for each variable, in the order given.
    """

    def __init__(self, variables: Iterable[Variable], dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        step = _ALIGNMENT_BYTES // self.dtype.itemsize
        self.slots: list[Slot] = []
        position = 0
        for variable in variables:
            self.slots.append(Slot(variable, position, position + variable.size, variable.shape))
            position += -(-variable.size // step) * step
        self.clock = _Clock()
        self.values = _aligned_zeros(position, self.dtype)
        self.gradients = _aligned_zeros(position, self.dtype)
        self._gradient_of = {
            slot.variable: self.gradients[slot.start : slot.stop].reshape(slot.shape) for slot in self.slots
        }
        self.take_in()

    @staticmethod
    def of(variables: Sequence[Variable]) -> ParameterStore:
        """A store of these variables.

        Raises:
            ValueError: if they have several types.
        """
        types = {v.dtype: v.path for v in variables}
        if len(types) > 1:
            told = ", ".join(f"'{path}' is {dtype}" for dtype, path in types.items())
            raise ValueError(
                f"The trainable weights of a model have one float type; here {told}. Give all layers the same dtype."
            )
        return ParameterStore(variables, next(iter(types), config.floatx()))

    @property
    def variables(self) -> list[Variable]:
        return [slot.variable for slot in self.slots]

    def __reduce__(self) -> tuple:
        return ParameterStore, (self.variables, self.dtype)

    def take_in(self) -> None:
        """Move every variable that lives elsewhere into this store."""
        for variable, start, stop, shape in self.slots:
            if variable.store is not self:
                variable.move_to(self, self.values[start:stop].reshape(shape))
        self.clock.tick()

    def owns_all(self) -> bool:
        """True if no other store has taken a variable away."""
        for variable in self._gradient_of:  # a plain loop: this is asked at every step
            if variable.store is not self:
                return False
        return True

    def touch(self) -> None:
        """Say that `values` was written to."""
        self.clock.tick()

    def set_gradients(self, found: dict[Variable, np.ndarray]) -> list[Slot] | None:
        """Write the gradients of a backward pass into the buffer; a variable without one gets zero.

        Returns:
            the slots that have a gradient; None for all.
        """
        complete = True
        for variable, memory in self._gradient_of.items():
            gradient = found.get(variable)
            if gradient is None:
                memory[...], complete = 0.0, False
            else:
                memory[...] = gradient
        return None if complete else [slot for slot in self.slots if found.get(slot.variable) is not None]


def _aligned_zeros(size: int, dtype: np.dtype) -> np.ndarray:
    """A zeroed flat array whose first element lies on a 64-byte boundary."""
    raw = np.zeros(size * dtype.itemsize + _ALIGNMENT_BYTES, np.uint8)
    skip = -raw.ctypes.data % _ALIGNMENT_BYTES
    return raw[skip : skip + size * dtype.itemsize].view(dtype)
