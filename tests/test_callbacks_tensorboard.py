"""The TensorBoard callback: event files, read back by TensorBoard's own reader."""

import json
import sys

import numpy as np
import pytest

import gatewise
from gatewise import callbacks, layers
from training_models import data, forecaster

X, Y = data(6)


def read(folder):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0, "tensors": 0, "images": 0})
    found.Reload()
    return found


def scalars(found, tag):
    return [(event.step, event.value) for event in found.Scalars(tag)]


def trained(folder, model=None, x=X, **settings):
    pytest.importorskip("tensorboardX")
    model = model or forecaster()
    model.compile("sgd", "mse", metrics=["mae"])
    chosen = [callbacks.TensorBoard(folder, **settings)]
    history = model.fit(x, Y, batch_size=2, epochs=3, validation_data=(x, Y), verbose=0, callbacks=chosen)
    return model, history.history


def test_scalars(tmp_path):
    _, history = trained(tmp_path, update_freq=2, write_steps_per_second=True)
    train, held_out = read(tmp_path / "train"), read(tmp_path / "validation")
    for name in ("loss", "mae"):
        assert scalars(train, f"epoch_{name}") == [(k, pytest.approx(v)) for k, v in enumerate(history[name])]
        val = history[f"val_{name}"]
        assert scalars(held_out, f"epoch_{name}") == [(k, pytest.approx(v)) for k, v in enumerate(val)]
        found = scalars(held_out, f"evaluation_{name}_vs_iterations")
        assert found == [(3 * k + 3, pytest.approx(v)) for k, v in enumerate(val)]
        assert [step for step, _ in scalars(train, f"batch_{name}")] == [2, 4, 6, 8]
    assert scalars(train, "epoch_learning_rate") == [(k, pytest.approx(0.01)) for k in range(3)]
    assert all(value > 0 for _, value in scalars(train, "epoch_steps_per_second"))


def test_histograms_images_and_the_structure(tmp_path):
    model, _ = trained(tmp_path, histogram_freq=2, write_images=True)
    found = read(tmp_path / "train")
    for weight in model.weights:
        events = found.Histograms(f"{weight.path}/histogram")
        assert [event.step for event in events] == [0, 2]
        last = events[-1].histogram_value
        values = weight.numpy()
        assert last.num == values.size and last.sum == pytest.approx(float(values.sum()), abs=1e-5)
        assert (last.min, last.max) == (pytest.approx(values.min()), pytest.approx(values.max()))
        assert len(found.Images(f"{weight.path}/image")) == 2
    (structure,) = found.Tensors("keras")
    told = json.loads(structure.tensor_proto.string_val[0])
    assert told["class_name"] == "Sequential" and len(told["config"]["layers"]) == 3


def test_histograms_of_the_gates(tmp_path):
    x = X.copy()
    x[0, 3:] = 0
    lstm = layers.LSTM(3, return_sequences=True, name="lstm")
    first, last = layers.Bidirectional(lstm, name="both"), layers.GRU(2, name="gru")
    model = gatewise.Sequential([gatewise.Input((5, 3)), layers.Masking(), first, last, layers.Dense(1)])
    trained(tmp_path, model, histogram_freq=2, trace_data=x[:3])
    found = read(tmp_path / "train")
    trace = gatewise.trace(model, x[:3])
    tags = {tag for tag in found.Tags()["histograms"] if tag.startswith("gates/")}
    assert tags == {f"gates/both/{way}_lstm/{name}" for way in ("forward", "backward") for name in "ifgoch"} | {
        f"gates/gru/{name}" for name in "zrgh"
    }
    for tag in tags:
        events = found.Histograms(tag)
        assert [event.step for event in events] == [0, 2]
        _, _, rest = tag.partition("/")
        path, _, name = rest.rpartition("/")
        values = trace[path][name][trace[path].mask]
        told = events[-1].histogram_value
        assert told.num == values.size < 3 * 5 * values.shape[-1]
        assert told.sum == pytest.approx(float(values.sum()), abs=1e-5)
        assert (told.min, told.max) == (pytest.approx(values.min()), pytest.approx(values.max()))
        assert sum(told.bucket) == values.size


def test_embeddings(tmp_path):
    model = gatewise.Sequential([gatewise.Input((4,)), layers.Embedding(5, 2, name="words"), layers.LSTM(2)])
    model.add(layers.Dense(1))
    (tmp_path / "labels.tsv").write_text("a\nb\nc\nd\ne\n")
    numbers = np.arange(24).reshape(6, 4) % 5
    trained(
        tmp_path / "logs", model, numbers, embeddings_freq=2, embeddings_metadata={"words": tmp_path / "labels.tsv"}
    )
    assert "words" in (tmp_path / "logs" / "train" / "projector_config.pbtxt").read_text()
    (tmp_path / "labels.tsv").write_text("a\n")
    with pytest.raises(ValueError, match="has 1 labels, and layer 'words' 5 rows"):
        trained(tmp_path / "more", model, numbers, embeddings_freq=2, embeddings_metadata=str(tmp_path / "labels.tsv"))


def test_what_is_refused(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="profile_batch is 0"):
        callbacks.TensorBoard(profile_batch=(2, 3))
    with pytest.raises(ValueError, match="update_freq is 'epoch', 'batch' or a number"):
        callbacks.TensorBoard(update_freq="step")
    for frequency in (0, -2):
        with pytest.raises(ValueError, match=f"update_freq is 'epoch', .*got {frequency}"):
            callbacks.TensorBoard(update_freq=frequency)
    for name, value in (("histogram_freq", "x"), ("histogram_freq", -1), ("embeddings_freq", 1.5)):
        with pytest.raises(ValueError, match=f"{name} is a number of epochs, or 0 for never; got {value!r}"):
            callbacks.TensorBoard(**{name: value})
    with pytest.raises(ValueError, match="trace_data are for histograms of gates; .* histogram_freq=1"):
        callbacks.TensorBoard(trace_data=X)
    with pytest.raises(ValueError, match="expected: .*features=3"):
        trained(tmp_path, histogram_freq=1, trace_data=X[..., :2])
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install \"gatewise\[tensorboard\]\""):
        callbacks.TensorBoard()
