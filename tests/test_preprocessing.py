"""Rescaling, bins, categories and lookups, against what Keras 3.15 gives: tests/golden/preprocessing.json."""

import json
import pathlib

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers
from gatewise.layers.preprocessing import hashing

CASES = json.loads((pathlib.Path(__file__).parent / "golden" / "preprocessing.json").read_text(encoding="utf-8"))
WORDS = np.array([["a", "c", "d"], ["d", "z", "b"]])


def made(case):
    layer = getattr(layers, case["layer"])(**case["config"])
    if case["adapt"] is not None:
        layer.adapt(np.array(case["adapt"]))
    return layer


def named(case):
    return f"{case['layer']} {case['config']}"[:60]


@pytest.mark.parametrize("case", CASES, ids=named)
def test_values_vocabularies_and_configurations_are_keras(case):
    layer = made(case)
    y = layer(np.array(case["x"]))
    assert list(y.shape) == case["shape"]
    if y.dtype.kind == "f":
        np.testing.assert_allclose(y, np.array(case["y"]).reshape(y.shape), rtol=1e-6)
    else:
        assert y.tolist() == case["y"]
    if "vocabulary" in case:
        assert layer.get_vocabulary() == case["vocabulary"]
        assert layer.vocabulary_size() == len(case["vocabulary"])
    if "bin_boundaries" in case:
        np.testing.assert_allclose(layer.bin_boundaries, case["bin_boundaries"], rtol=1e-6)
    written = layer.get_config()
    for key, value in case["written"].items():
        if key not in ("bin_boundaries", "trainable"):
            assert json.loads(json.dumps(written[key])) == value, key
    assert set(case["written"]) <= set(written)


@pytest.mark.parametrize("case", CASES[::7], ids=named)
def test_symbolic_shapes_and_types_are_the_real_ones(case):
    layer, x = made(case), np.array(case["x"])
    if x.ndim < 2:
        return
    kind = {"U": "string", "f": "float32"}.get(x.dtype.kind, "int64")
    symbolic, y = layer(gw.Input(x.shape[1:], dtype=kind)), layer(x)
    assert len(symbolic.shape) == y.ndim
    assert all(a in (None, b) for a, b in zip(symbolic.shape, y.shape, strict=True))
    assert symbolic.dtype == ("string" if y.dtype == object else y.dtype)


@pytest.mark.parametrize("case", [c for c in CASES if c["layer"] != "TextVectorization"][::9], ids=named)
def test_configuration_round_trip(case):
    layer = made(case)
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()
    if hasattr(layer, "take_assets"):
        again.take_assets(layer.assets())
        store = {}
        layer.save_own_variables(store)
        again.load_own_variables(store)
    np.testing.assert_array_equal(again(np.array(case["x"])), layer(np.array(case["x"])))


# --- Rescaling -----------------------------------------------------------------------------------------------


def test_rescaling():
    x = np.array([[0, 255], [51, 102]])
    np.testing.assert_allclose(layers.Rescaling(1 / 255)(x), x / 255, rtol=1e-6)
    np.testing.assert_allclose(layers.Rescaling([1.0, 2.0], [0.5, -1.0])(x), x * [1, 2] + [0.5, -1])
    layer = layers.Rescaling(np.array([1.0, 2.0]), offset=3)
    again = layers.Rescaling.from_config(json.loads(json.dumps(layer.get_config())))
    np.testing.assert_array_equal(again(x), layer(x))
    with pytest.raises(ValueError, match="scale must be a number"):
        layers.Rescaling("0.5")
    with pytest.raises(ValueError, match="'it' .*do not fit"):
        layers.Rescaling(np.ones((3, 1, 1)), name="it")(x)


# --- CategoryEncoding ----------------------------------------------------------------------------------------


def test_count_weights():
    layer = layers.CategoryEncoding(4, output_mode="count")
    x, w = np.array([[0, 1], [0, 0], [1, 2], [3, 1]]), np.array([[0.1, 0.2], [0.1, 0.1], [0.2, 0.3], [0.4, 0.2]])
    expected = [[0.1, 0.2, 0, 0], [0.2, 0, 0, 0], [0, 0.2, 0.3, 0], [0, 0.2, 0, 0.4]]
    np.testing.assert_allclose(layer(x, count_weights=w), expected, rtol=1e-6)
    a, b = gw.Input((2,), dtype="int64"), gw.Input((2,))
    model = gw.Model([a, b], layer(a, count_weights=b))
    np.testing.assert_allclose(model.predict([x, w.astype("float32")]), expected, rtol=1e-6)
    np.testing.assert_allclose(layer([0, 1, 1], count_weights=[0.1, 0.2, 0.5]), [0.1, 0.7, 0, 0], rtol=1e-6)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: layers.CategoryEncoding(), ["num_tokens", "IntegerLookup"]),
        (lambda: layers.CategoryEncoding(0), ["num_tokens"]),
        (lambda: layers.CategoryEncoding(3, "int"), ["output_mode", "one_hot"]),
        (lambda: layers.CategoryEncoding(3, sparse=True), ["dense"]),
        (lambda: layers.CategoryEncoding(3, name="it")(np.array([[-1]])), ["'it'", "0 to 2", "-1"]),
        (lambda: layers.CategoryEncoding(3, name="it")(np.array([[0.5]])), ["'it'", "integers"]),
        (lambda: layers.CategoryEncoding(3, name="it")(np.array([["a"]])), ["'it'", "StringLookup"]),
        (lambda: layers.CategoryEncoding(3)(np.array([[1]]), count_weights=np.ones((1, 1))), ["count_weights"]),
        (
            lambda: layers.CategoryEncoding(3, "count", name="it")(np.array([[1]]), count_weights=np.ones((1, 2))),
            ["'it'", "(1, 1)", "(1, 2)"],
        ),
    ],
)
def test_category_encoding_refuses(call, words):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value


# --- Discretization ------------------------------------------------------------------------------------------


def test_discretization_learns_from_batches():
    data = np.random.default_rng(0).normal(size=(600, 1)).astype("float32")
    layer = layers.Discretization(num_bins=4, epsilon=0.001)
    layer.adapt(data)
    np.testing.assert_allclose(layer.bin_boundaries, np.quantile(data, [0.25, 0.5, 0.75]), atol=0.02)
    layer.adapt([data[:300], data[300:]])
    np.testing.assert_allclose(layer.bin_boundaries, np.quantile(data, [0.25, 0.5, 0.75]), atol=0.05)
    layer.adapt(iter([data[:300], data[300:]]), steps=1)
    np.testing.assert_allclose(layer.bin_boundaries, np.quantile(data[:300], [0.25, 0.5, 0.75]), atol=0.02)
    assert layer(data).dtype == np.int32


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: layers.Discretization(), ["bin_boundaries", "num_bins", "neither"]),
        (lambda: layers.Discretization([0.0], 3), ["both"]),
        (lambda: layers.Discretization([1.0, 0.0]), ["increasing", "[1.0, 0.0]"]),
        (lambda: layers.Discretization(num_bins=2.5), ["num_bins"]),
        (lambda: layers.Discretization([0.0], output_mode="tf_idf"), ["output_mode"]),
        (lambda: layers.Discretization([0.0], output_mode="count", sparse=True), ["dense"]),
        (lambda: layers.Discretization([0.0], name="it").adapt(np.ones(3)), ["'it'", "bin_boundaries"]),
        (lambda: layers.Discretization(num_bins=3, name="it")(np.ones(3)), ["'it'", "adapt"]),
        (lambda: layers.Discretization(num_bins=3, name="it").adapt([]), ["'it'", "no data"]),
        (lambda: layers.Discretization(num_bins=3, name="it").adapt(np.array([np.nan])), ["'it'", "NaN"]),
    ],
)
def test_discretization_refuses(call, words):
    with pytest.raises(ValueError) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value


# --- lookups -------------------------------------------------------------------------------------------------


def test_forms_of_strings():
    layer = layers.StringLookup(vocabulary=["a", "b"])
    assert layer("a") == 1 and layer("a").shape == ()
    for given in (["a", "q"], ("a", "q"), np.array(["a", "q"]), np.array(["a", "q"], object), np.array([b"a", b"q"])):
        assert layer(given).tolist() == [1, 0]
    assert layer([["a"], ["q"]]).tolist() == [[1], [0]]
    latin = layers.StringLookup(vocabulary=["é"], encoding="latin-1")
    assert latin(np.array(["é".encode("latin-1")])).tolist() == [1]


def test_a_vocabulary_from_a_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("a\nb\nc\n", encoding="utf-8")
    layer = layers.StringLookup(vocabulary=str(path))
    assert layer.get_vocabulary() == ["[UNK]", "a", "b", "c"] and layer(["c", "z"]).tolist() == [3, 0]
    assert layer.get_config()["vocabulary"] is None
    numbers = tmp_path / "numbers.txt"
    numbers.write_text("7\n5\n", encoding="utf-8")
    assert layers.IntegerLookup(vocabulary=str(numbers))([5, 7, 9]).tolist() == [2, 1, 0]
    with pytest.raises(ValueError, match="does not exist"):
        layers.StringLookup(vocabulary=str(tmp_path / "none.txt"))
    with pytest.raises(ValueError, match="not read"):
        layers.StringLookup.from_config({"vocabulary": str(path)})


def test_adapt_takes_batches():
    layer = layers.StringLookup()
    layer.adapt(iter([["b", "a"], ["a"], ["never"]]), steps=2)
    assert layer.get_vocabulary() == ["[UNK]", "a", "b"]
    layer.adapt(["x"])
    assert layer.get_vocabulary() == ["[UNK]", "x"]
    layer.set_vocabulary(["p", "q"])
    assert layer.get_vocabulary(include_special_tokens=False) == ["p", "q"]


LOOKUPS = {
    "unknown": (lambda: layers.StringLookup(vocabulary=["a"], num_oov_indices=0, name="it")(["z"]), ["'it'", "'z'"]),
    "empty": (lambda: layers.StringLookup(name="it")(["z"]), ["'it'", "adapt", "vocabulary"]),
    "numbers": (lambda: layers.StringLookup(vocabulary=["a"], name="it")(np.ones(3)), ["'it'", "astype(str)"]),
    "mixed": (lambda: layers.StringLookup(vocabulary=["a"])(np.array(["a", 3], object)), ["strings", "3"]),
    "rows of different lengths": (lambda: layers.StringLookup(vocabulary=["a"])([["a"], ["a", "b"]]), ["same number"]),
    "text for integers": (lambda: layers.IntegerLookup(vocabulary=[1], name="it")(["a"]), ["'it'", "integers"]),
    "fractions": (lambda: layers.IntegerLookup(vocabulary=[1], name="it")([0.5]), ["'it'", "integers"]),
    "infinity": (lambda: layers.IntegerLookup(vocabulary=[1], name="it")([np.inf]), ["'it'", "beyond those of int64"]),
    "too large": (lambda: layers.CategoryEncoding(3, name="it")([1e30]), ["'it'", "beyond those of int64"]),
    "epsilon": (lambda: layers.Discretization(num_bins=3, epsilon=0), ["epsilon", "above 0"]),
    "repeated": (lambda: layers.StringLookup(vocabulary=["a", "a"]), ["repeated", "['a']"]),
    "no tokens": (lambda: layers.StringLookup(vocabulary=[]), ["empty"]),
    "mask inside": (lambda: layers.StringLookup(vocabulary=["b", "a"], mask_token="a"), ["mask token 'a'", "first"]),
    "oov inside": (lambda: layers.StringLookup(vocabulary=["b", "[UNK]"], invert=True), ["OOV token", "[UNK]"]),
    "too many": (lambda: layers.StringLookup(2, vocabulary=["a", "b"]), ["3 tokens", "max_tokens is 2"]),
    "max_tokens": (lambda: layers.StringLookup(1), ["max_tokens"]),
    "num_oov_indices": (lambda: layers.StringLookup(num_oov_indices=-1), ["num_oov_indices"]),
    "pad": (lambda: layers.StringLookup(pad_to_max_tokens=True), ["max_tokens"]),
    "mode": (lambda: layers.StringLookup(output_mode="hot"), ["output_mode", "tf_idf"]),
    "invert": (lambda: layers.StringLookup(invert=True, output_mode="count"), ["invert"]),
    "sparse": (lambda: layers.StringLookup(output_mode="count", sparse=True), ["dense"]),
    "idf": (lambda: layers.StringLookup(vocabulary=["a"], idf_weights=[1.0]), ["tf_idf"]),
    "no idf": (lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf"), ["idf_weights"]),
    "idf too long": (
        lambda: layers.StringLookup(vocabulary=["a"], output_mode="tf_idf", idf_weights=[1.0, 2.0]),
        ["(2,)", "1 tokens"],
    ),
    "salt": (lambda: layers.StringLookup(salt="x"), ["salt"]),
    "salt of integers": (lambda: layers.IntegerLookup(salt=3), ["farmhash"]),
    "oov_method": (lambda: layers.IntegerLookup(oov_method="md5"), ["floormod", "md5"]),
    "vocabulary_dtype": (lambda: layers.IntegerLookup(vocabulary_dtype="int8"), ["int64"]),
    "adapt": (lambda: layers.StringLookup(vocabulary=["a"], name="it").adapt(["b"]), ["'it'", "was given"]),
    "line break": (lambda: adapted(["a\nb"]).assets(), ["line break"]),
    "unknown argument": (lambda: layers.StringLookup(vocab=["a"]), ["vocab"]),
    "text into numbers": (
        lambda: layers.LSTM(2, name="it")(gw.Input((2, 1), dtype="string")),
        ["'it'", "StringLookup"],
    ),
}


def adapted(words):
    layer = layers.StringLookup()
    layer.adapt(words)
    return layer


@pytest.mark.parametrize("name", LOOKUPS)
def test_lookups_refuse(name):
    call, words = LOOKUPS[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value


def test_vectors_keep_their_length():
    layer = layers.StringLookup(vocabulary=["a", "b"], output_mode="count")
    with pytest.raises(RuntimeError, match="from 3 to 4"):
        layer.set_vocabulary(["a", "b", "c"])
    layer.set_vocabulary(["x", "y"])
    assert layer(["x"]).tolist() == [0, 1, 0]


# --- in models -----------------------------------------------------------------------------------------------


def several():
    """A model of every kind of preprocessing, its data and its outputs."""
    word, number, features = gw.Input((3,), dtype="string"), gw.Input((1,), dtype="int64"), gw.Input((2,))
    idf = layers.StringLookup(output_mode="tf_idf")
    idf.adapt(WORDS)
    learnt = layers.IntegerLookup()
    learnt.adapt([3, 3, 5])
    bins = layers.Discretization(num_bins=3, output_mode="one_hot")
    bins.adapt(np.arange(30.0))
    outputs = [
        idf(word), layers.StringLookup(vocabulary=["a", "z"], output_mode="one_hot")(word), bins(features),
        layers.Dense(2)(layers.CategoryEncoding(4, "one_hot")(learnt(number))), layers.Rescaling(2.0, 1.0)(features),
        layers.StringLookup(vocabulary=["a", "z"], invert=True)(number), layers.Dense(1)(learnt(number)),
    ]  # fmt: skip
    x = [WORDS, np.array([[3], [1]]), np.array([[0.1, -3.0], [25.0, 12.0]], "float32")]
    return gw.Model([word, number, features], outputs), x


def test_strings_flow_through_a_model_and_its_file(tmp_path):
    model, x = several()
    found = model.predict(x)
    for y, symbolic, eager in zip(found, model.outputs, model(x), strict=True):
        assert all(a in (None, b) for a, b in zip(symbolic.shape, y.shape, strict=True))
        np.testing.assert_array_equal(y, eager)
    model.save(tmp_path / "m.keras")
    for a, b in zip(found, gw.models.load_model(tmp_path / "m.keras").predict(x), strict=True):
        np.testing.assert_array_equal(a, b)


def test_training_behind_a_lookup():
    model = gw.Sequential(
        [layers.StringLookup(vocabulary=["a", "b", "c", "d"], output_mode="multi_hot"), layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    loss = model.fit(WORDS, np.array([1.0, -1.0]), epochs=30, verbose=0).history["loss"]
    assert loss[-1] < 0.5 * loss[0]
    assert model.inputs[0].dtype == "string"
    with pytest.raises(TypeError, match="takes strings"):
        model.predict(np.ones((2, 3)))


def test_a_subclassed_model_takes_text():
    class Words(gw.Model):
        def __init__(self):
            super().__init__()
            self.lookup = layers.StringLookup(vocabulary=["a", "b"], output_mode="count")
            self.dense = layers.Dense(1)

        def call(self, x):
            return self.dense(self.lookup(x))

    model = Words()
    model.compile("sgd", "mse")
    model.fit(WORDS, np.zeros(2), verbose=0)
    np.testing.assert_array_equal(model(WORDS), model.predict(WORDS))


def test_a_users_layer_with_files_of_its_own(tmp_path):
    @gw.saving.register_keras_serializable("tests")
    class Noted(layers.Layer):
        note = ""

        def call(self, x):
            return x * 1.0

        def save_assets(self, dir_path):
            (pathlib.Path(dir_path) / "note.txt").write_text(self.note)

        def load_assets(self, dir_path):
            self.note = (pathlib.Path(dir_path) / "note.txt").read_text()

    model = gw.Sequential([gw.Input((2,)), Noted()])
    model.layers[0].note = "kept"
    model.save(tmp_path / "m.keras")
    assert gw.models.load_model(tmp_path / "m.keras").layers[0].note == "kept"


def test_hashes_of_known_strings():
    """Computed with tf.strings.to_hash_bucket_fast and to_hash_bucket_strong (key 133, 137), 1000003 buckets."""
    texts = [
        "",
        "a",
        "ab",
        "abcd",
        "abcdefgh",
        "0123456789abcdefg",
        "x" * 33,
        "y" * 64,
        "zq" * 40,
        "k" * 128,
        "k" * 129,
    ]
    fast = [377723, 291400, 834328, 267500, 229479, 663110, 302064, 608066, 751842, 851874, 504923]
    strong = [953272, 554259, 216089, 483067, 676107, 126932, 429380, 981973, 881983, 291829, 223240]
    assert [hashing.fingerprint64(t.encode()) % 1000003 for t in texts] == fast
    assert [hashing.siphash(t.encode(), [133, 137]) % 1000003 for t in texts] == strong


def test_sizes_may_be_integers_of_numpy():
    sizes = {"max_tokens": np.int64(5), "num_oov_indices": np.int32(2)}
    for layer in (layers.StringLookup(**sizes, salt=np.int64(3)), layers.IntegerLookup(**sizes)):
        again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
        assert (again.max_tokens, again.num_oov_indices) == (5, 2)
    texts = layers.TextVectorization(np.int64(5), ngrams=np.int64(2), output_sequence_length=np.int64(3))
    assert json.loads(json.dumps(texts.get_config()))["output_sequence_length"] == 3
    with pytest.raises(ValueError, match="integer of at least 0; got True"):
        layers.StringLookup(num_oov_indices=True)
