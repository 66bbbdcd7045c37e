"""Accounts: every row, sum and shape against the layers' real weights."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise
from gatewise import Input, Model, Sequential
from gatewise.explain import account
from gatewise.explain.accounting import LayerAccount, ModelAccount
from gatewise.layers import LSTM, Activation, Dense, Dropout, Layer, LSTMCell, TimeDistributed

small = st.integers(1, 9)
lstm_options = st.fixed_dictionaries(
    {},
    optional={
        "use_bias": st.booleans(),
        "unit_forget_bias": st.booleans(),
        "return_sequences": st.booleans(),
        "return_state": st.booleans(),
        "go_backwards": st.booleans(),
        "dropout": st.sampled_from([0.0, 0.3]),
        "trainable": st.booleans(),
        "dtype": st.sampled_from(["float32", "float64"]),
    },
)


def check_sums(entry: LayerAccount) -> None:
    """Rows add up, at every level."""
    assert entry.trainable_size + entry.non_trainable_size == entry.counted
    assert entry.counted == sum(matrix.size for matrix in entry.all_matrices() if matrix.counted)
    if entry.gates:
        gated = [matrix for matrix in entry.matrices if matrix.parts]
        assert sum(gate.size for gate in entry.gates) == sum(matrix.size for matrix in gated)
        for matrix in gated:
            assert sum(part.size for part in matrix.parts) == matrix.size
            assert [part.start for part in matrix.parts] == [0, *(part.stop for part in matrix.parts[:-1])]
            assert matrix.parts[-1].stop == matrix.shape[-1]
        for gate in entry.gates:
            rows, columns = gate.textbook_matrix
            assert gate.size == gate.arithmetic.value == rows * columns + sum(gate.textbook_bias)
    if entry.arithmetic is not None:
        assert entry.arithmetic.value == entry.size
    for matrix in entry.matrices:
        assert matrix.arithmetic is None or matrix.arithmetic.value == matrix.size
    for inner in entry.inside:
        check_sums(inner)


@settings(deadline=None, max_examples=60)
@given(units=small, features=small, steps=small, options=lstm_options)
def test_lstm_rows_are_the_weights(units, features, steps, options):
    described = account(LSTM(units, **options), (steps, features))
    layer = LSTM(units, **options)
    y = layer(np.zeros((2, steps, features), "float32"))
    counted = account(layer)
    for entry in (described, counted):
        check_sums(entry)
        assert [matrix.shape for matrix in entry.matrices] == [w.shape for w in layer.get_weights()]
        assert entry.size == layer.count_params() == 4 * ((units + features) * units + units * layer.use_bias)
        assert entry.trainable_size == (entry.size if layer.trainable else 0)
        assert sum(matrix.bytes for matrix in entry.matrices) == sum(w.nbytes for w in layer.get_weights())
    (form,) = [form for form in described.forms if form.chosen]
    shapes = [value.shape for value in (y if isinstance(y, list) else [y])]
    assert [(2, *shape[1:]) for shape in form.shapes] == shapes


@settings(deadline=None, max_examples=40)
@given(units=st.lists(small, min_size=1, max_size=3), features=small, outputs=small, bias=st.booleans())
def test_layers_add_up_to_the_model(units, features, outputs, bias):
    layers: list[Layer] = [LSTM(n, return_sequences=True, use_bias=bias) for n in units]
    layers += [Dropout(0.1), TimeDistributed(Dense(outputs)), Dense(2, use_bias=bias)]
    model = Sequential(layers)
    described = account(model, (5, features))
    assert not model.built
    model.build((None, 5, features))
    counted = account(model)
    for entry in (described, counted):
        assert isinstance(entry, ModelAccount)
        check_sums(entry)
        assert entry.size == entry.counted == model.count_params() == sum(layer.size for layer in entry.layers)
        assert [layer.size for layer in entry.layers] == [layer.count_params() for layer in model.layers]
        assert [layer.output_shape for layer in entry.layers] == [layer.output_shape for layer in model.layers]


@pytest.mark.parametrize(
    ("units", "features", "total"), [(1, 1, 12), (3, 2, 72), (10, 1, 480), (4, 3, 128), (10, 5, 640)]
)
def test_counts_of_the_texts(units, features, total):
    assert account(LSTM(units), (None, features)).size == total


def test_gate_columns_are_the_textbook_matrices():
    layer = LSTM(4)
    layer(np.zeros((1, 2, 3), "float32"))
    gates = {gate.symbol: gate for gate in account(layer).gates}
    assert list(gates) == ["i", "f", "c", "o"]
    assert [gate.activation for gate in gates.values()] == ["sigmoid", "sigmoid", "tanh", "sigmoid"]
    kernel, recurrent, bias = gates["f"].parts
    W_f = np.hstack(
        [
            np.asarray(layer.recurrent_kernel)[:, recurrent.start : recurrent.stop].T,
            np.asarray(layer.kernel)[:, kernel.start : kernel.stop].T,
        ]
    )
    assert W_f.shape == gates["f"].textbook_matrix
    # The forget gate's bias is the one that begins at 1: the columns are the right ones.
    np.testing.assert_array_equal(np.asarray(layer.bias)[bias.start : bias.stop], np.ones(4))


def test_an_account_leaves_the_layer_alone():
    layer = TimeDistributed(Dense(3))
    assert account(layer, (7, 4)).size == 15
    assert not layer.built and not layer.weights and not layer.layer.built


def test_a_shared_layer_counts_once():
    x = Input((4, 2))
    shared = Dense(2)
    lstm = LSTM(3, return_sequences=True)(shared(shared(x)))
    model = Model(x, lstm)
    entry = account(model)
    check_sums(entry)
    (dense,) = [layer for layer in entry.layers if layer.cls == "Dense"]
    assert dense.uses == 2
    assert entry.size == model.count_params()


def test_nested_models_and_a_layer_in_two_of_them():
    shared = Dense(3)
    inner = Sequential([Input((2,)), shared, Dense(4)])
    x = Input((2,))
    outer = Model(x, [inner(x), shared(x)])
    entry = account(outer)
    check_sums(entry)
    assert entry.size == entry.counted == outer.count_params() == 9 + 16
    by_name = {layer.name: layer for layer in entry.layers}
    assert by_name[inner.name].size == inner.count_params() == 25
    assert by_name[shared.name].size == 9
    assert by_name[inner.name].counted + by_name[shared.name].counted == 25


def test_frozen_layers():
    model = Sequential([Input((5, 3)), LSTM(4, trainable=False), Dense(2)])
    entry = account(model)
    assert (entry.trainable_size, entry.non_trainable_size) == (10, 128)
    model.trainable = False
    assert (account(model).trainable_size, account(model).non_trainable_size) == (0, 138)


class Scaled(Layer):
    """A user's layer with a weight and a layer inside."""

    def __init__(self, n=2, **kwargs):
        super().__init__(**kwargs)
        self.n = n
        self.inner = Dense(n)

    def build(self, input_shape):
        self.scale = self.add_weight((self.n,), "ones", name="scale")
        self.offset = self.add_weight((self.n,), "zeros", trainable=False, name="offset")

    def call(self, x):
        return self.inner(x) * self.scale + self.offset


def test_any_layer_is_counted_by_its_weights():
    layer = Scaled(3)
    described = account(Scaled(3), (4,))
    layer(np.zeros((1, 4), "float32"))
    for entry in (described, account(layer)):
        check_sums(entry)
        assert entry.size == layer.count_params() == 6 + 15
        assert entry.non_trainable_size == 3


def test_a_subclass_of_lstm_with_a_weight_more():
    class Gained(LSTM):
        def build(self, input_shape):
            super().build(input_shape)
            self.gain = self.add_weight((1,), "ones", name="gain")

    layer = Gained(3)
    layer(np.zeros((1, 2, 4), "float32"))
    assert account(layer).size == layer.count_params() == 4 * (7 * 3 + 3) + 1


def test_cells_and_layers_without_weights():
    cell = LSTMCell(3)
    assert account(cell, (4,)).size == 96
    cell(np.zeros((1, 4), "float32"), [np.zeros((1, 3), "float32")] * 2)
    assert account(cell).size == cell.count_params() == 96
    assert account(Activation("tanh"), (4,)).size == 0


def test_subclassed_models():
    class Forecaster(Model):
        def __init__(self):
            super().__init__()
            self.lstm = LSTM(4)
            self.head = Dense(2)

        def call(self, x):
            return self.head(self.lstm(x))

    model = Forecaster()
    with pytest.raises(ValueError, match="build"):
        account(model, (5, 3))
    model(np.zeros((1, 5, 3), "float32"))
    entry = account(model)
    check_sums(entry)
    assert entry.size == model.count_params() == 138


def test_a_layer_that_is_held_but_not_used_holds_nothing():
    class Half(Layer):
        def __init__(self):
            super().__init__()
            self.used, self.unused = Dense(2), LSTM(3)

        def call(self, x):
            return self.used(x)

    layer = Half()
    layer(np.zeros((1, 4), "float32"))
    entry = account(layer)
    assert entry.size == layer.count_params() == 10
    assert [inner.known for inner in entry.inside] == [True, False]


def test_accounts_are_json():
    model = Sequential([Input((None, 1)), LSTM(10, return_sequences=True), TimeDistributed(Dense(1))])
    found = json.loads(json.dumps(account(model).to_dict()))
    assert found["params"] == 491
    lstm, distributed = found["layers"]
    assert lstm["arithmetic"] == "4 x ((1 + 10) x 10 + 10) = 480"
    assert lstm["formula"] == "4 x ((F + H) x H + H)"
    assert [gate["columns"] for gate in lstm["matrices"][0]["parts"]] == [[0, 10], [10, 20], [20, 30], [30, 40]]
    assert distributed["params"] == 11


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: account(3), TypeError, "a layer or a model"),
        (lambda: account(LSTM), TypeError, r"Write LSTM\("),
        (lambda: account(LSTM(3, name="here")), ValueError, "'here'.*not built.*input_shape"),
        (lambda: account(LSTM(3), 5), ValueError, r"Write input_shape=\(None, 5\)"),
        (lambda: account(LSTM(3), (5,)), ValueError, "expected ndim=3"),
        (lambda: account(LSTM(3), (5, None)), ValueError, "features"),
        (lambda: account(Sequential([LSTM(3)])), ValueError, "not built"),
        (lambda: account(LSTM(3, input_shape=(4, 2)), (4, 0)), ValueError, "features"),
    ],
)
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_a_layer_that_knows_its_input_shape_needs_no_other():
    assert account(LSTM(10, input_shape=(13, 5))).size == 640
    assert gatewise.explain.account(LSTM(10), (None, 13, 5)).size == 640
