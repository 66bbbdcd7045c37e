"""Data for sequences: datasets, and windows that cannot leak.  Each loads when first asked for."""

from typing import TYPE_CHECKING

from gatewise.lazy import published

if TYPE_CHECKING:
    from gatewise.data.dataset import AUTOTUNE as AUTOTUNE
    from gatewise.data.dataset import Dataset as Dataset
    from gatewise.data.parts import Part as Part
    from gatewise.data.windowing import Windows as Windows
    from gatewise.data.windowing import windows as windows

_HOMES = {
    "AUTOTUNE": "gatewise.data.dataset",
    "Dataset": "gatewise.data.dataset",
    "Part": "gatewise.data.parts",
    "Windows": "gatewise.data.windowing",
    "windows": "gatewise.data.windowing",
}
"""Public name -> the module it is defined in."""

__getattr__, __dir__, __all__ = published(__name__, "name", _HOMES)  # noqa: PLE0605
