"""Chains: models run by one native call, against the same models run layer by layer, to the last bit."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import gatewise
from gatewise import config, kernels, layers, losses, masks, optimizers, utils
from gatewise.context import mode
from gatewise.functional import Functional
from gatewise.layers import observing

RECURRENT = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}


def general(model):
    """The same model, never run as a chain."""
    model._may_chain, model._chain, model._training = False, None, None
    return model


def warmed(model, x):
    """The model with its chain made."""
    for _ in range(3):
        model(x)
    return model


def equal(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def data(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def stacked(dtype="float32", units=3, activation=None, first="lstm", options=None):
    """Two recurrent layers of different kinds and a dense one, the same weights every time."""
    utils.set_random_seed(3)
    return gatewise.Sequential([
        layers.Input((None, 4), dtype=dtype),
        RECURRENT[first](5, return_sequences=True, dtype=dtype, **(options or {})),
        layers.Dropout(0.0, dtype=dtype),
        layers.GRU(4, dtype=dtype),
        layers.Dense(units, activation, dtype=dtype),
    ])  # fmt: skip


# --- prediction ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("backwards", [False, True])
def test_a_layer(dtype, kind, sequences, backwards):
    layer = RECURRENT[kind](6, return_sequences=sequences, go_backwards=backwards, dtype=dtype)
    for N, T in [(1, 1), (1, 9), (5, 1), (3, 7), (33, 12)]:
        x = data((N, T, 3), dtype, N)
        expected = layer(x, mask=None)
        assert equal(warmed(layer, x)(x), expected)
        assert layer._chain is not None
        assert equal(layer._chain(x), expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", [None, "sigmoid", "tanh", "relu", "softmax"])
@pytest.mark.parametrize("first", RECURRENT)
def test_a_model(dtype, activation, first):
    chain, plain = stacked(dtype, 3, activation, first), general(stacked(dtype, 3, activation, first))
    for N, T in [(1, 1), (2, 5), (40, 6)]:
        x = data((N, T, 4), dtype, T)
        expected = plain(x)
        assert equal(warmed(chain, x)(x), expected)
        assert chain._chain is not None
        assert equal(chain.predict_on_batch(x), plain.predict_on_batch(x))
        assert equal(chain.predict(x, batch_size=16), plain.predict(x, batch_size=16))


def test_models_in_models_and_time_distributed():
    def made():
        utils.set_random_seed(5)
        inner = gatewise.Sequential([layers.Input((None, 3)), layers.LSTM(4, return_sequences=True)])
        x = layers.Input((6, 3))
        y = layers.TimeDistributed(layers.Dense(2, "tanh"))(layers.Activation("sigmoid")(inner(x)))
        return gatewise.Model(x, y)

    chain, plain, x = made(), general(made()), data((3, 6, 3))
    assert type(chain) is Functional
    assert equal(warmed(chain, x)(x), plain(x))
    assert chain._chain is not None


def test_threads_change_nothing():
    model, x = stacked(), data((64, 30, 4))
    expected = warmed(model, x)(x)
    before = kernels.get_threads()
    try:
        for count in (1, 2, 3):
            kernels.set_threads(count)
            assert equal(model(x), expected)
    finally:
        kernels.set_threads(before)


@pytest.mark.parametrize("change", [
    lambda m: m.set_weights([w * 2 for w in m.get_weights()]),
    lambda m: m.layers[0].kernel.assign(m.layers[0].kernel.numpy() + 1),
    lambda m: m.layers[-1].bias.assign_add(np.ones(3)),
    lambda m: setattr(m.layers[-1], "activation", gatewise.activations.get("tanh")),
    lambda m: setattr(m.layers[0].cell, "activation", gatewise.activations.get("relu")),
    lambda m: setattr(m.layers[0].cell, "recurrent_activation", gatewise.activations.get("tanh")),
    lambda m: setattr(m.layers[2], "go_backwards", True),
    lambda m: m.add(layers.Activation("tanh")),
    lambda m: m.pop(),
    lambda m: m.add(layers.Dense(2, kernel_initializer="ones")),
])  # fmt: skip
def test_what_changes_a_model_changes_its_chain(change):
    chain, plain, x = stacked(), general(stacked()), data((3, 5, 4))
    before = warmed(chain, x)(x)
    for model in (chain, plain):
        change(model)
    expected = plain(x)
    for _ in range(4):
        assert equal(chain(x), expected)
    assert not equal(before, expected)


def test_an_added_loss_and_a_method_of_ones_own_are_not_passed_by():
    layer, x = layers.Dense(2), data((3, 4))
    warmed(layer, x)
    assert layer._chain is not None
    layer.infer = lambda *inputs, **_: np.zeros((3, 2), "float32")
    for _ in range(3):
        assert not layer(x).any()
    del layer.infer
    assert warmed(layer, x)(x).any()
    assert layer._chain is not None
    model = warmed(stacked(), data((3, 5, 4)))
    model.layers[-1].add_loss(lambda: 7.0)
    model.compile("sgd", "mse")
    y = np.zeros((3, 3), "float32")
    found = [model.evaluate(data((3, 5, 4)), y, verbose=0) for _ in range(3)]
    assert found[0] > 7
    assert found[1:] == found[:2]


class Doubling(layers.LSTM):
    """A user's layer."""

    def infer(self, *inputs, **options):
        return super().infer(*inputs, **options) * 2


def test_a_subclass_computes_what_it_says():
    layer, x = Doubling(3), data((2, 4, 5))
    once = layer(x)
    for _ in range(3):
        assert equal(layer(x), once)
    assert layer._chain is None
    model = gatewise.Sequential([layers.Input((4, 5)), layer])
    assert equal(warmed(model, x)(x), once)
    assert model._chain is None


@pytest.mark.parametrize("lay", [
    lambda x: x[::-1], lambda x: x[:, ::-1], lambda x: x[..., ::-1], lambda x: np.asfortranarray(x),
    lambda x: x.astype("float64"), lambda x: x.astype(">f4"), lambda x: x.astype(int), lambda x: x.tolist(),
    lambda x: x[::2], lambda x: np.frombuffer(bytes(1) + x.tobytes(), "u1")[1:].view("f4").reshape(x.shape),
    lambda x: np.ma.masked_array(x), lambda x: np.lib.stride_tricks.as_strided(x[:1], x.shape, (0, *x.strides[1:])),
])  # fmt: skip
def test_arrays_of_any_layout(lay):
    chain, plain = stacked(), general(stacked())
    x = lay(data((4, 5, 4)))
    warmed(chain, data((4, 5, 4)))
    assert equal(chain(x), plain(x))
    dense = layers.TimeDistributed(layers.Dense(2))
    expected = dense(x)
    warmed(dense, data((4, 5, 4)))
    assert equal(dense(x), expected)


def test_what_is_wrong_is_said_as_ever():
    model = warmed(stacked(), data((3, 5, 4)))
    for x, told in [(data((3, 5, 3)), "features"), (data((3, 4)), "expected"), (data((3, 0, 4)), "time steps")]:
        with pytest.raises(ValueError, match=told):
            model(x)
    with pytest.raises(TypeError):
        model(None)


def test_the_input_is_left_alone_and_the_result_is_the_callers():
    x = data((3, 5, 4))
    x.flags.writeable = False
    kept, model = x.copy(), warmed(stacked(), x)
    first = model(x)
    expected = first.copy()
    first[:] = 7
    assert equal(model(x), expected)
    assert equal(x, kept)
    nothing = gatewise.Sequential([layers.Input((4,)), layers.Activation("linear")])
    rows = data((2, 4))
    assert not np.may_share_memory(warmed(nothing, rows)(rows), rows)


def test_masks_modes_and_lookers_on_go_the_general_way():
    layer, x = warmed(layers.LSTM(4), data((3, 5, 2))), data((3, 5, 2))
    mask = np.arange(5) < np.array([[5], [2], [3]])
    expected = layer(x, mask=mask)
    masks.attach(x, mask)
    assert equal(layer(x), expected)
    x = x.copy()
    with mode(True):
        assert layer._chain(x) is None
    with observing.watching(lambda _: True) as watch:
        layer(x)
        assert len(watch.runs) == 1
    assert layer._chain(x) is not None


def test_two_threads_call_one_model_while_a_third_writes_weights():
    model, wrong = stacked(), []
    x = data((8, 20, 4))
    warmed(model, x)
    weights = model.get_weights()
    expected = {model(x).tobytes()}
    model.set_weights([w * 2 for w in weights])
    expected.add(model(x).tobytes())

    def call():
        for _ in range(300):
            if not np.isfinite(model(x)).all():
                wrong.append("not finite")

    callers = [threading.Thread(target=call) for _ in range(2)]
    for thread in callers:
        thread.start()
    for k in range(100):
        model.set_weights([w * (1 + k % 2) for w in weights])
    for thread in callers:
        thread.join()
    assert wrong == []
    assert model(x).tobytes() in expected


def test_copies_have_chains_of_their_own():
    model, x = stacked(), data((3, 5, 4))
    model.compile("adam", "mse")
    for _ in range(4):
        model.train_on_batch(x, np.zeros((3, 3), "float32"))
    expected = warmed(model, x)(x)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin._chain is None
        assert twin._training is None
        assert equal(warmed(twin, x)(x), expected)
        twin.set_weights([w * 2 for w in twin.get_weights()])
        assert not equal(twin(x), expected)
    assert equal(model(x), expected)


def test_models_are_given_back():
    x, y = data((3, 5, 4)), np.zeros((3, 3), "float32")
    model = warmed(stacked(), x)
    model.compile("adam", "mse", metrics=["mae"])
    for _ in range(4):
        model.train_on_batch(x, y)
    assert model._training is not None
    told = [weakref.ref(model), *(weakref.ref(layer) for layer in model.layers)]
    del model
    gc.collect()
    assert [reference() for reference in told] == [None] * len(told)


# --- training ------------------------------------------------------------------------------------------------

LOSSES = {
    "mse": ("mse", None, "numbers"),
    "mae": ("mae", "tanh", "numbers"),
    "huber": (losses.Huber(0.3), "relu", "numbers"),
    "bce": ("binary_crossentropy", "sigmoid", "binary"),
    "bce smoothed": (losses.BinaryCrossentropy(label_smoothing=0.2), "sigmoid", "binary"),
    "bce logits": (losses.BinaryCrossentropy(from_logits=True), None, "binary"),
    "cce": ("categorical_crossentropy", "softmax", "one hot"),
    "cce smoothed": (losses.CategoricalCrossentropy(label_smoothing=0.1), "softmax", "one hot"),
    "cce logits": (losses.CategoricalCrossentropy(from_logits=True), None, "one hot"),
    "scce": ("sparse_categorical_crossentropy", "softmax", "classes"),
    "scce logits": (losses.SparseCategoricalCrossentropy(from_logits=True), None, "classes"),
}
METRICS = {"numbers": ["mae", "mape"], "binary": ["accuracy", "mse"], "one hot": ["accuracy"], "classes": ["accuracy"]}


def targets(kind, n, units, dtype, seed):
    rng = np.random.default_rng(seed)
    if kind == "numbers":
        return rng.standard_normal((n, units)).astype(dtype)
    if kind == "binary":
        return (rng.random((n, units)) < 0.5).astype(dtype)
    classes = rng.integers(0, units, n)
    return np.eye(units, dtype=dtype)[classes] if kind == "one hot" else classes


def states_of(model):
    """Everything that a step changes."""
    slots = [v.numpy() for v in model.optimizer.variables]
    return [*model.get_weights(), *slots, model._store.gradients.copy()]


def assert_same_training(chain, plain, batches):
    for x, y in batches:
        assert chain.train_on_batch(x, y) == plain.train_on_batch(x, y)
        for a, b in zip(states_of(chain), states_of(plain), strict=True):
            assert equal(a, b)
    assert plain._training is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("first", RECURRENT)
def test_steps(dtype, name, first):
    loss, activation, kind = LOSSES[name]
    pair = []
    for _ in range(2):
        model = stacked(dtype, 3, activation, first)
        model.compile(optimizers.Adam(0.05), copy.deepcopy(loss), metrics=METRICS[kind])
        pair.append(model)
    chain, plain = pair[0], general(pair[1])
    sizes = [(4, 3), (1, 1), (4, 3), (3, 7), (33, 5), (2, 1)]
    assert_same_training(chain, plain, [
        (data((n, t, 4), dtype, k), targets(kind, n, 3, dtype, k)) for k, (n, t) in enumerate(sizes)
    ])  # fmt: skip
    assert chain._training is not None


@pytest.mark.parametrize("optimizer", [
    optimizers.SGD(0.1, momentum=0.9), optimizers.RMSprop(0.01), optimizers.AdamW(0.01, clipnorm=0.1),
    optimizers.Adam(0.01, use_ema=True, ema_overwrite_frequency=2),
    optimizers.Adam(0.01, gradient_accumulation_steps=2), optimizers.SGD(0.1, loss_scale_factor=8.0),
    optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
])  # fmt: skip
def test_optimizers(optimizer):
    chain, plain = stacked(), general(stacked())
    for model in (chain, plain):
        model.compile(copy.deepcopy(optimizer), "mse")
    assert_same_training(
        chain, plain, [(data((4, 6, 4), seed=k), targets("numbers", 4, 3, "float32", k)) for k in range(7)]
    )
    assert chain._training is not None


@pytest.mark.parametrize("options", [
    {"activation": "gelu"}, {"recurrent_activation": "hard_sigmoid"}, {"use_bias": False}, {"go_backwards": True},
    {"activation": "swish", "recurrent_activation": "silu"},
])  # fmt: skip
def test_settings_of_recurrent_layers(options):
    chain, plain = stacked(options=options), general(stacked(options=options))
    for model in (chain, plain):
        model.compile("adam", "mse")
    batches = [(data((4, 6, 4), seed=k), targets("numbers", 4, 3, "float32", k)) for k in range(5)]
    assert_same_training(chain, plain, batches)
    assert chain._training is not None


def test_outputs_at_every_step_and_no_dense_layer():
    def made():
        utils.set_random_seed(1)
        model = gatewise.Sequential([layers.Input((6, 4)), layers.LSTM(3, return_sequences=True)])
        model.compile("adam", "mse", metrics=["mae"])
        return model

    chain, plain = made(), general(made())
    batches = [(data((4, 6, 4), seed=k), data((4, 6, 3), seed=9 + k)) for k in range(5)]
    assert_same_training(chain, plain, batches)
    assert chain._training is not None


def test_freezing_thawing_and_writing_midway():
    chain, plain = stacked(), general(stacked())
    for model in (chain, plain):
        model.compile("adam", "mse", metrics=["mae"])

    def go(count=4):
        batches = [(data((4, 6, 4), seed=k), targets("numbers", 4, 3, "float32", k)) for k in range(count)]
        assert_same_training(chain, plain, batches)
        assert chain._training is not None

    def on_both(change):
        for model in (chain, plain):
            change(model)

    go()
    on_both(lambda m: setattr(m.layers[0], "trainable", False))
    go()
    on_both(lambda m: setattr(m.layers[2].cell.bias, "trainable", False))
    go()
    on_both(lambda m: setattr(m.layers[0], "trainable", True))
    go()
    on_both(lambda m: m.set_weights([w * 0.5 for w in m.get_weights()]))
    go()
    on_both(lambda m: setattr(m.optimizer, "learning_rate", 0.5))
    go()
    on_both(lambda m: m.compile(optimizers.SGD(0.1), "mae"))
    go()
    on_both(lambda m: setattr(m, "optimizer", optimizers.SGD(0.2)))
    for model in (chain, plain):
        model.optimizer.bind(model._store)
    go()


def test_another_epsilon_is_noticed():
    chain, plain = stacked(activation="sigmoid"), general(stacked(activation="sigmoid"))
    for model in (chain, plain):
        model.compile("sgd", "binary_crossentropy")
        model.layers[-1].bias.assign([50.0, -50.0, 0.0])
    before = config.epsilon()
    try:
        for epsilon in (before, 1e-3, 1e-2):
            config.set_epsilon(epsilon)
            y = np.float32([[0, 1, 1]] * 4)
            assert_same_training(chain, plain, [(data((4, 6, 4), seed=k), y) for k in range(4)])
            assert chain._training is not None
    finally:
        config.set_epsilon(before)


def test_a_variable_taken_by_another_model_is_noticed():
    def pair():
        model = stacked()
        other = gatewise.Sequential([layers.Input((6, 4)), model.layers[0], layers.Dense(2)])
        for each in (model, other):
            each.compile("sgd", "mse")
        return model, other

    utils.set_random_seed(0)
    chains = pair()
    utils.set_random_seed(0)
    plains = tuple(map(general, pair()))
    plains[1].layers[-1].set_weights(chains[1].layers[-1].get_weights())
    x = data((4, 6, 4))
    for k in range(12):
        which = k // 4 % 2
        y = np.zeros((4, 3) if which == 0 else (4, 6, 2), "float32")
        assert chains[which].train_on_batch(x, y) == plains[which].train_on_batch(x, y)
        for a, b in zip(chains[0].get_weights(), plains[0].get_weights(), strict=True):
            assert equal(a, b)


@pytest.mark.parametrize("shuffle", [True, False])
def test_fit(shuffle):
    histories, weights = [], []
    x, y = data((53, 7, 4)), targets("numbers", 53, 3, "float32", 1)
    for is_chain in (True, False):
        model = stacked() if is_chain else general(stacked())
        model.compile("adam", "mse", metrics=["mae"])
        utils.set_random_seed(7)
        run = model.fit(x, y, batch_size=8, epochs=3, verbose=0, validation_split=0.2, shuffle=shuffle)
        histories.append(run.history)
        weights.append(model.get_weights())
        assert (model._training is not None) is is_chain
    assert histories[0] == histories[1]
    assert all(map(equal, *weights))


@pytest.mark.parametrize("y", [
    np.zeros((4, 3, 1), "float32"), np.zeros((4, 3), "float64"), np.zeros((4, 3), int), [[0, 0, 0]] * 4,
    np.zeros((8, 3), "float32")[::2],
])  # fmt: skip
def test_targets_that_do_not_lie_as_the_kernels_read_them(y):
    chain, plain, x = stacked(), general(stacked()), data((4, 6, 4))
    for model in (chain, plain):
        model.compile("sgd", "mse")
    for k in range(4):
        given = y if k != 1 else np.zeros((4, 3), "float32")
        try:
            expected = plain.train_on_batch(x, given)
        except ValueError as error:
            with pytest.raises(ValueError, match=str(error)[:20].replace("(", ".").replace("'", ".")):
                chain.train_on_batch(x, given)
        else:
            assert chain.train_on_batch(x, given) == expected


def test_a_class_without_an_output_is_refused():
    model, x = stacked(activation="softmax"), data((4, 6, 4))
    model.compile("sgd", "sparse_categorical_crossentropy")
    for _ in range(4):
        model.train_on_batch(x, np.array([0, 1, 2, 0]))
    before = model.get_weights()
    for wrong in ([0, 1, 3, 0], [0, -1, 2, 0]):
        with pytest.raises(ValueError, match="3 units"):
            model.train_on_batch(x, np.array(wrong))
    assert all(map(equal, before, model.get_weights()))


@pytest.mark.filterwarnings("ignore:x contains")
def test_numbers_that_are_none_are_warned_of():
    model, x = stacked(), data((4, 6, 4))
    model.compile("sgd", "mse")
    for _ in range(4):
        model.train_on_batch(x, np.zeros((4, 3), "float32"))
    x[1, 2, 3] = np.nan
    with pytest.warns(UserWarning, match=r"\[1, 2, 3\]"):
        assert np.isnan(model.train_on_batch(x, np.zeros((4, 3), "float32")))


@pytest.mark.parametrize("name", ["train_step", "compute_loss"])
def test_a_step_assigned_to_a_model_that_trains_as_a_chain_is_refused_as_ever(name):
    model, x, y = stacked(), data((4, 6, 4)), np.zeros((4, 3), "float32")
    model.compile("sgd", "mse")
    for _ in range(4):
        model.train_on_batch(x, y)
    setattr(model, name, lambda *_: None)
    with pytest.raises(TypeError, match="define it in a subclass"):
        model.train_on_batch(x, y)


class Counting(gatewise.Sequential):
    """A user's model with a step of its own."""

    steps = 0

    def train_step(self, data):
        self.steps += 1
        return super().train_step(data)


def test_a_train_step_of_ones_own_is_called():
    model = Counting([layers.Input((6, 4)), layers.LSTM(3)])
    model.compile("sgd", "mse")
    for _ in range(5):
        model.train_on_batch(data((2, 6, 4)), np.zeros((2, 3), "float32"))
    assert model.steps == 5
    assert model._training is None


@pytest.mark.parametrize("make", [
    lambda: layers.LSTM(3, dropout=0.5, seed=1), lambda: layers.LSTM(3, kernel_regularizer="l2"),
    lambda: layers.GRU(3, activity_regularizer="l1"), lambda: layers.LSTM(3, stateful=True),
    lambda: layers.LSTM(3, peephole=True), lambda: layers.LSTM(3, remat_steps=2),
    lambda: layers.Bidirectional(layers.LSTM(3)),
])  # fmt: skip
def test_what_is_no_chain_trains_as_ever(make):
    results = []
    for is_chain in (True, False):
        utils.set_random_seed(2)
        model = gatewise.Sequential([layers.Input((6, 4), batch_size=4), make(), layers.Dense(2)])
        model.compile("adam", "mse")
        model = model if is_chain else general(model)
        results.append([model.train_on_batch(data((4, 6, 4), seed=k), np.ones((4, 2), "float32")) for k in range(5)])
        assert model._training is None
    assert results[0] == results[1]


# --- layers one behind the other, a thread each --------------------------------------------------------------


def piled(kinds, units, dtype="float32", last=False, backwards=()):
    """Recurrent layers, one on the other, and a dense one."""
    utils.set_random_seed(5)
    model = gatewise.Sequential([layers.Input((None, 6), dtype=dtype)])
    for k, kind in enumerate(kinds):
        every = last or k + 1 < len(kinds)
        more = {"return_sequences": every, "go_backwards": k in backwards, "dtype": dtype}
        model.add(RECURRENT[kind](units + k, **more))
    model.add(layers.Dense(2, dtype=dtype))
    return model


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("kinds", [("lstm", "lstm"), ("gru", "rnn", "lstm"), ("rnn", "gru", "gru", "lstm")])
def test_layers_run_one_behind_the_other(dtype, last, kinds):
    before = kernels.get_threads()
    try:
        for batch, steps, units, backwards in [(1, 203, 33, ()), (3, 74, 40, (0,)), (2, 100, 31, (1,)), (1, 30, 8, ())]:
            x = data((batch, steps, 6), dtype)
            kernels.set_threads(1)
            expected = general(piled(kinds, units, dtype, last, backwards))(x)
            chained = warmed(piled(kinds, units, dtype, last, backwards), x)
            for count in (1, 2, 3, 5):
                kernels.set_threads(count)
                for _ in range(4):
                    assert equal(chained(x), expected)
    finally:
        kernels.set_threads(before)
