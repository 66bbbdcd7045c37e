"""gatewise.backend, Keras 1's and 2's K: on arrays, on symbolic tensors, and inside a differentiation."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import autodiff, layers
from gatewise import backend as K
from gatewise.compat import keras_names
from gradients import central_differences


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


X, Y = data(3, 4), data(3, 4, seed=1)
SEQUENCE = data(2, 5, 3)

WITH_NUMPY = {
    "mean": (lambda: K.mean(X, axis=1, keepdims=True), lambda: X.mean(1, keepdims=True)),
    "sum of several axes": (lambda: K.sum(SEQUENCE, axis=[1, 2]), lambda: SEQUENCE.sum((1, 2))),
    "prod": (lambda: K.prod(X, 0), lambda: X.prod(0)),
    "max": (lambda: K.max(X), lambda: X.max()),
    "min": (lambda: K.min(X, axis=-1), lambda: X.min(-1)),
    "var": (lambda: K.var(X, axis=0), lambda: X.var(0)),
    "std": (lambda: K.std(X), lambda: X.std()),
    "any": (lambda: K.any(X > 1, axis=1), lambda: (X > 1).any(1)),
    "all": (lambda: K.all(X > -1, axis=1), lambda: (X > -1).all(1)),
    "argmax along the last axis": (lambda: K.argmax(X), lambda: X.argmax(-1)),
    "argmin": (lambda: K.argmin(X, axis=0), lambda: X.argmin(0)),
    "cumsum along the first axis": (lambda: K.cumsum(X), lambda: X.cumsum(0)),
    "cumprod": (lambda: K.cumprod(X, axis=1), lambda: X.cumprod(1)),
    "logsumexp": (lambda: K.logsumexp(X, axis=1), lambda: np.log(np.exp(X).sum(1))),
    "sqrt of negative numbers": (lambda: K.sqrt(X), lambda: np.sqrt(np.maximum(X, 0))),
    "pow": (lambda: K.pow(X, 2), lambda: X**2),
    "round": (lambda: K.round(X), lambda: np.round(X)),
    "clip": (lambda: K.clip(X, -0.5, 0.5), lambda: np.clip(X, -0.5, 0.5)),
    "clip with ends exchanged": (lambda: K.clip(X, 1.0, 0.0), lambda: np.full_like(X, 1.0)),
    "l2_normalize": (lambda: K.l2_normalize(X, axis=1), lambda: X / np.linalg.norm(X, axis=1, keepdims=True)),
    "hard_sigmoid is Keras 2's": (lambda: K.hard_sigmoid(X), lambda: np.clip(0.2 * X + 0.5, 0, 1)),
    "relu": (lambda: K.relu(X, alpha=0.1, max_value=1.0), lambda: np.minimum(np.where(X > 0, X, 0.1 * X), 1)),
    "elu": (lambda: K.elu(X, 0.5), lambda: np.where(X > 0, X, 0.5 * np.expm1(X))),
    "softmax": (lambda: K.softmax(X), lambda: np.exp(X) / np.exp(X).sum(-1, keepdims=True)),
    "softplus": (lambda: K.softplus(X), lambda: np.log1p(np.exp(X))),
    "softsign": (lambda: K.softsign(X), lambda: X / (1 + np.abs(X))),
    "sigmoid": (lambda: K.sigmoid(X), lambda: 1 / (1 + np.exp(-X))),
    "dot": (lambda: K.dot(SEQUENCE, data(3, 2)), lambda: SEQUENCE @ data(3, 2)),
    "dot with three axes": (
        lambda: K.dot(X, data(2, 4, 5)),
        lambda: np.tensordot(X, data(2, 4, 5), [[1], [1]]),
    ),
    "bias_add": (lambda: K.bias_add(X, X[0]), lambda: X + X[0]),
    "permute_dimensions": (lambda: K.permute_dimensions(SEQUENCE, (0, 2, 1)), lambda: SEQUENCE.swapaxes(1, 2)),
    "transpose": (lambda: K.transpose(X), lambda: X.T),
    "expand_dims at the end": (lambda: K.expand_dims(X), lambda: X[..., None]),
    "squeeze": (lambda: K.squeeze(X[:1], 0), lambda: X[0]),
    "concatenate along the last axis": (lambda: K.concatenate([X, Y]), lambda: np.concatenate([X, Y], -1)),
    "stack": (lambda: K.stack([X, Y]), lambda: np.stack([X, Y])),
    "reshape": (lambda: K.reshape(X, (-1, 2)), lambda: X.reshape(-1, 2)),
    "flatten": (lambda: K.flatten(X), lambda: X.ravel()),
    "batch_flatten": (lambda: K.batch_flatten(SEQUENCE), lambda: SEQUENCE.reshape(2, 15)),
    "repeat": (lambda: K.repeat(X, 2), lambda: np.repeat(X[:, None], 2, 1)),
    "repeat_elements": (lambda: K.repeat_elements(X, 2, axis=1), lambda: np.repeat(X, 2, 1)),
    "tile": (lambda: K.tile(X, [1, 2]), lambda: np.tile(X, (1, 2))),
    "reverse": (lambda: K.reverse(SEQUENCE, 1), lambda: SEQUENCE[:, ::-1]),
    "gather": (lambda: K.gather(X, np.array([[0, 2]])), lambda: X[[[0, 2]]]),
    "slice": (lambda: K.slice(X, [1, 0], [-1, 2]), lambda: X[1:, :2]),
    "temporal_padding": (lambda: K.temporal_padding(SEQUENCE), lambda: np.pad(SEQUENCE, ((0, 0), (1, 1), (0, 0)))),
    "spatial_2d_padding": (
        lambda: K.spatial_2d_padding(SEQUENCE[..., None]),
        lambda: np.pad(SEQUENCE[..., None], ((0, 0), (1, 1), (1, 1), (0, 0))),
    ),
    "one_hot": (lambda: K.one_hot(np.array([1, 0]), 3), lambda: np.eye(3)[[1, 0]]),
    "eye": (lambda: K.eye(3).value, lambda: np.eye(3)),
    "arange": (lambda: K.arange(2, 5), lambda: np.arange(2, 5)),
    "switch row by row": (lambda: K.switch(X[:, 0] > 0, X, Y), lambda: np.where(X[:, :1] > 0, X, Y)),
    "switch": (lambda: K.switch(X > 0, lambda: X, lambda: Y), lambda: np.where(X > 0, X, Y)),
    "switch of everything": (lambda: K.switch(True, lambda: X, lambda: Y), lambda: X),
    "maximum": (lambda: K.maximum(X, 0.0), lambda: np.maximum(X, 0)),
    "map_fn": (lambda: K.map_fn(lambda row: row * 2, X), lambda: X * 2),
    "foldl": (lambda: K.foldl(lambda total, row: total * 0.5 + row, X), lambda: (X[0] * 0.5 + X[1]) * 0.5 + X[2]),
    "foldr": (lambda: K.foldr(lambda total, row: total * 0.5 + row, X), lambda: (X[2] * 0.5 + X[1]) * 0.5 + X[0]),
    "batch_normalization": (
        lambda: K.batch_normalization(X, X.mean(0), X.var(0), X[0], Y[0]),
        lambda: (X - X.mean(0)) / np.sqrt(X.var(0) + 1e-3) * Y[0] + X[0],
    ),
    "binary_crossentropy": (
        lambda: K.binary_crossentropy(np.array([1.0, 0.0]), np.array([0.8, 0.3])),
        lambda: -np.log([0.8, 0.7]),
    ),
    "categorical_crossentropy": (
        lambda: K.categorical_crossentropy(np.eye(2), np.array([[0.8, 0.2], [1.0, 3.0]])),
        lambda: -np.log([0.8, 0.75]),
    ),
    "sparse_categorical_crossentropy": (
        lambda: K.sparse_categorical_crossentropy(np.array([0, 1]), np.array([[0.8, 0.2], [1.0, 3.0]])),
        lambda: -np.log([0.8, 0.75]),
    ),
    "in_top_k": (lambda: K.in_top_k(X, X.argmax(1), 1), lambda: np.ones(3, bool)),
    "cast": (lambda: K.cast(X > 0, "float32"), lambda: (X > 0).astype("float32")),
    "cast_to_floatx": (lambda: K.cast_to_floatx([1, 2]), lambda: np.array([1, 2], "float32")),
    "identity": (lambda: K.identity(X), lambda: X),
    "constant": (lambda: K.constant(2, shape=(2, 2)), lambda: np.full((2, 2), 2.0)),
}


@pytest.mark.parametrize("name", WITH_NUMPY)
def test_values_are_numpy_s(name):
    ours, numpys = WITH_NUMPY[name]
    found, expected = np.asarray(ours()), np.asarray(numpys())
    assert found.shape == expected.shape and found.dtype != np.dtype("O")
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("shapes", "axes", "subscripts"),
    [
        (((2, 5, 3), (2, 3, 4)), None, "ntf,nfg->ntg"),
        (((2, 5, 3), (2, 5, 4)), 1, "ntf,ntg->nfg"),
        (((2, 5, 3), (2, 4, 3)), 2, "ntf,nsf->nts"),
        (((2, 5, 3), (2, 4, 3)), [2, 2], "ntf,nsf->nts"),
        (((2, 5, 3), (2, 5)), (1, 1), "ntf,nt->nf"),
        (((2, 5), (2, 5, 3)), (1, 1), "nt,ntf->nf"),
        (((2, 5, 3), (2, 3)), None, "ntf,nf->nt"),
        (((2, 5, 3), (2, 3)), (-1, -1), "ntf,nf->nt"),
        (((2, 5, 3, 4), (2, 4, 6)), (3, 1), "nabc,ncd->nabd"),
    ],
)
def test_batch_dot(shapes, axes, subscripts):
    x, y = data(*shapes[0]), data(*shapes[1], seed=1)
    expected = np.einsum(subscripts, x, y)
    np.testing.assert_allclose(K.batch_dot(x, y, axes=axes), expected, rtol=1e-5, atol=1e-6)
    symbolic = K.batch_dot(gw.Input(shapes[0][1:]), gw.Input(shapes[1][1:]), axes=axes)
    assert symbolic.shape == (None, *expected.shape[1:])


def test_batch_dot_of_vectors_keeps_an_axis():
    np.testing.assert_allclose(K.batch_dot(X, Y, axes=1), np.sum(X * Y, 1, keepdims=True), rtol=1e-5)


def test_what_batch_dot_refuses():
    for arguments, message in (
        ((X, X[0]), "two or more axes"),
        ((X, X, 0), "axis 0 is that of the samples"),
        ((X, data(3, 5), 1), "differ in size"),
    ):
        with pytest.raises(ValueError, match=message):
            K.batch_dot(*arguments)


IN_GRAPHS = {
    "attention": lambda x: K.sum(x * K.expand_dims(K.softmax(K.squeeze(K.tanh(x[..., :1]), -1))), axis=1),
    "reshape": lambda x: K.reshape(x, (-1, K.int_shape(x)[1] * K.int_shape(x)[2])),
    "flatten": lambda x: K.batch_flatten(x),
    "permute": lambda x: K.permute_dimensions(x, (0, 2, 1)),
    "batch_dot": lambda x: K.batch_dot(x, x, axes=2),
    "l2_normalize": lambda x: K.l2_normalize(x, axis=-1),
    "std": lambda x: K.std(x, axis=1),
    "hard_sigmoid": K.hard_sigmoid,
    "concatenate": lambda x: K.concatenate([x, K.ones_like(x)], axis=-1),
    "switch": lambda x: K.switch(K.greater(x, 0.0), x, x * 0.1),
    "rnn": lambda x: K.rnn(lambda i, s: (i + s[0], [i + s[0]]), x, [K.zeros_like(x[:, 0])])[1],
    "clip and log": lambda x: K.log(K.clip(K.abs(x), K.epsilon(), None)),
}


@pytest.mark.parametrize("name", IN_GRAPHS)
def test_symbolic_tensors_and_gradients(name):
    function = IN_GRAPHS[name]
    x = gw.Input((5, 3))
    model = gw.Model(x, function(x))
    np.testing.assert_allclose(model(SEQUENCE), function(SEQUENCE), rtol=1e-6)
    assert model.output_shape[1:] == function(SEQUENCE).shape[1:]
    wide = SEQUENCE.astype(float)
    y, pullback = autodiff.vjp(function, wide)
    weights = np.random.default_rng(2).normal(size=y.shape)
    expected = central_differences(lambda: float(np.sum(weights * function(wide))), wide)
    np.testing.assert_allclose(pullback(weights)[0], expected, rtol=1e-6, atol=1e-7)


def test_rnn_is_the_lstm_of_the_library():
    cell = layers.LSTMCell(4)
    mask = np.array([[1, 1, 0, 1, 0], [0, 0, 1, 1, 1]], bool)
    for options in ({}, {"go_backwards": True}, {"mask": mask}, {"mask": mask, "zero_output_for_mask": True}):
        last, outputs, states = K.rnn(cell, SEQUENCE, [np.zeros((2, 4), "float32")] * 2, **options)
        flags = {k: v for k, v in options.items() if k != "mask"}
        lstm = layers.LSTM(4, return_sequences=True, return_state=True, **flags)
        lstm(SEQUENCE)
        lstm.set_weights(cell.get_weights())
        y, h, c = lstm(SEQUENCE, mask=options.get("mask"))
        order = slice(None, None, -1) if options.get("go_backwards") else slice(None)
        np.testing.assert_allclose(outputs, y, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(states[0], h, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(states[1], c, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(last, y[:, order][:, -1 if order == slice(None) else 0], rtol=1e-5, atol=1e-6)


def test_rnn_with_constants_and_time_first():
    last, outputs, _ = K.rnn(
        lambda x, s: (x * s[1] + s[0], [x]),
        SEQUENCE.swapaxes(0, 1),
        [np.zeros((2, 3))],
        constants=[2.0],
        time_major=True,
    )
    assert outputs.shape == (5, 2, 3)
    np.testing.assert_allclose(last, SEQUENCE[:, 4] * 2 + SEQUENCE[:, 3], rtol=1e-6)


def test_variables():
    v = K.variable([[1.0, 2.0]], name="v")
    assert v.name == "v" and v.dtype == "float32" and K.is_variable(v) and not K.is_variable(X)
    K.set_value(v, [[3.0, 4.0]])
    np.testing.assert_array_equal(K.get_value(v), [[3, 4]])
    K.update_add(v, 1.0)
    K.update_sub(v, np.array([[0.0, 1.0]]))
    np.testing.assert_array_equal(K.eval(v), [[4, 4]])
    K.moving_average_update(v, np.zeros((1, 2)), 0.75)
    np.testing.assert_array_equal(K.batch_get_value([v, K.ones((2,))])[0], [[3, 3]])
    K.batch_set_value([(v, np.zeros((1, 2)))])
    np.testing.assert_array_equal(K.update(v, K.get_value(v) + 2), [[2, 2]])
    assert K.count_params(v) == 2 and K.int_shape(v) == (1, 2) and K.ndim(v) == 2 and K.dtype(v) == "float32"
    assert K.random_uniform_variable((2, 3), -1, 1, seed=1).shape == K.random_normal_variable((2, 3), 0, 1).shape
    assert K.zeros((2,)).shape == K.zeros_like(K.ones((2,))).shape


def test_settings():
    assert K.epsilon() == 1e-7 and K.floatx() == "float32" and K.backend() == "gatewise"
    assert K.image_data_format() == "channels_last"
    K.set_image_data_format("channels_last")
    with pytest.raises(ValueError, match="channels last"):
        K.set_image_data_format("channels_first")
    assert K.get_uid("one") == 1 and K.get_uid("one") == 2
    assert not K.is_sparse(X) and K.to_dense(X) is X
    assert K.result_type("int32", "float32") == "float32" and K.standardize_dtype(None) == "float32"
    assert K.is_float_dtype("float64") and K.is_int_dtype("uint8")


def test_symbolic_questions():
    x = K.placeholder((None, 5, 3), name="x")
    assert K.is_keras_tensor(x) and not K.is_keras_tensor(X) and K.is_placeholder(x)
    assert K.int_shape(x) == K.shape(x) == (None, 5, 3) and K.placeholder(ndim=2).shape == (None, None)
    with pytest.raises(ValueError, match="asked about arrays"):
        K.is_keras_tensor("x")
    with pytest.raises(ValueError, match="needs shape"):
        K.placeholder()
    with pytest.raises(ValueError, match="Lambda layer"):
        K.random_normal((K.shape(x)[0], 2))
    with pytest.raises(TypeError, match="has no value yet"):
        K.get_value(x)


def test_random_numbers():
    for draw in (K.random_normal, K.random_uniform, K.truncated_normal):
        np.testing.assert_array_equal(draw((3, 2), seed=4), draw((3, 2), seed=4))
        assert draw((3, 2)).dtype == np.float32 and draw((2,), dtype="float64").dtype == np.float64
    assert abs(K.random_normal((4000,), 2.0, 0.5, seed=1).mean() - 2.0) < 0.05
    assert np.abs(K.truncated_normal((4000,), seed=1)).max() <= 2
    uniform = K.random_uniform((4000,), -1.0, 3.0, seed=1)
    assert uniform.min() >= -1 and uniform.max() < 3 and abs(uniform.mean() - 1) < 0.1
    assert abs(K.random_binomial((4000,), p=0.3, seed=1).mean() - 0.3) < 0.03
    kept = K.dropout(np.ones((50, 40), "float32"), 0.25, seed=2)
    assert set(np.unique(kept)) == {np.float32(0), np.float32(1 / 0.75)} and abs(kept.mean() - 1) < 0.05
    rows = K.dropout(np.ones((50, 4), "float32"), 0.5, noise_shape=(None, 1), seed=2)
    assert (rows == rows[:, :1]).all()
    with pytest.raises(ValueError, match="fraction"):
        K.dropout(X, 1.0)


def test_the_phase():
    assert K.learning_phase() == 0
    x = gw.Input((3,))
    model = gw.Model(x, K.in_train_phase(lambda: x * 2.0, x))
    ones = np.ones((1, 3), "float32")
    np.testing.assert_array_equal(model(ones), ones)
    np.testing.assert_array_equal(model(ones, training=True), 2 * ones)
    try:
        K.set_learning_phase(1)
        assert K.learning_phase() == 1
        np.testing.assert_array_equal(model(ones), 2 * ones)
        assert K.in_train_phase("train", "test") == "train" and K.in_test_phase("test", "train") == "train"
    finally:
        K.clear_session()
    assert K.learning_phase() == 0 and K.in_train_phase(lambda: "train", "test", training=1) == "train"
    with pytest.raises(ValueError, match="0 .testing. or 1"):
        K.set_learning_phase(2)


def test_functions_of_symbolic_tensors():
    model = gw.Sequential(
        [gw.Input((5, 3)), layers.LSTM(4, return_sequences=True), layers.Dropout(0.5), layers.Dense(2)]
    )
    recurrent = K.function([model.input], [model.layers[0].output])
    np.testing.assert_array_equal(recurrent([SEQUENCE])[0], model.layers[0](SEQUENCE))
    phased = K.function([model.layers[0].input, K.learning_phase()], [model.layers[1].output])
    np.testing.assert_array_equal(phased([SEQUENCE, 0])[0], model.layers[0](SEQUENCE))
    assert (phased([SEQUENCE, 1])[0] == 0).any()
    single = K.function([model.input], model.output)
    np.testing.assert_array_equal(single([SEQUENCE]), model(SEQUENCE))
    np.testing.assert_array_equal(K.function([], [model.weights[0]])([])[0], model.get_weights()[0])
    with pytest.raises(ValueError, match="1 inputs; it was given 2"):
        recurrent([SEQUENCE, 1])
    with pytest.raises(TypeError, match="has no updates"):
        K.function([model.input], [], updates=[1])
    with pytest.raises(TypeError, match="inputs are symbolic"):
        K.function([X], [model.output])


def test_gradients_to_look_at():
    x = gw.Input((5, 3))
    h = layers.LSTM(4)(x)
    model = gw.Model(x, layers.Dense(2)(h))
    wanted = [x, h, model.layers[-1].kernel]
    found = K.gradients(K.sum(K.square(model.output)), wanted)
    assert [g.shape for g in found] == [(None, 5, 3), (None, 4), (4, 2)]
    dx, dh, dw = K.function([x], found)([SEQUENCE])
    hidden = K.function([x], h)([SEQUENCE])
    dy = 2 * model(SEQUENCE)
    np.testing.assert_allclose(dw, hidden.T @ dy, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(dh, dy @ K.get_value(model.layers[-1].kernel).T, rtol=1e-4, atol=1e-6)
    step = 1e-2 * np.sign(dx)
    moved = [float(np.sum(model(SEQUENCE + s) ** 2)) for s in (step, -step)]
    np.testing.assert_allclose((moved[0] - moved[1]) / 2, np.sum(dx * step), rtol=1e-2)
    single = K.gradients(K.mean(model.output), x)[0]
    assert K.function([x], single)([SEQUENCE]).shape == SEQUENCE.shape
    with pytest.raises(TypeError, match=r"model.value_and_grad\(x, y\)"):
        K.gradients(np.ones(3), x)
    trained = gw.Model(x, [model.output, single])
    trained.compile("sgd", ["mse", "mse"])
    with pytest.raises(TypeError, match="cannot be differentiated again"):
        trained.fit(SEQUENCE, [np.zeros((2, 2)), np.zeros_like(SEQUENCE)], verbose=0)


def test_print_tensor(capsys):
    np.testing.assert_array_equal(K.print_tensor(X, "x ="), X)
    assert "x =" in capsys.readouterr().out


def test_name_scopes():
    class Scoped(layers.Layer):
        def build(self, shape):
            with K.name_scope("inner"):
                self.w = self.add_weight(shape=(2,), name="w")

        def call(self, x):
            return x * self.w

    layer = Scoped(name="outer")
    layer(data(2, 2))
    assert layer.w.path == "outer/inner/w"


@pytest.mark.parametrize(
    ("name", "text"), [("get_session", "no sessions"), ("conv2d", "use a layer"), ("meen", "Did you mean 'mean'")]
)
def test_what_is_not_here_says_what_to_write(name, text):
    with pytest.raises(AttributeError, match=text):
        getattr(K, name)


def test_scripts_find_it_under_keras_s_names():
    with keras_names():
        import keras.backend as old
        from tensorflow.keras import backend as newer

        assert old.permute_dimensions is K.permute_dimensions and newer.batch_dot is K.batch_dot
        assert old.hard_sigmoid is K.hard_sigmoid and old.floatx() == "float32"
        with pytest.raises(AttributeError, match="There are no sessions"):
            _ = old.get_session
