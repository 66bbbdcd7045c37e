"""One seed for every stream of chance."""

from __future__ import annotations

import random as python_random

import numpy as np

from gatewise import random as gatewise_random


def set_random_seed(seed: int) -> None:
    """Begin every stream of chance anew from `seed`: gatewise's, NumPy's and Python's own.

    Args:
        seed: an integer from 0 to 2**32 - 1.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise ValueError(f"set_random_seed takes an integer from 0 to 2**32 - 1; got {seed!r}.")
    python_random.seed(int(seed))
    np.random.seed(int(seed))
    gatewise_random.set_global_seed(int(seed))
