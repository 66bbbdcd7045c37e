"""What the project promises about speed and size, held against results."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import targets_fastest
from benchmarks.conductor import CellResult
from benchmarks.grid import EPOCH, Cell
from benchmarks.installed import SizeResult
from benchmarks.peers import OURS
from benchmarks.processes import ProcessResult
from benchmarks.results import Results
from benchmarks.verdict import Verdict

STEP_CELL = Cell(3, 5, 3, 4)
SCRIPT_TIMES = 10.0
STEP_TIMES = 8.0
FIT_CELL = Cell(1, 1, 1, 1)
FIT_SECONDS = 25e-6
IMPORT_SECONDS = 0.060
PACKAGE_BYTES = 5_000_000


def verdicts(results: Results) -> list[Verdict]:
    """The promises that the results say something about."""
    found: list[Verdict] = []
    if results.script is not None:
        found.extend(_script(results.script))
    found.extend(_step(results.cells("cells")))
    found.extend(_pytorch(results.cells("cells")))
    found.extend(_fit(results.cells("fit")))
    if results.imports is not None:
        found.extend(_import(results.imports))
    if results.size is not None:
        found.extend(_package(results.size))
    return [*found, *targets_fastest.verdicts(results)]


def _script(script: ProcessResult) -> Iterator[Verdict]:
    keras = [time for time in script.times if time.name.startswith("keras-")]
    if keras:
        best = min(keras, key=lambda time: time.ratio)
        yield Verdict(
            f"The training script, as a whole process, at least {SCRIPT_TIMES:g} times faster than Keras's fastest",
            f"{best.ratio:.1f} times ({best.name})",
            best.ratio >= SCRIPT_TIMES,
        )


def _step(cells: list[CellResult]) -> Iterator[Verdict]:
    for result in cells:
        keras = [t for t in result.timings if t.peer.startswith("keras-")]
        if result.cell == STEP_CELL and result.mode == "train" and keras:
            best = min(keras, key=lambda timing: timing.ratio)
            yield Verdict(
                f"A training step of ({result.cell}) at least {STEP_TIMES:g} times faster than Keras's fastest",
                f"{best.ratio:.1f} times ({best.peer})",
                best.ratio >= STEP_TIMES,
            )


def _fit(fits: list[CellResult]) -> Iterator[Verdict]:
    """Where the kernels have next to nothing to do, all that a batch takes counts as what is around them."""
    for result in fits:
        if result.cell == FIT_CELL:
            batch = result.timings[0].median_seconds / EPOCH
            keras = "".join(f"; {t.peer} {t.ratio:.0f} times that" for t in result.timings[1:])
            yield Verdict(
                f"fit takes at most {FIT_SECONDS * 1e6:.0f} µs a batch beyond the kernels, with one metric and History",
                f"{batch * 1e6:.1f} µs, kernels included{keras}",
                batch <= FIT_SECONDS,
            )


def _pytorch(cells: list[CellResult]) -> Iterator[Verdict]:
    """One verdict for all cells, by the cell where it is closest; PyTorch with the better number of threads."""
    closest: list[tuple[float, Cell]] = []
    for result in cells:
        ratios = [timing.ratio for timing in result.timings if timing.peer.startswith("pytorch")]
        if result.mode == "infer" and ratios:
            closest.append((min(ratios), result.cell))
    if closest:
        ratio, cell = min(closest)
        slower = sum(found < 1 for found, _ in closest)
        yield Verdict(
            "No cell slower than PyTorch for inference",
            f"{slower} of {len(closest)} cells slower; closest is ({cell}), {ratio:.2f} times as fast",
            slower == 0,
        )


def _import(imports: ProcessResult) -> Iterator[Verdict]:
    for time in imports.times:
        if time.name == f"numpy, {OURS}":
            yield Verdict(
                f"import gatewise at most {IMPORT_SECONDS * 1000:.0f} ms above import numpy",
                f"{time.extra_seconds * 1000:.1f} ms",
                time.extra_seconds <= IMPORT_SECONDS,
            )


def _package(size: SizeResult) -> Iterator[Verdict]:
    for item in size.sizes:
        if item.packages == OURS:
            yield Verdict(
                f"The package itself under {PACKAGE_BYTES / 1e6:g} MB installed",
                f"{item.bytes_alone / 1e6:.2f} MB",
                item.bytes_alone < PACKAGE_BYTES,
            )
