"""`keep_sums`: the sums before activation as the kernels computed them, and nothing else changed."""

import numpy as np
import one_state_problems as one_state
import pytest
from problems import OUTPUTS, problem
from variant_problems import variant_problem

from gatewise import kernels
from gatewise.kernels import reference

VARIANTS = [
    {"peephole": True, "clip": True},
    {"layer_norm": True, "peephole": True, "coupled": True, "outputs": 3},
    {"zoneout": "drawn", "drop": True, "outputs": 7},
]


def with_sums(p):
    """(tape with sums, tape without, the twin's) of a problem."""
    name = "more" if hasattr(p, "more") else "options"
    kept = type(p)(**{**vars(p), name: {**getattr(p, name), "keep_sums": True}})
    return kept.forward(kernels), p.forward(kernels), p.in_float64().forward(reference)


def problems(dtype, mask):
    for sizes in [(1, 1, 1, 1), (1, 7, 3, 5), (5, 1, 2, 17), (9, 6, 4, 33)]:
        yield problem(*sizes, dtype=dtype, mask=mask(sizes))
        for family in one_state.FAMILIES:
            yield one_state.problem(family, *sizes, dtype=dtype, mask=mask(sizes))
        for options in VARIANTS:
            kind = None if mask(sizes) is None else "scattered"
            yield variant_problem(*sizes, dtype=dtype, mask=kind, **options)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("masked", [False, True])
def test_the_sums_are_the_twins_and_all_else_is_the_same(instruction_set, dtype, masked):
    def mask(sizes):
        return np.random.default_rng(3).random(sizes[:2]) < 0.7 if masked else None

    for p in problems(dtype, mask):
        kept, plain, twin = with_sums(p)
        of_sums = "sums" if hasattr(kept, "sums") else "z"
        for name, value in kept._asdict().items():
            if name == of_sums:
                assert getattr(plain, name) is None
                used = (p.more if hasattr(p, "more") else p.options).get("mask")
                used = np.ones(p.x.shape[:2], bool) if used is None else used
                expected = getattr(twin, name)[used]
                assert np.max(np.abs(value[used] - expected) / (1 + np.abs(expected)), initial=0) < 2 * OUTPUTS[dtype]
                assert not value[~used].any()
            elif value is not None:
                np.testing.assert_array_equal(value, getattr(plain, name))
