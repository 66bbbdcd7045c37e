"""Traces as data of other libraries, in files, and of long sequences part by part."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import gatewise as gw
from explain import traced_models
from explain.traced_models import F, data, seq, sequential
from gatewise import config, layers
from gatewise.explain.trace_data import Trace


@pytest.fixture(autouse=True)
def _fresh_names():
    config.reset_names()


def example(gradients=False):
    model = traced_models.MODELS["masking"]()
    x = data(3, 11, F)
    x[0, 4:7] = 0
    if not gradients:
        return gw.trace(model, x, preactivations=True)
    return gw.trace(model, x, y=data(3, 2), gradients=True, loss="mse")


def assert_same(a, b):
    assert list(a) == list(b) and a.model == b.model and a.loss == b.loss
    for path, layer in a.items():
        other = b[path]
        for name in ("name", "kind", "dims", "gates", "reads_backwards"):
            assert getattr(layer, name) == getattr(other, name), name
        assert layer.config.keys() == other.config.keys()
        for held, found in ((layer.arrays, other.arrays), (layer.initial, other.initial)):
            assert held.keys() == found.keys()
            for name, values in held.items():
                assert values.dtype == found[name].dtype
                np.testing.assert_array_equal(values, found[name])
        assert (layer.mask is None) == (other.mask is None)
        if layer.mask is not None:
            assert other.mask.dtype == bool
            np.testing.assert_array_equal(layer.mask, other.mask)


@pytest.mark.parametrize("ending", ["npz", "nc"])
@pytest.mark.parametrize("gradients", [False, True])
def test_a_file_gives_back_what_was_saved(tmp_path, ending, gradients):
    if ending == "nc":
        pytest.importorskip("h5netcdf")
    trace = example(gradients)
    trace.save(tmp_path / f"trace.{ending}")
    assert_same(trace, Trace.load(tmp_path / f"trace.{ending}"))
    config.reset_names()
    twice = gw.trace(traced_models.shared(), data(2, 4, F))
    twice.save(tmp_path / f"twice.{ending}")
    assert list(Trace.load(tmp_path / f"twice.{ending}")) == ["lstm", "lstm (2)"]


def test_xarray_reads_the_file_and_the_dataset_says_what_is_what(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    trace = example()
    trace.save(tmp_path / "trace.nc")
    dataset = trace["lstm"].to_xarray()
    assert dataset["f"].dims == ("sample", "time", "unit") and dataset["input"].dims == ("sample", "time", "feature")
    assert dataset["f"].attrs == {"long_name": "forget gate", "units": "1"}
    assert dataset["z_f"].attrs["long_name"] == "sum before activation of the forget gate"
    assert dataset.attrs["kind"] == "LSTM" and '"units": 5' in dataset.attrs["config"]
    np.testing.assert_array_equal(dataset["h"].values, trace["lstm"]["h"])
    np.testing.assert_array_equal(dataset["mask"].values, trace["lstm"].mask)
    assert float(dataset["f"].mean("time").isel(sample=1, unit=2)) == pytest.approx(trace["lstm"]["f"][1, :, 2].mean())
    for path, whole in trace.to_xarray().items():
        with xarray.open_dataset(tmp_path / "trace.nc", group=path, engine="h5netcdf") as found:
            for name in trace[path]:
                np.testing.assert_array_equal(found[name].values, whole[name].values)
    gru = trace["forward_gru"].to_xarray()
    assert gru["g"].attrs["long_name"] == "candidate (h~)"
    for name in traced_models.MODELS:  # the axes of every variable agree in every model
        for layer in gw.trace(traced_models.MODELS[name](), data(2, 5, F)).values():
            layer.to_xarray()


def test_frames():
    trace = example()
    frame = trace["lstm"].to_dataframe()
    assert frame.index.names == ["sample", "time"] and frame.columns.names == ["variable", "unit"]
    assert frame.loc[(2, 7), ("f", 3)] == trace["lstm"]["f"][2, 7, 3]
    long = trace.to_dataframe()
    assert list(long) == ["layer", "variable", "sample", "time", "unit", "value"]
    assert len(long) == sum(v.size for layer in trace.values() for v in layer.arrays.values())
    chosen = long.query("layer == 'lstm' and variable == 'c' and sample == 1 and unit == 4")
    np.testing.assert_array_equal(chosen.value, trace["lstm"]["c"][1, :, 4])


def test_files_that_are_none(tmp_path):
    trace = example()
    with pytest.raises(ValueError, match=r"ends in \.npz or \.nc \(netCDF\); got .*trace.csv"):
        trace.save(tmp_path / "trace.csv")
    np.savez(tmp_path / "other.npz", a=np.ones(2))
    (tmp_path / "text.npz").write_text("no")
    trace.save(tmp_path / "whole.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:500])
    for name in ("other.npz", "text.npz", "cut.npz"):
        with pytest.raises(ValueError, match=f"{name} holds no trace"):
            Trace.load(tmp_path / name)
    (tmp_path / "text.nc").write_text("no")
    pytest.importorskip("h5netcdf")
    with pytest.raises(ValueError, match="text.nc holds no trace"):
        Trace.load(tmp_path / "text.nc")
    for name in ("no.npz", "no.nc"):
        with pytest.raises(FileNotFoundError):
            Trace.load(tmp_path / name)
    with pytest.raises(ValueError, match="without .npz files"):
        (tmp_path / "empty").mkdir()
        Trace.load(tmp_path / "empty")


def test_what_is_missing_is_named(monkeypatch, tmp_path):
    trace = example()
    for module, call in (
        ("xarray", trace["lstm"].to_xarray),
        ("pandas", trace.to_dataframe),
        ("h5netcdf", lambda: trace.save(tmp_path / "a.nc")),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ImportError, match=rf'needs {module}, .*: pip install "gatewise.trace."'):
            call()
    assert not list(tmp_path.iterdir())


# --- part by part --------------------------------------------------------------------------------------------

CAUSAL = [
    "lstm", "gru", "simple_rnn", "own_activation", "all_variants", "zoneout", "stacked", "stacked_cells", "users_cell",
    "users_cell_in_a_stack", "last_output", "zero_output", "nested", "shared",
]  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 4, 100])
@pytest.mark.parametrize("name", CAUSAL)
def test_parts_are_the_whole_to_the_last_bit(name, chunk, tmp_path):
    model, x = traced_models.MODELS[name](), data(3, 11, F)
    x[0, 2:7] = 0
    whole = gw.trace(model, x, preactivations=True)
    found = Trace.load(gw.trace(model, x, preactivations=True, to=tmp_path / "parts", chunk=chunk))
    whole.loss = found.loss
    assert_same(whole, found)


def test_parts_in_one_netcdf_file(tmp_path):
    pytest.importorskip("h5netcdf")
    model, x = traced_models.MODELS["stacked"](), data(3, 11, F)
    path = gw.trace(model, x, to=tmp_path / "trace.nc", chunk=4)
    assert path == tmp_path / "trace.nc"
    assert_same(gw.trace(model, x), Trace.load(path))
    assert list(Trace.load(gw.trace(model, x, layers="gru", to=tmp_path / "b.nc"))) == ["gru"]
    with pytest.raises(ValueError):  # a part that fails leaves nothing
        gw.trace(model, data(3, 11, F + 1), to=tmp_path / "c.nc", chunk=4)
    assert not list(tmp_path.glob("*c.nc*"))


def test_parts_of_a_layer_with_states_masks_and_memory_of_its_own(tmp_path):
    layer, x = seq(layers.LSTM, 4), data(2, 9, F)
    states, mask = [data(2, 4, seed=1), data(2, 4, seed=2)], data(2, 9, seed=3) > 0
    for k, options in enumerate(({"initial_state": states}, {"mask": mask})):
        whole = gw.trace(layer, x, **options)
        assert_same(whole, Trace.load(gw.trace(layer, x, to=tmp_path / str(k), chunk=2, **options)))
    stateful = seq(layers.LSTM, 4, stateful=True)
    stateful(x)
    before = stateful.states[0].numpy()
    whole = gw.trace(stateful, x)
    assert_same(whole, Trace.load(gw.trace(stateful, x, to=tmp_path / "s", chunk=2)))
    np.testing.assert_array_equal(stateful.states[0].numpy(), before)


def test_what_cannot_be_traced_in_parts_says_why(tmp_path):
    x = data(2, 6, F)
    cases = {
        "looks at several steps at once": sequential(layers.Conv1D(2, 3, padding="causal"), layers.LSTM(2)),
        "reads the sequence from its end": sequential(layers.Bidirectional(layers.LSTM(2))),
        "begins after the last step": sequential(layers.LSTM(2), layers.RepeatVector(3), layers.LSTM(2)),
        "what it does with the time steps is not known": traced_models.Subclassed(),
        "a cell whose output is not its first state": traced_models.MODELS["masked_users_cell"](),
    }
    for reason, model in cases.items():
        with pytest.raises(ValueError, match=reason):
            gw.trace(model, np.zeros_like(x), to=tmp_path / "x", chunk=2)
        for part in (tmp_path / "x").glob("*"):
            part.unlink()
    with pytest.raises(ValueError, match="reads the sequence from its end"):
        gw.trace(layers.LSTM(2, go_backwards=True), x, to=tmp_path / "x")
    model = sequential(layers.LSTM(2))
    with pytest.raises(ValueError, match="does not go with gradients, training"):
        gw.trace(model, x, to=tmp_path / "x", gradients=True, y=x, training=True)
    for chunk in (0, 2.5, None, True):
        with pytest.raises(ValueError, match="chunk is a number of steps, 1 or more"):
            gw.trace(model, x, to=tmp_path / "x", chunk=chunk)
    with pytest.raises(ValueError, match=r"ends in \.nc \(netCDF\), or a folder"):
        gw.trace(model, x, to=tmp_path / "x.csv")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    with pytest.raises(FileExistsError, match="a new or an empty folder"):
        gw.trace(model, x, to=tmp_path / "full")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_sequence_longer_than_memory(tmp_path):
    """A trace of 150 MB, from a memory map, in a process that may take little more than it has at the start."""
    code = textwrap.dedent(
        f"""
        import numpy as np
        import gatewise as gw
        from gatewise import layers

        def most_memory():  # of this process alone: what `resource` tells may be the parent's
            return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])

        x = np.lib.format.open_memmap({str(tmp_path / "x.npy")!r}, "w+", "float32", (1, 150_000, 4))
        x[:] = 0.5
        model = gw.Sequential([gw.Input((None, 4)), layers.LSTM(32, return_sequences=True), layers.Dense(1)])
        gw.trace(model, x[:, :1000], to={str(tmp_path / "short")!r}, chunk=500)
        before = most_memory()
        gw.trace(model, x, to={str(tmp_path / "long")!r}, chunk=500)
        print(most_memory() - before)
        """
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    written = sum(part.stat().st_size for part in (tmp_path / "long").iterdir())
    assert written > 130e6
    assert int(done.stdout) * 1024 < 30e6


def test_parts_of_models_with_several_inputs_and_of_words(tmp_path):
    x, h, c = gw.Input((None, F)), gw.Input((4,)), gw.Input((4,))
    y = seq(layers.LSTM, 4, name="lstm")(x, initial_state=[h, c])
    model = gw.Model([x, h, c], layers.GRU(2, return_sequences=True, name="gru")(y))
    given = [data(2, 9, F), data(2, 4, seed=1), data(2, 4, seed=2)]
    found = Trace.load(gw.trace(model, given, to=tmp_path / "a", chunk=4))
    assert_same(gw.trace(model, given), found)
    np.testing.assert_array_equal(found["lstm"].initial["c"], given[2])
    by_name = dict(zip(model.input_names, given, strict=True))
    assert_same(found, Trace.load(gw.trace(model, by_name, to=tmp_path / "b", chunk=3)))
    with pytest.raises(ValueError, match="has 3 inputs; got 1 arrays"):
        gw.trace(model, given[0], to=tmp_path / "c")
    words = gw.Sequential([gw.Input((None,)), layers.Embedding(9, 3, mask_zero=True), seq(layers.LSTM, 4)])
    numbers = np.arange(20).reshape(2, 10) % 9
    assert_same(gw.trace(words, numbers), Trace.load(gw.trace(words, numbers, to=tmp_path / "d", chunk=3)))
