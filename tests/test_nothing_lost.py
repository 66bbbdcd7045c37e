"""Files that cannot be written or read: a clear error, the file before as it was, and never a wrong model."""

import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pytest

import gatewise
from gatewise import callbacks, layers
from gatewise.files.sealed import SEAL_BYTES
from gatewise.training.callbacks.backup_file import read_backup, write_backup

SCRIPT = pathlib.Path(__file__).with_name("failing_writes.py")
X, Y = np.ones((8, 4, 3), "float32"), np.ones((8, 2), "float32")


@pytest.fixture
def open_folder():
    """A folder that every user may look into, as those of pytest are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def attempted(folder, kind):
    source = str(pathlib.Path(gatewise.__file__).parents[1])
    command = [sys.executable, "-W", "ignore", str(SCRIPT), str(folder), kind]
    environment = {**os.environ, "PYTHONPATH": source}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


OWNERS = {"checkpoint": "ModelCheckpoint, epoch 1", "weights": "ModelCheckpoint, epoch 1"}
OWNERS |= {"backup": r"BackupAndRestore \([\d,]+ bytes\)", "table": "CSVLogger"}


@pytest.mark.skipif(os.name != "posix", reason="limits of a process and rights of folders are POSIX's")
@pytest.mark.parametrize(
    "kind, error, reason",
    [
        ("limit", "OSError", "File too large.*The disk or a limit .* allows no file so large; write to another disk"),
        ("denied", "PermissionError", "Permission denied.*Ask for the right to write there, or give another folder"),
    ],
)
def test_what_cannot_be_written(open_folder, kind, error, reason):
    found = attempted(open_folder, kind)
    assert len(found) == 6
    for name, (type_name, message, kept, files) in found.items():
        assert type_name == error, (name, message)
        owner = rf"{OWNERS[name]}: " if name in OWNERS else ""
        file = rf"{re.escape(str(open_folder / name))}/[\w.]+"
        assert re.fullmatch(rf"\[Errno \d+\] {owner}{file} could not be written: {reason}", message), message
        if name == "table":
            assert kept is True if kind == "denied" else kept.endswith(",NA\r\n") and kept.count("\n") == 2
        else:
            assert "The file that was there before is as it was" in message and kept is True
        assert files == ([] if (name, kind) == ("table", "denied") else [os.path.basename(message.split(" could")[0])])


def test_a_folder_that_is_a_file(tmp_path):
    below = tmp_path / "file" / "below"
    (tmp_path / "file").write_text("mine")
    model = compiled()
    for chosen, owner in [
        (callbacks.ModelCheckpoint(below / "m.keras"), "ModelCheckpoint, epoch 1"),
        (callbacks.ModelCheckpoint(below / "m.weights.h5", save_weights_only=True), "ModelCheckpoint, epoch 1"),
        (callbacks.BackupAndRestore(below), "BackupAndRestore"),
    ]:
        with pytest.raises(OSError, match=f"{owner}: The folder .*below cannot be made: .* give another folder"):
            model.fit(X, Y, verbose=0, callbacks=[chosen])
    with pytest.raises(OSError, match="CSVLogger: .*log.csv could not be written: .*Nothing was written.*give another"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.CSVLogger(below / "log.csv")])
    pytest.importorskip("tensorboardX")
    with pytest.raises(OSError, match="TensorBoard: .*below could not be written: .* What was written before is there"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.TensorBoard(below)])
    for write, name in [(model.save, "m.keras"), (model.save_weights, "m.weights.h5")]:
        with pytest.raises(FileNotFoundError, match="The folder .*below does not exist"):
            write(below / name)
    with pytest.raises(OSError, match="The folder .*file cannot be made: a file is in its place"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path / "file")])
    assert (tmp_path / "file").read_text() == "mine" and len(list(tmp_path.iterdir())) == 1


def test_a_device_that_is_full():
    if not os.path.exists("/dev/full"):  # Linux has it; elsewhere the limit above stands for it
        return
    with pytest.raises(OSError, match="CSVLogger: /dev/full could not be written: No space left.*Make room"):
        compiled().fit(X, Y, verbose=0, callbacks=[callbacks.CSVLogger("/dev/full")])


# ---- files that are not what was written ------------------------------------------------------------------------


def compiled():
    gatewise.utils.set_random_seed(0)
    model = gatewise.Sequential([gatewise.Input((4, 3)), layers.LSTM(3), layers.Dense(2)])
    model.compile("adam", "mse")
    return model


def bits(model):
    return [v.tobytes() for v in [*model.get_weights(), *model.optimizer.get_weights()]]


def of_weights(path):
    model = compiled()
    model.load_weights(path)
    return model


def of_backup(path):
    told, arrays = read_backup(path)
    return [told, *(array.tobytes() for array in arrays)]


KINDS = {
    "m.keras": (lambda model, path: model.save(path), lambda path: bits(gatewise.load_model(path))),
    "m.weights.h5": (lambda model, path: model.save_weights(path), lambda path: bits(of_weights(path))),
    "m.backup": (lambda model, path: write_backup(path, {"a": [1, 2]}, model.get_weights()), of_backup),
}


@pytest.fixture(params=KINDS)
def written(request, tmp_path):
    """A file's path, its bytes, a function that reads it, and what it holds."""
    write, read = KINDS[request.param]
    path, model = tmp_path / request.param, compiled()
    model.fit(X, Y, verbose=0)
    write(model, path)
    return path, path.read_bytes(), read, read(path)


def read_or_refused(path, content, read):
    """What a changed file gives; None where it was refused, with its name."""
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read(path)
    except ValueError as error:
        assert str(path) in str(error), error
        return None


def test_a_file_that_was_cut_short(written):
    path, whole, read, right = written
    # Every tenth length where the file is small, at least 150 of them, and each of the last.
    lengths = {*range(0, len(whole), max(10, len(whole) // 150)), *range(len(whole) - 20, len(whole))}
    for length in sorted(lengths):
        found = read_or_refused(path, whole[:length], read)
        only_the_seal_is_cut = path.suffix == ".h5" and len(whole) - length <= SEAL_BYTES
        assert found == right if only_the_seal_is_cut else found is None, length


def test_a_file_with_a_bit_that_was_flipped(written):
    path, whole, read, right = written
    assert read_or_refused(path, whole, read) == right
    chance = random.Random(3)
    places = [chance.randrange(len(whole)) for _ in range(150)] + [*range(0, 64), *range(len(whole) - 64, len(whole))]
    refused = 0
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= 1 << chance.randrange(8)
        found = read_or_refused(path, bytes(changed), read)
        refused += found is None
        assert found in (None, right), (
            place
        )  # a bit that means nothing, such as a date in a zip archive, changes nothing
    assert refused > 0.5 * len(places)


def test_zeros_in_the_middle_as_a_crash_of_the_system_leaves_them(written):
    path, whole, read, right = written
    for k in range(10):
        start = len(whole) * k // 10
        changed = whole[:start] + bytes(min(600, len(whole) - start)) + whole[start + 600 :]
        assert read_or_refused(path, changed, read) in (None, right)


def test_weights_of_other_programs_have_no_seal_and_are_read(written):
    path, whole, read, right = written
    if path.suffix != ".h5":
        return
    assert read_or_refused(path, whole[:-SEAL_BYTES], read) == right
    chance = random.Random(4)
    for _ in range(80):  # nothing tells of a changed number here; but an error is a clear one
        changed = bytearray(whole[:-SEAL_BYTES])
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        read_or_refused(path, bytes(changed), read)


def test_a_seal_goes_when_another_program_changes_the_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    path, model = tmp_path / "m.weights.h5", compiled()
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        file["layers/dense/vars/1"][0] = 7
    model.load_weights(path)
    assert model.get_weights()[-1][0] == 7
