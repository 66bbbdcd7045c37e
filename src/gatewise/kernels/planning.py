"""What the kernels would do and what the machine can do, told by the native module itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from gatewise.kernels import _native


@dataclass(frozen=True)
class Plan:
    """How a recurrent kernel divides its work for given sizes, as the kernel itself decides it.

    Attributes:
        threads: how many it uses.   most_threads: how many it may use.
        by_units: each thread takes some units and waits for the others at every step; else some sequences.
        projected: x W of all steps comes first.
        sorted: sequences with masks are taken longest first, and a step stops after the last that counts.
        lanes: numbers in a vector.
        step_flops: of a step's matrix product, padding to whole vectors included.
        weight_bytes: what that product reads of weights, padded.
        rows_for_one: so many sequences keep a thread's tiles well filled.   few_rows: fewer are projected first.
        cache_bytes: weights that a core's own cache may hold.
        flops_for_a_thread, flops_for_a_barrier: the work that is worth a thread, and a wait at every step.
    """

    threads: int
    most_threads: int
    by_units: bool
    projected: bool
    sorted: bool
    lanes: int
    step_flops: float
    weight_bytes: int
    rows_for_one: int
    few_rows: int
    cache_bytes: int
    flops_for_a_thread: float
    flops_for_a_barrier: float


def plan_recurrence(
    layer: str, N: int, T: int, F: int, H: int,
    item: int = 4, backward: bool = False, masked: bool = False, dropout: bool = False,
) -> Plan:  # fmt: skip
    """The division of the work of "lstm", "gru", "gru_reset_before" or "simple_rnn".

    Args:
        item: bytes of a number, 4 or 8.
        backward: of the way back through the steps instead of the forward pass.
        masked: some steps of some sequences do not count.
        dropout: x is multiplied by a dropout's factors.
    """
    return Plan(**_native.plan_recurrence(layer, N, T, F, H, item, backward, masked, dropout))


def peak_flops(item: int = 4) -> float:
    """Operations a second that the multiply-add units do from registers, all threads together; measured once."""
    return _measured_peak(_native.instruction_set(), _native.get_threads(), item)


def measure_peak(seconds: float, threads: int = 0, item: int = 4) -> float:
    """The same, measured now: the best of short blocks within `seconds`; threads=0 for as many as kernels may use."""
    return _native.measure_fma_peak(seconds, threads, item)


@cache
def _measured_peak(instruction_set: str, threads: int, item: int) -> float:
    return measure_peak(0.05, threads, item)


def native_file() -> str:
    """Where the compiled kernels are."""
    return str(_native.__file__)


def int8_kernels() -> str:
    """The instruction set of the kernels for int8 weights: "avx512-vnni", "avx-vnni", "avx2" or "baseline"."""
    return _native.narrow_instruction_set()
