"""Every writer of training, where it cannot write: python failing_writes.py FOLDER limit|denied prints what happened.

limit: no file may be larger than some bytes, as on a full disk (a limit that any user may set for a process).
denied: the folder may not be written to; an administrator becomes nobody first.
"""

import contextlib
import json
import os
import pathlib
import sys

import numpy as np

import gatewise
from gatewise import callbacks, layers

LIMIT = 3000
X, Y = np.ones((8, 4, 3), "float32"), np.ones((8, 1), "float32")


def model():
    gatewise.utils.set_random_seed(0)
    made = gatewise.Sequential([gatewise.Input((4, 3)), layers.LSTM(9), layers.Dense(1)])
    made.compile("adam", "mse")
    return made


def fitted(*chosen, epochs=1):
    model().fit(X, Y, batch_size=4, epochs=epochs, verbose=0, callbacks=list(chosen))


class Crash(callbacks.Callback):
    comes_last = True  # and behind BackupAndRestore

    def __init__(self, crashes):
        self.crashes = crashes

    def on_train_batch_end(self, batch, logs=None):
        if self.crashes:
            raise ZeroDivisionError


def backed_up(folder, crashes=False):
    fitted(callbacks.BackupAndRestore(folder, 1), Crash(crashes))


class Full(callbacks.Callback):
    """Lets every file grow by a few bytes only, from the first epoch on."""

    def __init__(self, path, grown):
        self.path, self.grown = path, grown

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            limit_to(self.path.stat().st_size + self.grown)


def limit_to(size):
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


WRITERS = {
    "save": ("m.keras", lambda path: model().save(path)),
    "save_weights": ("m.weights.h5", lambda path: model().save_weights(path)),
    "checkpoint": ("c.keras", lambda path: fitted(callbacks.ModelCheckpoint(path))),
    "weights": ("c.weights.h5", lambda path: fitted(callbacks.ModelCheckpoint(path, save_weights_only=True))),
    "backup": ("latest.backup", lambda path: backed_up(path.parent)),
    "table": ("log.csv", lambda path: fitted(callbacks.CSVLogger(path, append=True), Full(path, 9), epochs=3)),
}  # fmt: skip


def attempt(path, write):
    """What the writer said, whether the file is as it was, and what else lies in the folder."""
    before = path.read_bytes() if path.exists() else None
    try:
        write(path)
        said = ["nothing", ""]
    except Exception as error:
        said = [type(error).__name__, str(error)]
    with contextlib.suppress(ImportError):
        import resource

        limit_to(resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    after = path.read_bytes() if path.exists() else None
    return [*said, after == before or (after or b"").decode("latin-1"), sorted(p.name for p in path.parent.iterdir())]


def main(folder, kind):
    places = {name: pathlib.Path(folder, name) for name in WRITERS}
    for name, (file, write) in WRITERS.items():
        places[name].mkdir()
        if name == "backup":
            with contextlib.suppress(ZeroDivisionError):
                backed_up(places[name], crashes=True)
        elif name != "table":
            write(places[name] / file)
    if kind == "denied":
        fitted(callbacks.CSVLogger(os.devnull))  # loads Python's modules, which nobody may not read either
        for place in places.values():
            place.chmod(0o555)
        if os.geteuid() == 0:
            os.setuid(65534)
    found = {}
    for name, (file, write) in WRITERS.items():
        if kind == "limit" and name != "table":
            limit_to(LIMIT)
        found[name] = attempt(places[name] / file, write)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
