"""Masked batches: sequences run in an order of their own inside the kernels, and nothing of it shows outside.

Each result is compared with the same kernel over each sequence alone, cut to its real steps, where nothing is masked or
sorted; so padding before, behind and in between must all come to the same.
"""

import numpy as np
import one_state_problems as one_state
import problems
import pytest
from problems import random_mask
from variant_problems import variant_problem

from gatewise import kernels

KINDS = ("scattered", "left", "right", "rows")
FAMILIES = ("LSTM", *one_state.FAMILIES)
SIZES = [(6, 5, 3, 4), (7, 9, 2, 17), (23, 6, 20, 33), (13, 1, 1, 1), (40, 11, 5, 70)]


def made(family, N, T, F, H, **options):
    """A problem of a family, of LSTM or of layers with one state."""
    if family == "LSTM":
        return problems.problem(N, T, F, H, **options)
    return one_state.problem(family, N, T, F, H, **options)


def gradients(p, tape):
    """{name: gradient} of a problem."""
    names = ("dx", "dh0", "dc0", "dW", "dU", "db") if hasattr(p, "c0") else ("dx", "dh0", "dW", "dU", "db")
    return dict(zip(names, p.backward(kernels, tape), strict=True))


def alone(p, n, real):
    """(outputs at the real steps, {name: gradient}) of one sequence, its masked steps cut out."""
    changes = {"x": p.x[n : n + 1, real]}
    changes |= {name: getattr(p, name)[n : n + 1] for name in ("h0", "c0", "dh_T", "dc_T") if hasattr(p, name)}
    changes["dh"] = p.dh[n : n + 1, real]
    options = {k: v[n : n + 1] if k.endswith("dropout") else v for k, v in p.options.items() if k != "mask"}
    cut = type(p)(**{**vars(p), **changes, "options": options})
    tape = cut.forward(kernels)
    return tape.h[0], gradients(cut, tape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_are_those_of_each_sequence_alone(instruction_set, family, kind):
    for N, T, F, H in SIZES:
        mask = random_mask(kind, N, T, seed=N)
        p = made(family, N, T, F, H, dtype="float32", mask=mask)
        tape = p.forward(kernels)
        for n in range(N):
            if mask[n].any():
                np.testing.assert_array_equal(tape.h[n, mask[n]], alone(p, n, mask[n])[0])
            held = p.h0[n]
            for t in range(T):  # a masked step keeps the state
                held = tape.h[n, t] if mask[n, t] else held
                np.testing.assert_array_equal(tape.h[n, t], held)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_the_sums_of_each_sequence_alone(family, kind):
    for N, T, F, H in SIZES:
        mask = random_mask(kind, N, T, seed=N + 1)
        p = made(family, N, T, F, H, mask=mask)
        # A masked step hands its gradient on to the step before; so that both ways have the same to hand on, none.
        p.dh[~mask] = 0
        found = gradients(p, p.forward(kernels))
        assert np.all(found["dx"][~mask] == 0)
        sums = dict.fromkeys(("dW", "dU", "db"), 0.0)
        for n in range(N):
            if not mask[n].any():
                np.testing.assert_array_equal(found["dh0"][n], p.dh_T[n])
                continue
            own = alone(p, n, mask[n])[1]
            np.testing.assert_allclose(found["dx"][n, mask[n]], own["dx"][0], rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(found["dh0"][n], own["dh0"][0], rtol=1e-12, atol=1e-13)
            for name in sums:
                sums[name] = sums[name] + own[name]
        for name, total in sums.items():
            np.testing.assert_allclose(found[name], total, rtol=1e-10, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("sizes", [(37, 9, 20, 48), (26, 30, 40, 150), (9, 7, 3, 600)])
def test_masked_batches_do_not_depend_on_threads(family, sizes, threads):
    for kind in KINDS:
        p = made(family, *sizes, dtype="float32", mask=random_mask(kind, sizes[0], sizes[1]))
        results = []
        for count in (1, 2, 3):
            threads(count)
            tape = p.forward(kernels)
            results.append([tape.h, *p.backward(kernels, tape)])
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_of_x_over_many_units_does_not_depend_on_threads(family, threads):
    """Where threads share the units they also share the rows of x under dropout."""
    N, T, F, H = 8, 6, 21, 640
    rng = np.random.default_rng(0)
    x_dropout = (rng.random((N, F)) < 0.7) / np.float32(0.7)
    p = made(family, N, T, F, H, dtype="float32", x_dropout=x_dropout.astype("float32"))
    results = []
    for count in (1, 2, 3):
        threads(count)
        tape = p.forward(kernels)
        results.append([tape.h, *p.backward(kernels, tape)])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


VARIANTS = {
    "peephole": {"peephole": True, "clip": True, "coupled": True},
    "layer_norm": {"layer_norm": True, "peephole": True},
    "projection": {"outputs": 9, "zoneout": "drawn", "drop": True},
    "all": {"layer_norm": True, "peephole": True, "outputs": 5, "zoneout": "rates", "drop": True, "coupled": True},
}


def one_of(p, n):
    """Sequence n of a variant's problem by itself, masked steps and all."""
    cut = {name: getattr(p, name)[n : n + 1] for name in ("x", "h0", "c0", "dh", "dh_T", "dc_T", "dc")}
    more = {k: v[n : n + 1] if isinstance(v, np.ndarray) else v for k, v in p.more.items()}
    return type(p)(**{**vars(p), **cut, "more": more})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_give_each_sequence_what_it_has_alone(instruction_set, variant, kind):
    for N, T, F, H in SIZES:
        p = variant_problem(N, T, F, H, mask=kind, **VARIANTS[variant])
        tape = p.forward(kernels)
        found = p.backward(kernels, tape)
        sums = [0.0] * len(found)
        for n in range(N):
            own = one_of(p, n)
            own_tape = own.forward(kernels)
            for mine, whole in zip(own_tape, tape, strict=True):
                if mine is not None:
                    np.testing.assert_array_equal(mine[0], whole[n])
            own_gradients = own.backward(kernels, own_tape)
            for mine, whole in zip(own_gradients[:3], found[:3], strict=True):
                np.testing.assert_allclose(mine[0], whole[n], rtol=1e-12, atol=1e-13)
            sums = [a if b is None else a + b for a, b in zip(sums, own_gradients, strict=True)]
        for total, whole in zip(sums[3:], found[3:], strict=True):
            if whole is not None:
                np.testing.assert_allclose(whole, total, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("sizes", [(37, 9, 20, 48), (9, 7, 3, 400)])
def test_masked_variants_do_not_depend_on_threads(variant, sizes, threads):
    for kind in KINDS:
        p = variant_problem(*sizes, dtype="float32", mask=kind, **VARIANTS[variant])
        results = []
        for count in (1, 2, 3):
            threads(count)
            tape = p.forward(kernels)
            results.append([a for a in (*tape, *p.backward(kernels, tape)) if a is not None])
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(a, b)
