"""Asks each peer's process in turn for a short round of calls, many rounds: noise meets all of them alike."""

from __future__ import annotations

import contextlib
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.grid import Cell
from benchmarks.peers import OURS, PEERS

ROOT = Path(__file__).resolve().parent.parent
TURN_SECONDS = 0.03
"""How long one way is timed in one round."""
PAUSE_SECONDS = 0.004
"""Between two turns, so that the threads of the one before have gone to sleep."""
FEWEST_ROUNDS = 5
ANSWER_SECONDS = 600
TOLERANCE = 1e-3
"""The largest difference between a peer's result and ours, relative to the largest number, that is believed."""


class PeerError(Exception):
    """A peer could not do what it was asked; the text says why."""


@dataclass(frozen=True)
class Timing:
    """One way of one peer in one cell.

    median_seconds: of all rounds' medians.   ratio: the median over the rounds of (its time / ours in that round),
    ours being `gatewise`'s first way; more than 1 means that gatewise is faster.   quartiles: of that ratio.
    gflops: of the layer's matrix products, in billions a second.   difference: of its result from ours; None where
    it is another thing on purpose.
    """

    peer: str
    way: str
    median_seconds: float
    gflops: float
    ratio: float
    quartiles: tuple[float, float]
    rounds: int
    difference: float | None


@dataclass(frozen=True)
class CellResult:
    """All timings of a cell in one mode, and why peers are missing from it.

    kind: what the cell is of.   peak_gflops: of the multiply-add units, measured just before.
    """

    cell: Cell
    mode: str
    timings: list[Timing]
    missing: dict[str, str] = field(default_factory=dict)
    kind: str = "lstm"
    peak_gflops: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON; the inverse of `from_dict`."""
        return asdict(self) | {"cell": list(self.cell)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> CellResult:
        """From what `to_dict` gave."""
        timings = [Timing(**{**t, "quartiles": tuple(t["quartiles"])}) for t in data["timings"]]
        more = {name: data[name] for name in ("kind", "peak_gflops") if name in data}
        return cls(Cell(*data["cell"]), data["mode"], timings, dict(data["missing"]), **more)


class PeerProcess:
    """A running worker; `ask` sends it a request and waits for the answer."""

    def __init__(self, name: str, python: str, threads: int) -> None:
        self.name = name
        threads = PEERS[name].threads or threads
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)} | dict(PEERS[name].environment)
        # What it says goes to a file: a pipe that nobody empties would stop it.
        self._said = tempfile.TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.worker", name, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            PeerError: if the worker reports an error, ends, or says nothing for ANSWER_SECONDS.
        """
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            print(json.dumps({"do": do, **request}), file=process.stdin, flush=True)
        except BrokenPipeError as error:
            raise PeerError(self._why_it_ended()) from error
        if not select.select([process.stdout], [], [], ANSWER_SECONDS)[0]:
            process.kill()
            raise PeerError(f"no answer to {do!r} within {ANSWER_SECONDS} s")
        line = process.stdout.readline()
        if not line:
            raise PeerError(self._why_it_ended())
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def _why_it_ended(self) -> str:
        code = self._process.wait()
        self._said.seek(0)
        last_line = (self._said.read().strip().splitlines() or [""])[-1]
        return f"its process ended with code {code}: {last_line[:200]}"

    def close(self) -> None:
        """End the worker."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()


@contextlib.contextmanager
def orchestra(
    names: Sequence[str], peer_python: str, threads: int
) -> Iterator[tuple[dict[str, PeerProcess], dict[str, dict[str, str]], dict[str, str]]]:
    """(processes by name, gatewise first; their versions; why peers could not start) for the length of the block."""
    with contextlib.ExitStack() as stack:
        running: dict[str, PeerProcess] = {}
        versions: dict[str, dict[str, str]] = {}
        missing: dict[str, str] = {}
        for name in (OURS, *names):
            process = PeerProcess(name, sys.executable if name == OURS else peer_python, threads)
            stack.callback(process.close)
            try:
                versions[name] = process.ask("hello")["versions"]
                running[name] = process
            except PeerError as error:
                if name == OURS:
                    raise
                missing[name] = str(error)
        yield running, versions, missing


def measure_cell(
    processes: Mapping[str, PeerProcess], cell: Cell, mode: str, seconds: float, kind: str = "lstm"
) -> CellResult:
    """Time every way of every peer in one cell, for about `seconds` in all."""
    samples: dict[tuple[str, str], list[float]] = {}
    free: set[tuple[str, str]] = set()
    missing: dict[str, str] = {}
    peak = processes[OURS].ask("peak")["flops"] / 1e9
    for name, process in processes.items():
        if not PEERS[name].takes(kind, mode):
            continue
        try:
            answer = process.ask("prepare", cell=list(cell), kind=kind, mode=mode)
        except PeerError as error:
            if name == OURS:
                raise
            missing[name] = str(error)
            continue
        for way, about in answer["ways"].items():
            samples[name, way] = about["sample"]
            if not about["must_agree"]:
                free.add((name, way))
    medians = _rounds(processes, list(samples), seconds, missing)
    ours = next(iter(samples))
    timings = []
    for (name, way), sample in samples.items():
        if name in missing:
            continue
        must_agree = (name, way) not in free
        difference = _difference(sample, samples[ours]) if must_agree else None
        if difference is not None and difference > TOLERANCE:
            missing[name] = f"{way}: its result differs from gatewise's by {difference:.2g}"
            continue
        timings.append(_timing(name, way, medians[name, way], medians[ours], cell.flops(mode, kind), difference))
    return CellResult(cell, mode, timings, missing, kind, peak)


def _rounds(
    processes: Mapping[str, PeerProcess], entrants: list[tuple[str, str]], seconds: float, missing: dict[str, str]
) -> dict[tuple[str, str], list[float]]:
    """Each entrant's median of each round; the order is another one in every round."""
    medians: dict[tuple[str, str], list[float]] = {entrant: [] for entrant in entrants}
    end = time.monotonic() + seconds
    done = 0
    while done < FEWEST_ROUNDS or time.monotonic() < end:
        first = done % len(entrants)
        for name, way in (*entrants[first:], *entrants[:first]):
            if name in missing:
                continue
            time.sleep(PAUSE_SECONDS)
            try:
                times = processes[name].ask("round", way=way, seconds=TURN_SECONDS)["times"]
            except PeerError as error:
                if name == OURS:
                    raise
                missing[name] = str(error)
                continue
            medians[name, way].append(statistics.median(times))
        done += 1
    return medians


def _timing(
    peer: str, way: str, theirs: list[float], ours: list[float], flops: int, difference: float | None
) -> Timing:
    ratios = [a / b for a, b in zip(theirs, ours, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    median = statistics.median(theirs)
    return Timing(peer, way, median, flops / median / 1e9, middle, (low, high), len(ratios), difference)


def _difference(sample: Sequence[float], ours: Sequence[float]) -> float:
    """The largest difference, relative to our largest number."""
    if len(sample) != len(ours):
        return float("inf")
    largest = max(map(abs, ours)) or 1.0
    return max(abs(a - b) for a, b in zip(sample, ours, strict=True)) / largest
