"""Whole processes, timed alternately from start to exit: the training script, and what imports cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers import PEERS

SCRIPT = Path(__file__).parent.parent / "tests" / "seeds" / "s003_train.py"
KERAS_PEERS = tuple(name for name in PEERS if name.startswith("keras-"))

_TENSORFLOW_IMPORTS = """\
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers
print(tf.__version__)
"""
_KERAS_IMPORTS = """\
import keras
from keras import layers
print(keras.__version__)
"""

_MODEL = "gatewise.Sequential([gatewise.Input((5, 3)), gatewise.layers.LSTM(4), gatewise.layers.Dense(1)])"
OUR_IMPORTS = {
    "nothing": "pass",
    "numpy": "import numpy",
    "numpy, gatewise": "import numpy, gatewise",
    "numpy, gatewise, a model built": f"import numpy, gatewise; {_MODEL}",
    "numpy, gatewise, a model trained one step": (
        f"import numpy as np, gatewise; m = {_MODEL}; m.compile('adam', 'mse'); "
        "m.train_on_batch(np.zeros((3, 5, 3), 'f4'), np.zeros((3, 1), 'f4'))"
    ),
}
PEER_IMPORTS = {
    "pytorch": "import torch",
    "onnxruntime": "import onnxruntime",
    "openvino": "import openvino",
    "jax": "import jax",
    **{name: "import keras" for name in KERAS_PEERS},
}


@dataclass(frozen=True)
class Command:
    """A process to time: its arguments, and variables added to the environment."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProcessTime:
    """How long a process takes from start to exit.

    ratio: the median over the rounds of (its time / the first process's in that round).
    extra_seconds: the median over the rounds of (its time - the first process's).
    """

    name: str
    median_seconds: float
    ratio: float
    extra_seconds: float
    rounds: int


@dataclass(frozen=True)
class ProcessResult:
    """The processes that were timed together, and why some are missing."""

    times: list[ProcessTime]
    missing: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON; the inverse of `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProcessResult:
        """From what `to_dict` gave."""
        return cls([ProcessTime(**item) for item in data["times"]], dict(data["missing"]))


def measure_script(peers: Sequence[str], peer_python: str, rounds: int) -> ProcessResult:
    """`gatewise run SCRIPT` beside `python SCRIPT` with Keras on each backend.

    With TensorFlow the script runs as it is; with the other backends its imports name keras instead of
    tensorflow.keras, so that they need not load TensorFlow.
    """
    text = SCRIPT.read_text()
    if _TENSORFLOW_IMPORTS not in text:
        raise ValueError(f"{SCRIPT.name} no longer begins with the imports that are replaced for other backends.")
    with tempfile.TemporaryDirectory() as folder:
        with_keras = Path(folder) / "train_keras.py"
        with_keras.write_text(text.replace(_TENSORFLOW_IMPORTS, _KERAS_IMPORTS))
        commands = [Command("gatewise run", [sys.executable, "-m", "gatewise", "run", str(SCRIPT)])]
        for name in peers:
            script = SCRIPT if name == "keras-tensorflow" else with_keras
            commands.append(Command(name, [peer_python, str(script)], PEERS[name].environment))
        return measure(commands, rounds)


def measure_imports(peers: Sequence[str], peer_python: str, rounds: int) -> ProcessResult:
    """`import numpy` beside `import numpy, gatewise`, a model built and trained, and the peers' imports."""
    commands = [Command(name, [sys.executable, "-c", code]) for name, code in OUR_IMPORTS.items()]
    commands.insert(0, commands.pop(1))  # everything is compared with `import numpy`
    for name in peers:
        if name not in PEER_IMPORTS:
            continue  # the same library again, with another setting
        code = PEER_IMPORTS[name]
        shown = f"{name}: {code}" if code == "import keras" else code
        commands.append(Command(shown, [peer_python, "-c", code], PEERS[name].environment))
    return measure(commands, rounds)


def measure(commands: Sequence[Command], rounds: int) -> ProcessResult:
    """Run all commands in turn, `rounds` times after one that is not counted.

    A command that fails is left out and noted; if the first one fails, nothing can be compared.

    Raises:
        RuntimeError: if the first command fails.
    """
    seconds: dict[str, list[float]] = {command.name: [] for command in commands}
    missing: dict[str, str] = {}
    for done in range(rounds + 1):
        for command in commands:
            if command.name in missing:
                continue
            taken, error = _run(command)
            if error is not None and command is commands[0]:
                raise RuntimeError(f"{command.name}: {error}")
            if error is not None:
                missing[command.name] = error
            elif done > 0:  # the first time reads files and writes byte code
                seconds[command.name].append(taken)
    first = seconds[commands[0].name]
    return ProcessResult(
        [_process_time(name, times, first) for name, times in seconds.items() if name not in missing], missing
    )


def _run(command: Command) -> tuple[float, str | None]:
    """(seconds from start to exit, why it failed or None)."""
    start = time.perf_counter()
    done = subprocess.run(
        command.arguments, env=os.environ | dict(command.environment), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, errors="replace",
    )  # fmt: skip
    seconds = time.perf_counter() - start
    if done.returncode == 0:
        return seconds, None
    last_line = (done.stderr.strip().splitlines() or [""])[-1]
    return seconds, f"exit code {done.returncode}: {last_line[:200]}"


def _process_time(name: str, times: list[float], first: list[float]) -> ProcessTime:
    pairs = list(zip(times, first, strict=True))
    return ProcessTime(
        name,
        statistics.median(times),
        statistics.median(a / b for a, b in pairs),
        statistics.median(a - b for a, b in pairs),
        len(times),
    )
