"""The page in a real browser, headless: what sliders, keys and pointers do, its arithmetic, its accessibility."""

import json
import pathlib
import re
import shutil
import threading

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers
from gatewise.compat.capture import captured_models
from gatewise.explain.page.explorer import Explorer
from gatewise.explain.page.report import model_data, page_data
from page.page_models import HOSTILE, data, model

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page from disk, every request to a network refused and counted; at the end nothing may have gone wrong."""
    wrong, contexts = [], []

    def open_page(explorer=None, hash="", width=1400, height=900, scheme="light", **more):
        path = tmp_path / f"page{len(contexts)}.html"
        (explorer or gw.explore(lang="en")).save(path)
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more)
        contexts.append(context)
        context.route(re.compile(r"^(?!file:|data:)"), lambda route: (wrong.append(route.request.url), route.abort()))
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append("a dialog"), dialog.dismiss()))
        page.goto(path.as_uri() + (f"#{hash}" if hash else ""))
        page.wait_for_selector("#numbers .card")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def calm(page):
    """Wait until everything is drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_function("() => gatewise.app.idle || gatewise.app.state.playing")


def text_of(page, selector):
    calm(page)
    return page.eval_on_selector(selector, "(element) => element.textContent")


# --- arithmetic ----------------------------------------------------------------------------------------------------

RERUN = """() => gatewise.app.data.models.map(({ layers: [layer] }) => {
  const traced = gatewise.fittedRun(layer, 0), { cell, T } = traced, sums = {}, runs = {};
  const fresh = gatewise.Run.fresh(cell, traced.values.input, T, traced.initial);
  fresh.advance();
  for (const [name, values] of Object.entries(fresh.values)) {
    if (name === "input") continue;
    runs[name] = Array.from(values);
    const size = fresh.size(name);
    sums[name] = runs[name].map((_, k) => gatewise.madeOf(fresh, name, k % size, Math.floor(k / size)).computed);
  }
  return { runs, sums };
})"""


def cells_of_all_kinds(H):
    """With every option that the page adds up."""
    return (
        layers.LSTM(H), layers.LSTM(H, use_bias=False, activation="relu", recurrent_activation="hard_sigmoid"),
        layers.LSTM(H, projection_units=max(1, H // 2), go_backwards=True), layers.GRU(H),
        layers.GRU(H, use_bias=False, go_backwards=True), layers.GRU(H, reset_after=False),
        layers.GRU(H, reset_after=False, use_bias=False, recurrent_activation="hard_sigmoid"),
        layers.SimpleRNN(H), layers.SimpleRNN(H, activation="softsign", use_bias=False),
    )  # fmt: skip


def test_its_arithmetic_is_that_of_the_kernels(opened):
    """Whole runs, and every single sum, of every cell in several sizes, against the kernels in float64."""
    rng, models, expected = np.random.default_rng(5), [], []
    for F, H, T in ((1, 1, 1), (2, 3, 5), (7, 16, 9), (33, 40, 6)):
        for layer in cells_of_all_kinds(H):
            built = gw.Sequential([gw.Input((T, F)), layer])
            weights = [rng.normal(scale=0.4, size=w.shape).astype("float32") for w in built.get_weights()]
            built.set_weights(weights)
            x = rng.normal(size=(1, T, F)).astype("float32")
            models.append(model_data(built, x))
            exact = type(layer).from_config({**layer.get_config(), "dtype": "float64"})
            exact.build((None, T, F))
            exact.set_weights(weights)
            expected.append(next(iter(gw.trace(exact, x.astype("float64")).values())))
    found = opened(Explorer(page_data(models, "en"))).evaluate(RERUN)
    assert len(found) == 36
    for told, traced in zip(found, expected, strict=True):
        for name, values in told["runs"].items():
            assert traced[name].dtype == np.float64
            np.testing.assert_allclose(np.reshape(values, traced[name][0].shape), traced[name][0], atol=1e-6, rtol=0)
            np.testing.assert_allclose(told["sums"][name], values, atol=1e-6, rtol=0)


def test_masked_steps_and_backward_layers(opened):
    page = opened(gw.explore(model(), data(), lang="en"), "t=6")
    assert "masked" in text_of(page, ".card-sum")
    starts = "() => gatewise.app.data.models[0].layers.map((layer) => gatewise.fittedRun(layer, 0).step(0))"
    assert page.evaluate(starts) == [0, 0, 6]


NAMES = ("kind", "features", "units", "seq", "state", "bi", "bias", "reset", "proj")
SETTINGS = [
    dict(zip(NAMES, values, strict=True), steps=4)
    for values in (
        ("LSTM", 5, 10, False, False, False, True, True, 0), ("LSTM", 2, 3, True, True, False, False, True, 0),
        ("LSTM", 1, 1, False, True, True, True, True, 0), ("LSTM", 3, 6, True, True, True, True, True, 2),
        ("LSTM", 3, 6, False, False, False, True, True, 4), ("GRU", 5, 10, True, False, False, True, True, 0),
        ("GRU", 2, 3, False, True, True, True, False, 0), ("GRU", 4, 2, True, False, True, False, True, 0),
        ("SimpleRNN", 5, 10, False, False, False, True, True, 0), ("SimpleRNN", 1, 4, True, True, True, False, True, 0),
    )
]  # fmt: skip
TELL = """(s) => ({ count: gatewise.countOf(s), matrices: gatewise.matricesOf(s).map((m) => m.shape),
  code: gatewise.codeOf(s), outputs: gatewise.outputsOf(s).map((o) => o.shape), sum: gatewise.arithmeticOf(s),
  letters: gatewise.arithmeticOf(s, true) })"""


def test_counts_shapes_and_code_are_those_of_the_layers(opened, tmp_path):
    """The code on the screen is run, and what it builds compared with what the page says of it."""
    page = opened()
    for number, settings in enumerate(SETTINGS):
        told = page.evaluate(TELL, settings)
        script = tmp_path / f"code{number}.py"
        script.write_text(told["code"])
        captured = captured_models(script)
        assert captured.error is None, told["code"]
        (built,) = captured.models
        assert built.count_params() == told["count"] == gw.account(built).size
        assert eval(told["sum"].replace("×", "*")) == told["count"]
        values = {"F": settings["features"], "H": settings["units"], "P": settings["proj"]}
        assert eval(told["letters"].replace("×", "*"), values) == told["count"]
        both = 2 if settings["bi"] else 1
        assert [list(w.shape) for w in built.get_weights()] == told["matrices"] * both
        outputs = built.output_shape if isinstance(built.output_shape, list) else [built.output_shape]
        assert [["N", *shape[1:]] for shape in outputs] == told["outputs"]


# --- sliders, switches, keys ---------------------------------------------------------------------------------------


def test_sliders_change_pictures_shapes_and_counts(opened):
    page = opened()
    assert "640" in text_of(page, ".card-count") and "(5, 40)" in text_of(page, ".card-count")
    page.focus('[data-slider="units"]')
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert "4 × ((5 + 13) × 13 + 13) =" in text_of(page, ".card-count") and "988" in text_of(page, ".card-count")
    assert "(13, 52)" in text_of(page, ".card-count") and text_of(page, ".card-output .shape") == "(N, 13)"
    assert "LSTM(13)" in text_of(page, "h1") and "layers.LSTM(13)" in text_of(page, "pre")
    assert "(5, 13)" in text_of(page, ".figure-cell-0 .facts") and page.evaluate("location.hash") == "#a.units=13"
    page.eval_on_selector(
        '[data-slider="steps"]', "(s) => { s.value = 4; s.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    page.get_by_role("switch", name="return_sequences").click()
    page.get_by_role("switch", name="Bidirectional").click()
    assert text_of(page, ".card-output .shape") == "(N, 4, 26)"
    page.get_by_role("radio", name="GRU").check(force=True)
    assert "2 × 3 × ((5 + 13) × 13 + 2 × 13)" in text_of(page, ".card-count")
    page.get_by_role("switch", name="reset_after").click()
    page.get_by_role("switch", name="use_bias").click()
    assert "2 × 3 × (5 + 13) × 13" in text_of(page, ".card-count")
    assert "reset_after=False" in text_of(page, "pre") and "use_bias=False" in text_of(page, "pre")


def test_one_three_and_512_units(opened):
    page = opened(hash="a.units=1&a.features=1&a.steps=1")
    assert "4 × ((1 + 1) × 1 + 1) =" in text_of(page, ".card-count")
    for units, shown in ((3, "3"), (512, "512")):
        page.evaluate("(units) => gatewise.act.side({ units, steps: 6 })", units)
        page.wait_for_function("() => gatewise.app.shown[0].run.done === 6")
        assert shown in text_of(page, ".figure-layer-0 svg")
        rows = page.eval_on_selector_all(".figure-cell-0 [data-gate=f] .number", "(all) => all.length")
        assert rows == min(units, 5)
        assert page.eval_on_selector('[data-map="0,h"]', "(canvas) => [canvas.rows, canvas.columns]") == [units, 6]


def test_play_and_its_keys(opened):
    page = opened(hash="speed=4&a.steps=2")
    page.keyboard.press("Space")
    page.wait_for_function("() => gatewise.app.state.playing && gatewise.app.state.phase === 2")
    assert "live" in page.get_attribute(".figure-cell-0 [data-gate=i]", "class")
    assert "waiting" in page.get_attribute(".figure-cell-0 [data-gate=o] .numbers", "class")  # not computed yet
    page.wait_for_function("() => !gatewise.app.state.playing && gatewise.app.state.view.t === 1", timeout=15000)
    page.keyboard.press("ArrowLeft")
    assert "step 1 of 2" in text_of(page, ".clock")
    page.keyboard.press("Shift+ArrowLeft")
    assert page.evaluate("gatewise.app.state.phase") == 5
    page.get_by_role("button", name="last step").click()
    assert "step 2 of 2" in text_of(page, ".clock")
    page.evaluate(
        "() => { gatewise.app.state.view.speed = 1; gatewise.app.state.phase = 1; gatewise.player.announce(); }"
    )
    assert re.match(r"Step 2, forget gate: unit 1 is 0\.\d+\.", text_of(page, "#live"))


def test_a_number_tells_the_sum_that_made_it(opened):
    page = opened(hash="t=2")
    calm(page)
    page.hover(".figure-cell-0 [data-gate=g] .number >> nth=1")
    tip = text_of(page, "#tip")
    assert tip.startswith("g₂ · step 3") and "x₁ · W₁" in tip and "g₂ = tanh(" in tip
    told = page.evaluate("gatewise.madeOf(gatewise.app.shown[0].run, 'g', 1, 2)")
    assert np.tanh(sum(term["a"] * term.get("b", 1) for term in told["terms"])) == pytest.approx(
        told["value"], abs=1e-12
    )
    page.hover('[data-map="0,c"]')
    assert text_of(page, "#tip").startswith("C")
    page.hover('[data-matrix="0,recurrent_kernel"]')
    assert "recurrent_kernel, row" in text_of(page, "#tip")
    page.hover(".card-count tbody td >> nth=1")
    assert text_of(page, "#tip") == "5 × 40 = 200"
    page.hover(".figure-cell-0 [data-gate=f] [data-text]")
    assert text_of(page, "#tip") == "(5 + 10) × 10 + 10 = 160"
    page.keyboard.press("Escape")
    assert page.is_hidden("#tip")
    page.focus(".now button")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.dataset.sum") == "i,2,0" and page.is_visible("#tip")


def test_gates_are_tabs_and_pictures_are_chosen_from(opened):
    page = opened()
    page.focus('[role="tab"][aria-selected="true"]')
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('[data-tab="i"][aria-selected="true"]:focus')
    page.click(".figure-cell-0 [data-gate=o] .letter")
    assert "output gate" in text_of(page, ".gate-name")
    page.click(".figure-sequence-0 [data-step='3'] .inside")
    assert "step 4 of 13" in text_of(page, ".clock")
    page.click('[data-map="0,f"]', position={"x": 3, "y": 3})
    assert "step 1 of 13" in text_of(page, ".clock")
    page.focus("[data-maps]")
    page.keyboard.press("ArrowDown")
    assert "unit 2" in text_of(page, ".stepper")


def test_languages_and_shades(opened):
    page = opened()
    for lang, words in (("zh", "遗忘门"), ("de", "Vergessensgatter"), ("en", "forget gate")):
        page.select_option("[data-language]", lang)
        assert words in text_of(page, ".card-sum") and page.get_attribute("html", "lang") == lang
    page.select_option("[data-language]", "de")
    assert re.search(r"\d,\d{4}", text_of(page, ".card-sum .sum"))
    page.get_by_role("radio", name="dunkel").check(force=True)
    calm(page)
    assert page.get_attribute("html", "data-shade") == "dark"
    assert opened(scheme="dark").get_attribute("html", "data-shade") == "dark"


def test_the_address_holds_the_view(opened):
    page = opened(hash="a.kind=GRU&a.units=7&t=4&unit=2&gate=r&lang=de&theme=dark")
    assert "GRU(7)" in text_of(page, "h1") and "Rücksetzgatter" in text_of(page, ".gate-name")
    strange = (
        "a.kind=<b>&a.units=1e9&a.features=-4&t=99999&unit=77&gate=constructor&lang=__proto__&theme=x&a.model=3&speed=0"
    )
    assert text_of(opened(hash=strange), "h1") == "LSTM(10)"


# --- models --------------------------------------------------------------------------------------------------------


def test_a_fitted_model_and_its_data(opened):
    built, x = model(HOSTILE), data()
    page = opened(gw.explore(built, x, lang="en"), "t=2&unit=1&gate=h")
    trace = gw.trace(built, x)
    shown = f"{trace['lstm']['h'][0, 2, 1]:.4f}".replace("-", "−")
    assert shown in text_of(page, ".card-sum .final")
    page.select_option('[data-select="sample"]', "3")
    assert f"{trace['lstm']['h'][3, 2, 1]:.4f}".replace("-", "−") in text_of(page, ".card-sum .final")
    page.select_option('[data-select="layer"]', "2")
    assert f"{trace['both/backward_gru']['h'][0, 2, 1]:.4f}".replace("-", "−") in text_of(page, ".card-sum .final")
    page.get_by_role("radio", name="made up").check(force=True)
    page.wait_for_selector('[data-slider="units"]', state="visible")
    assert page.evaluate("document.querySelectorAll('img').length") == 0


def test_the_code_of_a_layer_that_keras_does_not_have(opened, tmp_path):
    own = gw.Sequential([gw.Input((4, 3)), layers.LSTM(5, peephole=True, cell_clip=2.0, activation="relu")])
    page = opened(gw.explore(own, lang="en"))
    assert "cannot write out" in text_of(page, ".card-sum") and "195" in text_of(page, ".card-count")
    script = tmp_path / "own.py"
    script.write_text(text_of(page, "pre"))
    (built,) = captured_models(script).models
    assert built.count_params() == own.count_params() == 195
    assert built.layers[0].get_config() == {**own.layers[0].get_config(), "name": built.layers[0].name}


def test_two_models_side_by_side(opened):
    other = gw.Sequential([gw.Input((7, 3)), layers.SimpleRNN(5, name="plain")])
    page = opened(gw.explore(model(), data(), compare=other, lang="en"), width=1500)
    assert page.locator(".side").count() == 2
    boxes = [page.locator(".side").nth(k).bounding_box() for k in range(2)]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] and boxes[0]["y"] == boxes[1]["y"]
    assert "SimpleRNN" in text_of(page, ".card-comparison") and "128" in text_of(page, ".card-comparison")
    page.click("text=plain · SimpleRNN(5) >> nth=1")
    assert "45" in text_of(page, ".card-count strong")


def test_code_is_copied(opened):
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    page.wait_for_selector("text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == text_of(page, "pre")


# --- everybody, everywhere -----------------------------------------------------------------------------------------


AXE_CASES = [("", "light", 1400), ("compare=1&lang=de", "dark", 1400), ("lang=zh&a.kind=GRU", "light", 375)]


@pytest.mark.parametrize(("hash", "scheme", "width"), AXE_CASES)
def test_accessibility_by_axe(opened, hash, scheme, width):
    axe = pytest.importorskip("axe_core_python", reason="needs axe-core-python")
    page = opened(hash=hash, scheme=scheme, width=width, bypass_csp=True)
    calm(page)
    page.evaluate((pathlib.Path(axe.__path__[0]) / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
    assert [(one["id"], one["help"], [node["html"][:160] for node in one["nodes"][:3]]) for one in found] == []


OUTSIDE = """() => [...document.querySelectorAll(".figure, .card")].flatMap((card) => {
  const edge = card.getBoundingClientRect();
  return [...card.querySelectorAll("svg text, canvas, table, p, .tabs")].filter((e) => {
    const b = e.getBoundingClientRect();
    return b.width && !e.closest(".unseen") && (b.right > edge.right + 1 || b.left < edge.left - 1);
  }).map((e) => e.outerHTML.slice(0, 120));
})"""
HEAVY = "a.units=512&a.features=256&a.steps=200&a.bi=1&a.state=1&a.seq=1&lang=de"


@pytest.mark.parametrize("hash", ["", HEAVY, "compare=1&lang=zh"])
def test_no_sideways_scrolling_and_nothing_sticks_out(opened, hash):
    page = opened(hash=hash)
    for width in (320, 375, 768, 1024, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        calm(page)
        assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
        assert page.evaluate(OUTSIDE) == []


def test_a_model_and_data_are_opened_from_the_server(browser, tmp_path):
    uvicorn = pytest.importorskip("uvicorn", reason="needs uvicorn")
    from gatewise.explain.page.server import Server

    built = model(HOSTILE)
    built.save(tmp_path / "m.keras")
    (tmp_path / "bad.keras").write_bytes(b"garbage <b>")
    np.save(tmp_path / "x.npy", data())
    own = Server(page_data([], "en"))
    server = uvicorn.Server(uvicorn.Config(own.app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    context, wrong = browser.new_context(), []
    try:
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        while not server.started:
            thread.join(0.05)
        port = server.servers[0].sockets[0].getsockname()[1]
        page.goto(f"http://127.0.0.1:{port}/{own.token}/")
        page.set_input_files('[data-upload="model"]', tmp_path / "m.keras")
        page.wait_for_selector("text=lstm · LSTM(4) >> nth=0")
        page.set_input_files('[data-upload="data"]', tmp_path / "x.npy")
        page.wait_for_selector("text=computed on your data")
        expected = gw.trace(built, data())["lstm"]["f"][0, 0, 0]
        assert f"{expected:.4f}" in text_of(page, ".card-sum .final")
        assert wrong == []
        page.set_input_files('[data-upload="model"]', tmp_path / "bad.keras")
        page.wait_for_selector('[role="alert"]:has-text("no zip archive")')
        assert all("422" in line for line in wrong)  # the browser itself notes that the upload was refused
        assert json.loads(page.evaluate("JSON.stringify(gatewise.app.data.models.length)")) == 1
    finally:
        context.close()
        server.should_exit = True
        thread.join(10)
