"""A folder of results: one JSON file for each benchmark, with the machine and the settings of its run."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.conductor import CellResult
from benchmarks.grid import SUITES
from benchmarks.installed import SizeResult
from benchmarks.processes import ProcessResult

Part = TypeVar("Part")


@dataclass(frozen=True)
class Run:
    """Where and how a benchmark ran.  settings: what was asked for.  versions: of every library, by peer."""

    cpu: str
    date: str
    settings: Mapping[str, Any]
    versions: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Results:
    """What a folder holds; None (or no cells) for a benchmark that has not run.

    suites: the cells of each of `grid.SUITES` that has run.   scaling: what `scaling.py` found, as plain data.
    runs: by the benchmark's name.
    """

    suites: dict[str, list[CellResult]]
    scaling: dict[str, Any] | None
    script: ProcessResult | None
    imports: ProcessResult | None
    size: SizeResult | None
    runs: dict[str, Run]

    def cells(self, suite: str) -> list[CellResult]:
        """The cells of a suite."""
        return self.suites.get(suite, [])


def this_run(settings: Mapping[str, Any], versions: Mapping[str, Mapping[str, str]] | None = None) -> Run:
    """The run of this moment on this machine; how busy it already was goes into the settings."""
    busy = {"load average before": round(os.getloadavg()[0], 1)} if hasattr(os, "getloadavg") else {}
    return Run(_cpu_model(), time.strftime("%Y-%m-%d"), {**settings, **busy}, dict(versions or {}))


def write(folder: Path, name: str, run: Run, result: Any) -> None:
    """Write `NAME.json`; `result` is plain data."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"run": asdict(run), "result": result}, indent=1)
    (folder / f"{name}.json").write_text(text + "\n")


def read(folder: Path) -> Results:
    """Everything that the folder holds."""
    found = {}
    for name in (*SUITES, "scaling", "script", "imports", "size"):
        path = folder / f"{name}.json"
        if path.exists():
            found[name] = json.loads(path.read_text())

    def part(name: str, kind: type[Part]) -> Part | None:
        return kind.from_dict(found[name]["result"]) if name in found else None  # type: ignore[attr-defined]

    return Results(
        {name: [CellResult.from_dict(cell) for cell in found[name]["result"]] for name in SUITES if name in found},
        found["scaling"]["result"] if "scaling" in found else None,
        part("script", ProcessResult),
        part("imports", ProcessResult),
        part("size", SizeResult),
        {name: Run(**data["run"]) for name, data in found.items()},
    )


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
