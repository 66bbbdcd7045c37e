""".weights.h5: Keras's files read and written; files that do not fit change nothing."""

import os

import h5py
import numpy as np
import pytest

import gatewise as gw
from files.zoo import CUSTOM, SERIES, ZOO, data, same, sequential
from gatewise import layers
from gatewise.models import load_model, model_from_json
from golden import load

GOLDEN = [folder for _, folder in load.saved_models() if (folder / "model.weights.h5").exists()]


def tree_of(path):
    found = {}
    with h5py.File(path) as root:
        root.visititems(lambda name, item: found.update({name: (dict(item.attrs), getattr(item, "shape", None))}))
    return found


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda folder: folder.name)
def test_keras_files_both_ways(folder, tmp_path):
    model = load_model(folder / "model.keras")
    expected, state = model.get_weights(), model.optimizer.get_weights()
    model.set_weights([np.zeros_like(w) for w in expected])
    model.optimizer.set_weights([np.zeros_like(w) for w in state])
    model.load_weights(folder / "model.weights.h5")
    assert same(model.get_weights(), expected)
    assert same(model.optimizer.get_weights(), state)
    model.save_weights(tmp_path / "m.weights.h5")
    assert tree_of(tmp_path / "m.weights.h5") == tree_of(folder / "model.weights.h5")


@pytest.mark.parametrize("name", ZOO)
def test_into_a_new_model(name, tmp_path):
    make, inputs = ZOO[name]
    model = make()
    model.save_weights(tmp_path / "m.weights.h5")
    again = model_from_json(model.to_json(), CUSTOM)
    again.load_weights(tmp_path / "m.weights.h5")
    assert same(again.get_weights(), model.get_weights())


def test_from_an_archive(tmp_path):
    model, other = sequential(), sequential()
    model.save(tmp_path / "m.keras")
    other.load_weights(tmp_path / "m.keras")
    assert same(other.get_weights(), model.get_weights())


def test_endings_and_missing_files(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.weights\.h5; got"):
        sequential().save_weights(tmp_path / "m.h5")
    with pytest.raises(ValueError, match=r"ends in \.weights\.h5 or \.keras; got"):
        sequential().load_weights(tmp_path / "m.npz")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        sequential().load_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="is not built"):
        gw.Sequential([layers.LSTM(4)]).save_weights(tmp_path / "m.weights.h5")


def test_overwriting_is_asked_for(tmp_path):
    path = tmp_path / "m.weights.h5"
    sequential().save_weights(path)
    with pytest.raises(FileExistsError):
        sequential().save_weights(path, overwrite=False)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "m.weights.h5"
    sequential().save_weights(path)
    return path


def other_shape():
    return gw.Sequential([gw.Input((5, 3)), layers.LSTM(4), layers.Dense(3)])


def other_bias():
    return gw.Sequential([gw.Input((5, 3)), layers.LSTM(4, use_bias=False), layers.Dense(2)])


def one_more():
    return gw.Sequential([gw.Input((5, 3)), layers.LSTM(4), layers.Dense(2), layers.Dense(1)])


def one_less():
    return gw.Sequential([gw.Input((5, 3)), layers.LSTM(4)])


@pytest.mark.parametrize(
    "make, message",
    [
        (
            other_shape,
            r"at 'layers/dense': weight '.*/kernel' of layer 'dense.*' \(Dense\) has shape \(4, 3\).*\(4, 2\)",
        ),
        (other_bias, r"at 'layers/lstm/cell': layer 'lstm_cell' \(LSTMCell\) has the weights"),
        (one_more, r"at 'layers/dense_1': .* the file holds arrays of the shapes \[\]"),
        (one_less, r"no layer: layers/dense/vars/0, layers/dense/vars/1"),
    ],
)
def test_files_that_do_not_fit_change_nothing(saved, make, message):
    model = make()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.load_weights(saved)
    assert same(model.get_weights(), before)


def test_skip_mismatch(saved):
    model = other_shape()
    kept = model.layers[1].get_weights()
    with pytest.warns(UserWarning, match="It keeps its weights"):
        model.load_weights(saved, skip_mismatch=True)
    assert same(model.layers[1].get_weights(), kept)
    with h5py.File(saved) as root:
        np.testing.assert_array_equal(root["layers/lstm/cell/vars/0"][()], model.layers[0].kernel.numpy())


@pytest.mark.parametrize("kept", [0, 0.3, 0.9, 0.99])
def test_truncated(saved, kept):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ValueError, match="damaged|not an HDF5 file"):
        sequential().load_weights(saved)


@pytest.mark.parametrize("trap", ["external", "soft", "virtual", "text"])
def test_links_out_of_the_file_are_not_followed(saved, tmp_path, trap):
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as root:
        root["0"] = np.zeros((4, 2), np.float32)
    with h5py.File(saved, "a") as root:
        del root["layers/dense/vars/0"]
        if trap == "external":
            root["layers/dense/vars/0"] = h5py.ExternalLink(str(secret), "/0")
        elif trap == "soft":
            root["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense/vars/1")
        elif trap == "virtual":
            layout = h5py.VirtualLayout((4, 2), np.float32)
            layout[:] = h5py.VirtualSource(str(secret), "0", (4, 2))
            root.create_virtual_dataset("layers/dense/vars/0", layout)
        else:
            root["layers/dense/vars/0"] = np.full((4, 2), b"text")
    with pytest.raises(ValueError, match="never followed|not an array of this file|type"):
        sequential().load_weights(saved)


def test_a_claimed_size_is_not_believed(saved):
    with h5py.File(saved, "a") as root:
        del root["layers/dense/vars/0"]
        root.create_dataset("layers/dense/vars/0", (1 << 20, 1 << 20), np.float32, chunks=(64, 64))
    with pytest.raises(ValueError, match=r"shape \(1048576, 1048576\)"):
        sequential().load_weights(saved)


def test_another_optimizer_begins_anew_with_a_warning(tmp_path):
    model, other = sequential(), sequential()
    model.compile("adam", "mse")
    model.fit(SERIES, data(4, 2), verbose=0)
    model.save_weights(tmp_path / "m.weights.h5")
    other.compile("rmsprop", "mse")
    with pytest.warns(UserWarning, match=r"12 arrays\) does not fit the RMSprop .*\(7 arrays\), which begins anew"):
        other.load_weights(tmp_path / "m.weights.h5")
    assert same(other.get_weights(), model.get_weights())
    assert int(other.optimizer.iterations) == 0


def test_a_users_layer_may_save_itself(tmp_path):
    class Table(gw.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.words = np.zeros(3, np.int64)

        def call(self, inputs):
            return inputs

        def save_own_variables(self, store):
            super().save_own_variables(store)
            store["words"] = self.words

        def load_own_variables(self, store):
            self.words = store["words"]

    model = gw.Sequential([gw.Input((3,)), Table(), layers.Dense(1)])
    model.layers[0].words = np.arange(3)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", {"Table": Table})
    np.testing.assert_array_equal(again.layers[0].words, [0, 1, 2])


def test_nothing_is_left_behind(tmp_path):
    sequential().save_weights(tmp_path / "m.weights.h5")
    assert os.listdir(tmp_path) == ["m.weights.h5"]
