"""Pictures in a real browser: its own measure of every text says that none overlaps another."""

import html
import itertools
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import gatewise
from gatewise import layers

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")

MEASURE = """
<script>
const found = [...document.querySelectorAll("svg")].map(svg => [...svg.querySelectorAll("text")].map(text => {
  const words = [...text.childNodes].filter(n => n.nodeType === 3).map(n => n.data).join("");
  const b = text.getBoundingClientRect(), s = svg.getBoundingClientRect();
  return [words, b.left - s.left, b.top - s.top, b.right - s.left, b.bottom - s.top, s.width, s.height];
}));
const place = document.createElement("pre");
place.id = "found";
place.textContent = JSON.stringify(found);
document.body.append(place);
</script>
"""


def measured(pictures, folder):
    """For each picture [words, left, top, right, bottom, width, height] of each text, as the browser drew it."""
    body = "".join(f'<div style="width:9000px">{picture.svg}</div>' for picture in pictures)
    page = folder / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><body>{body}{MEASURE}", encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
               "--dump-dom", page.as_uri()]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120)
    text = re.search(r'<pre id="found">(.*)</pre>', done.stdout, re.DOTALL)
    assert text, done.stderr[-2000:]
    return json.loads(html.unescape(text.group(1)))


def pictures(lang):
    everything = layers.LSTM(
        512, peephole=True, projection_units=64, coupled_gates=True, layer_norm=True, cell_clip=3.0, zoneout_cell=0.1,
        zoneout_output=0.1, dropout=0.2, recurrent_dropout=0.1, stateful=True, return_state=True,
    )  # fmt: skip
    for layer, shape in (
        (layers.LSTM(1), (1, 1)),
        (layers.GRU(3, reset_after=False), (13, 5)),
        (everything, (2, 9, 300)),
    ):
        for view in ("layer", "unit", "cell", "unrolled", "matrices"):
            yield gatewise.draw(layer, view, lang, input_shape=shape)
    both = layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True))
    yield gatewise.draw(both, "unrolled", lang, input_shape=(13, 5))
    model = gatewise.Sequential([gatewise.Input((13, 5)), layers.LSTM(3, return_sequences=True), layers.Dense(1)])
    yield gatewise.draw(model, "graph", lang)
    x = np.random.default_rng(0).normal(size=(2, 13, 5)).astype("float32")
    trace = gatewise.trace(model, x, y=x[:, :, :1], loss="mse", gradients=True)
    for view in ("gates", "states", "saturation", "gradients"):
        yield gatewise.draw(trace, view, lang)
    yield gatewise.draw({"loss": [3.0, 2.0, 1.0], "val_loss": [3.0, 2.5, 1.0]}, lang=lang)


@pytest.mark.parametrize("lang", ["en", "de", "zh"])
def test_no_text_overlaps_another_or_leaves_the_picture(lang, tmp_path):
    drawn = list(pictures(lang))
    found = measured(drawn, tmp_path)
    assert len(found) == len(drawn)
    for picture, boxes in zip(drawn, found, strict=True):
        assert len(boxes) == picture.svg.count("<text")
        for words, left, top, right, bottom, width, height in boxes:
            assert -1 <= left and right <= width + 1 and -1 <= top and bottom <= height + 1, (picture, words)
        for one, other in itertools.combinations(boxes, 2):
            # The browser's boxes have the height of a line; letters take about three quarters of it.
            across = min(one[3], other[3]) - max(one[1], other[1])
            inset = 0.14 * min(one[4] - one[2], other[4] - other[2])
            down = min(one[4], other[4]) - max(one[2], other[2]) - 2 * inset
            assert across <= 1 or down <= 1, (picture, one, other)
