"""Pictures of traces and trainings: shades, lines and bars say what the data say."""

import math
import re

import numpy as np
import pytest

import gatewise
from explain.drawings import assert_nothing_overlaps, keyed, numbers_in, parsed, texts
from gatewise import layers
from gatewise.explain.draw import charts
from gatewise.explain.draw.drawing import TRACE_VIEWS

LAYERS = {
    "lstm": lambda H: layers.LSTM(H),
    "variants": lambda H: layers.LSTM(H, projection_units=max(H // 2, 1), coupled_gates=True, layer_norm=True),
    "gru": lambda H: layers.GRU(H, go_backwards=True),
    "simple_rnn": lambda H: layers.SimpleRNN(H),
}


def traced(layer, steps=7, samples=2, mask=None):
    x = np.random.default_rng(1).normal(size=(samples, steps, 3)).astype("float32")
    y = np.ones((samples, layer.compute_output_shape(x.shape)[-1]), "float32")
    return gatewise.trace(layer, x, y=y, gradients=True, loss="mse", mask=mask)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("units, steps", [(1, 1), (3, 7), (512, 300)])
@pytest.mark.parametrize("lang", ["en", "de", "zh"])
def test_nothing_overlaps(kind, units, steps, lang):
    trace = traced(LAYERS[kind](units), steps)
    for view in TRACE_VIEWS:
        assert_nothing_overlaps(gatewise.draw(trace, view, lang, sample=1))


def levels(picture, variable):
    """{(column, row) in pixels: level} of a heat map."""
    found = {}
    for element in parsed(picture).iter():
        key = element.get("data-key") or ""
        if key.startswith(f"map:{variable}:"):
            for x, y in re.findall(r"M (\S+) (\S+)", element.get("d")):
                found[float(x), float(y)] = int(key.split(":")[2])
    return found


@pytest.mark.parametrize("variable", ["i", "f", "o", "g", "c", "h"])
def test_the_shades_are_the_traces_values(variable):
    trace = traced(layers.LSTM(4))
    (layer,) = trace.values()
    found = levels(gatewise.draw(trace, "gates", "en", sample=1), variable)
    columns, rows = (sorted({place[k] for place in found}) for k in (0, 1))
    assert len(columns) == 7 and len(rows) == 4
    values = layer[variable][1].T
    low, high = (0.0, 1.0) if variable in "ifo" else (-np.abs(values).max(), np.abs(values).max())
    for (x, y), level in found.items():
        value = values[rows.index(y), columns.index(x)]
        assert abs(level / 24 - (value - low) / (high - low)) <= 0.5 / 24 + 1e-6


def test_very_many_steps_and_units_are_means_of_blocks():
    values = np.arange(130 * 257, dtype=float).reshape(130, 257)
    shown, down, across = charts.condensed(values)
    assert (down, across) == (3, 3) and shown.shape == (44, 86)
    assert shown[0, 0] == values[:3, :3].mean() and shown[-1, -1] == values[129:, 255:].mean()
    picture = gatewise.draw(traced(layers.LSTM(130), 257), "gates", "en")
    assert any("Each shade is the mean of 3 units and 3 steps." in words for _k, words, _b in texts(picture))


def test_masked_steps_are_hatched():
    mask = np.ones((2, 7), bool)
    mask[0, 2:4] = mask[0, 6] = False
    trace = traced(layers.LSTM(2), mask=mask)
    for view, per_chart in (("gates", 6), ("states", 2)):
        hatched = [e for e in parsed(gatewise.draw(trace, view, "en")).iter() if e.get("data-key") == "masked"]
        assert len(hatched) == 2 * per_chart
        none = [e for e in parsed(gatewise.draw(trace, view, "en", sample=1)).iter() if e.get("data-key") == "masked"]
        assert none == []


def test_the_lines_pass_through_the_states():
    trace = traced(layers.GRU(2))
    (layer,) = trace.values()
    values = layer["h"][0, :, 1]
    (line,) = [e for e in parsed(gatewise.draw(trace, "states", "en")).iter() if e.get("data-key") == "line:h:1"]
    ys = np.array([float(y) for _x, y in re.findall(r"[ML] (\S+) (\S+)", line.get("d"))])
    slope, offset = np.polyfit(values, ys, 1)
    assert slope < 0 and np.abs(slope * values + offset - ys).max() < 0.02


def test_the_histograms_are_those_of_all_counting_values():
    mask = np.ones((2, 7), bool)
    mask[:, 5:] = False
    trace = traced(layers.LSTM(4), mask=mask)
    (layer,) = trace.values()
    picture = gatewise.draw(trace, "saturation", "en")
    counts, _ = np.histogram(layer["f"][:, :5], 20, (0, 1))
    heights = np.zeros(20)
    for element in parsed(picture).iter():
        if (element.get("data-key") or "").startswith("bar:f:"):
            heights[int(element.get("data-key").split(":")[2])] = float(element.get("height"))
    assert heights / heights.max() == pytest.approx(counts / counts.max(), abs=1e-3)
    keys = keyed(picture)
    shut = round(100 * float((layer["f"][:, :5] < 0.05).mean()))
    assert numbers_in(keys["low:f"][0]) == [shut]


def test_the_gradient_by_step():
    trace = traced(layers.LSTM(4))
    (layer,) = trace.values()
    norms = np.sqrt(np.square(layer["d_h"].astype(float)).sum(2).mean(0))
    (line,) = [e for e in parsed(gatewise.draw(trace, "gradients", "en")).iter() if e.get("data-key") == "line:d_h"]
    ys = np.array([float(y) for _x, y in re.findall(r"[ML] (\S+) (\S+)", line.get("d"))])
    slope, offset = np.polyfit(np.log10(norms), ys, 1)
    assert slope < 0 and np.abs(slope * np.log10(norms) + offset - ys).max() < 0.05


def test_of_a_models_layers_one_is_meant():
    model = gatewise.Sequential(
        [gatewise.Input((6, 3)), layers.LSTM(4, return_sequences=True, name="a"),
         layers.Bidirectional(layers.GRU(2, name="g"), name="b")]
    )  # fmt: skip
    x = np.ones((2, 6, 3), "float32")
    assert "a" in gatewise.draw(model, "gates", "en", x=x, layer="a").title
    assert "b/backward_g" in gatewise.draw(model, "gates", "en", x=x, layer="b/backward_g").title
    with pytest.raises(ValueError, match="say which: layer= one of 'a', 'b/forward_g', 'b/backward_g'"):
        gatewise.draw(model, x=x)
    with pytest.raises(ValueError, match="more than one recurrent cell.*'b/forward_g', 'b/backward_g'"):
        gatewise.draw(model, x=x, layer="b")
    with pytest.raises(ValueError, match="shows what happens to data: give x="):
        gatewise.draw(model, "gates", layer="a")
    with pytest.raises(ValueError, match="needs the targets of the loss: give y="):
        gatewise.draw(model, "gradients", layer="a", x=x)
    with pytest.raises(ValueError, match="sample is from 0 to 1; got 2"):
        gatewise.draw(model, x=x, layer="a", sample=2)
    with pytest.raises(ValueError, match="does not suit a trace without gradients; these do: 'gates', 'states', 'sat"):
        gatewise.draw(gatewise.trace(model, x, layers="a"), "gradients")


def test_convolutions_and_cells_of_ones_own_are_drawn_too():
    layer = layers.ConvLSTM1D(3, 2, return_sequences=True)
    trace = gatewise.trace(layer, np.random.default_rng(0).normal(size=(2, 5, 8, 2)).astype("float32"))
    for view in ("gates", "states", "saturation"):
        picture = gatewise.draw(trace, view, "en")
        assert_nothing_overlaps(picture)
    assert "Means over all places." in gatewise.draw(trace, "gates", "en").description


# --- trainings -----------------------------------------------------------------------------------------------


LOGS = {"loss": [3.0, 2.0, 1.5, 1.25], "val_loss": [3.5, 2.0, 2.25, 2.5], "mae": [1.0, 0.5, float("nan"), 0.25]}


@pytest.mark.parametrize("lang", ["en", "de", "zh"])
def test_the_curves_of_a_training(lang):
    picture = gatewise.draw(LOGS, lang=lang)
    assert_nothing_overlaps(picture)
    assert picture.view == "training" and re.findall(r"\d+", keyed(picture)["best"][0]) == ["2", "2"]
    lines = {
        e.get("data-key"): e.get("d") for e in parsed(picture).iter() if (e.get("data-key") or "").startswith("line")
    }
    assert set(lines) == {"line:loss", "line:val_loss", "line:mae"}
    ys = np.array([float(y) for _x, y in re.findall(r"[ML] (\S+) (\S+)", lines["line:loss"])])
    slope, offset = np.polyfit(LOGS["loss"], ys, 1)
    assert slope < 0 and np.abs(slope * np.array(LOGS["loss"]) + offset - ys).max() < 0.02
    assert lines["line:mae"].count("M") == 2  # the line is broken where the number is none


def test_a_history_and_one_without_epochs():
    model = gatewise.Sequential([gatewise.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    history = model.fit(np.ones((4, 2)), np.ones((4, 1)), epochs=3, verbose=0)
    assert gatewise.draw(history, lang="en").description == "3 epochs."
    assert history._repr_svg_().startswith("<svg")
    with pytest.raises(ValueError, match="holds no epoch yet"):
        gatewise.draw({})
    with pytest.raises(ValueError, match="view='gates' does not suit a History; these do: 'training'"):
        gatewise.draw(history, "gates")


@pytest.mark.parametrize("logs", [{"loss": [1.0]}, {"loss": [0.0, 0.0]}, {"loss": [math.nan]}, {"a" * 300: [1, 2]}])
def test_trainings_at_the_edges(logs):
    assert_nothing_overlaps(gatewise.draw(logs, lang="en"))


def test_round_ticks():
    assert charts.round_ticks(0, 1) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert charts.round_ticks(-3, 12) == pytest.approx([0, 5, 10])
    assert charts.whole_ticks(1, 1) == [1] and charts.whole_ticks(1, 24) == [1, 5, 10, 15, 20, 24]
