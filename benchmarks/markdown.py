"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmarks import scaling
from benchmarks.chart import CHARTED
from benchmarks.conductor import CellResult, Timing
from benchmarks.grid import SUITES
from benchmarks.installed import SizeResult
from benchmarks.peers import OURS
from benchmarks.processes import ProcessResult
from benchmarks.results import Results, Run
from benchmarks.targets import verdicts

_MODES = {"infer": "inference", "train": "training step with Dense(1), mean squared error, Adam", "fit": "fit"}


def render(results: Results, has_chart: bool) -> str:
    """The whole page."""
    lines = ["# Benchmark results", "", *_about(results), *_verdicts(results)]
    for name, suite in SUITES.items():
        for mode in suite.modes:
            chosen = [cell for cell in results.cells(name) if cell.mode == mode]
            if chosen:
                title = suite.title if mode == "fit" else f"{suite.title}: {_MODES[mode]}"
                lines += ["", f"## {title}", "", *_cells(chosen)]
        if has_chart and name in CHARTED and results.cells(name):
            lines += ["", f"![Times of the peers as multiples of gatewise's: {suite.title}]({name}.png)"]
    if results.scaling is not None:
        lines += ["", *scaling.lines(results.scaling, has_chart)]
    if results.script is not None:
        lines += ["", "## The training script as a whole process", "", *_processes(results.script)]
    if results.imports is not None:
        lines += ["", "## Imports, each in a process of its own", "", *_processes(results.imports)]
    if results.size is not None:
        lines += ["", "## Installed size", "", *_sizes(results.size)]
    return "\n".join(lines) + "\n"


def _about(results: Results) -> Iterator[str]:
    for name, run in results.runs.items():
        yield f"- `{name}`: {run.date}, {run.cpu}{_settings(run)}."
    versions = {
        package: version
        for run in results.runs.values()
        for of_peer in run.versions.values()
        for package, version in of_peer.items()
    }
    if versions:
        yield f"- Versions: {', '.join(f'{p} {v}' for p, v in sorted(versions.items()))}."
    yield (
        "- Ratios are times of the peer divided by gatewise's: medians over rounds in which all took turns; "
        "more than 1 means that gatewise is faster.  Only ratios carry over to other machines."
    )


def _settings(run: Run) -> str:
    return "".join(f", {key} {value}" for key, value in run.settings.items())


def _verdicts(results: Results) -> Iterator[str]:
    found = verdicts(results)
    if found:
        yield from ("", "## Promises", "")
        rows = [[v.promise, v.measured, "yes" if v.holds else "**no**"] for v in found]
        yield from table(["promise", "measured", "holds"], rows)


def _cells(cells: Sequence[CellResult]) -> Iterator[str]:
    """A row for each cell: our time and rate, then each peer's ratio."""
    columns = list(dict.fromkeys((t.peer, t.way) for result in cells for t in result.timings))
    ours = columns[0]
    peak = max(result.peak_gflops for result in cells)
    heads = ["N,T,F,H", f"{OURS} {ours[1]}", "GFLOP/s", "of the peak", "nearest peer"]
    rows = []
    for result in cells:
        by_column = {(t.peer, t.way): t for t in result.timings}
        mine = by_column[ours]
        share = f"{mine.gflops / peak:.0%}" if peak else "-"
        row = [str(result.cell), duration(mine.median_seconds), f"{mine.gflops:.3g}", share, _nearest(result.timings)]
        rows.append(row + [_ratio(by_column.get(column)) for column in columns[1:]])
    yield from table(heads + [f"{peer} {way}" for peer, way in columns[1:]], rows)
    if peak:
        yield ""
        yield f"The peak of the multiply-add units, measured between these cells: {peak:.0f} GFLOP/s."
    yield from _missing({f"{r.cell} {peer}": why for r in cells for peer, why in r.missing.items()})


def _nearest(timings: Sequence[Timing]) -> str:
    others = [t for t in timings if t.peer != OURS]
    if not others:
        return "-"
    best = min(others, key=lambda t: t.ratio)
    return f"{best.peer} {best.ratio:.2f} ({best.quartiles[0]:.2f} to {best.quartiles[1]:.2f})"


def _ratio(timing: Timing | None) -> str:
    return "-" if timing is None else f"{timing.ratio:.2f}" if timing.ratio < 100 else f"{timing.ratio:.0f}"


def _processes(result: ProcessResult) -> Iterator[str]:
    first = result.times[0]
    rows = [
        [t.name, duration(t.median_seconds), f"{t.ratio:.2f}", f"{t.extra_seconds * 1000:+.1f} ms", str(t.rounds)]
        for t in result.times
    ]
    yield from table(["process", "median", f"times `{first.name}`", f"above `{first.name}`", "rounds"], rows)
    yield from _missing(result.missing)


def _sizes(result: SizeResult) -> Iterator[str]:
    rows = [
        [s.packages, megabytes(s.bytes_alone), megabytes(s.bytes_in_all), str(s.count_in_all)] for s in result.sizes
    ]
    yield from table(["packages", "alone", "with all they require", "packages in all"], rows)
    yield from ("", f"The wheel has {megabytes(result.wheel_bytes)}.")
    yield from _missing(result.missing)


def _missing(missing: dict[str, str]) -> Iterator[str]:
    if missing:
        yield ""
        yield from (f"- Missing: {name}: {why}." for name, why in missing.items())


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table; the first column to the left, the others to the right."""
    yield f"| {' | '.join(heads)} |"
    yield f"|:--|{'--:|' * (len(heads) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def duration(seconds: float) -> str:
    """With three digits and a unit that suits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def megabytes(count: int) -> str:
    """Bytes in units of a million."""
    return f"{count / 1e6:.2f} MB" if count < 1e7 else f"{count / 1e6:.0f} MB"
