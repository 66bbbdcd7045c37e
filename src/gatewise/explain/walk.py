"""One pass over a layer and all that is inside it, and what every layer has to say: its weights by shape.

Each class that has more to tell is described by one function, registered with `counts(Class)` (see `counting`).  A
layer that is not built yet is described from its arguments and an input shape, and is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gatewise import tree
from gatewise.explain.accounting import LayerAccount, MatrixAccount, Part
from gatewise.explain.arithmetic import Expression, Number, plus, times
from gatewise.layer import Layer
from gatewise.layers.copies import made_anew
from gatewise.model import Model

Counter = Callable[[Any, Any, "Walk"], LayerAccount]
_counters: dict[type | str, Counter] = {}


def counts(*classes: type | str) -> Callable[[Counter], Counter]:
    """Register the function that describes layers of these classes: `count(layer, input_shape or None, walk)`.

    A class of gatewise.layers is given by its name, so that nobody has to load it before a layer of it exists.
    """

    def register(counter: Counter) -> Counter:
        for cls in classes:
            _counters[cls] = counter
        return counter

    return register


class Walk:
    """One pass over a layer and what is inside it; knows which arrays were met before.

    Args:
        root: the layer or model that is counted; it says which weights are trainable.
        strict: raise for layers of which nothing is known yet; otherwise their account has known=False.
    """

    def __init__(self, root: Layer, strict: bool) -> None:
        self.strict = strict
        self._trainable: set[int] = set()
        self._numbers: dict[int, int] = {}
        self._n_arrays = 0
        self.add_trainable(root)

    def add_trainable(self, layer: Layer) -> None:
        """Count the trainable weights of this layer as such."""
        self._trainable.update(id(variable) for variable in layer.trainable_weights)

    def count(self, layer: Layer, shape: Any = None, uses: int = 1) -> LayerAccount:
        """The account of a layer for inputs of `shape` (batch included; None: the shape it is known to have)."""
        if shape is None and not layer.built and layer._batch_input_shape is not None:
            shape = layer._batch_input_shape
        if shape is not None:
            layer.check_inputs([shape] if tree.is_shape(shape) else list(tree.leaves_of_shapes(shape)))
        found = _counter_of(layer)(layer, shape, self)
        return found if uses == 1 else replace(found, uses=uses)

    def inside(self, layer: Layer) -> tuple[LayerAccount, ...]:
        """The accounts of the layers inside a built layer; one that it holds but never built holds nothing."""
        return tuple(self.count(inner) if inner.built else _nothing_yet(inner) for inner in layer.sublayers())

    def matrix(
        self,
        name: str,
        shape: Sequence[int],
        variable: Any = None,
        *,
        trainable: bool = True,
        dtype: str = "float32",
        letters: tuple[str, ...] = (),
        parts: tuple[Part, ...] = (),
        arithmetic: Expression | None = None,
    ) -> MatrixAccount:
        """A row for one array: an existing `variable`, or one that `trainable` and `dtype` describe."""
        number = None if variable is None else self._numbers.get(id(variable))
        counted = number is None
        if number is None:
            number = self._n_arrays
            self._n_arrays += 1
        if variable is not None:
            self._numbers[id(variable)] = number
            trainable, dtype = id(variable) in self._trainable, variable.dtype
        item_bytes = np.dtype(dtype).itemsize
        return MatrixAccount(name, tuple(shape), number, counted, trainable, item_bytes, letters, parts, arithmetic)

    def rest(
        self, layer: Layer, described: Iterable[Any] = (), letters: Mapping[str, tuple[str, ...]] | None = None
    ) -> tuple[MatrixAccount, ...]:
        """A row for each variable of the layer itself that no row describes yet, sizes multiplied out.

        `letters` has the letters of some variables' shapes, by name.
        """
        known = {id(variable) for variable in described}
        rows = []
        for v in layer._own_variables():
            if id(v) not in known:
                named = (letters or {}).get(v.name, ())
                named = named if len(named) == len(v.shape) else ()
                rows.append(self.matrix(v.name, v.shape, v, letters=named, arithmetic=_product(v.shape, named)))
        return tuple(rows)


def _counter_of(layer: Layer) -> Counter:
    """The function that describes a layer: its class's, unless a subclass creates its weights otherwise."""
    for cls in type(layer).__mro__:
        key = cls.__name__ if cls.__module__.startswith("gatewise.layers.") else cls
        if key in _counters:
            return _counters[key] if type(layer).build is cls.build or issubclass(cls, Model) else _by_weights
        if cls is Layer:
            break
    return _by_weights


def known_input(layer: Layer, shape: Any) -> Any:
    """The input's shape: the one given, that of the first use in a graph, or the one the layer was built for."""
    if shape is not None:
        return shape
    if layer._inbound_nodes and layer._inbound_nodes[0].inputs:
        shapes = [tuple(x.shape) for x in layer._inbound_nodes[0].inputs if hasattr(x, "shape")]
        return shapes[0] if len(shapes) == 1 else shapes
    return getattr(layer, "_build_shape", None)


def output_shape_of(layer: Layer, shape: Any = None) -> Any:
    """The output's shape: for `shape`, of the last use in a graph, or as built; a list of several, None if unknown.

    Without a shape or a graph, only layers that define `compute_output_shape` know it, as in Keras.
    """
    if shape is None and layer._inbound_nodes:
        outputs = [tuple(y.shape) for y in layer._inbound_nodes[-1].outputs]
        return outputs[0] if len(outputs) == 1 else outputs
    inner = getattr(layer, "outputs", None) if shape is None else None
    if inner:  # of a graph inside a model whose `call` the user wrote
        own = [tuple(y.shape) for y in inner]
        return own[0] if len(own) == 1 else own
    if shape is None and type(layer).compute_output_shape is not Layer.compute_output_shape:
        shape = getattr(layer, "_build_shape", None)
    return None if shape is None else layer.compute_output_shape(shape)


def unknown(layer: Layer, walk: Walk) -> LayerAccount:
    """The account of a layer whose weights are not known yet."""
    if walk.strict:
        raise ValueError(
            f"Layer '{layer.name}' ({type(layer).__name__}) is not built, and how many numbers it holds depends on the "
            "features of its input. Give the shape of one sample, input_shape=(13, 5) for 13 steps of 5 "
            "features, or call the layer on data."
        )
    return _nothing_yet(layer)


def _nothing_yet(layer: Layer) -> LayerAccount:
    return LayerAccount(layer.name, type(layer).__name__, known=False, trainable=layer.trainable)


def _by_weights(layer: Layer, shape: Any, walk: Walk) -> LayerAccount:
    """Any layer: its own weights by shape, and the accounts of the layers inside it."""
    if not layer.built:
        if shape is None:
            return unknown(layer, walk)
        layer = built_twin(layer, shape, walk)
    matrices = walk.rest(layer, letters=_letters_of(layer))
    inside = walk.inside(layer)
    return LayerAccount(
        layer.name,
        type(layer).__name__,
        input_shape=known_input(layer, shape),
        output_shape=output_shape_of(layer, shape),
        trainable=layer.trainable,
        matrices=matrices,
        inside=inside,
        sizes={name: getattr(layer, name) for name in _SIZES if isinstance(getattr(layer, name, None), int)},
        arithmetic=_total_of(matrices, inside),
    )


_SIZES = ("units", "filters", "input_dim", "output_dim", "num_heads", "key_dim", "groups")

_LETTERS = {
    "Embedding": {"embeddings": ("input_dim", "output_dim")},
    "Conv1D": {"kernel": ("K", "F", "filters"), "bias": ("filters",)},
    "Conv2D": {"kernel": ("K1", "K2", "F", "filters"), "bias": ("filters",)},
    "Conv1DTranspose": {"kernel": ("K", "filters", "F"), "bias": ("filters",)},
    "DepthwiseConv1D": {"kernel": ("K", "F", "D"), "bias": ("F x D",)},
    "SeparableConv1D": {
        "depthwise_kernel": ("K", "F", "D"), "pointwise_kernel": ("1", "F x D", "filters"), "bias": ("filters",),
    },
    "BatchNormalization": dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), ("F",)),
    "LayerNormalization": dict.fromkeys(("gamma", "beta"), ("F",)),
}  # fmt: skip
"""Letters of weights' shapes, by the name of the layer's class."""


def _letters_of(layer: Layer) -> dict[str, tuple[str, ...]]:
    found = next((_LETTERS[c.__name__] for c in type(layer).__mro__ if c.__name__ in _LETTERS), {})
    return found if getattr(layer, "groups", 1) == 1 else {}


def _product(shape: Sequence[int], letters: tuple[str, ...]) -> Expression | None:
    """A size as the product of its axes."""
    if not shape:
        return None
    numbers = [Number(n, letter) for n, letter in zip(shape, letters or [None] * len(shape), strict=True)]
    return times(*numbers) if len(numbers) > 1 else numbers[0]


def _total_of(matrices: Sequence[MatrixAccount], inside: Sequence[LayerAccount]) -> Expression | None:
    """The rows and the layers inside added up; None where one has no formula, or an array stands twice."""
    terms = [row.arithmetic for row in matrices if row.counted]
    terms += [layer.arithmetic for layer in inside if layer.size]
    alone = all(row.counted for layer in inside for row in layer.all_matrices())
    if not terms or not alone or any(term is None for term in terms):
        return None
    return plus(*[term for term in terms if term is not None])


def built_twin(layer: Layer, shape: Any, walk: Walk) -> Any:
    """A layer made from the same arguments, built for inputs of this shape, and what it calls inside built too."""
    twin = made_anew(layer, name=layer.name)
    twin.ensure_built([shape] if tree.is_shape(shape) else list(tree.leaves_of_shapes(shape)))
    twin.compute_output_shape(shape)
    walk.add_trainable(twin)
    return twin


def changed_options(layer: Layer, defaults: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a layer, among those listed, that differ from their defaults."""
    return {name: value for name, default in defaults.items() if (value := getattr(layer, name, default)) != default}
