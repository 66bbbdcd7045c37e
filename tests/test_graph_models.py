"""Functional models: inputs and outputs of every nesting, shared layers, models inside models, names and order."""

import weakref

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers, ops
from gradients import central_differences


def data(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


@pytest.fixture(autouse=True)
def fresh_names():
    gw.config.reset_names()


def randomized(model, seed=3):
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape) * 0.4 for w in model.get_weights()])
    return model


def encoder_decoder(pack, dtype="float32"):
    common = {"dtype": dtype}
    source, target = gw.Input((4, 2), dtype=dtype), gw.Input((5, 2), dtype=dtype)
    _, h, c = layers.LSTM(3, return_state=True, **common)(source)
    y = layers.LSTM(3, return_sequences=True, **common)(target, initial_state=pack((h, c)))
    y = layers.TimeDistributed(layers.Dense(1, **common), **common)(y)
    return randomized(gw.Model([source, target], y, dtype=dtype))


def assert_model_gradients(model, x, y):
    model.compile("sgd", "mse")
    _, gradients = model.value_and_grad(x, y)
    assert set(gradients) == set(model.trainable_weights)
    for variable, gradient in gradients.items():
        expected = central_differences(lambda: model.value_and_grad(x, y)[0], variable.array, variable.touch)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8, err_msg=variable.path)


@pytest.mark.parametrize("pack", [list, tuple])
def test_an_encoder_hands_its_states_to_a_decoder(pack):
    x = [data(3, 4, 2), data(3, 5, 2, seed=1)]
    model = encoder_decoder(pack)
    assert [layer.name for layer in model.layers] == [
        "input_layer", "input_layer_1", "lstm", "lstm_1", "time_distributed",
    ]  # fmt: skip
    assert model.weights[0].path == "lstm/lstm_cell/kernel" and model.weights[-1].path == "time_distributed/dense/bias"
    _, h, c = model.layers[2](x[0])
    by_hand = model.layers[4](model.layers[3](x[1], pack((h, c))))
    np.testing.assert_array_equal(model.predict(x, verbose=0), by_hand)


def test_the_gradient_of_an_encoder_and_decoder():
    x = [data(3, 4, 2).astype(float), data(3, 5, 2, seed=1).astype(float)]
    assert_model_gradients(encoder_decoder(list, "float64"), x, data(3, 5, 1, seed=2).astype(float))


def test_the_gradient_of_shared_layers_and_models_is_summed():
    common = {"dtype": "float64"}
    a, b = gw.Input((4, 2), **common), gw.Input((4, 2), **common)
    shared, dense = layers.LSTM(3, **common), layers.Dense(3, activation="tanh", **common)
    inner = gw.Sequential([layers.Dense(2, **common), layers.Dense(1, **common)], **common)
    left, right = dense(shared(a)), dense(shared(b))
    model = gw.Model([a, b], inner(left - right) + inner(left * right) + left[:, :1], **common)
    x = [data(3, 4, 2).astype(float), data(3, 4, 2, seed=1).astype(float)]
    assert_model_gradients(randomized(model), x, data(3, 1, seed=2).astype(float))


def test_inputs_and_outputs_as_dictionaries():
    p, q = gw.Input((4, 2), name="p"), gw.Input((3,), name="q")
    h = layers.LSTM(3)(p)
    outputs = {"first": layers.Dense(1, name="a")(h + q), "second": layers.Dense(2, name="b")(h)}
    model = randomized(gw.Model({"p": p, "q": q}, outputs))
    x = {"q": data(3, 3), "p": data(3, 4, 2)}
    found = model.predict(x, verbose=0)
    assert list(found) == ["first", "second"] and found["second"].shape == (3, 2)
    for key, value in model(x).items():
        np.testing.assert_array_equal(value, found[key])
    listed = gw.Model([p, q], list(outputs.values()))
    for key, value in zip(found, listed.predict(x, verbose=0), strict=True):
        np.testing.assert_array_equal(value, found[key])
    model.compile("sgd", {"first": "mse", "second": "mae"})
    history = model.fit(x, {"second": data(3, 2), "first": data(3, 1)}, verbose=0).history
    assert sorted(history) == ["first_loss", "loss", "second_loss"]


def test_arithmetic_and_functions_on_symbolic_tensors():
    x = gw.Input((None, 2))
    made = {
        "index": x[:, -1],
        "reversed": x[:, ::-1],
        "arithmetic": (1 - x) / 2 + -(x**2),
        "constant on the left": np.ones(2, "float32") * x,
        "mean": ops.mean(x, axis=1),
        "concatenate": ops.concatenate([x[:, 0], x[:, -1]], axis=-1),
        "transpose": ops.transpose(x, (0, 2, 1)),
        "where": ops.where(x > 0, x, -x),
        "matmul": x @ np.ones((2, 3), "float32"),
        "abs": abs(x),
    }
    shapes = [
        (None, 2), (None, None, 2), (None, None, 2), (None, None, 2), (None, 2), (None, 4), (None, 2, None),
        (None, None, 2), (None, None, 3), (None, None, 2),
    ]  # fmt: skip
    assert [y.shape for y in made.values()] == shapes
    v = data(3, 4, 2)
    expected = [
        v[:, -1], v[:, ::-1], (1 - v) / 2 - v**2, v, v.mean(axis=1), np.concatenate([v[:, 0], v[:, -1]], -1),
        v.transpose(0, 2, 1), np.abs(v), v @ np.ones((2, 3)), np.abs(v),
    ]  # fmt: skip
    found = gw.Model(x, list(made.values())).predict(v, verbose=0)
    for name, y, other in zip(made, found, expected, strict=True):
        np.testing.assert_allclose(y, other, rtol=1e-6, err_msg=name)


def test_layers_and_the_functions_between_them():
    x = gw.Input((4, 2))
    model = gw.Model(x, layers.Dense(1)(layers.LSTM(3, return_sequences=True)(x)[:, -1] / 2))
    assert [layer.name for layer in model.layers] == ["input_layer", "lstm", "dense"]
    assert [type(item).__name__ for item in model.operations] == [
        "InputLayer",
        "LSTM",
        "GetItem",
        "TrueDivide",
        "Dense",
    ]
    assert model.get_layer(index=2).name == "dense" and model.get_layer("lstm") is model.layers[1]


def test_a_model_that_begins_in_the_middle_of_another():
    x = gw.Input((4, 2))
    h = layers.LSTM(3)(x)
    whole = randomized(gw.Model(x, layers.Dense(1)(h)))
    head, body = gw.Model(h, whole.output), gw.Model(whole.input, h)
    assert len(head.weights) == 2 and len(body.weights) == 3
    v = data(3, 4, 2)
    np.testing.assert_array_equal(head.predict(body.predict(v, verbose=0), verbose=0), whole.predict(v, verbose=0))


def test_other_lengths_and_batches_than_the_input_says():
    model = randomized(gw.Sequential([gw.Input((4, 2)), layers.LSTM(3), layers.Dense(1)]))
    lstm, dense = model.layers
    for n, t in ((1, 1), (3, 4), (2, 7)):
        v = data(n, t, 2)
        np.testing.assert_array_equal(model.predict(v, verbose=0), dense(lstm(v)))


def test_one_layer_trained_by_two_models():
    x = gw.Input((4, 2))
    shared = layers.LSTM(3)
    h = shared(x)
    first, second = gw.Model(x, layers.Dense(1)(h)), gw.Model(x, layers.Dense(1)(h))
    randomized(first), randomized(second, seed=4)
    first.compile("adam", "mse")
    second.compile("sgd", "mse")
    v, target = data(3, 4, 2), data(3, 1, seed=1)
    for model, other in ((first, second), (second, first), (first, second)):
        before, alone = shared.get_weights(), other.layers[-1].get_weights()
        model.train_on_batch(v, target)
        assert not np.array_equal(before[0], shared.get_weights()[0])
        np.testing.assert_array_equal(first.weights[0].value, second.weights[0].value)
        for a, b in zip(alone, other.layers[-1].get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(model.predict(v, verbose=0), model.layers[-1](shared(v)))


def test_freezing_before_and_after_compile():
    model = randomized(gw.Sequential([gw.Input((4, 2)), layers.LSTM(3), layers.Dense(1)]))
    v, target = data(3, 4, 2), data(3, 1)
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    for frozen in (True, False, True):
        model.layers[0].trainable = not frozen
        assert len(model.trainable_weights) == (2 if frozen else 5)
        before = model.get_weights()
        model.fit(v, target, verbose=0)
        changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
        assert changed == [not frozen] * 3 + [True] * 2
    model.trainable = False
    assert not model.trainable_weights and not any(layer.trainable for layer in model.layers)


def test_the_way_back_leaves_out_layers_from_which_nothing_is_wanted():
    class Noting(layers.Dense):
        way_back = 0

        def forward(self, *inputs, **options):
            y, pullback = super().forward(*inputs, **options)

            def counted(dy, wants_dx=True):
                self.way_back += 1
                return pullback(dy, wants_dx)

            return y, counted

    steps = [Noting(2), Noting(2), Noting(2)]
    model = randomized(gw.Sequential([gw.Input((3,)), *steps]))
    model.compile("sgd", "mse")
    for trainable, expected in (((1, 1, 1), (1, 1, 1)), ((0, 1, 0), (0, 1, 1)), ((0, 0, 1), (0, 0, 1))):
        for step, flag in zip(steps, trainable, strict=True):
            step.trainable, step.way_back = bool(flag), 0
        model.train_on_batch(data(3, 3), data(3, 2))
        assert tuple(step.way_back for step in steps) == expected
    for step in steps:
        step.way_back = 0
    model.differentiate([data(3, 3)], None, True, None)[1](data(3, 2))  # the input's gradient is wanted here
    assert [step.way_back for step in steps] == [1, 1, 1]


def test_paths_of_nested_models():
    x, y = gw.Input((4, 2)), gw.Input((4, 2))
    inner = gw.Model(x, layers.Dense(2, name="d")(layers.LSTM(3, name="q")(x)), name="inner")
    outer = gw.Model(y, layers.Dense(1, name="z")(inner(y)), name="outer")
    assert [layer.name for layer in outer.layers] == ["input_layer_1", "inner", "z"]
    assert [w.path for w in outer.weights] == [
        "q/lstm_cell/kernel", "q/lstm_cell/recurrent_kernel", "q/lstm_cell/bias", "d/kernel", "d/bias", "z/kernel",
        "z/bias",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda x: gw.Model(x), "takes inputs and outputs"),
        (lambda x: gw.Model(np.ones(2), np.ones(2)), "symbolic tensors, made by Input"),
        (lambda x: gw.Model(gw.Input((4, 2)), layers.LSTM(3)(x)), "not among the model's inputs"),
        (lambda x: gw.Model(x, layers.Dense(1, name="a")(layers.Dense(1, name="a")(x))), "two layers named 'a'"),
        (lambda x: gw.Model([x, gw.Input((2,))], x).predict(np.ones((1, 4, 2)), verbose=0), "has 2 inputs"),
        (lambda x: gw.Model(x, x).predict([np.ones((1, 4, 2))] * 2, verbose=0), "has one input"),
        (lambda x: gw.Model(x, x).predict({"zz": np.ones((1, 4, 2))}, verbose=0), "missing"),
        (lambda x: gw.Model(x, x).get_layer("zz"), "No such layer: zz. Existing layers are"),
        (lambda x: bool(x), "neither true nor false"),
        (lambda x: np.asarray(x), "has no value yet"),
    ],
)
def test_what_does_not_fit_is_said(make, words):
    with pytest.raises((ValueError, TypeError), match=words):
        make(gw.Input((4, 2)))


def test_training_lets_go_of_each_layers_tape_as_it_goes_back():
    """A layer that is gone through early on the way back must not keep what it held until the end."""
    alive, seen = [], []

    class Kept:
        pass

    class Probe(gw.layers.Dense):
        def forward(self, *inputs, **options):
            y, pullback = super().forward(*inputs, **options)
            kept = Kept()
            alive.append(weakref.ref(kept))

            def back(dy, wants_dx=True, kept=kept):
                seen.append(sum(ref() is not None for ref in alive))
                return pullback(dy, wants_dx)

            return y, back

    model = gw.Sequential([gw.Input((3,)), Probe(2), Probe(2), Probe(2)])
    model.compile("sgd", "mse")
    x, y = np.ones((4, 3), "float32"), np.ones((4, 2), "float32")
    model.train_on_batch(x, y)
    assert seen == [3, 2, 1]
    del alive[:], seen[:]
    _, back = model.loss_and_pullback(x, y)
    first, second = back()[1], back()[1]  # a way back that a program holds may be gone again
    assert seen == [3, 3, 3, 3, 3, 3]
    for variable in model.trainable_variables:
        np.testing.assert_array_equal(first[variable], second[variable])


def test_what_lies_between_two_layers_is_let_go_once_it_is_read():
    alive, most = [], []

    class Probe(layers.Layer):
        def infer(self, *inputs, **options):
            most.append(sum(ref() is not None for ref in alive))
            y = inputs[0] + 1
            alive.append(weakref.ref(y))
            return y

        def forward(self, *inputs, **options):
            return inputs[0], lambda dy, wants_dx=True: ((dy,), {})

        def compute_output_shape(self, input_shape):
            return input_shape

    model = gw.Sequential([gw.Input((3,)), *(Probe() for _ in range(5))])
    model.predict(data(2, 3))
    assert most == [0, 1, 1, 1, 1]
