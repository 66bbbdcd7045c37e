"""keras.utils: seeds, one-hot classes, padded sequences, windows of a series.  Each loads when first asked for."""

from typing import TYPE_CHECKING

from gatewise.lazy import published

if TYPE_CHECKING:
    from gatewise.utils.categories import to_categorical as to_categorical
    from gatewise.utils.padding import pad_sequences as pad_sequences
    from gatewise.utils.seeds import set_random_seed as set_random_seed

_HOMES = {
    "pad_sequences": "gatewise.utils.padding",
    "set_random_seed": "gatewise.utils.seeds",
    "to_categorical": "gatewise.utils.categories",
}
"""Public name -> the module it is defined in."""

__getattr__, __dir__, __all__ = published(__name__, "function", _HOMES)  # noqa: PLE0605
