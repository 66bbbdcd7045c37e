"""A training that is killed goes on from its backup and ends with the bits of one that never was.

GATEWISE_KILLS=50 kills so many times, of each of two kinds; by default it is a few.
"""

import os
import pathlib
import random
import subprocess
import sys
import time

import numpy as np
import pytest

import gatewise
from gatewise import callbacks, layers
from training_models import data, forecaster

SCRIPT = pathlib.Path(__file__).with_name("killed_training.py")
KILLS = int(os.environ.get("GATEWISE_KILLS", "3"))


def begun(*arguments):
    source = str(pathlib.Path(gatewise.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen([sys.executable, str(SCRIPT), *map(str, arguments)], env=environment)


@pytest.mark.parametrize("kind", ["arrays", "generator"])
def test_a_training_killed_at_random_moments_ends_with_the_same_bits(tmp_path, kind):
    assert begun(kind, tmp_path / "plain", tmp_path / "whole.txt").wait(60) == 0
    whole = (tmp_path / "whole.txt").read_text()
    chance, killed, run = random.Random(time.time_ns()), 0, 0
    while killed < KILLS:
        run += 1
        folder, out = tmp_path / f"run{run}", tmp_path / f"{run}.txt"
        freq = chance.choice(["epoch", 1, 2, 3])
        while not out.exists():
            # Long enough for the process to begin, and to come to its end now and then.
            child = begun(kind, folder, out, freq, 0.02)
            try:
                assert child.wait(0.3 + 0.9 * chance.random()) == 0
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                killed += 1
                if killed >= KILLS:
                    assert begun(kind, folder, out, freq).wait(60) == 0
        assert out.read_text() == whole, (run, freq, killed)
        assert not folder.exists()


class Crash(Exception):
    pass


class CrashAt(callbacks.Callback):
    """Ends a training in the middle, as a crash would."""

    comes_last = True  # and behind BackupAndRestore, which stands before it in the list

    def __init__(self, batches):
        self.left = batches

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise Crash


X, Y = data(10)


def finished(folder, model, crash=None, fit=None, **settings):
    """Train, from a backup if there is one; returns all bits and the history."""
    chosen = [callbacks.BackupAndRestore(folder, **settings), CrashAt(crash or 10**9)]
    arguments = {"x": X, "y": Y, "batch_size": 3, **(fit() if fit else {})}
    history = model.fit(**arguments, epochs=4, verbose=0, callbacks=chosen)
    return [w.tobytes() for w in [*model.get_weights(), *model.optimizer.get_weights()]], history.history


def compiled(seed=None):
    gatewise.utils.set_random_seed(5)
    model = forecaster()
    model.compile("adam", "mse", metrics=["mae"])
    if seed is not None:
        gatewise.utils.set_random_seed(seed)
    return model


class Indexed:
    """Batches by number."""

    def __len__(self):
        return 4

    def __getitem__(self, k):
        return X[k : k + 3], Y[k : k + 3]


class WithWorkers(Indexed):
    """The same, made ahead by threads."""

    workers = 3


class Loader:
    """Batches that can be gone through again and again; nobody knows how many."""

    def __iter__(self):
        return (Indexed()[k] for k in range(4))


class InAFile:
    """Rows that are read when they are asked for."""

    shape, dtype, chunks = X.shape, X.dtype, None

    def __len__(self):
        return len(X)

    def __getitem__(self, chosen):
        return X[chosen]


def endless():
    k = 0
    while True:
        yield X[k % 7 : k % 7 + 3], Y[k % 7 : k % 7 + 3]
        k += 1


DATA = {
    "arrays": None,
    "batches": lambda: {"shuffle": "batch"},
    "short epochs": lambda: {"steps_per_epoch": 3},
    "indexed": lambda: {"x": Indexed(), "y": None, "batch_size": None},
    "workers": lambda: {"x": WithWorkers(), "y": None, "batch_size": None},
    "workers, short epochs": lambda: {"x": WithWorkers(), "y": None, "batch_size": None, "steps_per_epoch": 3},
    "loader": lambda: {"x": Loader(), "y": None, "batch_size": None},
    "loader, short epochs": lambda: {"x": Loader(), "y": None, "batch_size": None, "steps_per_epoch": 3},
    "a file": lambda: {"x": InAFile()},
    "generator": lambda: {"x": endless(), "y": None, "batch_size": None, "steps_per_epoch": 4},
    "validation by a generator": lambda: {"validation_data": endless(), "validation_steps": 2},
}


@pytest.mark.parametrize("kind", DATA)
@pytest.mark.parametrize("crash", [1, 3, 4, 6, 8])
def test_every_kind_of_data_goes_on_where_it_was(tmp_path, kind, crash):
    whole = finished(tmp_path / "a", compiled(), fit=DATA[kind])
    with pytest.raises(Crash):
        finished(tmp_path / "b", compiled(), crash, fit=DATA[kind], save_freq=1)
    # Another seed: all chance must come from the backup.
    assert finished(tmp_path / "b", compiled(seed=77), fit=DATA[kind], save_freq=1) == whole


def test_states_kept_between_batches_go_on(tmp_path):
    def stateful():
        gatewise.utils.set_random_seed(5)
        inner = [gatewise.Input(batch_shape=(2, 5, 3)), layers.LSTM(3, stateful=True), layers.Dense(1)]
        model = gatewise.Sequential(inner)
        model.compile("adam", "mse")
        return model

    fit = lambda: {"batch_size": 2, "shuffle": False}  # noqa: E731
    whole = finished(tmp_path / "a", stateful(), fit=fit)
    with pytest.raises(Crash):
        finished(tmp_path / "b", stateful(), 7, fit=fit, save_freq=2)
    assert finished(tmp_path / "b", stateful(), fit=fit, save_freq=2) == whole


def crashed(folder, **settings):
    with pytest.raises(Crash):
        finished(folder, compiled(), 10, **settings)
    return folder / "latest.backup"


def test_a_truncated_backup(tmp_path):
    path = crashed(tmp_path / "a")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="damaged or cut short.*Delete it"):
        finished(tmp_path / "a", compiled())
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="damaged or cut short"):
        finished(tmp_path / "a", compiled())
    whole = finished(tmp_path / "c", compiled())
    path = crashed(tmp_path / "b", double_checkpoint=True)
    found = bytearray(path.read_bytes())
    found[-1] ^= 1
    path.write_bytes(found)
    with pytest.warns(UserWarning, match="The one before it, .*previous.backup, is used"):
        assert finished(tmp_path / "b", compiled(), double_checkpoint=True) == whole


def test_a_full_disk_leaves_the_backup_before(tmp_path, monkeypatch):
    path = crashed(tmp_path / "a")
    before, real = path.read_bytes(), os.fsync

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        OSError, match="latest.backup could not be written: No space left.*before is as it was. Make room"
    ) as caught:
        finished(tmp_path / "a", compiled())
    assert caught.value.errno == 28
    with pytest.raises(
        OSError, match=r"ModelCheckpoint, epoch 1: .*m\.keras could not be written: No space left.*no such"
    ):
        compiled().fit(X, Y, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / "m.keras")])
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["latest.backup"] and path.read_bytes() == before
    assert not (tmp_path / "m.keras").exists()
    monkeypatch.setattr(os, "fsync", real)
    assert finished(tmp_path / "a", compiled()) == finished(tmp_path / "b", compiled())


def test_what_a_kill_left_half_written_is_cleared_away(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / ".latest.backup.0123abcd.tmp").write_bytes(b"half")
    finished(tmp_path / "a", compiled())
    assert not (tmp_path / "a").exists()


def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path):
    crashed(tmp_path)
    other = gatewise.Sequential([gatewise.Input((5, 3)), layers.LSTM(2), layers.Dense(1)])
    other.compile("adam", "mse")
    before = other.get_weights()
    with pytest.raises(ValueError, match="does not fit the weights of model"):
        finished(tmp_path, other)
    assert all(map(np.array_equal, before, other.get_weights()))
    sgd = forecaster()
    sgd.compile("sgd", "mse")
    with pytest.raises(ValueError, match="does not fit the state of SGD"):
        finished(tmp_path, sgd)
    with pytest.raises(ValueError, match="with the callbacks .*Give the same ones"):
        compiled().fit(X, Y, epochs=4, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path)])


class Own(gatewise.Model):
    """A subclassed model, which is built by its first call."""

    def __init__(self):
        super().__init__()
        self.lstm, self.dense = layers.LSTM(2, dropout=0.3), layers.Dense(1)

    def call(self, inputs):
        return self.dense(self.lstm(inputs))


@pytest.mark.parametrize("make", [Own, lambda: gatewise.Sequential([layers.LSTM(2, dropout=0.3), layers.Dense(1)])])
def test_models_that_fit_builds(tmp_path, make):
    def model():
        gatewise.utils.set_random_seed(5)
        made = make()
        made.compile("adam", "mse")
        return made

    whole = finished(tmp_path / "a", model())
    with pytest.raises(Crash):
        finished(tmp_path / "b", model(), 6, save_freq=1)
    assert finished(tmp_path / "b", model(), save_freq=1) == whole


def test_the_arguments(tmp_path):
    with pytest.raises(ValueError, match="backup_dir is empty"):
        callbacks.BackupAndRestore("")
    with pytest.raises(ValueError, match="BackupAndRestore: save_freq is 'epoch' or a number"):
        callbacks.BackupAndRestore(tmp_path, save_freq="step")
    (tmp_path / "mine.txt").write_text("mine")
    finished(tmp_path, compiled())
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]  # the user's own files are left alone
    finished(tmp_path / "kept", compiled(), delete_checkpoint=False)
    assert len(finished(tmp_path / "kept", compiled(), delete_checkpoint=False)[1]["loss"]) == 4

    class Odd(callbacks.Callback):
        state_names = ("thing",)
        thing = object()

        def on_epoch_end(self, epoch, logs=None):
            pass

    with pytest.raises(TypeError, match="thing is a object, which cannot be kept"):
        compiled().fit(X, Y, verbose=0, callbacks=[Odd(), callbacks.BackupAndRestore(tmp_path / "odd")])
