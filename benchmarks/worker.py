"""A peer's own process: `python -m benchmarks.worker PEER THREADS`, told what to do line by line (JSON).

    {"do": "hello"}                                  -> {"versions": {...}}
    {"do": "prepare", "cell": [...], "kind": "...", "mode": "..."}
                                 -> {"ways": {way: {"sample": [...], "seconds": s, "must_agree": true}}}
    {"do": "round", "way": "...", "seconds": s}      -> {"times": [...]}   seconds of each call
    {"do": "peak"}                                   -> {"flops": f}   of the multiply-add units (gatewise alone)

An error is answered with {"error": "..."}; the process ends when its input does.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from benchmarks.grid import Cell
from benchmarks.peers import PEERS, Peer
from benchmarks.problem import Way, make_problem

SAMPLE = 64
"""How many numbers of a result are sent back for comparison."""

MAX_CALLS = 2000
"""The most calls in one round."""


class Worker:
    """Does what the lines ask for."""

    def __init__(self, peer: Peer, threads: int) -> None:
        self.peer = peer
        self.threads = peer.threads or threads
        self.ways: dict[str, Way] = {}

    def hello(self) -> dict[str, Any]:
        """Import the library; the versions of what it consists of."""
        self._prepare_function()
        found = {}
        for name in self.peer.distributions:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:  # run from its source folder
                found[name] = str(getattr(importlib.import_module(name), "__version__", "unknown"))
        return {"versions": found}

    def prepare(self, cell: list[int], kind: str, mode: str) -> dict[str, Any]:
        """Build everything for a cell, compile it by calling it, and say what came out first."""
        self.ways = {}
        problem = make_problem(Cell(*cell), kind)
        self.ways = self._prepare_function()(problem, mode, self.threads)
        answer = {}
        for name, way in self.ways.items():
            sample = [float(number) for number in way.read(way.call()).ravel()[:SAMPLE]]
            way.call()
            answer[name] = {"sample": sample, "seconds": _time(way.call), "must_agree": way.must_agree}
        return {"ways": answer}

    def round(self, way: str, seconds: float) -> dict[str, Any]:
        """Time calls, one by one, for `seconds`; one before them, after others had the machine, is not counted."""
        call = self.ways[way].call
        call()
        times: list[float] = []
        end = time.perf_counter() + seconds
        while not times or (time.perf_counter() < end and len(times) < MAX_CALLS):
            times.append(_time(call))
        return {"times": times}

    def peak(self) -> dict[str, Any]:
        """Operations a second that the multiply-add units of all threads do from registers."""
        from gatewise.kernels import planning

        return {"flops": planning.measure_peak(0.05, self.threads)}

    def _prepare_function(self) -> Callable[..., dict[str, Way]]:
        module, _, function = self.peer.prepare.partition(":")
        return getattr(importlib.import_module(f"benchmarks.peers.{module}"), function)


def _time(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Answer lines until there are no more."""
    name, threads = sys.argv[1], int(sys.argv[2])
    if hasattr(os, "sched_setaffinity"):
        # The one limit that every library keeps, also those without a setting for it.
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    # What libraries print must not get between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    worker = Worker(PEERS[name], threads)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:  # the conductor notes it in the results
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
