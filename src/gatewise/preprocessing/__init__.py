"""keras.preprocessing: sequences and text made ready, as in Keras 1 and 2.  Each loads when first asked for."""

from typing import TYPE_CHECKING

from gatewise.lazy import published

if TYPE_CHECKING:
    from gatewise.preprocessing import sequence as sequence
    from gatewise.preprocessing import text as text
    from gatewise.utils.time_series import timeseries_dataset_from_array as timeseries_dataset_from_array

_HOMES = {
    "sequence": "gatewise.preprocessing.sequence",
    "text": "gatewise.preprocessing.text",
    "timeseries_dataset_from_array": "gatewise.utils.time_series",
}
"""Public name -> the module it is defined in."""

__getattr__, __dir__, __all__ = published(__name__, "name", _HOMES)  # noqa: PLE0605
