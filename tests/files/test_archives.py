""".keras: Keras's files read and written, the same model again, and everything that may be wrong with a file."""

import io
import json
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

import gatewise as gw
from files.zoo import CUSTOM, SERIES, ZOO, data, same, sequential
from gatewise import layers
from gatewise.models import load_model
from gatewise.training import losses, metrics, optimizers, schedules
from golden import load

GOLDEN = [(case, folder) for case, folder in load.saved_models() if (folder / "model.keras").exists()]
golden = pytest.mark.parametrize("case, folder", GOLDEN, ids=lambda value: getattr(value, "name", ""))


def arrays(folder, letter):
    with np.load(folder / "data.npz") as stored:
        names = sorted((n for n in stored.files if n[0] == letter and n[1:].isdigit()), key=lambda n: int(n[1:]))
        return [stored[name] for name in names]


def contents(path):
    """Everything in the weights of a file: {path: (attributes, type, value)}."""
    found = {}

    def note(name, item):
        value = item[()] if isinstance(item, h5py.Dataset) else None
        found[name] = (dict(item.attrs), None if value is None else (value.dtype.str, value.shape, value.tobytes()))

    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as root:
        root.visititems(note)
    return found


@golden
def test_reads_keras(case, folder):
    model = load_model(folder / "model.keras")
    inputs, expected = arrays(folder, "x"), arrays(folder, "y")
    result = model.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)
    for y, wanted in zip(result if isinstance(result, list) else [result], expected, strict=True):
        assert y.dtype == wanted.dtype
        assert load.error(y, wanted) <= (1e-13 if y.dtype == np.float64 else 1e-6)
    assert same(model.get_weights(), arrays(folder, "w"))
    assert model.compiled == case["compiled"]


@golden
def test_writes_what_keras_writes(case, folder, tmp_path):
    path = tmp_path / "again.keras"
    load_model(folder / "model.keras").save(path)
    assert contents(path) == contents(folder / "model.keras")
    with zipfile.ZipFile(path) as ours, zipfile.ZipFile(folder / "model.keras") as keras:
        assert ours.namelist() == keras.namelist()
        assert {info.compress_type for info in ours.infolist()} == {zipfile.ZIP_STORED}
        facts = json.loads(ours.read("metadata.json"))
    assert facts["keras_version"].startswith("3.")
    assert {"date_saved", "keras_version"} <= set(facts)


@pytest.mark.parametrize("name", ZOO)
def test_the_same_model_again(name, tmp_path):
    make, inputs = ZOO[name]
    model = make()
    expected = model.predict(inputs, verbose=0)
    if model.stateful:
        model.reset_states()
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", CUSTOM)
    assert same(again.get_weights(), model.get_weights())
    assert same(again.predict(inputs, verbose=0), expected)
    again.save(tmp_path / "n.keras")
    assert contents(tmp_path / "n.keras").keys() == contents(tmp_path / "m.keras").keys()


def test_users_layers_have_keras_paths(tmp_path):
    ZOO["with_own_layer"][0]().save(tmp_path / "m.keras")
    paths = {path for path in contents(tmp_path / "m.keras") if path.endswith("vars/0")}
    block = "layers/block/"
    assert paths == {
        f"{block}vars/0",
        f"{block}_first/vars/0",
        f"{block}listed/dense/vars/0",
        f"{block}listed/container/dense/vars/0",
        f"{block}named/dense/vars/0",
        f"{block}named/container/dense/vars/0",
        "layers/dense/vars/0",
    }


def test_a_layer_of_two_models_is_written_once_and_read_twice(tmp_path):
    """The structure of a file has no word for it, so the two become equal layers."""
    shared = layers.Dense(3, name="shared")
    a, x = gw.Input((3,)), gw.Input((3,))
    model = gw.Model(x, shared(gw.Model(a, shared(a), name="inner")(x)))
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert same(again.predict(data(2, 3), verbose=0), model.predict(data(2, 3), verbose=0))
    kernels = [path for path, (_, value) in contents(tmp_path / "m.keras").items() if value and value[1] == (3, 3)]
    assert len(kernels) == 1


# ---- training goes on -----------------------------------------------------------------------------------


def quartic(y_true, y_pred):
    return (y_true - y_pred) ** 4


COMPILED = {
    "names": {"optimizer": "adam", "loss": "mse", "metrics": ["mae"]},
    "momentum": {"optimizer": optimizers.SGD(0.05, momentum=0.9, nesterov=True), "loss": "mae"},
    "objects": {
        "optimizer": optimizers.RMSprop(0.01, centered=True, clipnorm=1.0),
        "loss": losses.MeanSquaredError(),
        "metrics": [metrics.MeanAbsoluteError(name="error"), "mse"],
        "loss_weights": [2.0],
    },
    "schedule": {"optimizer": optimizers.Adam(schedules.ExponentialDecay(0.1, 2, 0.5)), "loss": "mse"},
    "functions": {"optimizer": "adam", "loss": quartic, "metrics": [losses.mean_absolute_error]},
}


@pytest.mark.parametrize("settings", COMPILED.values(), ids=list(COMPILED))
@pytest.mark.parametrize("steps_before", [0, 3])
def test_training_goes_on_as_if_nothing_had_happened(settings, steps_before, tmp_path):
    fit = {"x": SERIES, "y": data(4, 2), "batch_size": 2, "verbose": 0, "shuffle": False}
    model = sequential()
    model.compile(**{**settings, "optimizer": optimizers.get(_fresh(settings["optimizer"]))})
    if steps_before:
        model.fit(**fit, epochs=steps_before)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras", {"quartic": quartic})
    assert same(again.optimizer.get_weights()[0], model.optimizer.get_weights()[0])
    assert again.fit(**fit, epochs=3).history == model.fit(**fit, epochs=3).history
    assert same(again.get_weights(), model.get_weights())


def _fresh(optimizer):
    return optimizer if isinstance(optimizer, str) else optimizers.serialize(optimizer)


def test_losses_by_output_name(tmp_path):
    x = gw.Input((5, 3))
    model = gw.Model(x, [layers.LSTM(2, name="p")(x), layers.Dense(1, name="q")(x)])
    model.compile("sgd", {"p": "mse", "q": "mae"}, loss_weights={"q": 0.5}, metrics={"q": ["mse"]})
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    targets = [data(4, 2), data(4, 5, 1)]
    assert again.evaluate(SERIES, targets, verbose=0) == model.evaluate(SERIES, targets, verbose=0)


def test_frozen_weights_have_no_state(tmp_path):
    model = sequential()
    model.layers[0].trainable = False
    model.compile("adam", "mse")
    model.fit(SERIES, data(4, 2), verbose=0)
    model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert not again.layers[0].trainable
    assert len(again.optimizer.variables) == 2 + 2 * 2
    assert same(again.optimizer.get_weights(), model.optimizer.get_weights())


def test_compile_false(tmp_path):
    model = sequential()
    model.compile("adam", quartic)
    model.save(tmp_path / "m.keras")
    assert not load_model(tmp_path / "m.keras", compile=False).compiled
    with pytest.raises(ValueError, match=r"unknown loss 'quartic'.*custom_objects=\{'quartic'.*compile=False"):
        load_model(tmp_path / "m.keras")


def test_a_lambda_among_the_compile_arguments_is_left_out_with_a_warning(tmp_path):
    model = sequential()
    model.compile("adam", lambda a, b: (a - b) ** 2)
    with pytest.warns(UserWarning, match="without its compile\\(\\) arguments: A lambda cannot be saved"):
        model.save(tmp_path / "m.keras")
    again = load_model(tmp_path / "m.keras")
    assert not again.compiled
    assert same(again.get_weights(), model.get_weights())


# ---- what may be wrong with a file ----------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "m.keras"
    sequential().save(path)
    return path


def rewritten(path, **parts):
    """The archive with parts replaced (None: left out)."""
    with zipfile.ZipFile(path) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    names = {"config": "config.json", "weights": "model.weights.h5"}
    old.update({names[key]: value for key, value in parts.items()})
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in old.items():
            if content is not None:
                archive.writestr(name, content)
    return path


def config_of(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="m.keras does not exist"):
        load_model(tmp_path / "m.keras")
    (tmp_path / "d.keras").mkdir()
    with pytest.raises(FileNotFoundError, match="is a folder"):
        load_model(tmp_path / "d.keras")


@pytest.mark.parametrize("name", ["m.h6", "m", "m.weights.h5", "m.pkl"])
def test_unknown_endings(name, tmp_path):
    for act in (lambda: sequential().save(tmp_path / name), lambda: load_model(tmp_path / name)):
        with pytest.raises(ValueError, match=r"ends in \.keras; got"):
            act()


def test_overwriting_is_asked_for(saved):
    before = saved.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        sequential().save(saved, overwrite=False)
    assert saved.read_bytes() == before


def test_a_failure_while_saving_leaves_the_old_file(saved, monkeypatch):
    before = saved.read_bytes()
    model = sequential()
    monkeypatch.setattr(type(model.layers[1]), "save_own_variables", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model.save(saved)
    assert saved.read_bytes() == before
    assert len(list(saved.parent.iterdir())) == 1


def test_an_unbuilt_model(tmp_path):
    with pytest.raises(ValueError, match="is not built"):
        gw.Sequential([layers.LSTM(4)]).save(tmp_path / "m.keras")


@pytest.mark.parametrize("kept", [0.999, 0.9, 0.5, 0.1, 0.01])
def test_truncated(saved, kept):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ValueError, match="damaged or was not written to its end"):
        load_model(saved)


def test_flipped_bits_are_noticed(saved):
    content = bytearray(saved.read_bytes())
    for place in range(200, len(content) - 400, 997):
        flipped = content[:]
        flipped[place] ^= 0x10
        saved.write_bytes(flipped)
        with pytest.raises(ValueError, match="damaged|not a .keras|is not"):
            load_model(saved)


@pytest.mark.parametrize(
    "content, message",
    [(b"", "no zip"), (b"hello " * 99, "no zip"), (b"\x89HDF\r\n\x1a\n" + b"x" * 99, "is an HDF5 file")],
)
def test_other_files(tmp_path, content, message):
    (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_model(tmp_path / "m.keras")


@pytest.mark.parametrize("part", ["config", "weights"])
def test_missing_parts(saved, part):
    with pytest.raises(ValueError, match="not a .keras file: it has no"):
        load_model(rewritten(saved, **{part: None}))


@pytest.mark.parametrize("config", [b"", b"{", b"[1, 2]", b"\xff\xfe", b"[" * 100_000, b'{"class_name": "Dense"}'])
def test_bad_configurations(saved, config):
    with pytest.raises(ValueError, match="m.keras"):
        load_model(rewritten(saved, config=config))


@pytest.mark.parametrize("weights", [b"", b"nothing", b"\x89HDF\r\n\x1a\n" + b"\0" * 200])
def test_bad_weights(saved, weights):
    with pytest.raises(ValueError, match=r"model\.weights\.h5\) is"):
        load_model(rewritten(saved, weights=weights))


def test_code_in_a_file_is_refused_in_any_mode(saved):
    config = config_of(saved)
    code = {"class_name": "Lambda", "module": "keras.layers", "config": {"name": "trap", "function": {}}}
    config["config"]["layers"].append(code)
    rewritten(saved, config=json.dumps(config))
    for safe_mode in (True, False):
        with pytest.raises(ValueError, match="a Lambda layer named 'trap': code, which is never run"):
            load_model(saved, safe_mode=safe_mode)


def test_unknown_classes_are_named(tmp_path):
    ZOO["with_own_layer"][0]().save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"unknown layer 'Block'.*custom_objects=\{'Block': \.\.\.\}"):
        load_model(tmp_path / "m.keras")


def test_weights_of_another_model(saved, tmp_path):
    gw.Sequential([gw.Input((5, 2)), layers.LSTM(4), layers.Dense(2)]).save(tmp_path / "other.keras")
    with zipfile.ZipFile(tmp_path / "other.keras") as archive:
        weights = archive.read("model.weights.h5")
    with pytest.raises(ValueError, match=r"kernel' of layer 'lstm_cell'.*\(3, 16\).*holds shape \(2, 16\)"):
        load_model(rewritten(saved, weights=weights))


def test_names_in_the_archive_lead_nowhere(saved, tmp_path):
    absolute = tmp_path / "elsewhere" / "escaped.txt"
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("../escaped.txt", "no")
        archive.writestr(str(absolute), "no")
    load_model(saved)
    assert not (tmp_path.parent / "escaped.txt").exists() and not absolute.parent.exists()


def test_a_bomb_is_not_unpacked(saved):
    with zipfile.ZipFile(saved) as archive:
        config = archive.read("config.json")
    with zipfile.ZipFile(saved, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", config)
        archive.writestr("model.weights.h5", bytes(40 << 20))
    with pytest.raises(ValueError, match="would unpack from"):
        load_model(saved)


def test_without_h5py_the_error_says_what_to_install(saved):
    script = (
        "import sys; sys.modules['h5py'] = None\nimport gatewise as gw\n"
        "try: gw.load_model(sys.argv[1])\nexcept ImportError as error: print(error)"
    )
    result = subprocess.run([sys.executable, "-c", script, str(saved)], capture_output=True, text=True, check=True)
    assert 'pip install "gatewise[files]"' in result.stdout


def test_import_loads_no_h5py():
    script = "import sys, gatewise, gatewise.models, gatewise.saving; print('h5py' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
