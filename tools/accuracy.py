"""Measures how exactly the kernels compute exp, tanh and sigmoid, in units in the last place (ulp).

    python tools/accuracy.py [--quick] [--processes 2]

float32: every one of the 2^32 numbers, against NumPy in float64. float64: millions of numbers of every exponent and
more where the functions bend, against NumPy in the 80-bit long double of x86. Each instruction set of this machine.
`--quick` takes one float32 number of about 16,000, of every exponent. docs/accuracy.md holds what it prints.

An error of 0.5 is what rounding the exact value costs. One ulp is the distance of neighbouring numbers of the type
around the exact value. A result of 0 counts as exact below 1.001 times the smallest normal number, and has a column of
its own.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from gatewise.kernels import _native

Array = np.ndarray
BLOCK = 1 << 13  # numbers at a time: they stay in the cache, and in memory that is not fetched anew each time
INFINITY = 0x7F800000


@dataclass(frozen=True)
class Function:
    """A function, and where it no longer needs to be computed: it rounds to x or a constant there."""

    name: str  # what the kernels call it
    exact: Callable[[Array], Array]
    small: float  # below this magnitude the result is `at_small`, or x where that is None
    large: float  # from this magnitude on it is `at_large` or `at_minus_large`
    at_small: float | None
    at_large: float
    at_minus_large: float


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


FUNCTIONS = {
    "exp": Function("exponential", np.exp, 2.0**-26, 128.0, 1.0, np.inf, 0.0),
    "tanh": Function("tanh", np.tanh, 2.0**-13, 16.0, None, 1.0, -1.0),
    "sigmoid": Function("sigmoid", _sigmoid, 2.0**-25, 128.0, 0.5, 1.0, 0.0),
}


@dataclass
class Findings:
    """What the numbers looked at so far have shown."""

    error: float = 0.0  # largest, in ulp
    at: float = 0.0  # its x
    zero_below: float = 0.0  # largest exact value, not 0, that came out as 0
    steps_back: int = 0  # how often the next number's result is smaller
    step_back: float = 0.0  # by how much at most, in ulp
    wrong: list[float] = field(default_factory=list)  # x whose result is not even an infinity, a NaN, a sign where due

    def add(self, other: "Findings") -> None:
        """Takes up what was found elsewhere."""
        if other.error > self.error:
            self.error, self.at = other.error, other.at
        self.zero_below = max(self.zero_below, other.zero_below)
        self.steps_back += other.steps_back
        self.step_back = max(self.step_back, other.step_back)
        self.wrong = (self.wrong + other.wrong)[:5]


def ulp_of(exact: Array, dtype: np.dtype) -> Array:
    """The distance of the type's neighbouring numbers around each exact value, in the exact values' type."""
    info = np.finfo(dtype)
    if exact.dtype == np.float64:  # the same, by the bits: eight times as fast
        exponent = exact.view(np.int64) & 0x7FF0000000000000
        return np.maximum((exponent - (info.nmant << 52)).view(np.float64), float(info.smallest_subnormal))
    exponent = np.frexp(exact)[1] - 1 - info.nmant
    return np.ldexp(np.ones_like(exact), np.maximum(exponent, info.minexp - info.nmant))


def judge(x: Array, y: Array, exact: Array) -> Findings:
    """Compares results with exact values; x ascending."""
    found, info = Findings(), np.finfo(y.dtype)
    tiny, most = info.smallest_normal, exact.dtype.type(info.max) * (1 + exact.dtype.type(info.eps) / 4)
    magnitude = np.abs(exact)
    normal = (magnitude >= tiny) & (magnitude < most)
    flushed = (y == 0) & (magnitude < 1.001 * tiny)
    bad = np.isnan(y) | (np.isinf(y) != (magnitude >= most)) | (y * np.sign(exact) < 0)
    normal &= ~flushed
    found.wrong = [float(v) for v in x[bad][:5]]
    judged = normal & ~bad
    error = np.abs(np.where(judged, y, 1) - np.where(judged, exact, 1)) / ulp_of(np.where(judged, exact, 1), y.dtype)
    if error.size:
        worst = int(np.argmax(error))
        found.error, found.at = float(error[worst]), float(x[worst])
    found.zero_below = float(np.max(magnitude[y == 0], initial=0)) if np.any(y == 0) else 0.0
    with np.errstate(invalid="ignore"):
        back = np.flatnonzero(y[1:] < y[:-1])
    if back.size:
        found.steps_back = back.size
        found.step_back = float(np.max((y[back] - y[back + 1]) / ulp_of(exact[back], y.dtype)))
    return found


def blocks(first: int, last: int, step: int) -> Iterator[Array]:
    """Positive float32 numbers by their bits, from `first` to `last`, each block beginning with the last one's end."""
    for begin in range(first, last, BLOCK * step):
        end = min(begin + BLOCK * step, last)
        yield np.arange(begin, end + 1, step, dtype=np.uint32).view(np.float32)


def settled(function: Function, x: Array) -> Array | None:
    """The results of x, all of one sign, where they need no computing."""
    magnitudes = np.abs(x[[0, -1]])
    if magnitudes.max() < function.small:
        return x if function.at_small is None else np.full_like(x, function.at_small)
    if magnitudes.min() >= function.large:
        return np.full_like(x, function.at_large if x[0] > 0 else function.at_minus_large)
    return None


def chunk(task: tuple[str, int, int, int]) -> dict[str, Findings]:
    """Every `step`-th float32 number, of both signs, between two bit patterns, on each instruction set."""
    which, first, last, step = task
    function = FUNCTIONS[which]
    found = {name: Findings() for name in _native.supported_instruction_sets()}
    _native.set_threads(1)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        for positive in blocks(first, last, step):
            for x in (positive, -positive[::-1]):
                known, exact = settled(function, x), None
                for name, findings in found.items():
                    _native.use_instruction_set(name)
                    y = _native.activation_forward(function.name, x)
                    if known is not None and np.array_equal(y, known):
                        continue
                    if exact is None:
                        exact = function.exact(x.astype(np.float64))
                    findings.add(judge(x, y, exact))
    return found


def float32(step: int, processes: int) -> dict[tuple[str, str], Findings]:
    """What all float32 numbers show (or every `step`-th), by function and instruction set."""
    length = 1 << 24
    tasks = [
        (name, first, min(first + length, INFINITY), step) for name in FUNCTIONS for first in range(0, INFINITY, length)
    ]
    found = {(name, isa): Findings() for name in FUNCTIONS for isa in _native.supported_instruction_sets()}
    with ProcessPoolExecutor(processes) as pool:
        for task, results in zip(tasks, pool.map(chunk, tasks), strict=True):
            for isa, findings in results.items():
                found[task[0], isa].add(findings)
    return found


def points(count: int) -> Array:
    """Ascending float64 numbers of both signs: of every exponent, and dense where the functions bend or end."""
    rng = np.random.default_rng(0)
    every = rng.integers(0, 0x7FF0000000000000, count // 4).view(np.float64)
    bends = 2 ** rng.uniform(-30, 10, count // 2)
    near = np.concatenate([v + np.linspace(-1e-3, 1e-3, count // 64) for v in (708.3964, 709.7827, 745.2, 36.8, 22.0)])
    halves = (np.arange(1, 1024) + 0.5) * np.log(2)  # where the reduction of exp changes its integer
    powers = 2.0 ** np.arange(-1074, 1024)
    edges = np.concatenate([halves, np.nextafter(halves, 0), np.nextafter(halves, np.inf), powers])
    positive = np.unique(np.concatenate([every, bends, near, edges]))
    return np.concatenate([-positive[::-1], positive])


def float64(count: int) -> dict[tuple[str, str], Findings]:
    """What about `count` float64 numbers show, by function and instruction set."""
    found = {}
    x = points(count)
    before = _native.instruction_set()
    with np.errstate(over="ignore", under="ignore"):
        for name, function in FUNCTIONS.items():
            exact = function.exact(x.astype(np.longdouble))
            for isa in _native.supported_instruction_sets():
                _native.use_instruction_set(isa)
                found[name, isa] = judge(x, _native.activation_forward(function.name, x), exact)
    _native.use_instruction_set(before)
    return found


def table(found: dict[tuple[str, str], Findings]) -> str:
    """As Markdown."""
    lines = [
        "| function | instruction set | largest error, ulp | at | zero instead of | steps back | by, ulp | wrong at |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (name, isa), f in found.items():
        wrong = ", ".join(f"{v:.9g}" for v in f.wrong) or "none"
        zero = f"{f.zero_below:.5g}" if f.zero_below else "none"
        back = f"{f.steps_back:,} | {f.step_back:.2f}" if f.steps_back else "none | "
        lines.append(f"| {name} | {isa} | {f.error:.4f} | {f.at:.9g} | {zero} | {back} | {wrong} |")
    return "\n".join(lines)


def special_table(dtype: str) -> str:
    """Results of what is not a common number."""
    info = np.finfo(dtype)
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, info.smallest_subnormal, -info.smallest_normal / 2], dtype)
    lines = [f"| {dtype} | " + " | ".join(["inf", "-inf", "NaN", "0", "-0", "smallest", "-normal/2"]) + " |"]
    lines.append("|---" * 8 + "|")
    for name, function in FUNCTIONS.items():
        y = _native.activation_forward(function.name, x)
        lines.append(f"| {name} | " + " | ".join(f"{v:.6g}" for v in y) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one float32 number of 16,000")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    print("float32, " + ("every 16,381st number" if options.quick else "all numbers"), end="\n\n")
    print(table(float32(16_381 if options.quick else 1, options.processes)), flush=True)
    print("\nfloat64\n")
    print(table(float64(4_000_000)))
    for dtype in ("float32", "float64"):
        print(f"\n{special_table(dtype)}")


if __name__ == "__main__":
    main()
