"""What the project promises about its speed beside the fastest of others, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import geometric_mean
from typing import Any

from benchmarks.conductor import CellResult, Timing
from benchmarks.grid import SUITES, Cell
from benchmarks.peers import OURS
from benchmarks.results import Results
from benchmarks.verdict import Verdict

MEAN = 2.5
"""The geometric mean over the grid, of inference and of training steps."""
TRAINED = 1.2
PEAK_INFER, PEAK_TRAIN = 0.92, 0.80
MASKED = 1.5
VARIANT = 1.25
INT8 = 1.8
SMALL_SECONDS = {
    "native": 2e-6, "model(x)": 8e-6, "predict_on_batch": 8e-6, "predict, one sample": 25e-6, "stream step": 5e-6,
}  # fmt: skip
IDLE_CPU_SECONDS = 0.02
_LAYERS = ("cells", "gru", "simple_rnn")


def inference_times(cell: Cell) -> float:
    """How many times as fast as the best peer inference has to be."""
    return 4.0 if cell.H <= 16 else 2.0 if cell.H <= 64 else 1.1 if cell.H < 256 else 1.0


def training_times(cell: Cell) -> float:
    """The same of a training step."""
    return 3.0 if cell.H <= 32 else TRAINED


def verdicts(results: Results) -> Iterator[Verdict]:
    """The promises that the results say something about."""
    for suite in _LAYERS:
        title, cells = SUITES[suite].title, results.cells(suite)
        for mode, needed in (("infer", inference_times), ("train", training_times)):
            chosen = [cell for cell in cells if cell.mode == mode]
            yield from _against_the_best(f"{title}, {_MODES[mode]}", chosen, needed)
            yield from _of_the_peak(f"{title}, {_MODES[mode]}", cells, mode)
        yield from _against_keras(title, cells)
    yield from _masked(results.cells("masked"))
    yield from _variants(results.cells("variants"))
    yield from _small(results.cells("small"))
    yield from _quantized(results.cells("quantized"))
    if results.scaling is not None:
        yield from _scaling(results.scaling)


_MODES = {"infer": "inference", "train": "training step"}


def best_peer(result: CellResult) -> Timing | None:
    """The fastest of the peers."""
    others = [timing for timing in result.timings if timing.peer != OURS]
    return min(others, key=lambda timing: timing.ratio, default=None)


def _best_of_ours(result: CellResult) -> float:
    """Our fastest way, as a multiple of the first one's time."""
    return min(timing.ratio for timing in result.timings if timing.peer == OURS)


def _against_the_best(what: str, cells: Sequence[CellResult], needed: Callable[[Cell], float]) -> Iterator[Verdict]:
    """A verdict for each bound, by the cell that is closest to it, and one for the mean."""
    found: list[tuple[float, Cell, Timing]] = []
    for result in cells:
        best = best_peer(result)
        if best is not None:
            found.append((best.ratio / _best_of_ours(result), result.cell, best))
    for bound in sorted({needed(cell) for _, cell, _ in found}, reverse=True):
        ratio, cell, best = min((one for one in found if needed(one[1]) == bound), key=lambda one: one[0])
        low = sum(one[0] < bound for one in found if needed(one[1]) == bound)
        sizes = sorted({one[1].H for one in found if needed(one[1]) == bound})
        yield Verdict(
            f"{what}: at least {bound:g} times as fast as the best peer, H = {', '.join(map(str, sizes))}",
            f"closest is ({cell}), {ratio:.2f} ({best.peer}, {best.quartiles[0]:.2f} to {best.quartiles[1]:.2f}); "
            f"{low} below",
            low == 0,
        )
    if found:
        mean = geometric_mean(one[0] for one in found)
        yield Verdict(f"{what}: geometric mean over the grid at least {MEAN:g}", f"{mean:.2f}", mean >= MEAN)


def _of_the_peak(what: str, cells: Sequence[CellResult], mode: str) -> Iterator[Verdict]:
    bound = PEAK_INFER if mode == "infer" else PEAK_TRAIN
    large = [r for r in cells if r.mode == mode and r.cell.H >= 512 and r.cell.N >= 32 and r.peak_gflops]
    if not large:
        return
    peak = max(r.peak_gflops for r in cells)
    share, cell = min((r.timings[0].gflops / _best_of_ours(r) / peak, r.cell) for r in large)
    yield Verdict(
        f"{what}: at least {bound:.0%} of the peak at H >= 512, N >= 32",
        f"{share:.1%} at ({cell}) of {peak:.0f} GFLOP/s",
        share >= bound,
    )


def _against_keras(title: str, cells: Sequence[CellResult]) -> Iterator[Verdict]:
    found = []
    for result in cells:
        keras = [t.ratio for t in result.timings if t.peer.startswith("keras-")]
        if result.mode == "train" and result.cell.H <= 16 and keras:
            found.append((min(keras), result.cell))
    if found:
        ratio, cell = min(found)
        yield Verdict(
            f"{title}, training step: at least 10 times as fast as Keras's fastest train_on_batch, H <= 16",
            f"closest is ({cell}), {ratio:.1f}",
            ratio >= 10,
        )


def _ratios(cells: Sequence[CellResult], way: str, mode: str | None = None) -> list[tuple[float, Cell]]:
    """One of our ways' time over the first one's, in each cell."""
    return [
        (timing.ratio, result.cell)
        for result in cells
        for timing in result.timings
        if timing.peer == OURS and timing.way == way and mode in (None, result.mode)
    ]


def _masked(cells: Sequence[CellResult]) -> Iterator[Verdict]:
    for mode, name in _MODES.items():
        found = _ratios(cells, "dense", mode)
        if found:
            ratio, cell = min(found)
            yield Verdict(
                f"Half-empty batches at least {MASKED:g} times as fast as dense ones, {name}",
                f"closest is ({cell}), {ratio:.2f}",
                ratio >= MASKED,
            )


def _variants(cells: Sequence[CellResult]) -> Iterator[Verdict]:
    ways = dict.fromkeys(t.way for result in cells for t in result.timings[1:])
    for way in ways:
        ratio, cell = max(_ratios(cells, way))
        yield Verdict(
            f"{way}: at most {VARIANT:g} times the plain LSTM", f"most at ({cell}), {ratio:.2f}", ratio <= VARIANT
        )


def _small(cells: Sequence[CellResult]) -> Iterator[Verdict]:
    smallest = next((result for result in cells if result.cell == (1, 1, 1, 1)), None)
    for timing in smallest.timings if smallest is not None else ():
        if timing.way in SMALL_SECONDS:
            bound = SMALL_SECONDS[timing.way]
            taken = timing.median_seconds
            yield Verdict(
                f"LSTM + Dense at (1,1,1,1), {timing.way}: at most {bound * 1e6:g} µs",
                f"{taken * 1e6:.2f} µs",
                taken <= bound,
            )


def _quantized(cells: Sequence[CellResult]) -> Iterator[Verdict]:
    found = [one for one in _ratios(cells, "int8") if one[1].H >= 256]
    if found:
        ratio, cell = max(found)
        yield Verdict(
            f"int8 at least {INT8:g} times as fast as float32, H >= 256, inference",
            f"closest is ({cell}), {1 / ratio:.2f}",
            1 / ratio >= INT8,
        )
    streamed = [one for one in _ratios(cells, "bfloat16") if one[1].N == 1 and one[1].H >= 512]
    if streamed:
        ratio, cell = max(streamed)
        yield Verdict(
            "bfloat16 faster than float32 for one sequence, H >= 512", f"least at ({cell}), {1 / ratio:.2f}", ratio < 1
        )


def _scaling(found: dict[str, Any]) -> Iterator[Verdict]:
    cpu = found["idle_cpu_seconds"]
    yield Verdict("Nothing spins while idle", f"{cpu * 1000:.1f} ms of CPU in a second", cpu <= IDLE_CPU_SECONDS)
    ratio = found["same_time"]["ratio"]
    yield Verdict("Two Python threads predict at least 1.7 times as much as one", f"{ratio:.2f} times", ratio >= 1.7)
    ratio = found["with_blas"]["ratio"]
    yield Verdict("NumPy's threads and ours are not in each other's way", f"{ratio:.2f} of both alone", ratio <= 1.15)
