"""Arrays in files: read by rows, never whole, with the same results as in memory."""

import warnings

import h5py
import numpy as np
import pytest

import gatewise
from gatewise import optimizers
from gatewise.layers import LSTM, Dense
from gatewise.stored import Stored
from training_models import data, forecaster, random

X, Y = data(70)
W = np.arange(70.0) / 70


def compiled(rate=0.1):
    model = forecaster()
    model.compile(optimizers.SGD(rate), "mse", metrics=["mae"])
    return model


class Shelf:
    """Rows in a file, as HDF5 reads them: slices, and increasing indices without repetition; few at a time."""

    chunks = None

    def __init__(self, values, most=32):
        self._values, self._most, self.asked = values, most, []
        self.shape, self.dtype = values.shape, values.dtype

    def __len__(self):
        return len(self._values)

    def __array__(self, dtype=None, copy=None):
        raise AssertionError("read whole")

    def __getitem__(self, chosen):
        if not isinstance(chosen, slice):
            assert (np.diff(chosen) > 0).all()
        rows = self._values[chosen]
        assert len(rows) <= self._most, f"{len(rows)} rows at once"
        self.asked.append(chosen)
        return rows


class Bare(Shelf):
    """Without `__array__`."""

    __array__ = None

    def __getattribute__(self, name):
        if name in ("__array__", "chunks"):
            raise AttributeError(name)
        return super().__getattribute__(name)


class ByIndex(Shelf):
    """Rows by index under another name, as zarr has them."""

    @property
    def oindex(self):
        return super().__getitem__ and _Outer(self)

    def __getitem__(self, chosen):
        assert isinstance(chosen, slice)
        return super().__getitem__(chosen)


class _Outer:
    def __init__(self, shelf):
        self.shelf = shelf

    def __getitem__(self, chosen):
        return Shelf.__getitem__(self.shelf, chosen)


def memmap(values, folder):
    file = np.memmap(folder / f"{id(values)}.dat", values.dtype, "w+", shape=values.shape)
    file[:] = values
    file.flush()
    return np.memmap(file.filename, values.dtype, "r", shape=values.shape)


@pytest.fixture
def opened(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        for name, values in {"x": X, "y": Y, "w": W}.items():
            file[name] = values
        yield file


ARGUMENTS = [
    {},
    {"shuffle": False},
    {"shuffle": "batch"},
    {"validation_split": 0.3},
    {"class_weight": {0: 2.0, 1: 0.5}},
    {"class_weight": {0: 2.0, 1: 0.5}, "validation_split": 0.3, "weights": True},
    {"weights": True, "validation": True},
    {"steps_per_epoch": 2},
]


def history(x, y, w, weights=False, validation=False, **arguments):
    gatewise.utils.set_random_seed(3)
    model = compiled()
    if weights:
        arguments["sample_weight"] = w
    if validation:
        arguments["validation_data"] = (x, y, w)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The data ended")
        found = model.fit(x, y, batch_size=7, epochs=3, verbose=0, **arguments).history
    return found, [v.tolist() for v in model.get_weights()]


@pytest.mark.parametrize("arguments", ARGUMENTS)
@pytest.mark.parametrize(
    "kind", ["shelf", "bare", "by index", "float64", "memmap", "hdf5", "hdf5 x alone", "hdf5 w alone"]
)
def test_training_is_the_same_as_from_memory(kind, arguments, tmp_path, opened):
    given = {
        "shelf": lambda: (Shelf(X), Shelf(Y), Shelf(W)),
        "bare": lambda: (Bare(X), Bare(Y), Bare(W)),
        "by index": lambda: (ByIndex(X), ByIndex(Y), ByIndex(W)),
        "float64": lambda: (Shelf(X.astype("float64")), Shelf(Y), W),
        "memmap": lambda: (memmap(X, tmp_path), memmap(Y, tmp_path), memmap(W, tmp_path)),
        "hdf5": lambda: (opened["x"], opened["y"], opened["w"]),
        "hdf5 x alone": lambda: (opened["x"], Y, W),
        "hdf5 w alone": lambda: (X, Y, opened["w"]),
    }[kind]()
    assert history(*given, **arguments) == history(X, Y, W, **arguments)


def test_evaluation_and_prediction_read_by_batches(opened):
    model = compiled()
    for x, y in ((Shelf(X), Shelf(Y)), (opened["x"], opened["y"])):
        assert model.evaluate(x, y, batch_size=7, verbose=0) == model.evaluate(X, Y, batch_size=7, verbose=0)
        np.testing.assert_array_equal(model.predict(x, batch_size=7), model.predict(X, batch_size=7))
    shelf = Shelf(X)
    model.predict(shelf, batch_size=30)
    assert shelf.asked == [slice(0, 30), slice(30, 60), slice(60, 70)]
    assert model.train_on_batch(opened["x"], opened["y"]) == compiled().train_on_batch(X, Y)
    assert model.predict_on_batch(Shelf(X, 70)).shape == (70, 1)


def test_several_inputs_and_models_that_are_subclasses(opened):
    a, b = gatewise.Input((5, 3), name="a"), gatewise.Input((1,), name="b")
    model = gatewise.Model([a, b], Dense(1)(gatewise.ops.concatenate([LSTM(2)(a), b], axis=-1)))
    expected = model.predict([X, Y])
    for given in ([opened["x"], opened["y"]], {"a": Shelf(X), "b": opened["y"]}, (Shelf(X), Y)):
        np.testing.assert_array_equal(model.predict(given), expected)

    class Own(gatewise.Model):
        def __init__(self):
            super().__init__()
            self.dense = Dense(1)

        def call(self, x):
            return self.dense(x)

    own = Own()
    own.compile("sgd", "mse")
    own.fit(Shelf(Y), Shelf(Y), batch_size=8, verbose=0)
    np.testing.assert_array_equal(own.predict(Shelf(Y)), own.predict(Y))


def test_a_view_of_rows_reads_nothing_else():
    shelf = Shelf(X)
    stored = Stored(shelf, "float64").part(3, 20).part(2, 8)
    assert stored.shape == (6, 5, 3) and stored.ndim == 3 and len(stored) == 6 and shelf.asked == []
    for chosen in (slice(None), slice(2, 4), slice(1, 100), slice(4, 2), slice(None, None, 2), np.array([5, 0, 3])):
        rows = stored[chosen]
        np.testing.assert_array_equal(rows, X[5:11][chosen])
        assert rows.dtype == "float64"


def test_what_is_computed_from_a_memory_map_is_in_memory(tmp_path):
    doubled = 2 * memmap(X, tmp_path)
    np.testing.assert_array_equal(compiled().predict(doubled), compiled().predict(2 * X))


def test_sparse_matrices_are_read_by_rows():
    class Sparse(Bare):
        def __getitem__(self, chosen):
            rows = super().__getitem__(chosen)
            return type("Rows", (), {"toarray": lambda self: rows})()

    model = gatewise.Sequential([gatewise.Input((1,)), Dense(1)])
    np.testing.assert_array_equal(model.predict(Sparse(Y), batch_size=7), model.predict(Y, batch_size=7))


# --- checks of what nobody has read before ----------------------------------------------------------------------------


def test_nan_is_warned_about_once_where_it_is_met():
    x = X.copy()
    x[12, 2, 1] = x[60, 0, 0] = np.nan
    for call in (
        lambda: compiled().fit(Shelf(x), Shelf(Y), batch_size=7, epochs=2, shuffle=False, verbose=0),
        lambda: compiled().evaluate(Shelf(x), Y, batch_size=7, verbose=0),
    ):
        with pytest.warns(UserWarning, match=r"^x of a batch contains a value .* at \[5, 2, 1\]") as found:
            call()
        assert len(found) == 1 and found[0].filename == __file__


def test_targets_are_checked_batch_by_batch():
    model = forecaster(3, "softmax")
    model.compile("sgd", "sparse_categorical_crossentropy")
    classes = np.arange(70) % 3
    model.fit(Shelf(X), Shelf(classes), batch_size=7, verbose=0)
    classes[69] = 3
    with pytest.raises(ValueError, match="3"):
        model.fit(Shelf(X), Shelf(classes), batch_size=7, verbose=0)
    with pytest.raises(ValueError, match=r"\(32, 2\)"):
        compiled().fit(Shelf(X), Shelf(random(70, 2)), batch_size=7, verbose=0)


def test_wrong_class_weights_are_said_at_once():
    with pytest.raises(ValueError, match="class_weight is a dictionary"):
        compiled().fit(Shelf(X), Shelf(Y), class_weight={"a": 1.0}, verbose=0)


def test_lengths_are_compared_without_reading():
    x, y = Shelf(X), Shelf(Y[:50])
    with pytest.raises(ValueError, match="x: 70; y: 50"):
        compiled().fit(x, y, verbose=0)
    assert x.asked == y.asked == []
    with pytest.raises(ValueError, match="0 samples"):
        compiled().predict(Shelf(X[:0]))


def test_a_closed_file_and_a_group(tmp_path, opened):
    with h5py.File(tmp_path / "closed.h5", "w") as file:
        file["x"] = X
        closed = file["x"]
    for call in (compiled().predict, compiled().predict_on_batch, lambda x: compiled().fit(X, x, verbose=0)):
        with pytest.raises(ValueError, match="HDF5 file that is closed. Keep it open"):
            call(closed)
        with pytest.raises(TypeError, match=r"is a File with \['w', 'x', 'y'\].*data\['w'\]"):
            call(opened)
    np.savez(tmp_path / "data.npz", x=X)
    with pytest.raises(TypeError, match=r"x is a NpzFile with \['x'\].*data\['x'\]"):
        compiled().predict(np.load(tmp_path / "data.npz"))
    opened["text"] = np.array(["a"] * 70, dtype="S1")
    with pytest.raises(TypeError, match="must be numbers"):
        compiled().predict(opened["text"])


def test_a_group_that_is_no_mapping_and_sparse_matrices_that_are_not_sliced():
    class Group:
        def keys(self):
            return ["a", "b"]

        def __iter__(self):
            return iter(self.keys())

        def __getitem__(self, name):
            return X

    with pytest.raises(TypeError, match=r"x is a Group with \['a', 'b'\].*data\['a'\]"):
        compiled().predict(Group())

    class Coordinates:
        shape, dtype = Y.shape, Y.dtype

        def tocsr(self):
            return Bare(Y)

    model = gatewise.Sequential([gatewise.Input((1,)), Dense(1)])
    np.testing.assert_array_equal(model.predict(Coordinates()), model.predict(Y))
