"""What users write around recurrent layers: whole models and short scripts, held against what Keras makes of them."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import Input, Model, layers, suggest


@pytest.fixture(autouse=True)
def fresh_names():
    gw.backend.clear_session()


def names(model):
    return " ".join(layer.name for layer in model.layers)


def branches():
    """A masked and an unmasked branch of Dense layers, joined: the mask's way to the LSTM is the longest in Keras."""
    words, numbers = Input((5,)), Input((5, 3))
    a = layers.Dense(4, name="a")(layers.Embedding(9, 4, mask_zero=True, name="table")(words))
    b = layers.Dense(4, name="b1")(numbers)
    b = layers.Dense(4, name="b3")(layers.Dense(4, name="b2")(b))
    return Model([words, numbers], layers.LSTM(3)(layers.Concatenate()([a, b])))


def two_outputs():
    words, numbers = Input((5,)), Input((5, 3))
    a = layers.Embedding(9, 4, mask_zero=True, name="table")(words)
    a = layers.LSTM(4, name="a2")(layers.LSTM(4, name="a1", return_sequences=True)(a))
    b = layers.LSTM(4, name="b3")(layers.Dense(4, name="b2")(layers.Dense(4, name="b1")(numbers)))
    outputs = {"z": layers.Dense(1, name="z1")(layers.Add()([a, b])), "a": layers.Dense(1, name="a3")(b)}
    return Model([words, numbers], outputs)


def many_masks():
    words, numbers = Input((5,)), Input((5, 3))
    table = layers.Embedding(9, 4, mask_zero=True, name="table")(words)
    b = layers.Dense(4, name="b2")(layers.Dense(4, name="b1")(layers.Masking()(numbers)))
    total = layers.Add()([layers.GRU(4, return_sequences=True, name="a")(table), b, table])
    seen = layers.Attention()([total, table])
    x = layers.Bidirectional(layers.GRU(2, return_sequences=True))(layers.Concatenate()([seen, total, numbers]))
    last = layers.GRU(3, name="last")(seen, initial_state=layers.GRU(3, name="first")(x))
    steps = layers.TimeDistributed(layers.Dense(2))(b)
    return Model([words, numbers], [layers.GlobalAveragePooling1D()(x), steps, last])


def shared():
    left, right = Input((5,)), Input((5,))
    table, reader = layers.Embedding(9, 4, mask_zero=True, name="table"), layers.LSTM(4)
    a, b = table(left), table(right)
    mean = layers.GlobalAveragePooling1D()(layers.BatchNormalization()(b))
    ends = [reader(a), reader(layers.Dense(4, name="d1")(b)), mean]
    return Model([right, left], layers.Dense(1, name="d2")(layers.Concatenate()(ends)))


@pytest.mark.parametrize(
    "build, order",
    [
        (branches, "input_layer input_layer_1 table b1 a b2 b3 concatenate lstm"),
        (two_outputs, "input_layer_1 input_layer b1 table b2 a1 b3 a2 add a3 z1"),
        (
            many_masks,
            "input_layer_1 input_layer masking table b1 a b2 add attention concatenate bidirectional first "
            "global_average_pooling1d time_distributed last",
        ),
        (
            shared,
            "input_layer input_layer_1 table d1 batch_normalization lstm global_average_pooling1d concatenate d2",
        ),
    ],
)
def test_layers_stand_in_keras_order_where_masks_and_dictionaries_pass(build, order):
    """Keras 3.15 computes masks in the graph and sorts a dictionary's keys: both move layers, and so weights."""
    assert names(build()) == order


def test_the_users_own_layer_of_a_built_in_name_is_its_own():
    class Masking(layers.Layer):
        def call(self, x):
            return 2 * x

    x = Input((5, 3))
    model = Model(x, layers.LSTM(2)(Masking()(x)))
    assert names(model) == "input_layer masking lstm"
    assert model.predict(np.ones((1, 5, 3)), verbose=0).shape == (1, 2)


def test_a_mask_computed_by_hand_from_symbolic_integers():
    ids = Input((5,), dtype="int32")
    table = layers.Embedding(9, 4, mask_zero=True)
    y = layers.LSTM(3)(layers.Dense(4, name="d")(table(ids)), mask=table.compute_mask(ids))
    by_hand, layer = Model(ids, y), layers.LSTM(3)
    given = np.array([[1, 2, 0, 0, 0], [3, 0, 4, 1, 0]])
    layer.build((None, 5, 4))
    layer.set_weights(by_hand.layers[-1].get_weights())
    expected = layer(by_hand.get_layer("d")(table(given)), mask=given != 0)
    np.testing.assert_array_equal(by_hand.predict(given, verbose=0), expected)


def test_suggestions_come_in_one_order():
    assert suggest.unknown("optimizer", "x", {"adam", "Adam", "SGD", "sgd"}).endswith("Known: Adam, adam, SGD, sgd.")


def test_names_count_what_keras_makes_inside():
    x = Input((5, 4))
    layers.MultiHeadAttention(2, 3)(x, x)
    assert [layers.Dropout(0.1).name, layers.Softmax().name] == ["dropout_1", "softmax_1"]
    gw.Sequential([layers.LSTM(3)])(x)
    assert Model(x, layers.Dense(1)(x)).name == "functional_1"


class TwoReaders(Model):
    """A chain and a graph inside a model whose call the user wrote, beside layers of its own."""

    def __init__(self):
        super().__init__()
        x = Input((8, 4))
        self.chain = gw.Sequential([Input((8, 4)), layers.LSTM(3)], name="chain")
        self.graph = Model(x, [layers.LSTM(2)(x), layers.GRU(3)(x)], name="graph")
        self.steps = layers.LSTM(16, return_sequences=True, name="steps")
        self.last = layers.Dense(1, name="last")

    def call(self, x):
        return self.last(self.chain(x)) + self.graph(x)[0][:, :1] + self.steps(x)[:, -1, :1]


@pytest.mark.parametrize(
    "shape, of_steps",
    [((None, 8, 4), "(None, 8, 16)"), ((None, None, 4), "(None, None, 16)"), ((2, 8, 4), "(2, 8, 16)")],
)
def test_a_users_model_that_was_built_shows_no_sizes_of_the_trial(shape, of_steps, capsys):
    model = TwoReaders()
    model.build(shape)
    model.summary()
    rows = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if "(" in line and "│" in line}
    assert of_steps in rows["steps"]
    assert "(None, 3)" in rows["chain"] and "[(None, 2), (None, 3)]" in rows["graph"]
    assert "?" not in "".join(rows.values())


def test_explanations_write_nested_shapes_with_letters():
    x = Input((None, 3))
    cells = [layers.LSTMCell(12), layers.GRUCell(8)]
    model = Model(x, layers.RNN(cells, return_state=True)(x)[0])
    for lang in ("en", "zh", "de"):
        text = str(gw.explain(model, lang=lang))
        assert "[(N, 8), (N, 12), (N, 12), (N, 8)]" in next(line for line in text.splitlines() if "  rnn (" in line)


@pytest.mark.parametrize(
    "loss, target, units",
    [
        ("mse", np.ones(8), 1),
        ("mse", np.ones((8, 1)), 1),
        ("binary_crossentropy", np.ones((8,)), 1),
        ("sparse_categorical_crossentropy", np.ones(8, int), 3),
        ("categorical_crossentropy", np.eye(3)[np.arange(8) % 3], 3),
    ],
)
def test_one_target_a_sequence_where_the_output_has_one_a_step(loss, target, units):
    head = layers.Dense(units, activation="sigmoid")
    model = gw.Sequential([Input((6, 3)), layers.LSTM(4, return_sequences=True), head])
    model.compile("sgd", loss)
    with pytest.raises(
        ValueError, match="For one target a sequence give the last recurrent layer return_sequences=False"
    ):
        model.fit(np.ones((8, 6, 3)), target, verbose=0)


def test_flattening_an_unknown_number_of_steps_says_where_to_write_it():
    steps = [Input((None, 3)), layers.LSTM(4, return_sequences=True), layers.Flatten(), layers.Dense(1)]
    with pytest.raises(ValueError, match=r"known number of steps: Input\(\(13, 5\)\), not Input\(\(None, 5\)\)\.$"):
        gw.Sequential(steps)
