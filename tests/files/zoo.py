"""Models of every shape that a file must hold, each with inputs for it; and users' classes."""

from collections.abc import Callable
from typing import Any

import numpy as np

import gatewise as gw
from gatewise import layers


class Block(gw.Layer):
    """A user's layer with weights of its own, a frozen one, and layers in attributes, lists and dictionaries."""

    def __init__(self, units: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self._first = layers.Dense(units)
        self.listed = [layers.Dense(units), [layers.Dense(units)]]
        self.named = {"a": layers.Dense(units), "b": [layers.Dense(units)]}

    def build(self, input_shape):
        self.scale = self.add_weight((self.units,), name="scale")
        self.fixed = self.add_weight((self.units,), trainable=False, name="fixed")

    def call(self, inputs):
        x = self.listed[1][0](self.listed[0](self._first(inputs)))
        return self.named["b"][0](self.named["a"](x)) * self.fixed + self.scale


class OwnModel(gw.Model):
    """A subclassed model."""

    def __init__(self, units: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.stack = [layers.Dense(units), layers.Dense(units)]
        self.z = layers.Dense(1)
        self._last = layers.LSTM(2)

    def call(self, inputs):
        return self._last(self.z(self.stack[1](self.stack[0](inputs))))


class OwnFunctional(gw.Model):
    """A subclass that makes its own inputs and outputs."""

    def __init__(self, units: int = 3, **kwargs: Any) -> None:
        x = gw.Input((5, 3))
        super().__init__(inputs=x, outputs=layers.LSTM(units)(x), **kwargs)
        self.units = units


CUSTOM = {"Block": Block, "OwnModel": OwnModel, "OwnFunctional": OwnFunctional}


def data(*shape: int) -> np.ndarray:
    """Random float32 numbers, the same for the same shape."""
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


SERIES, MASK = data(4, 5, 3), np.random.default_rng(1).random((4, 5)) > 0.3


def sequential():
    return gw.Sequential([gw.Input((5, 3)), layers.LSTM(4), layers.Dense(2, "relu", activity_regularizer="l2")])


def shape_in_first_layer():
    return gw.Sequential([layers.LSTM(4, input_shape=(5, 3), return_sequences=True), layers.Dropout(0.3)])


def deferred():
    model = gw.Sequential([layers.LSTM(4), layers.Dense(1)])
    model(SERIES)
    return model


def nested_sequentials():
    first = gw.Sequential([gw.Input((5, 3)), layers.LSTM(4, return_sequences=True)], name="first")
    x = gw.Input((5, 3))
    return gw.Model(x, gw.Sequential([layers.LSTM(2)], name="second")(first(x)))


def names_in_and_out():
    a, m, x = gw.Input((5, 3), name="a"), gw.Input((5,), dtype="bool", name="m"), gw.Input((5, 3))
    inner = gw.Model(x, layers.LSTM(4, return_sequences=True)(layers.Masking()(x)), name="inner")
    steps = layers.TimeDistributed(layers.Dense(2))(inner(a))
    return gw.Model({"a": a, "m": m}, {"o": layers.LSTM(3)(steps, mask=m)})


def encoder_decoder():
    a, b = gw.Input((5, 3)), gw.Input((None, 3))
    _, h, c = layers.LSTM(4, return_state=True)(a)
    decoded = layers.LSTM(4, return_sequences=True)(b, initial_state=[h, c])
    return gw.Model([a, b], layers.TimeDistributed(layers.Dense(1))(decoded))


def lists_of_one():
    x = gw.Input((5, 3))
    return gw.Model([x], [layers.Dense(2)(x)])


def model_used_twice():
    a, b = gw.Input((5, 3)), gw.Input((5, 3))
    pair = gw.Model([a, b], [layers.LSTM(2)(a), layers.Dense(3)(b)], name="pair")
    x = gw.Input((5, 3))
    first, steps = pair([x, x])
    again, _ = pair([steps, x])
    return gw.Model(x, [first, again])


def shared_layer():
    x = gw.Input((5, 3))
    dense = layers.Dense(3, name="shared")
    return gw.Model(x, dense(layers.Activation("tanh")(dense(x))))


def begins_in_the_middle():
    x = gw.Input((5, 3))
    h = layers.Dense(3)(x)
    return gw.Model(h, layers.LSTM(2)(h))


def frozen():
    model = sequential()
    model.layers[0].trainable = False
    return model


def stateful():
    return gw.Sequential([gw.Input((5, 3), batch_size=4), layers.LSTM(4, stateful=True)])


def of_float64():
    return gw.Sequential([gw.Input((5, 3), dtype="float64"), layers.LSTM(4, dtype="float64")])


def with_own_layer():
    return gw.Sequential([gw.Input((5, 3)), Block(4), layers.Dense(2)])


def own_model():
    model = OwnModel(4)
    model(SERIES)
    return model


def own_functional():
    return OwnFunctional(6)


Inputs = np.ndarray | list[np.ndarray] | dict[str, np.ndarray]
ZOO: dict[str, tuple[Callable[[], Any], Inputs]] = {
    make.__name__: (make, inputs)
    for make, inputs in [
        (sequential, SERIES),
        (shape_in_first_layer, SERIES),
        (deferred, SERIES),
        (nested_sequentials, SERIES),
        (names_in_and_out, {"a": SERIES, "m": MASK}),
        (encoder_decoder, [SERIES, data(4, 7, 3)]),
        (lists_of_one, SERIES),
        (model_used_twice, SERIES),
        (shared_layer, SERIES),
        (begins_in_the_middle, SERIES),
        (frozen, SERIES),
        (stateful, SERIES),
        (of_float64, SERIES.astype(np.float64)),
        (with_own_layer, SERIES),
        (own_model, SERIES),
        (own_functional, SERIES),
    ]
}


def same(a: Any, b: Any) -> bool:
    """True if two results are nested alike and equal to the bit."""
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(same(p, q) for p, q in zip(a, b, strict=True))
    return a.dtype == b.dtype and np.array_equal(a, b)
