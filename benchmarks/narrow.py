"""`python -m benchmarks.narrow`: predictions with int8 and bfloat16 weights beside float32, in turn in one process.

Each cell is one layer, called as `layer(x)`; the table shows float32's least time and how many times as fast the others
are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

import gatewise
from gatewise import kernels, layers
from gatewise.kernels import planning

SIZES = (
    (32, 50, 64, 128), (32, 100, 128, 256), (1, 100, 256, 256), (32, 50, 512, 512), (1, 100, 256, 512),
    (32, 20, 1024, 1024), (1, 50, 1024, 1024),
)  # fmt: skip
FAMILIES = {"LSTM": layers.LSTM, "GRU": layers.GRU, "SimpleRNN": layers.SimpleRNN}
STORAGES = ("float32", "bfloat16", "int8")


class Timed(NamedTuple):
    """A layer's least seconds for a call, by how its weights are stored."""

    family: str
    sizes: tuple[int, int, int, int]
    seconds: dict[str, float]

    def ratio(self, storage: str) -> float:
        """How many times as fast as float32."""
        return self.seconds["float32"] / self.seconds[storage]


def timed(family: str, sizes: tuple[int, int, int, int], seconds: float) -> Timed:
    """Time a layer of (N, T, F, H) for about so many seconds in all."""
    N, T, F, H = sizes
    x = np.random.default_rng(0).normal(size=(N, T, F)).astype("float32")
    plain = FAMILIES[family](H)
    plain(x)
    calls = {
        "float32": plain,
        "bfloat16": gatewise.quantize(plain, dtype="bfloat16"),
        "int8": gatewise.quantize(plain, calibration=x),
    }
    for layer in calls.values():
        layer(x)
    least = dict.fromkeys(calls, np.inf)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for storage, layer in calls.items():
            least[storage] = min(least[storage], _once(layer, x))
    return Timed(family, sizes, least)


def _once(call: Callable[[np.ndarray], object], x: np.ndarray) -> float:
    begin = time.perf_counter()
    call(x)
    return time.perf_counter() - begin


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.narrow", description=__doc__)
    parser.add_argument("--family", choices=(*FAMILIES, "all"), default="LSTM", help="which layer (default: LSTM)")
    parser.add_argument("--seconds", type=float, default=4.0, metavar="S", help="time for each cell (default: 4)")
    options = parser.parse_args(argv)
    int8 = planning.int8_kernels()
    print(f"{kernels.instruction_set()}, {kernels.get_threads()} threads; int8 for {int8}\n")
    print("| layer | N, T, F, H | float32 (us) | bfloat16 | int8 |\n|---|---|---|---|---|")
    for family in FAMILIES if options.family == "all" else (options.family,):
        for sizes in SIZES:
            one = timed(family, sizes, options.seconds)
            ratios = " | ".join(f"{one.ratio(storage):.2f}" for storage in STORAGES[1:])
            print(f"| {family} | {', '.join(map(str, sizes))} | {one.seconds['float32'] * 1e6:,.0f} | {ratios} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
