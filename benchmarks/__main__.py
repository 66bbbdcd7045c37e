"""`python -m benchmarks`: the command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import chart, conductor, grid, installed, markdown, peers, processes, results, targets

Value = TypeVar("Value")
PARTS = ("cells", "fit", "script", "imports", "size")

_ABOUT = """\
Times gatewise and its peers alternately in one run.  Each peer lives in a process of its own, which may belong to
another Python environment (--peer-python); all are asked in turn for a short round of calls, many rounds.

    cells     one layer: inference and training step, over a grid of sizes
    fit       an epoch of 100 batches of small models, beside Keras
    script    a Keras training script as a whole process, with gatewise and with Keras
    imports   what `import gatewise` costs above `import numpy`, beside the peers' imports
    size      bytes installed, from a wheel built now
    all       the five of them
    report    the page and the chart again, from the JSON files

Each writes its JSON file, and the page results.md with the chart cells.png, into --out.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(argv)
    parts = PARTS if options.part == "all" else (options.part,)
    for part in parts:
        if part != "report":
            print(f"{part}:", flush=True)
            {"cells": _cells, "fit": _fit, "script": _script, "imports": _imports, "size": _size}[part](options)
    _report(options.out, options.chart)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("part", choices=(*PARTS, "all", "report"), help="which benchmark")
    add("--peers", type=_checked(peers.chosen), default="all", metavar="NAMES",
        help=f"all, none, or some of {','.join(name for name in peers.PEERS if name != peers.OURS)}")  # fmt: skip
    add("--peer-python", default=sys.executable, metavar="PYTHON", help="the interpreter that has the peers installed")
    add("--cells", type=_checked(grid.cells), default="full", metavar="CELLS",
        help="small, full (default), or sizes N,T,F,H separated by ;")  # fmt: skip
    add("--modes", type=_checked(_modes), default="infer,train", metavar="MODES", help="infer,train (default) or one")
    add("--threads", type=_positive, default=os.cpu_count() or 1, metavar="N",
        help="CPUs a process may use (default: all)")  # fmt: skip
    add("--seconds", type=float, default=4.0, metavar="S", help="time for each cell and mode, in all (default: 4)")
    add("--rounds", type=_positive, default=7, metavar="N", help="rounds of whole processes (default: 7)")
    add("--out", type=Path, default=Path("benchmarks/results"), metavar="DIR", help="default: benchmarks/results")
    add("--no-chart", dest="chart", action="store_false", help="draw nothing (no need for matplotlib)")
    return parser


def _checked(read: Callable[[str], Value]) -> Callable[[str], Value]:
    """The same, with its ValueError shown as the reason for refusing an argument."""

    def checked(text: str) -> Value:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return checked


def _modes(text: str) -> list[str]:
    asked = text.split(",")
    if not set(asked) <= set(grid.MODES):
        raise ValueError(f"The modes are {' and '.join(grid.MODES)}; got {text!r}.")
    return [mode for mode in grid.MODES if mode in asked]


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer; got {text!r}.")
    return int(text)


def _cells(options: argparse.Namespace) -> None:
    _measure(options, "cells", options.peers, options.modes, options.cells)


def _fit(options: argparse.Namespace) -> None:
    _measure(options, "fit", [name for name in options.peers if name.startswith("keras-")], ["fit"], grid.FITTED)


def _measure(
    options: argparse.Namespace,
    name_of_part: str,
    names: Sequence[str],
    modes: Sequence[str],
    cells: Sequence[grid.Cell],
) -> None:
    found: list[dict[str, Any]] = []
    with conductor.orchestra(names, options.peer_python, options.threads) as (running, versions, missing):
        for name, why in missing.items():
            print(f"  {name} is left out: {why}")
        settings = {"threads": options.threads, "seconds per cell": options.seconds}
        if missing:
            settings["left out"] = "; ".join(f"{name} ({why})" for name, why in missing.items())
        run = results.this_run(settings, versions)
        for mode in modes:
            for cell in cells:
                result = conductor.measure_cell(running, cell, mode, options.seconds)
                found.append(result.to_dict())
                print(_line(result), flush=True)
                results.write(
                    options.out, name_of_part, run, found
                )  # after each, so that an interrupted run is not lost


def _line(result: conductor.CellResult) -> str:
    ours, *others = result.timings
    ratios = "  ".join(f"{t.peer}:{t.way} {t.ratio:.2f}" for t in others)
    gone = "".join(f"\n    {name} is missing: {why}" for name, why in result.missing.items())
    return f"  {result.mode} ({result.cell}) {markdown.duration(ours.median_seconds)}  {ratios}{gone}"


def _script(options: argparse.Namespace) -> None:
    keras = [name for name in options.peers if name in processes.KERAS_PEERS]
    result = processes.measure_script(keras, options.peer_python, options.rounds)
    results.write(options.out, "script", results.this_run({"rounds": options.rounds}), result.to_dict())


def _imports(options: argparse.Namespace) -> None:
    result = processes.measure_imports(options.peers, options.peer_python, options.rounds)
    results.write(options.out, "imports", results.this_run({"rounds": options.rounds}), result.to_dict())


def _size(options: argparse.Namespace) -> None:
    result = installed.measure_sizes(options.peer_python if options.peers else None)
    results.write(options.out, "size", results.this_run({}), result.to_dict())


def _report(folder: Path, with_chart: bool) -> None:
    """Write the page and the chart, and print what was promised."""
    found = results.read(folder)
    if found.cells and with_chart:
        chart.draw(found.cells, folder / "cells.png")
    (folder / "results.md").write_text(markdown.render(found, with_chart))
    for verdict in targets.verdicts(found):
        print(f"{'holds' if verdict.holds else 'FAILS'}: {verdict.promise}: {verdict.measured}")
    print(f"Written to {folder}")


if __name__ == "__main__":
    sys.exit(main())
