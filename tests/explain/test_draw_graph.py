"""The graph of a model: its boxes, numbers and edges, the layout, plot_model."""

import itertools
import re

import numpy as np
import pytest

import gatewise
from explain.drawings import assert_nothing_overlaps, keyed, numbers_in, parsed, texts
from gatewise import layers, utils
from gatewise.explain.draw import graph_layout
from gatewise.explain.draw.graph_facts import graph_of


def branching():
    """Two inputs, a model in the model, a shared layer, an edge past several rows, two outputs."""
    weather, calendar = gatewise.Input((13, 5), name="weather"), gatewise.Input((13, 2), name="calendar")
    encoder = gatewise.Sequential(
        [gatewise.Input((13, 5)), layers.LSTM(16, return_sequences=True, name="first"), layers.LSTM(8, name="second")],
        name="encoder",
    )
    shared = layers.Dense(8, activation="relu", name="shared")
    left, right = encoder(weather), layers.GRU(8, name="gru")(calendar)
    both = layers.Concatenate(name="both")([shared(left), shared(right)])
    total = layers.Add(name="total")([layers.Dense(4, name="past")(left), layers.Dense(4, name="near")(both)])
    outputs = [layers.Dense(1, name="one")(total), layers.Dense(3, name="three")(both)]
    return gatewise.Model([weather, calendar], outputs, name="branching")


def rectangles(picture):
    """(x, y, right, bottom) of the boxes with a layer's name in their title."""
    found = []
    for element in parsed(picture).iter():
        if element.tag.endswith("rect") and len(element) and element.get("rx") == "6":
            x, y = float(element.get("x")), float(element.get("y"))
            found.append((x, y, x + float(element.get("width")), y + float(element.get("height"))))
    return found


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
@pytest.mark.parametrize("lang", ["en", "de", "zh"])
def test_boxes_and_texts_do_not_overlap(rankdir, lang):
    picture = gatewise.draw(branching(), lang=lang, rankdir=rankdir)
    assert_nothing_overlaps(picture)
    boxes = rectangles(picture)
    assert len(boxes) == 14
    for a, b in itertools.combinations(boxes, 2):
        assert min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1])


def test_the_numbers_are_those_of_the_account():
    model = branching()
    keys = keyed(gatewise.draw(model, "graph", "en"))
    account = gatewise.account(model)
    seen = {}
    for one in [*account.inside, *next(one for one in account.inside if one.name == "encoder").inside]:
        if one.name != "encoder":
            seen[one.name] = one.size
            assert numbers_in(keys[f"params:{one.name}"][0]) == [one.size]
    assert len(seen) >= 11
    assert keys["output:gru"] == ["(None, 8)"] and keys["input:both"] == ["(None, 8), (None, 8)"]
    assert len(keys["params:shared"]) == 2 and keys["name:shared"] == ["shared (1/2)", "shared (2/2)"]
    assert f"{account.size}" in gatewise.draw(model, "graph", "en").description


def test_the_bar_is_the_share_of_the_parameters():
    model = gatewise.Sequential([gatewise.Input((4,)), layers.Dense(4, name="a"), layers.Dense(1, name="b")])
    widths = {e.get("data-key"): float(e.get("width")) for e in parsed(gatewise.draw(model)).iter() if e.get("data-key")
              and e.get("data-key").startswith("share:")}  # fmt: skip
    grounds = {float(e.get("width")) for e in parsed(gatewise.draw(model)).iter() if e.get("fill") == "#b9c2cb"}
    assert any(widths["share:a"] / ground == pytest.approx(20 / 25, abs=0.01) for ground in grounds)


def test_every_edge_runs_from_a_box_to_a_box():
    model = branching()
    picture = gatewise.draw(model, "graph", "en")
    edges = [e.get("d") for e in parsed(picture).iter() if e.get("data-key") == "edge"]
    facts = graph_of(model)
    inner = sum(len(box.inner.edges) for box in facts.boxes if box.inner is not None)
    assert len(edges) == len(facts.edges) + inner == 12 + 2
    boxes = rectangles(picture)
    frame = next(e for e in parsed(picture).iter() if e.get("stroke-dasharray") == "6 4")
    x, y = float(frame.get("x")), float(frame.get("y"))
    boxes.append((x, y, x + float(frame.get("width")), y + float(frame.get("height"))))
    for d in edges:
        x, y = map(float, re.match(r"M (\S+) (\S+)", d).groups())
        assert any(a <= x <= c and abs(y - e) < 0.02 for a, _b, c, e in boxes)


def test_a_model_that_is_not_built_and_one_of_ones_own():
    assert_nothing_overlaps(gatewise.draw(gatewise.Sequential([layers.LSTM(3), layers.Dense(1)])))
    assert_nothing_overlaps(gatewise.draw(gatewise.Sequential()))

    class Own(gatewise.Model):
        def __init__(self):
            super().__init__()
            self.first, self.last = layers.LSTM(3), layers.Dense(1)

        def call(self, x):
            return self.last(self.first(x))

    model = Own()
    model(np.zeros((1, 4, 2), "float32"))
    picture = gatewise.draw(model, lang="en")
    assert "only a run of the model tells" in picture.description
    assert not [e for e in parsed(picture).iter() if e.get("data-key") == "edge"]


def test_a_long_chain_of_layers():
    model = gatewise.Sequential([gatewise.Input((2,)), *(layers.Dense(2) for _ in range(60))])
    picture = gatewise.draw(model)
    assert_nothing_overlaps(picture)
    assert sum(e.get("data-key") == "edge" for e in parsed(picture).iter()) == 60


# --- the layout --------------------------------------------------------------------------------------------------


def test_rows_are_the_longest_paths():
    assert graph_layout.ranks_of(5, [(0, 1), (1, 2), (0, 2), (2, 3), (4, 3)]) == [0, 1, 2, 3, 2]


def test_crossings_are_taken_out():
    layout = graph_layout.place([(10, 10)] * 6, [(0, 5), (1, 4), (2, 3)])
    xs = [x for x, _ in layout.centers]
    order_above = sorted(range(3), key=lambda k: xs[k])
    order_below = sorted(range(3, 6), key=lambda k: xs[k])
    assert [5 - k for k in order_above] == order_below


def test_things_stand_apart_and_as_near_as_they_can():
    assert graph_layout.apart([0, 0, 0], [10, 10, 10], 2) == pytest.approx([-12, 0, 12])
    assert graph_layout.apart([0, 100], [10, 10], 2) == pytest.approx([0, 100])


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_have_no_overlap(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 25))
    edges = sorted({(int(a), int(b)) for a, b in rng.integers(0, n, (2 * n, 2)) if a < b})
    sizes = [(float(w), float(h)) for w, h in rng.uniform(20, 120, (n, 2))]
    layout = graph_layout.place(sizes, edges)
    for (a, b), way in zip(edges, layout.routes, strict=True):
        ys = [y for _x, y in way]
        assert ys == sorted(ys) and layout.centers[a][1] < layout.centers[b][1]
    for j, k in itertools.combinations(range(n), 2):
        (x, y), (u, v) = layout.centers[j], layout.centers[k]
        apart_x = abs(x - u) - (sizes[j][0] + sizes[k][0]) / 2
        apart_y = abs(y - v) - (sizes[j][1] + sizes[k][1]) / 2
        assert max(apart_x, apart_y) > 10


# --- plot_model --------------------------------------------------------------------------------------------------


def test_plot_model_shows_what_is_asked_for(tmp_path):
    model = branching()
    bare = utils.plot_model(model, tmp_path / "model.svg")
    assert (tmp_path / "model.svg").read_text(encoding="utf-8") == bare.svg
    words = {text for _key, text, _box in texts(bare)}
    assert {"LSTM", "None"} & words == set() and "Sequential" in words and "gru" not in words
    everything = utils.plot_model(
        model, None, show_shapes=True, show_dtype=True, show_layer_names=True, expand_nested=True, lang="en",
        show_layer_activations=True, show_trainable=True, show_params=True,
    )  # fmt: skip
    keys = keyed(everything)
    assert keys["activation:shared"] == ["relu", "relu"] and keys["dtype:gru"] == ["float32"]
    assert keys["trainable:first"] == ["yes"] and "params:second" in keys
    assert_nothing_overlaps(everything)


def test_plot_model_refuses():
    with pytest.raises(ValueError, match=r"is not built.*call build\(input_shape\)"):
        utils.plot_model(gatewise.Sequential([layers.Dense(1)]))
    with pytest.raises(TypeError, match=r"plot_model takes a model; got .*draws layers"):
        utils.plot_model(layers.Dense(1))
    with pytest.raises(ValueError, match="rankdir is one of 'TB'"):
        utils.plot_model(branching(), None, rankdir="XX")
    with pytest.raises(RuntimeError, match=r"without Graphviz: call utils.plot_model"):
        utils.model_to_dot(branching())
