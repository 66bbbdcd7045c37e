"""What fit, evaluate and predict take as data: arrays of every kind, nestings, generators, sequences of batches."""

import collections
import warnings

import numpy as np
import pytest

import gatewise
from gatewise import callbacks, optimizers
from gatewise.layers import LSTM, Dense
from training_models import data, forecaster, random, with_weights

X, Y = data()


def compiled(rate=0.0, **settings):
    model = forecaster()
    model.compile(optimizers.SGD(rate), "mse", **settings)
    return model


EXPECTED = compiled().evaluate(X, Y, verbose=0)


class Frame:
    """Converts to an array, as data frames and other libraries' tensors do."""

    def __init__(self, values):
        self._values = values
        self.shape, self.dtype, self.ndim = values.shape, values.dtype, values.ndim

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._values, dtype)

    def __len__(self):
        return len(self._values)

    def __getitem__(self, name):
        raise KeyError(name)  # a data frame's columns are not its rows


@pytest.mark.parametrize(
    "x, y",
    [
        (X, Y[:, 0]),
        (X.astype("float64"), Y.astype("float64")),
        (np.asfortranarray(X), Y[::-1][::-1]),
        (X.tolist(), Y.tolist()),
        (X, Y[:, 0].tolist()),
        (X, tuple(Y[:, 0].tolist())),
        (X, [[float(v)] for v in Y[:, 0]]),
        ([X], [Y]),
        ((X,), (Y,)),
        (Frame(X), Frame(Y)),
        (Frame(X), Frame(Y[:, 0])),
        ([Frame(X)], [Frame(Y)]),
        (np.ma.masked_array(X), Y),
    ],
)
def test_forms_of_arrays(x, y):
    model = compiled()
    assert model.evaluate(x, y, verbose=0) == pytest.approx(EXPECTED, rel=1e-6)
    assert model.fit(x, y, verbose=0).history["loss"] == pytest.approx([EXPECTED], rel=1e-6)
    np.testing.assert_allclose(model.predict(x), model(X), rtol=1e-6)


@pytest.mark.parametrize("kind", ["int8", "int64", "uint8", "bool", "float16"])
def test_numbers_of_other_types(kind):
    x, y = (10 * X).astype(kind), (Y > 0).astype(kind)
    model = compiled()
    expected = np.mean((model(x.astype("float32")) - y.astype("float32")) ** 2)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_the_users_arrays_are_not_written_to():
    x, y, w = X.astype("float64"), Y.astype("float64"), np.arange(7.0)
    copies = [a.copy() for a in (x, y, w)]
    for a in (x, y, w):
        a.flags.writeable = False
    compiled(0.1).fit(x, y, sample_weight=w, class_weight={0: 2.0}, epochs=2, verbose=0)
    assert all((a == b).all() for a, b in zip((x, y, w), copies, strict=True))


def test_a_memory_map_is_read_batch_by_batch(tmp_path):
    file = np.memmap(tmp_path / "x.dat", "float32", "w+", shape=X.shape)
    file[:] = X
    assert compiled().evaluate(file, Y, verbose=0) == pytest.approx(EXPECTED, rel=1e-6)


def two_inputs():
    a, b = gatewise.Input((5, 3), name="a"), gatewise.Input((2,), name="b")
    h = gatewise.ops.concatenate([LSTM(4)(a), b], axis=-1)
    model = with_weights(gatewise.Model([a, b], Dense(1)(h)))
    model.compile(optimizers.SGD(0.0), "mse")
    return model


def test_several_inputs():
    model, z = two_inputs(), random(7, 2)
    Pair = collections.namedtuple("Pair", "first second")
    forms = [[X, z], (X, z), {"a": X, "b": z}, {"b": z, "a": X, "unused": z}, [X.tolist(), z.tolist()], Pair(X, z)]
    expected = np.mean((model([X, z]) - Y) ** 2)
    for x in forms:
        assert model.evaluate(x, Y, batch_size=3, verbose=0) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("wrong", [X, [X], [X, X, X], {"a": X}, [random(7, 2), X]])
def test_wrong_inputs_for_several(wrong):
    with pytest.raises(ValueError, match="'a'|a, b|lstm"):
        two_inputs().evaluate(wrong, Y, verbose=0)


# --- batches from elsewhere ----------------------------------------------------------------------------------


def pieces(size=3, x=X, y=Y):
    return [(x[k : k + size], y[k : k + size]) for k in range(0, len(x), size)]


class Shelf:
    """Batches by number, as PyDataset and Sequence have them."""

    def __init__(self, items):
        self.items, self.asked = items, []

    def __len__(self):
        return len(self.items)

    def __getitem__(self, k):
        self.asked.append(k)
        return self.items[k]

    def on_epoch_begin(self):
        self.asked.append("begin")

    def on_epoch_end(self):
        self.asked.append("end")


class Loader:
    """Can be gone through many times, as DataLoader objects of other libraries."""

    def __init__(self, items, sized=True):
        self.items = items
        if sized:
            self.__class__ = type("SizedLoader", (Loader,), {"__len__": lambda self: len(self.items)})

    def __iter__(self):
        return iter(self.items)


@pytest.mark.parametrize(
    "source",
    [
        lambda: iter(pieces()),
        lambda: (item for item in pieces()),
        lambda: (list(item) for item in pieces()),
        lambda: map(tuple, pieces()),
        lambda: Shelf(pieces()),
        lambda: Loader(pieces()),
        lambda: Loader(pieces(), sized=False),
    ],
)
def test_batches_from_elsewhere(source):
    model = compiled()
    assert model.evaluate(source(), verbose=0) == pytest.approx(EXPECTED, rel=1e-6)
    assert model.fit(source(), verbose=0).history["loss"] == pytest.approx([EXPECTED], rel=1e-6)
    np.testing.assert_allclose(model.predict(source()), model(X), rtol=1e-6)


def test_batches_may_carry_weights_and_nestings():
    model, z, w = two_inputs(), random(7, 2), np.arange(7.0)
    expected = model.evaluate([X, z], Y, sample_weight=w, verbose=0)
    batches = [({"a": X[k : k + 2], "b": z[k : k + 2]}, Y[k : k + 2], w[k : k + 2]) for k in range(0, 7, 2)]
    assert model.evaluate(iter(batches), verbose=0) == pytest.approx(expected, rel=1e-5)


def test_batches_of_inputs_alone():
    model = compiled()
    for batch in (lambda x: x, lambda x: (x,)):
        np.testing.assert_allclose(model.predict(batch(x) for x, _ in pieces()), model(X), rtol=1e-6)


class Losses(callbacks.Callback):
    def __init__(self):
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.epochs[-1].append(batch)


def endless():
    while True:
        yield from pieces()


def test_a_generator_goes_on_from_epoch_to_epoch():
    seen = Losses()
    model = compiled()
    model.fit(endless(), steps_per_epoch=2, epochs=3, verbose=0, callbacks=[seen])
    assert seen.epochs == [[0, 1]] * 3
    each = [model.evaluate(x, y, verbose=0) for x, y in pieces()]
    history = model.fit(endless(), steps_per_epoch=1, epochs=4, verbose=0).history["loss"]
    assert history == pytest.approx([each[k % 3] for k in range(4)], rel=1e-5)


def test_validation_with_a_generator():
    history = (
        compiled()
        .fit(endless(), steps_per_epoch=3, epochs=2, validation_data=endless(), validation_steps=3, verbose=0)
        .history
    )
    assert history["val_loss"] == pytest.approx([EXPECTED] * 2, rel=1e-6)


def test_a_generator_that_ends_too_early_ends_the_training_with_a_warning():
    seen = Losses()
    with pytest.warns(UserWarning) as found:
        history = compiled().fit(iter(pieces()), steps_per_epoch=2, epochs=4, verbose=0, callbacks=[seen])
    assert [str(w.message)[:33] for w in found] == [f"The data ended after {n} of the 2 b" for n in (1, 0)]
    assert {w.filename for w in found} == {__file__}
    assert seen.epochs == [[0, 1], [0], []] and history.epoch == [0, 1]


def test_a_generator_without_steps_lasts_one_epoch():
    with pytest.warns(UserWarning, match="data ended after 0"):
        history = compiled().fit(iter(pieces()), epochs=3, verbose=0)
    assert history.epoch == [0]


def test_loaders_begin_anew_in_each_epoch():
    for sized in (True, False):
        history = compiled().fit(Loader(pieces(), sized), epochs=3, verbose=0).history["loss"]
        assert history == pytest.approx([EXPECTED] * 3, rel=1e-6)


def test_an_indexed_source_is_shuffled_and_told_of_epochs():
    shelf = Shelf(pieces())
    gatewise.utils.set_random_seed(0)
    compiled().fit(shelf, epochs=5, verbose=0)
    epochs = [shelf.asked[k : k + 5] for k in range(0, 25, 5)]
    assert all((e[0], sorted(e[1:4]), e[4]) == ("begin", [0, 1, 2], "end") for e in epochs)
    assert len({tuple(e) for e in epochs}) > 1
    shelf.asked.clear()
    compiled().fit(shelf, epochs=2, shuffle=False, verbose=0)
    assert shelf.asked == ["begin", 0, 1, 2, "end"] * 2
    shelf.asked.clear()
    compiled().predict(shelf)
    assert shelf.asked == ["begin", 0, 1, 2, "end"]


def test_fewer_steps_than_the_arrays_have_go_on_where_they_stopped():
    model, seen = compiled(), Losses()
    x, y = random(10, 5, 3), random(10, 1)
    each = [model.evaluate(x[k : k + 2], y[k : k + 2], verbose=0) for k in range(0, 10, 2)]
    with pytest.warns(UserWarning, match="data ended after 1 of the 2"):
        history = model.fit(
            x, y, batch_size=2, steps_per_epoch=2, epochs=4, shuffle=False, verbose=0, callbacks=[seen]
        ).history["loss"]  # fmt: skip
    assert seen.epochs == [[0, 1], [0, 1], [0], [0, 1]]
    expected = [np.mean(each[0:2]), np.mean(each[2:4]), each[4], np.mean(each[0:2])]
    assert history == pytest.approx(expected, rel=1e-5)


def test_validation_steps_begin_with_the_first_samples_each_time():
    model = compiled()
    history = model.fit(X, Y, epochs=3, validation_data=(X, Y), validation_batch_size=2, validation_steps=2, verbose=0)
    expected = model.evaluate(X[:4], Y[:4], verbose=0)
    assert history.history["val_loss"] == pytest.approx([expected] * 3, rel=1e-6)


# --- order ---------------------------------------------------------------------------------------------------


class Order(Dense):
    """Writes down the first feature of what it is trained on."""

    def __init__(self):
        super().__init__(1)
        self.seen = []

    def forward(self, *inputs, mask=None, training=False, structure=None):
        if training:
            self.seen.append(inputs[0][:, 0].astype(int).tolist())
        return super().forward(*inputs, mask=mask, training=training, structure=structure)


def orders(shuffle, epochs=3, seed=0):
    gatewise.utils.set_random_seed(seed)
    layer = Order()
    model = gatewise.Sequential([gatewise.Input((1,)), layer])
    model.compile(optimizers.SGD(0.0), "mse")
    layer.seen.clear()
    numbers = np.arange(10.0)[:, None]
    model.fit(numbers, numbers, batch_size=4, epochs=epochs, shuffle=shuffle, verbose=0)
    return [layer.seen[k : k + 3] for k in range(0, 3 * epochs, 3)]


def test_no_shuffling():
    assert orders(False) == [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]] * 3


def test_shuffling_samples():
    epochs = orders(True)
    assert all(sorted(sum(epoch, [])) == list(range(10)) and len(epoch[2]) == 2 for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert orders(True) == epochs != orders(True, seed=1)


def test_shuffling_batches():
    epochs = orders("batch", epochs=6)
    assert all(sorted(epoch) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] for epoch in epochs)
    assert len({str(epoch) for epoch in epochs}) > 1


# --- NaN and infinity ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, value, told",
    [
        *((method, np.nan, "nan") for method in ("fit", "evaluate", "predict", "train_on_batch", "batches")),
        ("fit", np.inf, "inf"),
        ("evaluate", -np.inf, "-inf"),
    ],
)
def test_a_warning_says_where_the_first_one_is(value, told, method):
    x, model = X.copy(), compiled()
    x[4, 2, 1] = value
    calls = {
        "fit": lambda: model.fit(x, Y, verbose=0),
        "evaluate": lambda: model.evaluate(x, Y, verbose=0),
        "predict": lambda: model.predict(x),
        "train_on_batch": lambda: model.train_on_batch(x, Y),
        "batches": lambda: model.evaluate(iter([(x, Y)]), verbose=0),
    }
    with pytest.warns(UserWarning, match=rf"x.* contains a value .*, {told}, at \[4, 2, 1\]") as found:
        calls[method]()
    assert len(found) == 1
    assert found[0].filename == __file__


def test_a_warning_for_targets_and_for_one_of_several_inputs():
    y, z = Y.copy(), random(7, 2)
    y[3] = np.nan
    with pytest.warns(UserWarning, match=r"^y contains .* at \[3, 0\]"):
        compiled().fit(X, y, verbose=0)
    z[1, 1] = z[2, 0] = np.inf
    with pytest.warns(UserWarning, match=r"^x\[1\] contains 2 values .* at \[1, 1\]"):
        two_inputs().fit([X, z], Y, verbose=0)
    with pytest.warns(UserWarning, match=r"^validation y contains"):
        compiled().fit(X, Y, validation_data=(X, y), verbose=0)


def gaps(masked=np.nan):
    """A model that masks steps, and data with NaN in the last two of each sequence, in inputs and in targets."""
    layers = [gatewise.layers.Masking(masked), gatewise.layers.LSTM(3, return_sequences=True), gatewise.layers.Dense(1)]
    model = gatewise.Sequential([gatewise.Input((None, 3)), *layers])
    model.compile("sgd", "mse")
    x, y = random(7, 5, 3), random(7, 5, 1)
    x[:, 3:] = y[:, 3:] = np.nan
    return model, x, y


def test_no_warning_for_steps_that_are_masked():
    model, x, y = gaps()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(model.fit(x, y, verbose=0).history["loss"]).all()
        assert np.isfinite(model.fit(iter([(x, y)]), steps_per_epoch=1, verbose=0).history["loss"]).all()
        assert np.isfinite(model.evaluate(x, y, verbose=0))
        model.predict(x, verbose=0)
        model.predict([x[0, :3], x[1, :4]], verbose=0)


@pytest.mark.parametrize("which", ["x", "y"])
def test_a_warning_where_a_step_that_counts_holds_one(which):
    model, x, y = gaps()
    {"x": x, "y": y}[which][2, 1, 0] = np.nan
    with pytest.warns(UserWarning, match=rf"^{which} contains a value .* at \[2, 1, 0\]"):
        model.fit(x, y, verbose=0)
    with pytest.warns(UserWarning, match=r"^x contains 42 values .* at \[0, 3, 0\]"):
        gaps(masked=0.0)[0].predict(gaps()[1])


def test_a_warning_for_sequences_of_different_lengths_and_for_weights():
    model, x, y = gaps(masked=0.0)
    with pytest.warns(UserWarning, match=r"^x contains 3 values .* at \[1, 3, 0\]"):
        model.predict([x[0, :3], x[1, :4]], verbose=0)
    weights = np.where(np.arange(7) == 4, np.inf, 1)[:, None]
    with pytest.warns(UserWarning, match=r"^sample_weight contains a value .* at \[4, 0\]"):
        model.fit(x[:, :3], y[:, :3], sample_weight=weights, verbose=0)


def test_no_warning_for_finite_numbers_however_large():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = X.copy()
        x[0, 0, 0], x[0, 0, 1] = np.finfo("float32").max, np.finfo("float32").max
        compiled().predict(x)
        compiled().fit(X, Y, verbose=0)


@pytest.mark.parametrize("order", ["C", "F", "transposed", "every second"])
def test_shuffled_rows_are_right_whatever_the_memory_layout(order):
    def laid_out(a):
        if order == "transposed":
            return np.ascontiguousarray(a.swapaxes(0, -1)).swapaxes(0, -1)
        return np.repeat(a, 2, axis=0)[::2] if order == "every second" else np.array(a, order=order)

    losses = []
    for x, y in ((X, Y), (laid_out(X), laid_out(Y)), (X, laid_out(Y)), (laid_out(X), Y)):
        gatewise.utils.set_random_seed(4)
        losses.append(compiled(0.1).fit(x, y, batch_size=2, epochs=3, verbose=0).history["loss"])
    assert losses[0] == losses[1] == losses[2] == losses[3]


def test_steps_without_a_batch_size_divide_the_pass():
    """As Keras 3: 7 samples in 3 steps are batches of 3, 3 and 1; in evaluate, predict and for validation too."""
    model = compiled()
    sizes = []
    layer_sizes = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: sizes.append(batch))
    history = model.fit(
        X,
        Y,
        steps_per_epoch=3,
        epochs=2,
        validation_data=(X, Y),
        validation_steps=2,
        verbose=0,
        callbacks=[layer_sizes],
    )
    assert sizes == [0, 1, 2] * 2
    assert history.history["loss"] == pytest.approx([EXPECTED] * 2, rel=1e-6)
    assert history.history["val_loss"] == pytest.approx([EXPECTED] * 2, rel=1e-6)
    assert model.evaluate(X, Y, steps=2, verbose=0) == pytest.approx(EXPECTED, rel=1e-6)
    assert model.predict(X, steps=4).shape == (7, 1)
    assert model.predict(X, steps=2, batch_size=2).shape == (4, 1)


@pytest.mark.parametrize("shuffle", ["batches", "True", 0.5, [True]])
def test_what_shuffle_may_be(shuffle):
    with pytest.raises(ValueError, match="shuffle is True, False or 'batch'.*got "):
        compiled().fit(X, Y, shuffle=shuffle, verbose=0)
    compiled().fit(X, Y, shuffle=None, verbose=0)
