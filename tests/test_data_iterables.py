"""Batches of other libraries and of users' datasets: look-alikes of their protocols, workers, refusals."""

import itertools
import threading
import time
import warnings

import numpy as np
import pytest

import gatewise
from gatewise import optimizers
from gatewise.layers import Dense
from gatewise.utils import PyDataset, Sequence
from training_models import data, forecaster, random, with_weights

X, Y = data(20)


def compiled(rate=0.1):
    model = forecaster()
    model.compile(optimizers.SGD(rate), "mse", metrics=["mae"])
    return model


def batches(size=6, x=X, y=Y):
    return [(x[k : k + size], y[k : k + size]) for k in range(0, len(x), size)]


EXPECTED = compiled().fit(X, Y, batch_size=6, epochs=3, shuffle=False, verbose=0).history


class Tensor:
    """As torch has them: on some device, with a gradient, in a type that NumPy may lack."""

    def __init__(self, values, device="cuda", needs_gradient=True, dtype="torch.float32"):
        self.values, self.device, self.needs_gradient, self.dtype = values, device, needs_gradient, dtype
        self.shape = values.shape

    def detach(self):
        return Tensor(self.values, self.device, False, self.dtype)

    def cpu(self):
        return Tensor(self.values, "cpu", self.needs_gradient, self.dtype)

    def float(self):
        return Tensor(self.values, self.device, self.needs_gradient)

    def numpy(self):
        assert self.device == "cpu" and not self.needs_gradient and self.dtype != "torch.bfloat16"
        return self.values

    def __array__(self, dtype=None, copy=None):
        return self.numpy()

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        return map(Tensor, self.values)

    def __getitem__(self, chosen):
        return Tensor(self.values[chosen])


class Eager:
    """As tensorflow has them."""

    def __init__(self, values):
        self.values, self.shape, self.dtype = values, values.shape, "<dtype: 'float32'>"

    def numpy(self):
        return self.values

    def __array__(self, dtype=None, copy=None):
        return self.values

    def __len__(self):
        return len(self.values)


class Packed:
    """Data that is handed over by DLPack alone."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


class DataLoader:
    """As torch's: lists of tensors, a length that may not be known, begun anew in each epoch."""

    num_workers = 2

    def __init__(self, items, kind=Tensor, length=True):
        self.items, self.kind, self.length = items, kind, length

    def __len__(self):
        if not self.length:
            raise TypeError("object of type 'Streamed' has no len()")
        return len(self.items)

    def __iter__(self):
        return iter([list(map(self.kind, item)) for item in self.items])


class TensorflowDataset:
    """As tf.data's: tuples of tensors, a cardinality, and a length only where that is known."""

    element_spec = ()

    def __init__(self, items, cardinality):
        self.items, self.known = items, cardinality

    def __iter__(self):
        items = itertools.cycle(self.items) if self.known == -1 else self.items
        return (tuple(map(Eager, item)) for item in items)

    def __len__(self):
        if self.known < 0:
            raise TypeError("The dataset is infinite." if self.known == -1 else "The dataset length is unknown.")
        return self.known

    def cardinality(self):
        return Eager(np.asarray(self.known)).values

    def batch(self, size):
        raise AssertionError("not asked for")


@pytest.mark.parametrize(
    "source",
    [
        DataLoader(batches()),
        DataLoader(batches(), length=False),
        DataLoader(batches(), kind=lambda values: Tensor(values.astype("float32"), dtype="torch.bfloat16")),
        DataLoader(batches(), kind=Packed),
        TensorflowDataset(batches(), 4),
        TensorflowDataset(batches(), -2),
    ],
)
def test_loaders_of_other_libraries(source):
    model = compiled()
    assert model.fit(source, epochs=3, validation_data=source, verbose=0).history["loss"] == EXPECTED["loss"]
    assert model.evaluate(source, verbose=0) == model.evaluate(X, Y, batch_size=6, verbose=0)
    np.testing.assert_array_equal(model.predict(source), model.predict(X, batch_size=6))


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("steps, epochs", [(4, [4, 4, 4]), (3, [3, 1, 3]), (2, [2, 2, 2]), (6, [4, 4, 4])])
def test_steps_of_a_loader_that_begins_anew(length, steps, epochs):
    lengths = []
    counting = gatewise.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: lengths.append(0),
        on_train_batch_end=lambda batch, logs: lengths.append(lengths.pop() + 1),
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The data ended")
        compiled().fit(
            DataLoader(batches(), length=length), epochs=3, steps_per_epoch=steps, callbacks=[counting], verbose=0
        )
    assert lengths == epochs  # as Keras 3 has them for a loader of known length


def test_an_endless_dataset_with_steps():
    found = compiled().fit(TensorflowDataset(batches(), -1), steps_per_epoch=4, epochs=3, verbose=0).history
    assert found == EXPECTED


@pytest.mark.parametrize("kind", [Tensor, Eager])
def test_tensors_in_place_of_arrays(kind):
    model = compiled()
    settings = {"batch_size": 6, "epochs": 3, "shuffle": False, "verbose": 0}
    found = model.fit(kind(X), kind(Y), sample_weight=kind(np.ones(20)), **settings)
    assert found.history == compiled().fit(X, Y, sample_weight=np.ones(20), **settings).history
    np.testing.assert_array_equal(model.predict(kind(X)), model.predict(X))
    assert model.test_on_batch(kind(X), kind(Y)) == model.test_on_batch(X, Y)
    np.testing.assert_array_equal(model.predict_on_batch([kind(X)]), model.predict_on_batch(X))


def test_sequences_of_other_libraries():
    class RaggedTensor:
        shape, dtype, nested_row_splits = (2, None), "int32", ()

        def to_list(self):
            return [[1, 2, 3], [4]]

    model = gatewise.Sequential([gatewise.layers.Embedding(9, 2, mask_zero=True), gatewise.layers.GRU(2)])
    expected = model.predict([[1, 2, 3], [4]])
    np.testing.assert_array_equal(model.predict(RaggedTensor()), expected)
    np.testing.assert_array_equal(model.predict([Tensor(np.array([1, 2, 3])), Tensor(np.array([4]))]), expected)


def test_batches_that_are_dictionaries():
    inputs = {name: gatewise.Input((2,), name=name) for name in ("a", "b")}
    model = with_weights(
        gatewise.Model(inputs, {"u": Dense(1, name="u")(inputs["a"]), "v": Dense(1, name="v")(inputs["b"])})
    )
    model.compile("sgd", "mse")
    x, y = {name: random(8, 2, seed=k) for k, name in enumerate("ab")}, {name: random(8, 1) for name in "uv"}
    parts = [({n: Eager(v[k : k + 4]) for n, v in x.items()}, {n: v[k : k + 4] for n, v in y.items()}) for k in (0, 4)]
    assert model.evaluate(iter(parts), verbose=0) == model.evaluate(x, y, batch_size=4, verbose=0)
    found = model.predict(part for part, _ in parts)
    np.testing.assert_array_equal(found["u"], model.predict(x)["u"])


def test_predict_does_not_look_at_targets():
    np.testing.assert_array_equal(compiled().predict((x, "anything") for x, _ in batches()), compiled().predict(X, 6))


# --- PyDataset --------------------------------------------------------------------------------------------------------


class Shelf(PyDataset):
    def __init__(self, items, **settings):
        super().__init__(**settings)
        self.items, self.told = items, []

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        time.sleep(0.003 * (index % 2 == 0))  # with workers the others are ready first
        self.told.append(index)
        return self.items[index]

    def on_epoch_begin(self):
        self.told.append("begin")

    def on_epoch_end(self):
        self.told.append("end")


class Endless(PyDataset):
    @property
    def num_batches(self):
        return None

    def __getitem__(self, index):
        return batches()[index % 4]


def data_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("gatewise-data")]


@pytest.mark.parametrize(
    "settings", [{}, {"workers": 3}, {"use_multiprocessing": True}, {"workers": 2, "max_queue_size": 1}]
)
@pytest.mark.parametrize("kind", [Shelf, Endless])
def test_workers_do_not_change_the_training(kind, settings):
    dataset = Shelf(batches(), **settings) if kind is Shelf else Endless(**settings)
    found = compiled().fit(dataset, epochs=3, steps_per_epoch=4 if kind is Endless else None, shuffle=False, verbose=0)
    assert found.history == EXPECTED
    assert data_threads() == []
    if kind is Shelf:
        assert [told for told in dataset.told if isinstance(told, str)] == ["begin", "end"] * 3
        shuffled = []
        for workers in (1, 3):
            gatewise.utils.set_random_seed(5)
            shuffled.append(compiled().fit(Shelf(batches(), workers=workers), epochs=3, verbose=0).history)
        assert shuffled[0] == shuffled[1] != EXPECTED


@pytest.mark.parametrize("workers", [1, 3])
def test_short_epochs_go_on_with_workers(workers):
    model = compiled(0.0)
    each = [model.evaluate(x, y, verbose=0)[0] for x, y in batches()]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The data ended")
        found = model.fit(Shelf(batches(), workers=workers), steps_per_epoch=1, epochs=6, shuffle=False, verbose=0)
    assert found.history["loss"] == pytest.approx([each[k % 4] for k in range(6)], rel=1e-6)
    assert data_threads() == []


def test_an_exception_in_a_worker_comes_out_and_nothing_runs_on():
    class Broken(Shelf):
        def __getitem__(self, index):
            if index == 2:
                raise KeyError("no such file")
            return super().__getitem__(index)

    with pytest.raises(KeyError, match="no such file"):
        compiled().fit(Broken(batches(), workers=3), shuffle=False, verbose=0)
    assert data_threads() == []


def test_a_training_that_is_stopped_leaves_no_worker():
    class Stop(gatewise.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    compiled().fit(Endless(workers=4), steps_per_epoch=100, callbacks=[Stop()], verbose=0)
    assert data_threads() == []


@pytest.mark.parametrize("method", ["fit", "evaluate", "predict"])
def test_an_exception_elsewhere_leaves_no_worker(method):
    class Raise(gatewise.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyError("stop")

        on_test_batch_end = on_predict_batch_end = on_train_batch_end

    settings = {"steps_per_epoch" if method == "fit" else "steps": 100, "verbose": 0, "callbacks": [Raise()]}
    with pytest.raises(KeyError) as caught:
        getattr(compiled(), method)(Endless(workers=4), **settings)
    assert caught.traceback and data_threads() == []  # though the traceback holds all that was on the way


def test_batches_are_made_ahead_but_not_too_many():
    asked = []

    class Counting(Endless):
        def __getitem__(self, index):
            asked.append(index)
            return super().__getitem__(index)

    class Ahead(gatewise.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            assert len(asked) <= batch + 1 + 3

    compiled().fit(Counting(workers=2, max_queue_size=3), steps_per_epoch=20, callbacks=[Ahead()], verbose=0)
    assert sorted(asked) == list(range(20))  # none beyond the epoch


def test_the_length_may_change_from_epoch_to_epoch():
    class Growing(Shelf):
        def on_epoch_end(self):
            self.items = self.items + batches()[:1]

    dataset = Growing(batches()[:1])
    compiled().fit(dataset, epochs=3, shuffle=False, verbose=0)
    assert [told for told in dataset.told if told != "begin"] == [0, 0, 1, 0, 1, 2]


def test_py_dataset_by_itself():
    assert Sequence is PyDataset
    assert len(list(Shelf(batches()))) == 4 and len(list(itertools.islice(Endless(), 9))) == 9
    for arguments in ({"workers": -1}, {"workers": 1.5}, {"max_queue_size": 0}):
        with pytest.raises(ValueError, match=next(iter(arguments))):
            PyDataset(**arguments)
    with pytest.raises(TypeError, match="define __getitem__"):
        PyDataset()[0]
    with pytest.raises(TypeError, match="define __len__"):
        PyDataset().num_batches  # noqa: B018


# --- refusals ---------------------------------------------------------------------------------------------------------


class TorchDataset:
    def __len__(self):
        return 20

    def __getitem__(self, k):
        return X[k], Y[k]


TorchDataset.__module__, TorchDataset.__name__ = "torch.utils.data.dataset", "Dataset"


def endless():
    while True:
        yield from batches()


REFUSED = {
    "four items": (lambda: iter([(X, Y, Y, Y)]), ValueError, ["4 items", "(x, y, sample_weight)", "((a, b), y)"]),
    "no items": (lambda: iter([()]), ValueError, ["0 items"]),
    "nothing": (lambda: iter([]), ValueError, ["no batch"]),
    "an empty dataset": (lambda: Shelf([]), ValueError, ["no batch"]),
    "None": (lambda: Shelf([None]), TypeError, ["given NoneType None", "batch 0", "Shelf"]),
    "text": (lambda: Shelf([batches()[0], ("text", Y)]), TypeError, ["'text'"]),
    "other lengths": (lambda: iter([batches()[0], (X, Y[:3])]), ValueError, ["x: 20; y: 3", "batch 1"]),
    "endless": (lambda: itertools.cycle(batches()), ValueError, ["cycle, have no end", "steps_per_epoch=100"]),
    "an endless dataset": (Endless, ValueError, ["Endless", "steps_per_epoch"]),
    "an endless loader": (lambda: TensorflowDataset(batches(), -1), ValueError, ["no end"]),
    "single samples": (lambda: TensorflowDataset([(X[0], Y[0])], 1), ValueError, ["x: 5; y: 1", "dataset.batch(32)"]),
    "a dataset of torch": (TorchDataset, TypeError, ["single samples", "DataLoader(dataset, batch_size=32"]),
    "a class": (lambda: Shelf, TypeError, ["the class Shelf", "Shelf(...)"]),
    "a function": (lambda: endless, TypeError, ["the function endless", "endless()"]),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_what_cannot_be_batches(name, method):
    source, error, parts = REFUSED[name]
    settings = {"verbose": 0} | ({"shuffle": False} if method == "fit" else {})
    with pytest.raises(error) as caught:
        getattr(compiled(), method)(source(), **settings)
    told = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    for part in parts:
        assert part in told, told


def test_targets_beside_an_iterable():
    with pytest.raises(ValueError, match="supplies batches of its own"):
        compiled().fit(DataLoader(batches()), Y, verbose=0)
