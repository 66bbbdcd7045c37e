"""Layers, losses and other pieces as scripts for Keras 1, 2 and 3 write them: they build, train and have gradients."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import backend as K
from gatewise import constraints, initializers, layers, metrics, ops, regularizers
from gatewise.layers import Layer
from gradients import assert_gradients


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class AttentionToOneVector(Layer):
    """tanh(x W + b), softmax over time, weighted sum."""

    def __init__(self, **kwargs):
        super(AttentionToOneVector, self).__init__(**kwargs)  # noqa: UP008  (as scripts write it)

    def build(self, input_shape):
        self.W = self.add_weight(name="att_weight", shape=(input_shape[-1], 1), initializer="normal")
        self.b = self.add_weight(name="att_bias", shape=(input_shape[1], 1), initializer="zeros")
        super(AttentionToOneVector, self).build(input_shape)  # noqa: UP008

    def call(self, x):
        et = K.squeeze(K.tanh(K.dot(x, self.W) + self.b), axis=-1)
        at = K.softmax(et)
        at = K.expand_dims(at, axis=-1)
        return K.sum(x * at, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[-1])

    def get_config(self):
        return super(AttentionToOneVector, self).get_config()  # noqa: UP008


class MaskedAttention(Layer):
    """Exponentials normalized by hand, the mask multiplied in, an optional bias, regularizers and constraints."""

    def __init__(self, W_regularizer=None, b_constraint=None, bias=True, return_attention=False, **kwargs):
        self.supports_masking = True
        self.init = initializers.get("glorot_uniform")
        self.W_regularizer = regularizers.get(W_regularizer)
        self.b_constraint = constraints.get(b_constraint)
        self.bias = bias
        self.return_attention = return_attention
        super().__init__(**kwargs)

    def build(self, input_shape):
        assert len(input_shape) == 3
        self.W = self.add_weight(
            shape=(input_shape[-1],), initializer="normal", name=f"{self.name}_W", regularizer=self.W_regularizer
        )
        if self.bias:
            self.b = self.add_weight(
                shape=(input_shape[1],), initializer="zero", name=f"{self.name}_b", constraint=self.b_constraint
            )
        self.built = True

    def compute_mask(self, inputs, mask=None):
        return None

    def call(self, x, mask=None):
        eij = K.squeeze(K.dot(x, K.expand_dims(self.W)), axis=-1)
        if self.bias:
            eij += self.b
        a = K.exp(K.tanh(eij))
        if mask is not None:
            a *= K.cast(mask, K.floatx())
        a /= K.cast(K.sum(a, axis=1, keepdims=True) + K.epsilon(), K.floatx())
        weighted = x * K.expand_dims(a)
        result = K.sum(weighted, axis=1)
        return [result, a] if self.return_attention else result

    def compute_output_shape(self, input_shape):
        if self.return_attention:
            return [(input_shape[0], input_shape[-1]), (input_shape[0], input_shape[1])]
        return (input_shape[0], input_shape[-1])


class ContextAttention(Layer):
    """A context vector u: softmax(tanh(x W + b) u)."""

    def build(self, input_shape):
        size = int(input_shape[-1])
        self.W = self.add_weight(shape=(size, size), initializer=initializers.get("glorot_uniform"), name="W")
        self.b = self.add_weight(shape=(size,), initializer="zeros", name="b")
        self.u = self.add_weight(shape=(size,), initializer="uniform", name="u")
        super().build(input_shape)

    def call(self, x, mask=None):
        uit = K.tanh(K.bias_add(K.dot(x, self.W), self.b))
        ait = K.exp(K.squeeze(K.dot(uit, K.expand_dims(self.u)), -1))
        ait = ait / K.cast(K.sum(ait, axis=1, keepdims=True) + K.epsilon(), K.floatx())
        return K.sum(x * K.expand_dims(ait), axis=1)


class SelfAttention(Layer):
    """One matrix for queries, keys and values, in K.batch_dot."""

    def __init__(self, output_dim, **kwargs):
        self.output_dim = output_dim
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(3, input_shape[2], self.output_dim), initializer="uniform", trainable=True
        )
        super().build(input_shape)

    def call(self, x):
        WQ, WK, WV = K.dot(x, self.kernel[0]), K.dot(x, self.kernel[1]), K.dot(x, self.kernel[2])
        QK = K.batch_dot(WQ, K.permute_dimensions(WK, [0, 2, 1]))
        QK = K.softmax(QK / (self.output_dim**0.5))
        return K.mean(K.batch_dot(QK, WV), axis=1)


class BahdanauAttention(Layer):
    """A query and the values; layers inside; two outputs."""

    def __init__(self, units):
        super().__init__()
        self.W1, self.W2, self.V = layers.Dense(units), layers.Dense(units), layers.Dense(1)

    def call(self, query, values):
        query_with_time_axis = ops.expand_dims(query, 1)
        score = self.V(ops.tanh(self.W1(query_with_time_axis) + self.W2(values)))
        attention_weights = ops.softmax(score, axis=1)
        return ops.sum(attention_weights * values, axis=1), attention_weights


class QueryByTheLastStep(Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.attention = BahdanauAttention(4)

    def call(self, x):
        context, weights = self.attention(x[:, -1], x)
        return K.concatenate([context, K.squeeze(weights, -1)])


class Highway(Layer):
    """A gate between a transformation and the input itself, with the activation as an argument."""

    def __init__(self, activation="tanh", transform_gate_bias=-1, **kwargs):
        self.activation = gw.activations.get(activation)
        self.transform_gate_bias = transform_gate_bias
        super().__init__(**kwargs)

    def build(self, input_shape):
        dim = input_shape[-1]
        bias = initializers.Constant(self.transform_gate_bias)
        self.dense_1 = layers.Dense(units=dim, bias_initializer=bias)
        self.dense_1.build(input_shape)
        self.dense_2 = layers.Dense(units=dim)
        self.dense_2.build(input_shape)
        super().build(input_shape)

    def call(self, x):
        gate = K.sigmoid(self.dense_1(x))
        transformed = self.activation(self.dense_2(x))
        return (gate * transformed) + ((1.0 - gate) * x)

    def get_config(self):
        return {**super().get_config(), "transform_gate_bias": self.transform_gate_bias}


class LayerNorm(Layer):
    def __init__(self, eps=1e-6, **kwargs):
        self.eps = eps
        super().__init__(**kwargs)

    def build(self, input_shape):
        self.gamma = self.add_weight(name="gamma", shape=input_shape[-1:], initializer="ones", trainable=True)
        self.beta = self.add_weight(name="beta", shape=input_shape[-1:], initializer="zeros", trainable=True)
        super().build(input_shape)

    def call(self, x):
        mean, std = K.mean(x, axis=-1, keepdims=True), K.std(x, axis=-1, keepdims=True)
        return self.gamma * (x - mean) / (std + self.eps) + self.beta


class PositionEmbedding(Layer):
    """Sines and cosines made from the shape at hand, added to the input."""

    def call(self, x):
        steps, size = K.int_shape(x)[1], K.int_shape(x)[2]
        position_j = 1.0 / K.pow(10000.0, 2 * K.arange(size // 2, dtype="float32") / size)
        position_i = K.cast(K.arange(steps), "float32")
        angles = K.dot(K.expand_dims(position_i, 1), K.expand_dims(position_j, 0))
        return x + K.expand_dims(K.concatenate([K.cos(angles), K.sin(angles)], 1), 0)


class LearnedPower(Layer):
    """Keras 1: variables made by K.variable and listed by hand."""

    def build(self, input_shape):
        self.p = K.variable(np.ones(input_shape[-1]) * 1.5, name="p")
        self.trainable_weights = [self.p]

    def call(self, x, mask=None):
        return K.pow(K.abs(x) + 0.1, self.p)

    def get_output_shape_for(self, input_shape):
        return input_shape


class GaussianNoiseByHand(Layer):
    def __init__(self, stddev, **kwargs):
        super().__init__(**kwargs)
        self.stddev = stddev

    def call(self, inputs, training=None):
        def noised():
            return inputs + K.random_normal(shape=K.shape(inputs), mean=0.0, stddev=self.stddev)

        return K.in_train_phase(noised, inputs, training=training)


class LastOf(Layer):
    """Picks the last step that the mask marks."""

    supports_masking = True

    def compute_mask(self, inputs, mask=None):
        return None

    def call(self, x, mask=None):
        if mask is None:
            return x[:, -1]
        places = K.sum(K.cast(mask, "int32"), axis=1) - 1
        return K.batch_dot(K.one_hot(places, K.int_shape(x)[1]), x, axes=(1, 1))


class MaskedMean(Layer):
    def __init__(self, **kwargs):
        self.supports_masking = True
        super().__init__(**kwargs)

    def compute_mask(self, input, input_mask=None):
        return None

    def call(self, x, mask=None):
        if mask is not None:
            mask = K.repeat(K.cast(mask, "float32"), K.int_shape(x)[-1])
            mask = K.permute_dimensions(mask, (0, 2, 1))
            return K.sum(x * mask, axis=1) / K.sum(mask, axis=1)
        return K.mean(x, axis=1)


class NoisyOr(Layer):
    """Several inputs in a dictionary, several outputs in one."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape["a"][-1],), initializer="ones", name="w")

    def call(self, inputs):
        a, b = K.sigmoid(inputs["a"] * self.w), K.sigmoid(inputs["b"])
        return {"or": 1 - (1 - a) * (1 - b), "both": [a, {"b": b}]}


class MinimalRNNByHand(Layer):
    """K.rnn with a step of one's own."""

    def __init__(self, units, **kwargs):
        self.units = units
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs, mask=None):
        return None

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel", initializer="uniform")
        self.recurrent = self.add_weight(shape=(self.units, self.units), name="recurrent", initializer="orthogonal")
        self.built = True

    def call(self, x, mask=None):
        def step(inputs, states):
            h = K.tanh(K.dot(inputs, self.kernel) + K.dot(states[0], self.recurrent))
            return h, [h]

        start = K.zeros_like(K.dot(x[:, 0, :], self.kernel))
        last, _, _ = K.rnn(step, x, [start], mask=mask)
        return last


class CapsuleRouting(Layer):
    """A few rounds of routing by agreement: loops, softmax over another axis, squashing."""

    def __init__(self, num_capsule=3, dim_capsule=2, routings=3, **kwargs):
        super().__init__(**kwargs)
        self.num_capsule, self.dim_capsule, self.routings = num_capsule, dim_capsule, routings

    def build(self, input_shape):
        self.W = self.add_weight(
            name="W", shape=(input_shape[-1], self.num_capsule * self.dim_capsule), initializer="glorot_uniform"
        )

    def call(self, u):
        u_hat = K.dot(u, self.W)
        batch, steps = K.shape(u)[0], K.shape(u)[1]
        u_hat = K.reshape(u_hat, (batch, steps, self.num_capsule, self.dim_capsule))
        u_hat = K.permute_dimensions(u_hat, (0, 2, 1, 3))
        b = K.zeros_like(u_hat[:, :, :, 0])
        outputs = None
        for _ in range(self.routings):
            c = K.softmax(b, axis=1)
            outputs = self.squash(K.sum(K.expand_dims(c) * u_hat, axis=2))
            b = b + K.sum(u_hat * K.expand_dims(outputs, 2), axis=-1)
        return K.batch_flatten(outputs)

    def squash(self, x):
        squared = K.sum(K.square(x), -1, keepdims=True) + K.epsilon()
        return K.sqrt(squared) / (0.5 + squared) * x


ON_SEQUENCES = {
    "attention to one vector": AttentionToOneVector,
    "masked attention": MaskedAttention,
    "masked attention with a regularizer": lambda: MaskedAttention(W_regularizer="l2", b_constraint="max_norm"),
    "attention without a bias": lambda: MaskedAttention(bias=False),
    "context attention": ContextAttention,
    "self-attention": lambda: SelfAttention(4),
    "Bahdanau's attention": QueryByTheLastStep,
    "highway": Highway,
    "layer normalization": LayerNorm,
    "positions": PositionEmbedding,
    "a power by K.variable": LearnedPower,
    "noise by hand": lambda: GaussianNoiseByHand(0.05),
    "the last step": LastOf,
    "masked mean": MaskedMean,
    "a recurrence by K.rnn": lambda: MinimalRNNByHand(4),
    "capsules": CapsuleRouting,
}


@pytest.mark.parametrize("name", ON_SEQUENCES)
def test_over_the_outputs_of_an_lstm_they_train(name):
    gw.utils.set_random_seed(3)
    x, y = data(16, 5, 3), data(16, 1, seed=1)
    given = gw.Input(shape=(5, 3))
    h = ON_SEQUENCES[name]()(layers.LSTM(4, return_sequences=True)(given))
    h = layers.Flatten()(h) if len(h.shape) == 3 else h
    model = gw.Model(given, layers.Dense(1)(h))
    model.compile(loss="mse", optimizer=gw.optimizers.Adam(0.02))
    losses = model.fit(x, y, epochs=12, batch_size=8, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    assert model.predict(x, verbose=0).shape == (16, 1)
    assert all(w.trainable for w in model.layers[2].weights)


@pytest.mark.parametrize("name", [name for name in ON_SEQUENCES if name != "noise by hand"])
def test_their_gradients_are_central_differences(name):
    before = gw.config.floatx()
    gw.config.set_floatx("float64")
    try:
        layer = ON_SEQUENCES[name]()
        x = np.random.default_rng(5).normal(size=(2, 5, 4))
        gradients = assert_gradients(layer, x, tolerance=1e-5)
        assert set(gradients) == set(layer.trainable_weights)
    finally:
        gw.config.set_floatx(before)


@pytest.mark.parametrize("name", ["masked attention", "the last step", "masked mean", "a recurrence by K.rnn"])
def test_padding_changes_nothing_where_a_mask_is_taken(name):
    layer = ON_SEQUENCES[name]()
    if name == "masked attention":
        layer = MaskedAttention(bias=False)
    ids = np.array([[4, 2, 3, 0, 0], [1, 1, 2, 5, 6]])
    given = gw.Input((5,))
    model = gw.Model(given, layer(layers.Embedding(7, 4, mask_zero=True)(given)))
    found = model.predict(ids, verbose=0)
    table = model.get_weights()[0].copy()
    table[0] = 100.0
    model.set_weights([table, *model.get_weights()[1:]])
    np.testing.assert_array_equal(model.predict(ids, verbose=0), found)


def test_several_outputs_and_their_masks():
    given = gw.Input((5, 3))
    h, weights = MaskedAttention(return_attention=True)(layers.LSTM(4, return_sequences=True)(given))
    assert h.shape == (None, 4) and weights.shape == (None, 5)
    model = gw.Model(given, [layers.Dense(1)(h), weights])
    looked_at = model.predict(data(3, 5, 3), verbose=0)[1]
    np.testing.assert_allclose(looked_at.sum(axis=1), 1, rtol=1e-4)


def test_dictionaries_in_and_nested_outputs():
    layer = NoisyOr()
    out = layer({"a": data(2, 3), "b": data(2, 3, seed=1)})
    assert set(out) == {"or", "both"} and out["both"][1]["b"].shape == (2, 3)
    a, b = gw.Input((3,)), gw.Input((3,))
    symbolic = layer({"a": a, "b": b})
    model = gw.Model([a, b], symbolic["both"][1]["b"] + symbolic["or"])
    np.testing.assert_allclose(model([data(2, 3), data(2, 3, seed=1)]), out["both"][1]["b"] + out["or"], rtol=1e-6)


def test_what_input_spec_declares_is_checked():
    class Spec(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.input_spec = [layers.InputSpec(ndim=3)]

        def build(self, input_shape):
            self.input_spec = [layers.InputSpec(min_ndim=2, axes={-1: input_shape[-1]})]

        def call(self, x):
            return x * 2.0

    layer = Spec(name="spec")
    with pytest.raises(ValueError, match=r"Input 0 of layer 'spec' \(Spec\).*expected ndim=3, found ndim=2"):
        layer(gw.Input((5,)))
    assert layer(gw.Input((None, 4))).shape == (None, None, 4)
    with pytest.raises(ValueError, match=r"expected axis -1 to have size 4, found 5. Full shape received: \(2, 5\)"):
        layer(data(2, 5))
    for spec, message in (
        (layers.InputSpec(max_ndim=1), "max_ndim=1"),
        (layers.InputSpec(min_ndim=4), "min_ndim=4"),
        (layers.InputSpec(shape=(None, 3)), "axis 1 to have size 3"),
        (layers.InputSpec(axes={3: 1}), "an axis 3"),
    ):
        assert message in (spec.complaint((2, 5)) or "")
    assert layers.InputSpec.from_config(layers.InputSpec(shape=(None, 3)).get_config()).shape == (None, 3)
    layer.input_spec = "three axes"
    with pytest.raises(TypeError, match="InputSpec"):
        layer(data(2, 4))


def test_an_input_without_a_spec_leaves_the_others_theirs():
    class Sums(Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.input_spec = [None, layers.InputSpec(ndim=2)]

        def call(self, xs):
            return ops.sum(xs[0]) + ops.sum(xs[1])

    assert Sums()([np.ones((2, 3, 4)), np.ones((2, 3))]) == 30
    with pytest.raises(ValueError, match="Input 1 .*expected ndim=2, found ndim=3"):
        Sums()([np.ones((2, 3)), np.ones((2, 3, 4))])


def test_a_layer_of_ones_own_in_files(tmp_path):
    given = gw.Input((5, 4))
    model = gw.Model(given, Highway(transform_gate_bias=-2, name="way")(given))
    model.save(tmp_path / "model.keras")
    again = gw.load_model(tmp_path / "model.keras", custom_objects={"Highway": Highway})
    x = data(2, 5, 4)
    np.testing.assert_array_equal(again(x), model(x))
    assert again.get_layer("way").transform_gate_bias == -2


# ---- losses, metrics, activations and the rest as functions and classes ----------------------------------------------


def rmse(y_true, y_pred):
    return K.sqrt(K.mean(K.square(y_pred - y_true), axis=-1))


def r_squared(y_true, y_pred):
    residual = K.sum(K.square(y_true - y_pred))
    total = K.sum(K.square(y_true - K.mean(y_true)))
    return 1 - residual / (total + K.epsilon())


def focal_loss(gamma=2.0, alpha=0.25):
    def focal(y_true, y_pred):
        p_1 = ops.where(ops.equal(y_true, 1), y_pred, ops.ones_like(y_pred))
        p_0 = ops.where(ops.equal(y_true, 0), y_pred, ops.zeros_like(y_pred))
        p_1, p_0 = K.clip(p_1, 1e-3, 0.999), K.clip(p_0, 1e-3, 0.999)
        positive = K.sum(alpha * K.pow(1.0 - p_1, gamma) * K.log(p_1))
        return -positive - K.sum((1 - alpha) * K.pow(p_0, gamma) * K.log(1.0 - p_0))

    return focal


def dice_loss(y_true, y_pred, smooth=1.0):
    y_true, y_pred = K.flatten(y_true), K.flatten(y_pred)
    overlap = K.sum(y_true * y_pred)
    return 1 - (2.0 * overlap + smooth) / (K.sum(y_true) + K.sum(y_pred) + smooth)


def quantile_loss(q):
    return lambda y_true, y_pred: K.mean(K.maximum(q * (y_true - y_pred), (q - 1) * (y_true - y_pred)), axis=-1)


def correlation_loss(y_true, y_pred):
    x, y = y_true - K.mean(y_true), y_pred - K.mean(y_pred)
    r = K.sum(x * y) / (K.sqrt(K.sum(K.square(x)) * K.sum(K.square(y))) + K.epsilon())
    return 1 - K.square(K.maximum(K.minimum(r, 1.0), -1.0))


@pytest.mark.parametrize(
    "loss", [rmse, focal_loss(), dice_loss, quantile_loss(0.9), correlation_loss], ids=lambda f: f.__name__
)
def test_losses_as_functions(loss):
    gw.utils.set_random_seed(1)
    x = data(32, 5, 3)
    y = (x.sum(axis=(1, 2), keepdims=True)[:, 0] > 0).astype("float32")
    model = gw.Sequential([gw.Input((5, 3)), layers.LSTM(6), layers.Dense(1, activation="sigmoid")])
    model.compile(gw.optimizers.Adam(0.02), loss, metrics=[rmse, r_squared])
    history = model.fit(x, y, epochs=10, verbose=0).history
    assert history["loss"][-1] < history["loss"][0] and "r_squared" in history
    p = model.predict(x, verbose=0)
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0)[1], np.abs(p - y).mean(), rtol=1e-5)


class RecallByHand(metrics.Metric):
    def __init__(self, name="recall_by_hand", **kwargs):
        super().__init__(name=name, **kwargs)
        self.hits = self.add_weight(name="hits", initializer="zeros")
        self.all = self.add_weight(name="all", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        positive = K.cast(y_true, "float32")
        self.hits.assign_add(K.sum(positive * K.round(y_pred)))
        self.all.assign_add(K.sum(positive))

    def result(self):
        return self.hits / (self.all + K.epsilon())

    def reset_state(self):
        self.hits.assign(0.0)
        self.all.assign(0.0)


def test_classes_of_ones_own_everywhere():
    class HalfNorm(constraints.Constraint):
        def __call__(self, w):
            return 0.5 * w / (K.sqrt(K.sum(K.square(w))) + K.epsilon())

    class Spread(regularizers.Regularizer):
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, x):
            return self.rate * K.sum(K.square(x - K.mean(x)))

    class Ramp(initializers.Initializer):
        def __call__(self, shape, dtype=None, **kwargs):
            return np.linspace(-1, 1, int(np.prod(shape))).reshape(shape).astype(dtype or "float32")

    def swish_of_two(x):
        return x * K.sigmoid(2.0 * x)

    def diagonal_penalty(w):
        return 0.01 * K.sum(K.abs(w))

    model = gw.Sequential([
        gw.Input((5, 3)),
        layers.LSTM(4, kernel_regularizer=Spread(0.1), recurrent_initializer=Ramp(), activation=swish_of_two),
        layers.Dense(
            1, activation=lambda x: K.sigmoid(x), kernel_constraint=HalfNorm(), bias_regularizer=diagonal_penalty
        ),
    ])  # fmt: skip
    model.compile("adam", "binary_crossentropy", metrics=[RecallByHand()])
    x, y = data(16, 5, 3), (data(16, 1, seed=4) > 0).astype("float32")
    history = model.fit(x, y, epochs=3, verbose=0).history
    assert set(history) == {"loss", "recall_by_hand"}
    np.testing.assert_allclose(np.linalg.norm(model.layers[-1].get_weights()[0]), 0.5, rtol=1e-4)
    recall = model.evaluate(x, y, verbose=0)[1]
    np.testing.assert_allclose(recall, (y * np.round(model.predict(x, verbose=0))).sum() / y.sum(), rtol=1e-5)


def test_lambda_layers_with_k():
    given = gw.Input((5, 3))
    h = layers.LSTM(4, return_sequences=True)(given)
    pooled = [
        layers.Lambda(lambda x: K.mean(x, axis=1), output_shape=lambda s: (s[0], s[2]))(h),
        layers.Lambda(lambda x: K.max(x, axis=1))(h),
        layers.Lambda(lambda x: x[:, -1, :])(h),
        layers.Lambda(lambda x: K.l2_normalize(K.sum(x, axis=1), axis=-1))(h),
        layers.Lambda(lambda xs: K.batch_dot(xs[0], xs[1], axes=1))([h, layers.Dense(5)(h)]),
    ]
    model = gw.Model(given, layers.Dense(1)(layers.concatenate([*pooled[:4], layers.Flatten()(pooled[4])])))
    model.compile("adam", "mse")
    losses = model.fit(data(16, 5, 3), data(16, 1), epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_a_siamese_model_with_a_distance_of_ones_own():
    shared = gw.Sequential([gw.Input((5, 3)), layers.LSTM(4)])
    left, right = gw.Input((5, 3)), gw.Input((5, 3))
    distance = layers.Lambda(lambda v: K.exp(-K.sum(K.abs(v[0] - v[1]), axis=1, keepdims=True)))
    model = gw.Model([left, right], distance([shared(left), shared(right)]))

    def contrastive(y_true, y_pred):
        return K.mean(y_true * K.square(1 - y_pred) + (1 - y_true) * K.square(K.maximum(y_pred - 0.2, 0.0)))

    model.compile(gw.optimizers.Adam(0.02), contrastive)
    a, b = data(16, 5, 3), data(16, 5, 3, seed=1)
    b[:8] = a[:8]
    same = np.r_[np.ones(8), np.zeros(8)].astype("float32")[:, None]
    losses = model.fit([a, b], same, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    np.testing.assert_allclose(model.predict([a, a], verbose=0), 1, rtol=1e-6)
