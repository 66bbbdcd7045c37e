"""Letting `import keras` and `import tensorflow` mean gatewise, for a while."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from gatewise.compat.modules import AnsweringFinder
from gatewise.compat.names import ROOTS


@contextmanager
def keras_names() -> Iterator[None]:
    """Within the block, imports of keras, tensorflow and tf_keras are answered by gatewise.

    Whatever is installed under these names is neither needed nor touched, and modules of theirs that were imported
    before are back in `sys.modules` afterwards.

        with gatewise.compat.keras_names():
            from keras.layers import LSTM     # gatewise.layers.LSTM
    """
    before = _take_out()
    finder = AnsweringFinder()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _take_out()
        sys.modules.update(before)


def _take_out() -> dict:
    """Remove the modules of these names from `sys.modules`, and return them."""
    names = [name for name in sys.modules if name.split(".")[0] in ROOTS]
    return {name: sys.modules.pop(name) for name in names}
