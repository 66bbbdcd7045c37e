"""`python -m benchmarks`: the command line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from benchmarks import chart, conductor, grid, installed, markdown, peers, processes, results, scaling, targets

Value = TypeVar("Value")
PARTS = (*grid.SUITES, "scaling", "script", "imports", "size")
WHOLE_PROCESS_SECONDS = {"script": 60.0, "imports": 25.0, "size": 6.0}
"""About how long a round of each takes, with all peers (`size` has no rounds)."""
PREPARE_SECONDS = 2.0
"""About how long a peer needs to get ready for a cell: compiling, mostly."""
PEER_FLOPS = 6e10
"""Operations a second that peers may be expected to do in large cells."""

_ABOUT = """\
Times gatewise and its peers alternately in one run.  Each peer lives in a process of its own, which may belong to
another Python environment (--peer-python); all are asked in turn for a short round of calls, many rounds.

    cells          one LSTM layer: inference and training step, over a grid of sizes
    gru            the same of a GRU
    simple_rnn     the same of a SimpleRNN
    bidirectional  the same of Bidirectional(LSTM)
    stacked        the same of two LSTM layers
    masked         an LSTM on batches that are half padding, beside dense ones and packed sequences
    variants       peephole, layer_norm, zoneout, recurrent_dropout beside the plain LSTM
    small          what calls of the smallest models cost: layer(x), model(x), predict, a stream step
    quantized      weights of int8 and bfloat16 beside float32
    fit            an epoch of 100 batches of small models, beside Keras
    scaling        time and memory against each size, threads, two predictions at once, an idle process
    script         a Keras training script as a whole process, with gatewise and with Keras
    imports        what `import gatewise` costs above `import numpy`, beside the peers' imports
    size           bytes installed, from a wheel built now
    all            all of them, or those that --only names
    report         the page and the charts again, from the JSON files

Each writes its JSON file, and the page results.md with its charts, into --out.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parser().parse_args(argv)
    parts = (options.only or PARTS) if options.part == "all" else (options.part,)
    if options.quick:
        options.seconds, options.rounds = min(options.seconds, 1.0), min(options.rounds, 2)
    if options.part != "report":
        print(f"About {_minutes(parts, options):.0f} minutes, if nothing else uses the machine.", flush=True)
    others: dict[str, Callable[[argparse.Namespace], None]] = {
        "scaling": _scaling, "script": _script, "imports": _imports, "size": _size,
    }  # fmt: skip
    for part in parts:
        if part == "report":
            continue
        print(f"{part}:", flush=True)
        others[part](options) if part in others else _suite(part, options)
    _report(options.out, options.chart)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("part", choices=(*PARTS, "all", "report"), help="which benchmark")
    add("--only", type=_checked(_parts), default=None, metavar="PARTS",
        help="with `all`: only these, separated by commas")  # fmt: skip
    add("--quick", action="store_true", help="two cells of each kind, a second each: to see that everything runs")
    add("--peers", type=_checked(peers.chosen), default="all", metavar="NAMES",
        help=f"all, none, or some of {','.join(name for name in peers.PEERS if name != peers.OURS)}")  # fmt: skip
    add("--peer-python", default=sys.executable, metavar="PYTHON", help="the interpreter that has the peers installed")
    add("--cells", type=_checked(grid.cells), default=None, metavar="CELLS",
        help="small, full, or sizes N,T,F,H separated by ; (default: those of each benchmark)")  # fmt: skip
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


def _parts(text: str) -> list[str]:
    asked = [name.strip() for name in text.split(",")]
    unknown = [name for name in asked if name not in PARTS]
    if unknown:
        raise ValueError(f"There is no benchmark {unknown[0]!r}; there are {', '.join(PARTS)}.")
    return [name for name in PARTS if name in asked]


def _modes(text: str) -> list[str]:
    asked = text.split(",")
    if not set(asked) <= set(grid.MODES):
        raise ValueError(f"The modes are {' and '.join(grid.MODES)}; got {text!r}.")
    return [mode for mode in grid.MODES if mode in asked]


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a positive integer; got {text!r}.")
    return int(text)


def _entrants(suite: grid.Suite, mode: str, options: argparse.Namespace) -> list[str]:
    """The peers, beside gatewise, that take part in a suite's mode."""
    return [name for name in options.peers if peers.PEERS[name].takes(suite.kind, mode)]


def _plan(name: str, options: argparse.Namespace) -> list[tuple[str, grid.Cell]]:
    """(mode, cell) of everything that a suite times."""
    suite = grid.SUITES[name]
    modes = [mode for mode in suite.modes if mode in options.modes or mode not in grid.MODES]
    return [(mode, cell) for mode in modes for cell in options.cells or suite.chosen_cells(options.quick)]


def _minutes(parts: Sequence[str], options: argparse.Namespace) -> float:
    seconds = 0.0
    for part in parts:
        if part in grid.SUITES:
            suite = grid.SUITES[part]
            for mode, cell in _plan(part, options):
                entrants = 1 + len(_entrants(suite, mode, options))
                call = cell.flops(mode, suite.kind) / PEER_FLOPS  # of large cells, one a round is more than its share
                calls = entrants * (3 + 2 * conductor.FEWEST_ROUNDS) * call
                seconds += max(options.seconds, calls) + PREPARE_SECONDS * entrants
        elif part == "scaling":
            seconds += scaling.expected_seconds(options.quick)
        elif part in WHOLE_PROCESS_SECONDS:
            seconds += WHOLE_PROCESS_SECONDS[part] * (1 if part == "size" else options.rounds + 1)
    return max(seconds / 60, 1)


def _suite(name: str, options: argparse.Namespace) -> None:
    suite, plan = grid.SUITES[name], _plan(name, options)
    names = [peer for peer in options.peers if any(peers.PEERS[peer].takes(suite.kind, mode) for mode, _ in plan)]
    found: list[dict[str, Any]] = []
    with conductor.orchestra(names, options.peer_python, options.threads) as (running, versions, missing):
        for peer, why in missing.items():
            print(f"  {peer} is left out: {why}")
        settings = {"threads": options.threads, "seconds per cell": options.seconds}
        if missing:
            settings["left out"] = "; ".join(f"{peer} ({why})" for peer, why in missing.items())
        run = results.this_run(settings, versions)
        for mode, cell in plan:
            result = conductor.measure_cell(running, cell, mode, options.seconds, suite.kind)
            found.append(result.to_dict())
            print(_line(result), flush=True)
            results.write(options.out, name, run, found)  # after each, so that an interrupted run is not lost


def _line(result: conductor.CellResult) -> str:
    ours, *others = result.timings
    ratios = "  ".join(f"{t.peer}:{t.way} {t.ratio:.2f}" for t in others)
    gone = "".join(f"\n    {name} is missing: {why}" for name, why in result.missing.items())
    return f"  {result.mode} ({result.cell}) {markdown.duration(ours.median_seconds)}  {ratios}{gone}"


def _scaling(options: argparse.Namespace) -> None:
    found = scaling.measure(options.quick, options.threads)
    results.write(options.out, "scaling", results.this_run({"threads": options.threads}), found)


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
    """Write the page and the charts, and print what was promised."""
    found = results.read(folder)
    if with_chart:
        for name in chart.CHARTED:
            if found.cells(name):
                chart.draw(found.cells(name), folder / f"{name}.png")
        if found.scaling is not None:
            scaling.draw(found.scaling, folder)
    (folder / "results.md").write_text(markdown.render(found, with_chart))
    for verdict in targets.verdicts(found):
        print(f"{'holds' if verdict.holds else 'FAILS'}: {verdict.promise}: {verdict.measured}")
    print(f"Written to {folder}")


if __name__ == "__main__":
    sys.exit(main())
