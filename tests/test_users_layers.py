"""Layers that users write: every way of writing `call`, gradients against central differences."""

import autograd.numpy
import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, ops
from gradients import assert_gradients


@pytest.fixture(autouse=True)
def float64():
    before = gw.config.floatx()
    gw.config.set_floatx("float64")
    yield
    gw.config.set_floatx(before)


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


X = (3, 4, 2)


class Weighted(layers.Layer):
    """A base with a matrix w and a vector b."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], 2), name="w")
        self.b = self.add_weight(shape=(2,), initializer="ones", name="b")


def layer_of(call, build=Weighted.build):
    """A layer with this `call(self, ...)` and `build(self, shape)`."""
    return type("Users", (layers.Layer,), {"call": call, "build": build})()


WAYS = {
    "ops": lambda self, x: ops.tanh(ops.matmul(x, self.w) + self.b),
    "operators": lambda self, x: (x @ self.w) ** 2 / (1 + self.b**2) - self.w[0] * x,
    "ufuncs of numpy": lambda self, x: np.tanh(x @ self.w + self.b),
    "functions of numpy": lambda self, x: np.concatenate(
        [np.mean(np.dot(x, self.w), axis=1), np.sum(x, axis=1)], axis=-1
    ),
    "einsum and where of numpy": lambda self, x: np.einsum("ntf,fg->ntg", x, self.w) * np.where(x > 0, x, 0.1 * x),
    "numpy.linalg": lambda self, x: x / np.linalg.norm(self.w),
    "autograd.numpy": lambda self, x: autograd.numpy.exp(autograd.numpy.dot(x, self.w)) + self.b,
    "methods of arrays": lambda self, x: (x @ self.w).sum(axis=1).reshape(-1, 1, 2).mean(axis=1),
    "indices": lambda self, x: x[:, -1] @ self.w + x[:, ::2].sum(axis=1) + self.w[[0, 0, 1]],
    "activations": lambda self, x: ops.softmax(x @ self.w) + ops.logsumexp(x, axis=-1, keepdims=True) + ops.gelu(x),
    "weight arithmetic": lambda self, x: 2.0 * self.b + (1 - self.b) @ self.w + abs(self.b) + np.ones(2) * self.b + x,
    "a loop over steps": lambda self, x: ops.stack([ops.tanh(x[:, t] @ self.w) for t in range(x.shape[1])], axis=1),
    "scan": lambda self, x: ops.scan(
        lambda h, x_t: (ops.tanh(x_t @ self.w + h), h), np.zeros((3, 2)), ops.transpose(x, (1, 0, 2))
    )[0],
    "flip and pad": lambda self, x: ops.pad(ops.flip(x, axis=1), ((0, 0), (1, 0), (0, 0))) * self.b,
    "take": lambda self, x: ops.take(x @ self.w, [2, 0, 0], axis=1),
    "take_along_axis": lambda self, x: ops.take_along_axis(x * self.b, ops.argmax(x, axis=1)[:, None], 1),
    "average": lambda self, x: ops.average(x @ self.w, axis=1, weights=np.arange(1.0, 5.0)),
    "add_loss": lambda self, x: (self.add_loss(ops.sum(self.w**2)), self.add_loss(0.3 * ops.mean(x)), x @ self.w)[2],
    "a tuple with a dictionary": lambda self, x: (x @ self.w, {"a": x * 2, "b": [self.b * 1.0]}),
    "stop_gradient of nothing": lambda self, x: ops.stop_gradient(np.ones(2)) * x * self.b + 0 * self.w[0],
}


@pytest.mark.parametrize("way", WAYS)
def test_ways_of_writing_call(way):
    assert_gradients(layer_of(WAYS[way]), data(*X))


def test_no_gradient_flows_through_stop_gradient():
    layer = layer_of(lambda self, x: ops.stop_gradient(x @ self.w) + x * self.b)
    layer(data(*X))
    _, pullback = layer.differentiate([data(*X)], None, False, None)
    (dx,), gradients = pullback(np.ones(X))
    np.testing.assert_array_equal(dx, np.ones(X))
    assert not gradients[layer.w].any() and gradients[layer.b].all()


def test_a_function_without_a_derivative_is_named():
    layer = layer_of(lambda self, x: np.select([x > 0], [x * self.b], 0.0))
    layer(data(*X))
    with pytest.raises(TypeError, match="No derivative is known of numpy.select"):
        layer.differentiate([data(*X)], None, False, None)


def test_lists_positions_keywords_and_dictionaries_of_inputs():
    def first(self, shape):
        Weighted.build(self, shape[0])

    def by_name(self, shape):
        Weighted.build(self, shape["u"])

    a, b = data(*X), data(*X, seed=1)
    assert_gradients(layer_of(lambda self, xs, k=1.0: (xs[0] @ self.w) * k + xs[1], first), [a, b], k=3.0)
    assert_gradients(layer_of(lambda self, x, y, z=None: (x @ self.w) * y + z), a, b, z=data(*X, seed=2))
    assert_gradients(layer_of(lambda self, d: d["u"] @ self.w - d["v"], by_name), {"v": a, "u": b})


def test_integers_are_inputs_without_a_gradient():
    def build(self, shape):
        self.table = self.add_weight(shape=(5, 2), name="table")

    ids = np.array([[1, 2], [4, 4]])
    for call in (
        lambda self, ids: self.table[ids],
        lambda self, ids: ops.take(self.table, ids, axis=0),
        lambda self, ids: ops.matmul(ops.one_hot(ids, 5), self.table),
    ):
        layer = layer_of(call, build)
        assert_gradients(layer, ids)
        _, pullback = layer.differentiate([ids], None, False, None)
        assert pullback(np.ones((2, 2, 2)))[0] == (None,)


def test_weights_made_in_the_constructor_and_in_lists():
    class Users(layers.Layer):
        def __init__(self):
            super().__init__()
            self.g = self.add_weight(shape=(), initializer="ones", name="g")
            self.v = gw.Variable(np.ones(2), name="v")
            self.many = [self.add_weight(shape=(2, 2), name=f"w{k}") for k in range(2)]

        def call(self, x):
            return (x * self.g * self.v) @ self.many[0] @ self.many[1]

    layer = Users()
    assert_gradients(layer, data(*X))
    assert [w.name for w in layer.weights] == ["g", "w0", "w1", "v"]


class Inner(layers.Layer):
    """A native LSTM, and a Dense used twice."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.recurrent = layers.LSTM(3, return_sequences=True)
        self.dense = layers.Dense(2, activation="tanh")

    def call(self, x):
        h = self.recurrent(x)
        return self.dense(h) * self.dense(h[:, ::-1])


class Nested(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = layer_of(WAYS["ops"]), Inner()

    def call(self, x):
        return self.second(self.first(x)) + self.first(x)


class EncoderDecoder(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.encoder = layers.LSTM(3, return_state=True)
        self.decoder = layers.LSTM(3, return_sequences=True)

    def call(self, x):
        _, h, c = self.encoder(x)
        return self.decoder(x, initial_state=[h, c])


class Masked(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.masking, self.recurrent, self.given = layers.Masking(), layers.LSTM(3), layers.LSTM(2)

    def call(self, x):
        return ops.concatenate([self.recurrent(self.masking(x)), self.given(x, mask=ops.any(x > 0, axis=-1))], axis=-1)


class Cells(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.cell = layers.LSTMCell(3)

    def call(self, x):
        h, states = None, [np.zeros((x.shape[0], 3)), np.zeros((x.shape[0], 3))]
        for t in range(x.shape[1]):
            h, states = self.cell(x[:, t], states)
        return h + states[1]


class Models(layers.Layer):
    """A Sequential used twice, and a Functional with two inputs and two outputs."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.sequential = gw.Sequential([layers.LSTM(3, return_sequences=True), layers.Dense(2)])
        a, b = gw.Input((4, 2)), gw.Input((4, 2))
        y = layers.LSTM(3)(a + b)
        self.functional = gw.Model([a, b], [y, y * 2.0])

    def call(self, x):
        a, b = self.functional([self.sequential(x), self.sequential(x * 2)])
        return a * b


class Frozen(layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.frozen, self.dense = layers.LSTM(2, trainable=False), layers.Dense(1)

    def call(self, x):
        return self.dense(self.frozen(x))


@pytest.mark.parametrize("cls", [Inner, Nested, EncoderDecoder, Masked, Cells, Models, Frozen])
def test_built_in_layers_inside(cls):
    x = data(*X)
    layer = cls()
    gradients = assert_gradients(layer, x)
    assert set(gradients) == set(layer.trainable_weights)


def test_time_distributed_users_layers_and_models():
    assert_gradients(layers.TimeDistributed(Inner()), data(2, 3, 4, 2))
    model = gw.Sequential([layers.LSTM(2), layers.Dense(1)])
    assert_gradients(layers.TimeDistributed(model), data(2, 3, 4, 2))


def test_subclasses_of_users_and_of_built_in_layers():
    class First(layers.Layer):
        def call(self, x):
            return x * x

    class Second(First):
        pass

    class TwiceLSTM(layers.LSTM):
        def call(self, sequences, initial_state=None, mask=None, training=False):
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training) * 2.0

    class ScaledDense(layers.Dense):
        def call(self, x):
            return super().call(x) * ops.sum(self.kernel)

    assert_gradients(Second(), data(*X))
    assert_gradients(ScaledDense(3), data(*X))
    states = [data(3, 3, seed=1), data(3, 3, seed=2)]
    twice = TwiceLSTM(3)
    assert_gradients(twice, data(*X), initial_state=states)
    plain = layers.LSTM(3)
    plain(data(*X))
    plain.set_weights(twice.get_weights())
    mask = np.array([[1, 1, 0, 0], [1, 0, 1, 1], [0, 1, 1, 1]], bool)
    np.testing.assert_allclose(twice(data(*X), states, mask), 2 * plain(data(*X), states, mask), rtol=1e-12)


def test_assignments_in_call_happen_once_for_each_call():
    def build(self, shape):
        Weighted.build(self, shape)
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False, name="count")
        self.mean = self.add_weight(shape=(2,), initializer="zeros", trainable=False, name="mean")

    def call(self, x):
        y = x @ self.w
        self.count.assign_add(1.0)
        self.mean.assign(0.9 * self.mean + 0.1 * ops.mean(y, axis=(0, 1)))
        return y + self.b

    layer = layer_of(call, build)
    model = gw.Sequential([gw.Input(X[1:]), layer])
    assert float(layer.count) == 0 and not layer.mean.value.any()
    model.compile("sgd", "mse")
    model.fit(data(6, 4, 2), data(6, 4, 2), batch_size=2, epochs=2, verbose=0)
    assert float(layer.count) == 6 and layer.mean.value.all()
    assert len(layer.trainable_weights) == 2 and len(layer.non_trainable_weights) == 2


def test_training_and_mask_reach_call_at_any_depth():
    seen = []

    class Seeing(layers.Layer):
        supports_masking = True

        def call(self, x, training=False, mask=None):
            seen.append((training, None if mask is None else mask.tolist()))
            return x * 1.0

    class Outer(layers.Layer):
        def __init__(self):
            super().__init__()
            self.masking, self.inner = layers.Masking(), Seeing()

        def call(self, x):
            return self.inner(self.masking(x))

    x = np.ones((1, 2, 1))
    x[0, 1] = 0
    Outer()(x)
    Outer()(x, training=True)
    assert seen == [(False, [[True, False]]), (True, [[True, False]])]


def test_the_configuration_of_a_users_layer():
    class Users(layers.Layer):
        def __init__(self, n, **kwargs):
            super().__init__(**kwargs)
            self.n = n

        def get_config(self):
            return {**super().get_config(), "n": self.n}

    config = Users(3, name="mine").get_config()
    assert {key: value for key, value in config.items() if key != "dtype"} == {
        "name": "mine",
        "trainable": True,
        "n": 3,
    }
    assert Users.from_config(config).n == 3


def test_what_is_missing_is_said():
    class NoSuper(layers.Layer):
        def __init__(self):
            self.n = 3

    class NoCall(layers.Layer):
        pass

    with pytest.raises(RuntimeError, match=r"NoSuper.__init__ did not call super\(\).__init__\(\)"):
        NoSuper()(data(*X))
    with pytest.raises(TypeError, match="NoCall computes nothing: give it a method `call"):
        NoCall()(data(*X))
