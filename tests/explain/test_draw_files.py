"""Pictures as files, in notebooks and from the command line; hostile names; what cannot be drawn."""

import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

import gatewise
from commands import gatewise as run
from explain.drawings import parsed, texts
from gatewise import layers
from gatewise.explain.draw.picture import Picture

HOSTILE = "</text><script>alert('1')</script>\"&<!--]]>\n\t\x00\x08\u202e"


def model(name="forecast"):
    return gatewise.Sequential(
        [gatewise.Input((13, 5)), layers.LSTM(3, name="lstm"), layers.Dense(1, name="dense")], name=name
    )


# --- files -------------------------------------------------------------------------------------------------------


def test_svg(tmp_path):
    picture = gatewise.draw(model())
    assert picture.save(tmp_path / "a.svg") == tmp_path / "a.svg"
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text == picture.svg == picture._repr_svg_()
    root = ElementTree.fromstring(text)
    assert (int(root.get("width")), int(root.get("height"))) == (picture.width, picture.height)
    assert root.get("role") == "img" and root.get("aria-label") == picture.title and root.get("lang") == "en"


def test_png(tmp_path):
    pytest.importorskip("resvg_py")
    image = pytest.importorskip("PIL.Image")
    picture = gatewise.draw(layers.LSTM(3), "cell", input_shape=(13, 5), dpi=96)
    with image.open(picture.save(tmp_path / "a.PNG")) as found:
        assert found.format == "PNG" and found.size == (picture.width, picture.height)
        values = np.asarray(found.convert("RGB")).reshape(-1, 3)
    assert (values == 255).all(1).mean() > 0.5 and len(np.unique(values, axis=0)) > 50
    twice = gatewise.draw(layers.LSTM(3), "cell", input_shape=(13, 5), dpi=192).to_png()
    assert int.from_bytes(twice[16:20], "big") == 2 * picture.width


@pytest.mark.parametrize("lang", ["en", "de", "zh"])
def test_pdf_has_its_text_as_text(tmp_path, lang):
    pytest.importorskip("reportlab")
    pypdf = pytest.importorskip("pypdf")
    layer = layers.LSTM(3, name="größe_网络")
    layer.build((None, 13, 5))
    for view in ("layer", "unit", "cell", "unrolled", "matrices"):
        picture = gatewise.draw(layer, view, lang)
        reader = pypdf.PdfReader(picture.save(tmp_path / "a.pdf"))
        (page,) = reader.pages
        assert float(page.mediabox.width) == 0.75 * picture.width
        assert reader.metadata.title == picture.title
        found = "".join(page.extract_text().split())
        for _key, words, _box in texts(picture):
            assert "".join(words.split()) in found, words


def test_another_ending_is_refused_and_a_file_is_written_whole(tmp_path):
    picture = gatewise.draw(model())
    with pytest.raises(ValueError, match=r"saved as .svg, .png or .pdf; got 'a.jpg'"):
        picture.save("a.jpg")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        picture.save(tmp_path / "none" / "a.svg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("library, ending", [("resvg_py", "png"), ("reportlab", "pdf")])
def test_a_missing_library_says_what_to_install(library, ending):
    code = f"""if True:
        import sys
        sys.modules[{library!r}] = None
        import gatewise
        picture = gatewise.draw({{"loss": [1.0, 2.0]}})
        assert not {{"resvg_py", "reportlab", "matplotlib"}} & {{name for name, m in sys.modules.items() if m}}
        try:
            picture.to_{ending}()
        except ModuleNotFoundError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert 'pip install "gatewise[draw]"' in done.stdout, done.stderr


# --- hostile names -----------------------------------------------------------------------------------------------


def hostile_pictures():
    layer = layers.LSTM(2, name="l")
    layer.build((None, 3, 2))
    layer._name = HOSTILE
    trace = gatewise.trace(layer, np.ones((1, 3, 2), "float32"))
    whole = gatewise.Sequential([gatewise.Input((3, 2)), layers.LSTM(2, name="a"), layers.Dense(1)], name="m")
    whole._name = whole.layers[0]._name = HOSTILE
    for view in ("layer", "unit", "cell", "unrolled", "matrices"):
        yield gatewise.draw(layer, view)
    yield gatewise.draw(trace, "gates")
    yield gatewise.draw(whole)
    yield gatewise.draw({HOSTILE: [1.0, 2.0], "loss": [1, 2]})


def test_names_are_only_text():
    for picture in hostile_pictures():
        parsed(picture)
        assert "<script" not in picture.svg and "\x00" not in picture.svg and "<!--" not in picture.svg
        pytest.importorskip("reportlab")
        assert picture.to_pdf().startswith(b"%PDF")


def test_a_long_name_is_shortened_and_told_in_full():
    name = "an_encoder_of_weather_" * 20
    picture = gatewise.draw(model(name=name))
    assert all(len(words) < 120 for _key, words, _box in texts(picture))
    layer = layers.LSTM(3, name=name)
    layer.build((None, 13, 5))
    graph = gatewise.draw(gatewise.Sequential([gatewise.Input((13, 5)), layer]))
    titles = [element.text for element in parsed(graph).iter() if element.tag.endswith("title")]
    assert any(name in title for title in titles)


# --- what cannot be drawn ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong, error, message",
    [
        (lambda: gatewise.draw(3), TypeError, "takes a model, a layer, an account, a trace or a History; got int 3"),
        (lambda: gatewise.draw(layers.LSTM), TypeError, r"Write LSTM\(\.\.\.\)"),
        (lambda: gatewise.draw(model(), "cel"), ValueError, "unknown view 'cel'. Did you mean 'cell'"),
        (lambda: gatewise.draw(model(), layer="lsmt"), ValueError, "unknown layer 'lsmt'. Did you mean 'lstm'"),
        (lambda: gatewise.draw(model(), "training"), ValueError, "does not suit the layer 'lstm'.*'layer', 'unit'"),
        (lambda: gatewise.draw(layers.LSTM(3), "graph", input_shape=(1, 2)), ValueError, "these do: 'layer'"),
        (lambda: gatewise.draw(layers.LSTM(3)), ValueError, "is not built.*input_shape="),
        (lambda: gatewise.draw(layers.LSTM(3), "unit", unit=3, input_shape=(1, 2)), ValueError, "from 0 to 2; got 3"),
        (lambda: gatewise.draw(model(), rankdir="up"), ValueError, "rankdir is one of 'TB'"),
        (lambda: gatewise.draw(model(), lang="fr"), ValueError, "lang='fr'"),
        (lambda: gatewise.draw(gatewise.Sequential([layers.Dense(1)]), "cell"), ValueError, "has no recurrent layer"),
        (lambda: gatewise.draw(gatewise.account(model()), "cell"), ValueError, "say which layer: layer="),
    ],
)
def test_what_cannot_be_drawn_says_why(wrong, error, message):
    with pytest.raises(error, match=message):
        wrong()


def test_of_a_model_with_one_recurrent_layer_that_one_is_meant():
    assert gatewise.draw(model(), "cell").svg == gatewise.draw(model(), "cell", layer="lstm").svg
    assert gatewise.draw(model(), layer="dense").view == "matrices"
    assert gatewise.draw(gatewise.account(model()), "cell", layer="lstm").view == "cell"
    assert gatewise.draw(gatewise.account(model())).view == "graph"


# --- notebooks ---------------------------------------------------------------------------------------------------


def test_what_notebooks_show():
    built = model()
    trace = gatewise.trace(built, np.ones((1, 13, 5), "float32"))
    account = gatewise.account(built)
    shown = [built, built.layers[0], account, account.layers[0], trace["lstm"], gatewise.draw(built)]
    assert all(isinstance(ElementTree.fromstring(one._repr_svg_()), ElementTree.Element) for one in shown)
    assert trace._repr_html_().count("<svg") == 1
    nothing = [layers.LSTM(3), layers.Dense(1), gatewise.Sequential([layers.LSTM(3)]), built.layers[1],
               gatewise.callbacks.History(), account.layers[1]]  # fmt: skip
    assert [one._repr_svg_() for one in nothing] == [None] * len(nothing)
    assert isinstance(gatewise.draw(built), Picture) and "forecast" in repr(gatewise.draw(built))


# --- the command line --------------------------------------------------------------------------------------------


def test_the_command_draws_saved_models_and_scripts(tmp_path):
    model().save(tmp_path / "m.keras")
    done = run("draw", tmp_path / "m.keras", "-o", tmp_path / "m.svg", "--lang", "de")
    assert done.returncode == 0 and done.stdout.strip() == str(tmp_path / "m.svg"), done.stderr
    assert "Parameter" in (tmp_path / "m.svg").read_text(encoding="utf-8")
    script = tmp_path / "two.py"
    script.write_text(
        "import keras\nfrom keras import layers\nfor n in (3, 4):\n"
        "    m = keras.Sequential([keras.Input((2, 1)), layers.GRU(n, name='g')])\n"
        "keras.utils.plot_model(m, 'unwanted.png')\n"
    )
    done = run("draw", script, "-o", tmp_path / "two.svg", "--view", "cell", "--layer", "g", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"m.keras", "m.svg", "two.py", "two.svg", "two-2.svg"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["none.keras", "-o", "a.svg"], "none.keras"),
        (["none.py", "-o", "a.svg"], "there is no script 'none.py'"),
        (["m.keras", "-o", "a.gif"], "saved as .svg, .png or .pdf"),
        (["m.keras", "-o", "a.svg", "--view", "cel"], "Did you mean 'cell'"),
        (["m.keras", "-o", "a.svg", "--layer", "lsmt"], "Did you mean 'lstm'"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, arguments, message):
    model().save(tmp_path / "m.keras")
    done = run("draw", *arguments, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
