"""Pictures of recurrent layers: every view of every kind, its numbers read back and compared with the account."""

import re

import numpy as np
import pytest

import gatewise
from explain.drawings import assert_nothing_overlaps, keyed, number_of, numbers_in, parsed, shape_in, texts
from gatewise import layers
from gatewise.explain.draw.drawing import LAYER_VIEWS

GATED = {
    "lstm": lambda H=3, **more: layers.LSTM(H, **more),
    "peephole": lambda H=3, **more: layers.LSTM(H, peephole=True, **more),
    "projection": lambda H=3, **more: layers.LSTM(H, projection_units=max(H // 2, 1), **more),
    "coupled": lambda H=3, **more: layers.LSTM(H, coupled_gates=True, peephole=True, **more),
    "layer_norm": lambda H=3, **more: layers.LSTM(H, layer_norm=True, **more),
    "everything": lambda H=3, **more: layers.LSTM(
        H, peephole=True, projection_units=max(H // 2, 1), coupled_gates=True, layer_norm=True, cell_clip=3.0,
        zoneout_cell=0.1, zoneout_output=0.05, dropout=0.2, recurrent_dropout=0.1, **more),
    "no_bias": lambda H=3, **more: layers.LSTM(H, use_bias=False, **more),
    "gru": lambda H=3, **more: layers.GRU(H, **more),
    "gru_before": lambda H=3, **more: layers.GRU(H, reset_after=False, recurrent_dropout=0.1, **more),
    "gru_no_bias": lambda H=3, **more: layers.GRU(H, use_bias=False, **more),
    "simple_rnn": lambda H=3, **more: layers.SimpleRNN(H, dropout=0.1, **more),
    "rnn_of_a_cell": lambda H=3, **more: layers.RNN(layers.GRUCell(H), **more),
}  # fmt: skip
SEVERAL = {
    "bidirectional": lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True, return_state=True)),
    "sum": lambda: layers.Bidirectional(layers.GRU(3), merge_mode="sum"),
    "apart": lambda: layers.Bidirectional(layers.SimpleRNN(3), merge_mode=None),
    "stack": lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(2)], return_state=True),
    "time_distributed": lambda: layers.TimeDistributed(layers.LSTM(3)),
}  # fmt: skip


class Leaky(layers.Layer):
    """A user's cell."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, shape):
        self.kernel = self.add_weight((shape[-1], self.units), name="kernel")

    def call(self, x, states):
        h = x @ self.kernel + states[0]
        return h, [h]


def cell_account(account):
    return account.inside[0] if account.kind == "rnn" else account


def last_number(keys, key):
    return numbers_in(keys[key][-1])[-1]


@pytest.mark.parametrize("kind", GATED)
class TestOneCell:
    def test_the_layer(self, kind):
        layer = GATED[kind]()
        account = cell_account(gatewise.account(layer, (13, 5)))
        keys = keyed(gatewise.draw(layer, "layer", "en", input_shape=(13, 5)))
        out = account.options.get("projection_units", 3)
        assert {numbers_in(text)[-1] for text in keys["features"]} == {5}
        assert {numbers_in(text)[-1] for text in keys["out"]} == {out}
        assert number_of(keys, "params:size") == account.size
        assert number_of(keys, "state:h:size") == out and ("state:C:size" in keys) == (account.kind == "lstm")
        assert keys["input:size"] == ["(N, 13, 5)"] and keys["output:size"] == [f"(N, {out})"]

    def test_the_unit(self, kind):
        layer = GATED[kind]()
        account = cell_account(gatewise.account(layer, (13, 5)))
        keys = keyed(gatewise.draw(layer, "unit", "en", input_shape=(13, 5)))
        for gate in account.gates:
            assert number_of(keys, f"unit:{gate.symbol}") * 3 == gate.size
            for part in gate.parts:
                shown = numbers_in(re.sub(r"\[.*", "", keys[f"unit:{gate.symbol}:{part.matrix}"][0]))
                assert shown[0] * 3 == part.size
        assert number_of(keys, "unit:total") * 3 == number_of(keys, "gates") == sum(g.size for g in account.gates)
        assert number_of(keys, "params" if "params" in keys else "gates") == account.size

    def test_the_cell(self, kind):
        layer = GATED[kind]()
        account = cell_account(gatewise.account(layer, (13, 5)))
        keys = keyed(gatewise.draw(layer, "cell", "en", input_shape=(13, 5)))
        for gate in account.gates:
            assert number_of(keys, f"gate:{gate.symbol}:params") == gate.size
            for part in gate.parts:
                key = f"gate:{gate.symbol}:{part.matrix}"
                assert shape_in(keys[f"{key}:shape"][0]) == part.shape and number_of(keys, f"{key}:count") == part.size
        for matrix in account.matrices:
            assert number_of(keys, f"matrix:{matrix.name}:count") == matrix.size
            assert shape_in(keys[f"matrix:{matrix.name}:size"][0]) == matrix.shape
        assert last_number(keys, "params") == account.size
        for name in ("dropout", "recurrent_dropout", "cell_clip", "zoneout_cell", "zoneout_output", "coupled_gates"):
            assert (f"option:{name}" in keys) == (name in account.options), name
        assert ("peephole:o" in keys) == ("peephole" in account.options)

    def test_the_matrices(self, kind):
        layer = GATED[kind]()
        layer.build((None, 13, 5))
        account = cell_account(gatewise.account(layer))
        picture = gatewise.draw(layer, "matrices", "en")
        keys = keyed(picture)
        for matrix in account.matrices:
            assert shape_in(keys[f"matrix:{matrix.name}:shape"][0]) == matrix.shape
            assert number_of(keys, f"matrix:{matrix.name}:count") == matrix.size
            shades = [e for e in parsed(picture).iter() if e.get("data-key", "").startswith(f"weights:{matrix.name}:")]
            assert sum(shade.get("d").count("M") for shade in shades) == matrix.size

    @pytest.mark.parametrize("units", [1, 3, 512])
    @pytest.mark.parametrize("lang", ["en", "de", "zh"])
    def test_nothing_overlaps(self, kind, units, lang):
        layer = GATED[kind](units, name="a_name_of_a_layer_" * 8 if units == 512 else "l")
        for view in LAYER_VIEWS:
            shape = (None, 300) if units == 512 else (1, 1) if units == 1 else (13, 5)
            assert_nothing_overlaps(gatewise.draw(layer, view, lang, input_shape=shape))


@pytest.mark.parametrize("kind", SEVERAL)
@pytest.mark.parametrize("view", LAYER_VIEWS)
def test_layers_of_several_cells(kind, view):
    shape = (4, 13, 5) if kind == "time_distributed" else (13, 5)
    layer = SEVERAL[kind]()
    layer.build((None, *shape))
    picture = gatewise.draw(layer, view, "en")
    assert_nothing_overlaps(picture)
    size = gatewise.account(layer).size
    assert numbers_in(picture.description)[-1 if view == "layer" else 0] == size or view == "unit"


def test_the_matrices_are_to_scale():
    picture = gatewise.draw(layers.LSTM(4), "matrices", "en", input_shape=(None, 8))
    places = {}
    for element in parsed(picture).iter():
        if element.get("data-key", "").startswith("part:"):
            places[element.get("data-key")] = float(element.get("width")), float(element.get("height"))
    side = places["part:kernel:i"][0] / 4
    assert places["part:kernel:f"] == pytest.approx((4 * side, 8 * side), abs=0.02)
    assert places["part:recurrent_kernel:o"] == pytest.approx((4 * side, 4 * side), abs=0.02)
    assert places["part:bias:c"] == pytest.approx((4 * side, side), abs=0.02)


def test_the_larger_weight_is_the_darker():
    layer = layers.SimpleRNN(2, use_bias=False)
    layer.build((None, None, 2))
    layer.set_weights([np.array([[-1.0, 0.0], [0.5, 1.0]]), np.zeros((2, 2))])
    levels = {}
    for element in parsed(gatewise.draw(layer, "matrices", "en")).iter():
        if element.get("data-key", "").startswith("weights:kernel:"):
            red, green, blue = (int(element.get("fill")[k : k + 2], 16) for k in (1, 3, 5))
            levels[int(element.get("data-key").split(":")[2])] = 0.3 * red + 0.59 * green + 0.11 * blue
    assert sorted(levels) == [0, 12, 18, 24]
    assert sorted(levels.values(), reverse=True) == [levels[level] for level in sorted(levels)]


@pytest.mark.parametrize("units", [1, 5, 512])
def test_a_layer_with_a_cell_of_ones_own(units):
    layer = layers.RNN(Leaky(units))
    layer.build((None, 6, 4))
    for view in ("cell", "unrolled", "matrices"):
        assert_nothing_overlaps(gatewise.draw(layer, view, "en"))
    with pytest.raises(ValueError, match=r"view='unit' does not suit .* these do: 'cell', 'unrolled', 'matrices'"):
        gatewise.draw(layer, "unit")


def test_a_convolution_has_shapes_for_numbers():
    layer = layers.ConvLSTM1D(3, 2, return_sequences=True, return_state=True)
    layer.build((None, 6, 8, 5))
    picture = gatewise.draw(layer, lang="en")
    assert picture.view == "cell"
    keys = keyed(picture)
    assert keys["in:x"] == ["(8, 5)"] and keys["out:h"] == ["(7, 3)"]
    assert number_of(keys, "matrix:kernel:count") == 2 * 5 * 12
    for view in ("cell", "unrolled", "matrices"):
        assert_nothing_overlaps(gatewise.draw(layer, view, "en"))
    assert given(gatewise.draw(layer, "unrolled", "en"))[-2:] == ["h", "C"]


def given(picture):
    """The texts of the outputs that the layer gives."""
    root = list(parsed(picture))
    found = []
    for k, element in enumerate(root):
        if element.get("data-key") in ("given", "state"):
            found.append(next(e.text for e in root[k + 1 :] if e.tag.endswith("text")))
    return found


@pytest.mark.parametrize(
    "options, expected",
    [
        ({}, ["h4"]),
        ({"return_sequences": True}, ["h1", "h2", "h3", "h4"]),
        ({"go_backwards": True}, ["h1"]),
        ({"return_state": True}, ["h4", "h", "C"]),
    ],
)
def test_the_outputs_that_are_given(options, expected):
    layer = layers.LSTM(3, **options)
    picture = gatewise.draw(layer, "unrolled", "en", input_shape=(4, 5))
    assert given(picture) == expected
    form = next(form for form in gatewise.account(layer, (4, 5)).forms if form.chosen)
    shape = ", ".join("N" if n is None else str(n) for n in form.shapes[0])
    assert keyed(picture)["output:size"][0].endswith(f"({shape})")


def test_masks_and_kept_states():
    layer = layers.GRU(3, stateful=True)
    mask = np.array([True, False, True, True, False])
    picture = gatewise.draw(layer, "unrolled", "en", input_shape=(2, 5, 4), mask=mask)
    found = [words for _key, words, _box in texts(picture)]
    assert found.count("masked") == 2 and "2 of 5 steps are masked: the states stay as they are" in found
    assert "kept from the batch before" in found and "kept for the next batch" in found
    with pytest.raises(ValueError, match="reads 5 steps, but the mask has 4"):
        gatewise.draw(layer, "unrolled", input_shape=(2, 5, 4), mask=mask[:4])
    with pytest.raises(ValueError, match="a vector of True and False"):
        gatewise.draw(layer, "unrolled", input_shape=(2, 5, 4), mask=mask[None])


def test_any_number_of_steps_is_T():
    found = [
        words for _key, words, _box in texts(gatewise.draw(layers.LSTM(2), "unrolled", "en", input_shape=(None, 3)))
    ]
    assert "xT" in found and "step T" in found and "(N, T, 3)" in found


@pytest.mark.parametrize("lang", ["de", "zh"])
def test_no_label_stays_english(lang):
    """What the pictures in two languages have in common is symbols, numbers, functions and Keras's arguments."""
    same_in_all = {"LSTM", "GRU", "SimpleRNN", "tanh", "sigmoid", "True", "Zoneout", "Dropout", "Peepholes", "Bias"}
    arguments = {"return", "sequences", "state", "stateful", "False", "concat"}
    for kind in GATED:
        for view in LAYER_VIEWS:
            layer, shape = GATED[kind](stateful=True, return_state=True, name="n"), (2, 13, 5)
            english = {words for _key, words, _box in texts(gatewise.draw(layer, view, "en", input_shape=shape))}
            other = {words for _key, words, _box in texts(gatewise.draw(layer, view, lang, input_shape=shape))}
            left = {word for words in english & other for word in re.findall("[A-Za-z]{3,}", words)}
            assert left <= same_in_all | arguments, (kind, view)


def test_an_account_is_enough():
    layer = layers.LSTM(3)
    account = gatewise.account(layer, (13, 5))
    assert gatewise.draw(account, "cell", "en").svg == gatewise.draw(layer, "cell", "en", input_shape=(13, 5)).svg
