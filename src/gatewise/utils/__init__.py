"""keras.utils: seeds, one-hot classes, padded sequences, windows, datasets.  Each loads when first asked for."""

from typing import TYPE_CHECKING

from gatewise.lazy import published

if TYPE_CHECKING:
    from gatewise.explain.draw.plot_model import model_to_dot as model_to_dot
    from gatewise.explain.draw.plot_model import plot_model as plot_model
    from gatewise.training.packing import pack_x_y_sample_weight as pack_x_y_sample_weight
    from gatewise.training.packing import unpack_x_y_sample_weight as unpack_x_y_sample_weight
    from gatewise.training.sources.py_dataset import PyDataset as PyDataset
    from gatewise.training.sources.py_dataset import Sequence as Sequence
    from gatewise.utils.categories import to_categorical as to_categorical
    from gatewise.utils.norms import normalize as normalize
    from gatewise.utils.padding import pad_sequences as pad_sequences
    from gatewise.utils.seeds import set_random_seed as set_random_seed
    from gatewise.utils.time_series import timeseries_dataset_from_array as timeseries_dataset_from_array

_HOMES = {
    "PyDataset": "gatewise.training.sources.py_dataset",
    "Sequence": "gatewise.training.sources.py_dataset",
    "model_to_dot": "gatewise.explain.draw.plot_model",
    "normalize": "gatewise.utils.norms",
    "pack_x_y_sample_weight": "gatewise.training.packing",
    "pad_sequences": "gatewise.utils.padding",
    "plot_model": "gatewise.explain.draw.plot_model",
    "set_random_seed": "gatewise.utils.seeds",
    "timeseries_dataset_from_array": "gatewise.utils.time_series",
    "to_categorical": "gatewise.utils.categories",
    "unpack_x_y_sample_weight": "gatewise.training.packing",
}
"""Public name -> the module it is defined in."""

__getattr__, __dir__, __all__ = published(__name__, "function", _HOMES)  # noqa: PLE0605
