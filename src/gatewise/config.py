"""Settings of the whole library: float type, epsilon, threads, names counted from one place.

Nothing here is changed by an import; every setting has a function that reads it and one that sets it.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass

_FLOAT_TYPES = ("float32", "float64")

_floatx = "float32"
_epsilon = 1e-7
_threads_were_set = False
_names: Counter[str] = Counter()


def floatx() -> str:
    """The float type of layers that are given no `dtype`: "float32" or "float64"."""
    return _floatx


def set_floatx(value: str) -> None:
    """Set the default float type.

    Raises:
        ValueError: if `value` is not "float32" or "float64".
    """
    global _floatx
    if value not in _FLOAT_TYPES:
        raise ValueError(f"floatx must be one of {', '.join(_FLOAT_TYPES)}; got {value!r}.")
    _floatx = value


def epsilon() -> float:
    """The small number that keeps logarithms and divisions finite (1e-7, as in Keras)."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Set the value that `epsilon()` returns."""
    global _epsilon
    _epsilon = float(value)


def threads() -> int:
    """How many threads the kernels may use.  Results never depend on it."""
    from gatewise import kernels

    return kernels.get_threads()


def set_threads(n: int) -> None:
    """Let the kernels use up to `n` threads (n >= 1)."""
    global _threads_were_set
    from gatewise import kernels

    kernels.set_threads(n)
    _threads_were_set = True


@dataclass(frozen=True)
class Settings:
    """What the library runs with here.

    Attributes:
        version: of the package.
        native_module: where the compiled kernels are.
        instruction_set: the one in use: "baseline", "avx2" or "avx512".   chosen_by: what chose it.
        supported: those that this machine runs, the plainest first.
        int8_kernels: those for int8 weights: "avx512-vnni", "avx-vnni", "avx2" or "baseline".
        threads: how many the kernels may use.   threads_from: where that number comes from.
        floatx: the float type of layers that are given none.
        numpy: its version.   blas: the library of its matrix products, which the kernels do not use.
    """

    version: str
    native_module: str
    instruction_set: str
    chosen_by: str
    supported: tuple[str, ...]
    int8_kernels: str
    threads: int
    threads_from: str
    floatx: str
    numpy: str
    blas: str

    @property
    def vnni(self) -> bool:
        """Whether int8 products are by the processor's own instructions for them."""
        return self.int8_kernels.endswith("vnni")

    def __str__(self) -> str:
        rows = {
            "gatewise": self.version,
            "native module": self.native_module,
            "instruction set": f"{self.instruction_set}, chosen by {self.chosen_by} of {', '.join(self.supported)}",
            "int8 kernels": f"{self.int8_kernels} ({'with' if self.vnni else 'without'} VNNI)",
            "threads": f"{self.threads}, from {self.threads_from}",
            "float type": self.floatx,
            "numpy": f"{self.numpy}, BLAS: {self.blas}",
        }
        width = max(map(len, rows))
        return "\n".join(f"{name:{width}}  {value}" for name, value in rows.items())


def show() -> Settings:
    """Print what the library runs with (instruction set, threads, float type, ...) and return it as data."""
    found = settings()
    print(found)
    return found


def settings() -> Settings:
    """What `show` prints, as data."""
    import numpy as np

    from gatewise import kernels
    from gatewise.kernels import planning
    from gatewise.version import __version__

    isa, supported = kernels.instruction_set(), kernels.supported_instruction_sets()
    asked = os.environ.get("GATEWISE_ISA")
    chosen_by = "GATEWISE_ISA" if asked == isa else "the processor" if isa == supported[-1] else "the program"
    return Settings(
        __version__,
        planning.native_file(),
        isa,
        chosen_by,
        supported,
        planning.int8_kernels(),
        threads(),
        _threads_from(),
        _floatx,
        np.__version__,
        _blas(),
    )


def _threads_from() -> str:
    """Where the number of threads comes from: what was set last, the environment, or the CPUs there are."""
    if _threads_were_set:
        return "config.set_threads"
    asked = os.environ.get("GATEWISE_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return "GATEWISE_THREADS"
    if not hasattr(os, "sched_getaffinity"):
        return "the number of CPUs"
    usable = len(os.sched_getaffinity(0))
    if threads() < usable:
        return f"the quota of the container ({usable} CPUs by affinity)"
    of = f" of {os.cpu_count()}" if usable != os.cpu_count() else ""
    return f"the CPUs that this process may use ({usable}{of})"


def _blas() -> str:
    """Name and version of the library that NumPy multiplies matrices with."""
    import numpy as np

    told = np.show_config(mode="dicts") or {}
    blas = told.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def snake_case(class_name: str) -> str:
    """`TimeDistributed` -> `time_distributed`, `LSTM` -> `lstm`, `LSTMCell` -> `lstm_cell`."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def unique_name(base: str) -> str:
    """`lstm`, then `lstm_1`, `lstm_2`, ...: the names that Keras gives to unnamed layers."""
    count = _names[base]
    _names[base] += 1
    return base if count == 0 else f"{base}_{count}"


def reset_names() -> None:
    """Count unnamed layers from the beginning again (`keras.backend.clear_session`)."""
    _names.clear()
