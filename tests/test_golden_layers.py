"""Layers against Keras: outputs, gradients, masks and states of every golden case whose layers exist."""

import numpy as np
import pytest

from gatewise import config
from golden import build, load

GROUPS = (
    "attention", "bidirectional", "cells", "conv_lstm", "conv_pool", "dense_embedding", "gru", "lstm", "merge_shape",
    "normalization", "rnn_generic", "simple_rnn", "time_distributed",
)  # fmt: skip
CASES = [case for group in GROUPS for case in load.cases("layers", group) if build.is_supported(case["spec"])]


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    before = config.floatx()
    config.set_floatx(request.param)
    yield request.param
    config.set_floatx(before)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_layer_equals_keras(case, dtype):
    found = build.run_layer(case, dtype)
    compared = 0
    for name, value in found.items():
        if name not in case["arrays"]:
            continue
        if value is not None and value.dtype == bool:
            np.testing.assert_array_equal(value, case["arrays"][name], err_msg=name)
        else:
            assert value is not None, f"no gradient {name}"
            load.assert_close(value, case, name, float64=1e-11)
        compared += 1
    assert compared >= len(case["calls"])


def test_there_are_as_many_cases_as_layers_promise():
    assert sum(case["group"] == "lstm" for case in CASES) >= 125
