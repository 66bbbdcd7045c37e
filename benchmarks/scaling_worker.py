"""gatewise alone, in a process of its own: `python -m benchmarks.scaling_worker QUICK THREADS` prints JSON.

`python -m benchmarks.scaling_worker memory LAYERS N T F H` prints what `gatewise.memory` says of a training step and
what it took, in bytes: peaks are of whole processes, so each has one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import gatewise as gw
from benchmarks.grid import Cell

BASE = Cell(16, 20, 32, 64)
"""The sizes that stay while one changes."""
_POWERS = (1, 2, 4, 8, 16, 32, 64)
_NEIGHBOURS = tuple(n + step for n in (128, 256, 512, 1024) for step in (-1, 0, 1))
SIZES = {"quick": (*_POWERS, 127, 128, 129), "full": (*_POWERS, *_NEIGHBOURS)}
DIAGONAL = {"quick": (1, 2, 4, 8, 16), "full": (1, 2, 4, 8, 16, 32, 64, 128)}
LAYERS = {"quick": (1, 2, 4), "full": (1, 2, 3, 4, 6, 8)}
SECONDS = {"quick": 0.03, "full": 0.4}
"""How long each point is timed; its time is that of the fastest call."""
MEMORY = {
    "quick": ((1, 32, 200, 16, 64),),
    "full": ((1, 32, 1000, 16, 64), (1, 32, 2000, 16, 64), (1, 32, 1000, 16, 128),
        (2, 32, 1000, 16, 64), (1, 64, 1000, 64, 64)),
}  # fmt: skip
"""(layers, N, T, F, H) of models of which the memory is measured."""


def call_seconds(call: Callable[[], Any], seconds: float) -> float:
    """The time of the fastest call: what else runs on the machine would bend the curves."""
    call()
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < 3 or (time.perf_counter() < end and len(times) < 3000):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def prediction(cell: Cell, layers: int = 1) -> Callable[[], Any]:
    """A call of a model of so many LSTMs."""
    N, T, F, H = cell
    chosen = [gw.layers.LSTM(H, return_sequences=k + 1 < layers) for k in range(layers)]
    model = gw.Sequential([gw.Input((T, F)), *chosen])
    x = np.random.default_rng(0).standard_normal((N, T, F)).astype(np.float32)
    return lambda: model(x)


def curve(axis: str, sizes: Sequence[int], seconds: float) -> list[dict[str, Any]]:
    """Times against one size, or against all of them at once ("all")."""
    found = []
    for size in sizes:
        cell = Cell(size, size, size, size) if axis == "all" else BASE._replace(**{axis: size})
        taken = call_seconds(prediction(cell), seconds)
        found.append({"at": size, "cell": list(cell), "seconds": taken, "flops": cell.flops("infer")})
    return found


def by_layers(counts: Sequence[int], seconds: float) -> list[dict[str, Any]]:
    """Times against the number of layers; all but the first take H features."""
    found = []
    for count in counts:
        cell = BASE._replace(F=BASE.H)
        taken = call_seconds(prediction(cell, count), seconds)
        found.append({"at": count, "cell": list(cell), "seconds": taken, "flops": count * cell.flops("infer")})
    return found


def by_threads(most: int, seconds: float) -> list[dict[str, Any]]:
    """Times against the number of threads, with many sequences and with one."""
    found = []
    for cell in (Cell(64, 50, 64, 128), Cell(1, 50, 256, 512)):
        call = prediction(cell)
        for threads in range(1, most + 1):
            gw.config.set_threads(threads)
            found.append({"at": threads, "cell": list(cell), "seconds": call_seconds(call, seconds)})
    return found


def at_the_same_time(seconds: float) -> dict[str, float]:
    """Predictions a second of two Python threads with one kernel thread each, over those of one alone."""
    cell = Cell(32, 50, 64, 128)
    calls = [prediction(cell), prediction(cell)]
    gw.config.set_threads(1)
    alone = _count(calls[:1], seconds)
    both = _count(calls, seconds)
    return {"one": alone / seconds, "two": both / seconds, "ratio": both / alone}


def _count(calls: Sequence[Callable[[], Any]], seconds: float) -> int:
    """How many calls all threads together finish in that time."""
    counts = [0] * len(calls)
    begin = threading.Barrier(len(calls))

    def work(k: int) -> None:
        calls[k]()
        begin.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            calls[k]()
            counts[k] += 1

    workers = [threading.Thread(target=work, args=(k,)) for k in range(len(calls))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts)


def beside_blas(threads: int, seconds: float) -> dict[str, float]:
    """A prediction and a product by NumPy's BLAS in turn, over both alone: 1 if neither is in the way."""
    gw.config.set_threads(threads)
    predict = prediction(Cell(64, 50, 64, 128))
    a = np.random.default_rng(0).standard_normal((768, 768)).astype(np.float32)

    def both() -> None:
        predict()
        np.matmul(a, a)

    alone = call_seconds(predict, seconds) + call_seconds(lambda: np.matmul(a, a), seconds)
    turns = call_seconds(both, 2 * seconds)
    return {"alone": alone, "in_turn": turns, "ratio": turns / alone}


def idle_cpu_seconds(threads: int) -> float:
    """CPU time of this process in one second in which it does nothing, just after work on all threads."""
    gw.config.set_threads(threads)
    predict = prediction(Cell(64, 50, 64, 128))
    for _ in range(3):
        predict()
    before = time.process_time()
    time.sleep(1)
    return time.process_time() - before


def memory_of(layers: int, N: int, T: int, F: int, H: int) -> dict[str, int]:
    """What a training step takes beyond what stands before it: told, and measured (Linux)."""
    gw.config.set_threads(1)
    chosen = [gw.layers.LSTM(H, return_sequences=k + 1 < layers) for k in range(layers)]
    model = gw.Sequential([gw.Input((T, F)), *chosen, gw.layers.Dense(1)])
    model.compile("adam", "mse")
    x, y = np.zeros((N, T, F), np.float32), np.zeros((N, 1), np.float32)
    x[:], y[:] = 0.5, 1  # pages that were never written do not count
    model.train_on_batch(x[:1], y[:1])
    told = gw.memory(model, batch_size=N)
    standing = told.parameter_bytes + told.gradient_bytes // 2 + told.optimizer_bytes + told.input_bytes
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak so far is forgotten
    before = _peak()
    model.train_on_batch(x, y)
    return {"told": told.peak_bytes - standing, "took": _peak() - before}


def _peak() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def _memories(chosen: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    if not os.path.exists("/proc/self/clear_refs"):
        return []
    found = []
    for sizes in chosen:
        arguments = [sys.executable, "-m", "benchmarks.scaling_worker", "memory", *map(str, sizes)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        found.append({"sizes": list(sizes), **json.loads(done.stdout)})
    return found


def measure(name: str, threads: int) -> dict[str, Any]:
    """Everything, as plain data."""
    gw.config.set_threads(threads)
    seconds = SECONDS[name]
    curves = {axis: curve(axis, SIZES[name], seconds) for axis in "NTFH"}
    return {
        "curves": curves | {"all": curve("all", DIAGONAL[name], seconds), "layers": by_layers(LAYERS[name], seconds)},
        "threads": by_threads(threads, 2 * seconds),
        "same_time": at_the_same_time(5 * seconds),
        "with_blas": beside_blas(threads, 5 * seconds),
        "idle_cpu_seconds": idle_cpu_seconds(threads),
        "memory": _memories(MEMORY[name]),
    }


def main() -> None:
    """As the file's head says."""
    if sys.argv[1] == "memory":
        print(json.dumps(memory_of(*map(int, sys.argv[2:]))))
    else:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))


if __name__ == "__main__":
    main()
