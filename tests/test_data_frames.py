"""Frames and series of pandas and polars as data: the same numbers as arrays, and refusals that name the column."""

import datetime
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

import gatewise
from gatewise import optimizers
from gatewise.layers import LSTM, Dense
from training_models import random, with_weights

X, Y, W = random(7, 3), random(7, 1, seed=2), np.arange(7.0)
NAMES = ["a", "b", "c"]
FRAMES = [pd.DataFrame, pl.DataFrame]
SERIES = [pd.Series, pl.Series]


def frame(kind, values=X, names=NAMES):
    return kind({name: values[:, k] for k, name in enumerate(names)})


def compiled():
    model = with_weights(gatewise.Sequential([gatewise.Input((3,)), Dense(2), Dense(1)]))
    model.compile(optimizers.SGD(0.1), "mse")
    return model


def columnwise():
    """Inputs "a" and "b" of one number each, outputs "u" and "v"."""
    inputs = [gatewise.Input((1,), name=name) for name in "ab"]
    both = gatewise.ops.concatenate(inputs, axis=-1)
    model = with_weights(gatewise.Model(inputs, [Dense(1, name="u")(both), Dense(1, name="v")(inputs[0])]))
    model.compile(optimizers.SGD(0.1), "mse")
    return model


@pytest.mark.parametrize("kind, series", list(zip(FRAMES, SERIES, strict=True)))
def test_frames_train_as_their_arrays_do(kind, series):
    expected = compiled().fit(X, Y, sample_weight=W, epochs=3, validation_data=(X, Y), verbose=0).history
    for y in (frame(kind, Y, ["y"]), series(Y[:, 0])):
        found = compiled().fit(
            frame(kind), y, sample_weight=series(W), epochs=3, validation_data=(frame(kind), y), verbose=0
        )
        assert found.history["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-6)
        assert compiled().evaluate(frame(kind), y, verbose=0) == compiled().evaluate(X, Y, verbose=0)
        assert compiled().train_on_batch(frame(kind), y) == compiled().train_on_batch(X, Y)
    predicted = compiled().predict(frame(kind))
    assert type(predicted) is np.ndarray
    np.testing.assert_array_equal(predicted, compiled().predict(X))
    np.testing.assert_array_equal(compiled().predict_on_batch(frame(kind)), compiled().predict_on_batch(X))


@pytest.mark.parametrize("kind, series", list(zip(FRAMES, SERIES, strict=True)))
def test_columns_are_inputs_and_outputs_of_their_names(kind, series):
    both = np.concatenate([X, Y, -Y], axis=1)
    whole = frame(kind, both, ["c", "b", "a", "u", "v"])
    x = [both[:, 2], both[:, 1]]
    expected = columnwise().evaluate(x, [Y, -Y], sample_weight=W, verbose=0)
    for given, y in (
        (whole, whole),
        (dict(zip("ab", x, strict=True)), {"u": Y, "v": -Y}),
        ({"a": series(x[0]), "b": series(x[1])}, {"v": series(-Y[:, 0]), "u": frame(kind, Y, ["anything"])}),
        ([series(x[0]), frame(kind, x[1][:, None], ["z"])], [series(Y[:, 0]), series(-Y[:, 0])]),
    ):
        assert columnwise().evaluate(given, y, sample_weight=series(W), verbose=0) == expected
    with pytest.raises(ValueError, match=r"inputs \['a', 'b'\].*columns \['a', 'c'\] \(missing: \['b'\]\)"):
        columnwise().predict(frame(kind, X[:, :2], ["a", "c"]))


def test_columns_that_are_not_asked_for_may_hold_anything():
    whole = frame(pd.DataFrame).assign(text="x")
    assert columnwise().predict(whole)[0].shape == (7, 1)


@pytest.mark.parametrize("kind", FRAMES)
def test_sequences_from_frames_in_batches(kind):
    model = with_weights(gatewise.Sequential([gatewise.Input((5, 1)), LSTM(2), Dense(1)]))
    model.compile(optimizers.SGD(0.1), "mse")
    x = random(6, 5)
    batches = [(frame(kind, x[k : k + 2], list("abcde")), Y[k : k + 2]) for k in (0, 2, 4)]
    assert model.evaluate(iter(batches), verbose=0) == pytest.approx(model.evaluate(x[..., None], Y[:6], verbose=0))


NUMBERS = {
    "pandas": pd.DataFrame({"a": pd.array([1, 2], "Int64"), "b": pd.array([True, False], "boolean"), "c": [0.5, 1.5]}),
    "pandas plain": pd.DataFrame({"a": [1, 2], "b": [True, False], "c": np.array([0.5, 1.5], "float16")}),
    "numbered columns": pd.DataFrame([[1, 1, 0.5], [2, 0, 1.5]], index=[5, 3]),
    "polars": pl.DataFrame({"a": [1, 2], "b": [True, False], "c": [0.5, 1.5]}),
    "decimal": pl.DataFrame({"a": [1, 2], "b": [1, 0], "c": pl.Series(["0.5", "1.5"]).cast(pl.Decimal(10, 2))}),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_every_type(name):
    expected = compiled().predict(np.array([[1, 1, 0.5], [2, 0, 1.5]], "float32"))
    np.testing.assert_array_equal(compiled().predict(NUMBERS[name]), expected)


def test_whole_numbers_stay_whole():
    model = gatewise.Sequential([gatewise.Input((2,)), gatewise.layers.Embedding(100_000_000, 1)])
    with pytest.raises((ValueError, IndexError), match="100000000"):  # a float32 would not know it from 100,000,001
        model.predict(pl.DataFrame({"a": [0], "b": [100_000_000]}))


def test_text_and_sequences_in_columns():
    words = ["yes", "no", "yes"]
    lookup = gatewise.layers.StringLookup(vocabulary=["no", "yes"])
    model = gatewise.Sequential([gatewise.Input((1,), dtype="string"), lookup])
    expected = model.predict(np.array([[w] for w in words]))
    for given in (pd.DataFrame({"w": words}), pl.DataFrame({"w": words}), pd.Series(words), pl.Series(words)):
        np.testing.assert_array_equal(model.predict(given).reshape(-1), expected.reshape(-1))
    tokens = [[1, 2, 3], [4]]
    reader = gatewise.Sequential([gatewise.layers.Embedding(9, 2, mask_zero=True), LSTM(2)])
    expected = reader.predict(tokens)
    for given in (pl.Series(tokens), pd.Series(tokens)):
        np.testing.assert_array_equal(reader.predict(given), expected)


DAY = datetime.datetime(2024, 1, 1)
REFUSED = {
    "text": (pd.DataFrame({"a": [1.0], "city": ["x"]}), TypeError, ["'city'", "text", "pandas.get_dummies(frame"]),
    "text, polars": (pl.DataFrame({"city": ["x"]}), TypeError, ["'city'", "frame.to_dummies('city')"]),
    "category": (pd.DataFrame({"c": pd.Categorical(["x"])}), TypeError, ["'c' is categorical", "frame['c'].cat.codes"]),
    "enum": (pl.DataFrame({"c": pl.Series(["x"], dtype=pl.Enum(["x"]))}), TypeError, ["'c'", "to_physical()"]),
    "date": (pd.DataFrame({"day": [DAY]}), TypeError, ["'day' holds dates", "frame['day'].dt.hour "]),
    "date, polars": (pl.DataFrame({"day": [DAY.date()]}), TypeError, ["'day' holds dates", ".dt.hour()"]),
    "duration": (pd.DataFrame({"d": [DAY - DAY]}), TypeError, ["'d' holds durations", "total_seconds()"]),
    "objects": (pd.DataFrame({"o": np.array([1, 2.5], object)}), TypeError, ["'o'", "astype({'o': 'float32'})"]),
    "lists": (pl.DataFrame({"l": [[1, 2]]}), TypeError, ["'l' holds a list", "numpy.stack(frame['l'].to_list())"]),
    "null": (
        pd.DataFrame({"n": pd.array([1, None, None], "Int64")}),
        ValueError,
        ["'n' has 2 missing values, the first in row 1", "frame.fillna({'n': 0})", "dropna"],
    ),
    "null, polars": (pl.DataFrame({"n": [None, 1.0]}), ValueError, ["a missing value", "row 0", "fill_null(0)"]),
    "a query": (pl.LazyFrame({"a": [1.0]}), TypeError, ["collect()"]),
    "one name twice": (pd.DataFrame(X[:, :2], columns=["a", "a"]), ValueError, ["two columns of one name", "'a'"]),
    "no column": (pd.DataFrame(index=range(3)), ValueError, ["without columns"]),
    "a series": (pd.Series(["x"], name="city"), TypeError, ["'city'", "text"]),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("place", ["x", "y", "sample_weight", "validation"])
def test_columns_without_numbers_are_named(name, place):
    given, error, parts = REFUSED[name]
    if name == "a series" and place == "x":
        given = [given]
    model = compiled()
    calls = {
        "x": lambda: model.predict(given),
        "y": lambda: model.fit(X, given, verbose=0),
        "sample_weight": lambda: model.evaluate(X, Y, sample_weight=given, verbose=0),
        "validation": lambda: model.fit(X, Y, validation_data=(given, Y), verbose=0),
    }
    with pytest.raises(error) as caught:
        calls[place]()
    wanted = {"x": "x", "validation": "x"}.get(place, place)
    for part in [wanted, *parts]:
        assert part in str(caught.value), caught.value


def test_frames_of_other_lengths():
    with pytest.raises(ValueError, match="x: 7; y: 6"):
        compiled().fit(frame(pd.DataFrame), pd.Series(Y[:6, 0]), verbose=0)


def test_nan_of_numpy_in_a_frame_is_warned_about_as_in_arrays():
    x = frame(pd.DataFrame)
    x.loc[4, "b"] = np.nan
    with pytest.warns(UserWarning, match=r"^x contains a value .* at \[4, 1\]"):
        compiled().predict(x)
    with pytest.warns(UserWarning) as found:
        compiled().evaluate(X, pl.Series([1e300, *Y[1:, 0]]), verbose=0)
    assert [str(w.message)[:18] for w in found] == ["y contains a value"]


def test_without_narwhals(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals", None)
    np.testing.assert_array_equal(compiled().predict(frame(pd.DataFrame)), compiled().predict(X))
    with pytest.raises(ImportError, match=r'pip install "gatewise\[frames\]"'):
        compiled().predict(frame(pd.DataFrame).assign(c="text"))


def test_a_series_without_a_name():
    with pytest.raises(TypeError, match="y: column 'values' holds text"):
        compiled().fit(X, pl.Series(["x"] * 7), verbose=0)


def test_what_is_no_series_though_it_looks_like_one():
    np.testing.assert_array_equal(compiled().evaluate(X, pd.Index(W), verbose=0), compiled().evaluate(X, W, verbose=0))
    for text in (pd.Index(["x"] * 7), pd.Categorical(["x"] * 7)):
        with pytest.raises(TypeError, match="The targets must be numbers"):
            compiled().evaluate(X, text, verbose=0)
