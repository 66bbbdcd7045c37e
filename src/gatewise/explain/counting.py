"""From layers and models to accounts: one function for each class with more to tell than the shapes of its weights.

Adding a class is adding one function, registered with `counts(Class)`: recurrent layers in `counting_recurrent`, others
in `counting_layers`, models here.  It must work for a layer that is not built, from its arguments and the input's
shape, without creating a weight.
"""

from __future__ import annotations

from typing import Any

from gatewise import tree
from gatewise.explain import counting_layers, counting_recurrent  # noqa: F401  (they register their functions)
from gatewise.explain.accounting import LayerAccount, ModelAccount
from gatewise.explain.walk import Walk, counts, known_input, output_shape_of, unknown
from gatewise.functional import Functional
from gatewise.layer import Layer
from gatewise.layers.sequence_layer import SequenceLayer
from gatewise.model import Model
from gatewise.sequential import Sequential


def account(layer: Any, input_shape: Any = None) -> LayerAccount:
    """Count what a layer or a model holds, by layer, matrix and gate.

    Args:
        layer: a layer or a model; it need not be built if `input_shape` is given, and is not changed.
        input_shape: of one sample, as Keras's argument of that name: (13, 5) for 13 steps of 5 features; None for
            any number of steps.  Recurrent layers also take it with the batch in front.

    Returns:
        LayerAccount; ModelAccount for a model.

    Raises:
        TypeError: if `layer` is not a layer.
        ValueError: if its weights do not exist and no shape is known, or the shape does not suit it.
    """
    if not isinstance(layer, Layer):
        hint = f" Write {layer.__name__}(...)." if isinstance(layer, type) else ""
        raise TypeError(f"account() counts a layer or a model; got {type(layer).__name__} {layer!r}.{hint}")
    walk = Walk(layer, strict=True)
    return walk.count(layer, _batch_shape(layer, input_shape))


def account_as_it_is(layer: Layer) -> LayerAccount:
    """The account of a layer as it stands: layers that are not built yet hold nothing (`known` is False)."""
    return Walk(layer, strict=False).count(layer)


def _batch_shape(layer: Layer, shape: Any) -> Any:
    """The shape with the batch in front, from the shape of one sample."""
    if shape is None:
        return None
    if not tree.is_shape(shape):
        if isinstance(shape, int):
            raise ValueError(
                f"Layer '{layer.name}': input_shape is a tuple; got {shape}. Write input_shape=(None, {shape}) for any "
                f"number of steps of {shape} features."
            )
        shapes = [tuple(s) for s in tree.leaves_of_shapes(shape)]
        return [(None, *s) for s in shapes]
    first = layer
    while isinstance(first, Sequential) and first.layers:
        first = first.layers[0]
    has_batch = isinstance(first, SequenceLayer) and len(shape) == first.input_rank
    return tuple(shape) if has_batch else (None, *shape)


@counts(Model)
def _count_model(model: Any, shape: Any, walk: Walk) -> LayerAccount:
    """A subclassed model: the layers in its attributes."""
    if not model.built and walk.strict and not all(layer.built for layer in model.layers):
        if shape is None:
            return unknown(model, walk)
        raise ValueError(
            f"Model '{model.name}' ({type(model).__name__}) is not built, and only running it tells which shapes its "
            f"layers see. Call model.build({(None, *shape[1:])}) first, or call the model on data."
        )
    return ModelAccount(
        model.name,
        type(model).__name__,
        "model",
        known=model.built,
        input_shape=known_input(model, shape),
        output_shape=output_shape_of(model, shape),
        trainable=model.trainable,
        matrices=walk.rest(model),
        inside=walk.inside(model),
    )


@counts(Functional)
def _count_functional(model: Any, shape: Any, walk: Walk) -> LayerAccount:
    uses: dict[int, int] = {}
    for node in model._graph.nodes:
        uses[id(node.layer)] = uses.get(id(node.layer), 0) + 1
    inputs = [tuple(x.shape) for x in model.inputs]
    return ModelAccount(
        model.name,
        type(model).__name__,
        "model",
        input_shape=shape or (inputs[0] if len(inputs) == 1 else inputs),
        output_shape=output_shape_of(model, shape) or _output_of(model),
        trainable=model.trainable,
        matrices=walk.rest(model),
        inside=tuple(walk.count(layer, uses=uses.get(id(layer), 1)) for layer in model.operations),
    )


def _output_of(model: Any) -> Any:
    outputs = [tuple(y.shape) for y in model.outputs]
    return outputs[0] if len(outputs) == 1 else outputs


@counts(Sequential)
def _count_sequential(model: Any, shape: Any, walk: Walk) -> LayerAccount:
    if model._first is not None and model.layers:
        return _count_functional(model, shape, walk)
    if shape is None and model._first is not None:
        shape = model._first.batch_shape
    if shape is None and walk.strict:
        return unknown(model, walk)
    inside, now = [], shape
    for layer in model.layers:
        inside.append(walk.count(layer, now))
        now = inside[-1].output_shape if now is not None else None
    return ModelAccount(
        model.name,
        type(model).__name__,
        "model",
        known=shape is not None,
        input_shape=shape,
        output_shape=now,
        trainable=model.trainable,
        inside=tuple(inside),
    )
