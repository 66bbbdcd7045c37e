"""The picture of an attribution: its numbers, its signs without colours, its sums, in three languages."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

import gatewise as gw
from explain.drawings import SVG, keyed, parsed, texts
from gatewise.explain.attribution import Attribution

VALUES = np.array([[[0.5, -1.0], [0.0, 2.0], [0.25, -0.75]], [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]])


def attribution(values=VALUES, method="integrated_gradients", **options):
    total = values.reshape(len(values), -1).sum(axis=1)
    given = {"target": "'out'", "sequences": (values.ndim > 2,), **options}
    return Attribution((values,), ("x",), method, outputs=total + 0.5, baseline_outputs=0.0 * total + 0.25, points=16,
                       **given)  # fmt: skip


def signs(picture):
    """The strokes of the signs of the heat map."""
    return [e.attrib["d"] for e in parsed(picture).iter(f"{SVG}path") if e.attrib.get("data-key") == "signs:x"]


def test_the_heat_map_has_signs_and_sums():
    picture = gw.draw(attribution())
    assert picture.view == "attribution" and picture.title == "What 'out' comes from"
    strokes = " ".join(signs(picture))
    assert strokes.count("M") == 2 * 3 + 2  # two strokes for each plus, one for each minus, none for zero
    keys = keyed(picture)
    assert keys["sums:x:feature:0"] == ["0.75"] and keys["sums:x:feature:1"] == ["0.25"]
    assert set(keys["sums:x:steps"]) == {"0", "2", "-0.5"}
    levels = [e.attrib["data-key"] for e in parsed(picture).iter(f"{SVG}path") if "attribution:x" in str(e.attrib)]
    assert {int(key.rsplit(":", 1)[1]) for key in levels} == {6, -12, 0, 24, 3, -9}


def test_completeness_is_told():
    text = gw.draw(attribution()).description
    assert "The output is 1.5, for the baseline 0.25: a difference of 1.25." in text
    assert "The values add up to 1; the gap is 0.2." in text or "the gap is 0.3." in text
    assert (
        "Sample 2 of 2. Gradient times input."
        in gw.draw(attribution(method="gradient_times_input"), sample=1).description
    )


def test_small_squares_have_a_stroke_where_they_take_away():
    values = np.where(np.arange(100) % 2, 1.0, -1.0).reshape(1, 100, 1).repeat(30, axis=2)
    (strokes,) = signs(gw.draw(attribution(values)))
    assert strokes.count("M") == 50 * 30 and not re.search(r"nan|inf", strokes)


def test_classes_functions_and_inputs_without_time():
    likeliest = attribution(target="'out', the likeliest class of each sample", classes=np.array([2, 0]))
    assert gw.draw(likeliest).title == "What 'out'[2] comes from"
    assert gw.draw(attribution(target="a function of the outputs"), lang="de").title == (
        "Woraus eine Funktion der Ausgaben sich ergibt"
    )
    flat = gw.draw(attribution(VALUES[:, 0]))
    assert "feature" in [words for _key, words, _box in texts(flat)]
    assert "sum by step" not in [words for _key, words, _box in texts(flat)]


def test_what_is_not_finite_is_crossed_out():
    values = VALUES.copy()
    values[0, 1, 1] = np.nan
    picture = gw.draw(attribution(values))
    assert "nan" not in "".join(e.attrib.get("d", "") for e in ElementTree.fromstring(picture.svg).iter())


@pytest.mark.parametrize("lang", ["en", "zh", "de"])
def test_no_words_overlap(lang):
    boxes = [(words, box) for _key, words, box in texts(gw.draw(attribution(), lang=lang))]
    for k, (words, box) in enumerate(boxes):
        for other, second in boxes[k + 1 :]:
            assert not box.overlaps(second), (words, other)


def test_refusals():
    with pytest.raises(ValueError, match="sample is from 0 to 1; got 2"):
        gw.draw(attribution(), sample=2)
    with pytest.raises(ValueError, match="view='gates' does not suit an attribution; these do: 'attribution'"):
        gw.draw(attribution(), "gates")
