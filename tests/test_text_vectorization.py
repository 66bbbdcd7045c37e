"""TextVectorization beyond what test_preprocessing.py compares: users' functions, files, models, refusals."""

import json

import numpy as np
import pytest

import gatewise as gw
from gatewise import layers

TEXTS = ["the cat sat", "on the mat", "a dog"]


@gw.saving.register_keras_serializable("tests")
def shouted(texts):
    return np.char.upper(texts)


@gw.saving.register_keras_serializable("tests")
def by_commas(texts):
    return [text.split(",") for text in texts]


def adapted(**options):
    layer = layers.TextVectorization(**options)
    layer.adapt(TEXTS)
    return layer


def test_the_users_functions():
    layer = layers.TextVectorization(standardize=shouted, split=by_commas)
    layer.adapt(["a,b", "b,c c"])
    assert layer.get_vocabulary() == ["", "[UNK]", "B", "C C", "A"]
    assert layer(["b,c c,q"]).tolist() == [[2, 3, 1]]
    again = layers.TextVectorization.from_config(json.loads(json.dumps(layer.get_config())))
    again.take_assets(layer.assets())
    assert again(["b,c c,q"]).tolist() == [[2, 3, 1]]


def test_forms_of_texts():
    layer = adapted()
    expected = layer(TEXTS).tolist()
    for given in (
        tuple(TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, object),
        np.array(TEXTS)[:, None],
        [[t] for t in TEXTS],
    ):
        assert layer(given).tolist() == expected
    assert layer(np.array([t.encode() for t in TEXTS])).tolist() == expected
    assert layer("the dog").tolist() == layer(["the dog"])[0].tolist()
    assert layer([""]).shape == (1, 0)


def test_adapt_takes_batches_and_begins_anew():
    layer = layers.TextVectorization()
    layer.adapt(iter([["x y"], ["x"], ["never"]]), steps=2)
    assert layer.get_vocabulary() == ["", "[UNK]", "x", "y"]
    layer.adapt(TEXTS)
    assert layer.get_vocabulary()[:3] == ["", "[UNK]", "the"]
    layer.set_vocabulary(["p", "q"])
    assert layer.get_vocabulary(include_special_tokens=False) == ["p", "q"] and layer.vocabulary_size() == 4


def test_vectors_without_split_and_with():
    one_hot = adapted(output_mode="one_hot")
    y = one_hot(["the cat", "dog"])
    assert y.shape == (2, 2, 8) and y[1, 1].sum() == 0 and y.sum() == 3
    assert one_hot(gw.Input((1,), dtype="string")).shape == (None, None, 8)
    whole = layers.TextVectorization(vocabulary=["a b", "c"], split=None, output_mode="count")
    assert whole(np.array([["a b", "c"], ["c", "c"]])).tolist() == [[0, 1, 1], [0, 0, 2]]


def classifier(layer):
    return gw.Sequential(
        [
            gw.Input((1,), dtype="string"),
            layer,
            layers.Embedding(10, 3, mask_zero=True),
            layers.LSTM(4),
            layers.Dense(1),
        ]
    )


def test_texts_go_into_fit_and_predict_and_the_file_has_the_words(tmp_path):
    model = classifier(adapted())
    model.compile("adam", "mse")
    losses = model.fit(TEXTS, [1.0, 1.0, 0.0], epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    y = model.predict(TEXTS)
    np.testing.assert_allclose(model.predict([[t] for t in TEXTS], batch_size=1), y, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(model(np.array(TEXTS)), y)
    model.save(tmp_path / "m.keras")
    again = gw.models.load_model(tmp_path / "m.keras")
    assert again.layers[0].get_vocabulary() == model.layers[0].get_vocabulary()
    np.testing.assert_array_equal(again.predict(TEXTS), y)
    with pytest.raises(TypeError, match="takes strings"):
        model.predict(np.ones((2, 1)))


def test_idf_weights_are_in_the_file(tmp_path):
    model = gw.Sequential([adapted(output_mode="tf_idf"), layers.Dense(1)])
    y = model.predict(TEXTS)
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(gw.models.load_model(tmp_path / "m.keras").predict(TEXTS), y)


REFUSED = {
    "two columns": (lambda: adapted(name="it")(np.array([["a", "b"]])), ["'it'", "(1, 2)", "(batch, 1)"]),
    "numbers": (lambda: adapted(name="it")(np.ones(3)), ["'it'", "strings"]),
    "empty": (lambda: layers.TextVectorization()(["a"]), ["adapt"]),
    "split": (lambda: layers.TextVectorization(split="comma"), ["split", "whitespace"]),
    "standardize": (lambda: layers.TextVectorization(standardize="upper"), ["standardize", "lower"]),
    "ngrams": (lambda: layers.TextVectorization(ngrams=0), ["ngrams"]),
    "mode": (lambda: layers.TextVectorization(output_mode="hot"), ["TextVectorization", "tf_idf"]),
    "length": (lambda: layers.TextVectorization(output_sequence_length=2.5), ["output_sequence_length"]),
    "length of vectors": (
        lambda: layers.TextVectorization(output_mode="count", output_sequence_length=3),
        ["output_sequence_length", "count"],
    ),
    "ragged": (lambda: layers.TextVectorization(ragged=True), ["mask_zero"]),
    "a file in a configuration": (lambda: layers.TextVectorization.from_config({"vocabulary": "/etc/x"}), ["not read"]),
    "a split that is none": (
        lambda: layers.TextVectorization(vocabulary=["a"], split=lambda texts: texts, name="it")(["a"]),
        ["'it'", "list of tokens"],
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, words = REFUSED[name]
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value
