"""The same seed gives the same training, whatever the number of threads and whatever runs beside it."""

import ast
import json
import os
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import gatewise
from gatewise import config, kernels, random
from gatewise.layers import LSTM, Dense, Dropout


def trained(units=24, dtype="float32", seed=7, batch_size=32):
    """The weights after training with every kind of chance: initial weights, dropout, shuffling."""
    gatewise.utils.set_random_seed(seed)
    model = gatewise.Sequential([
        gatewise.Input((9, 5), dtype=dtype),
        LSTM(units, dropout=0.2, recurrent_dropout=0.1, return_sequences=True, dtype=dtype),
        LSTM(units, dtype=dtype),
        Dropout(0.3, dtype=dtype),
        Dense(2, dtype=dtype),
    ])  # fmt: skip
    model.compile("adam", "mse")
    x, y = np.random.rand(100, 9, 5), np.random.rand(100, 2)
    model.fit(x, y, batch_size=batch_size, epochs=3, validation_split=0.2, verbose=0)
    return [*model.get_weights(), model.predict(x)]


def same(a, b):
    return all((v == w).all() for v, w in zip(a, b, strict=True))


@pytest.fixture
def threads():
    before = kernels.get_threads()
    yield config.set_threads
    config.set_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units, batch_size", [(1, 32), (24, 32), (24, 3), (70, 80)])
def test_any_number_of_threads(threads, dtype, units, batch_size):
    found = []
    for n in (1, 2, 3):
        threads(n)
        found.append(trained(units, dtype, batch_size=batch_size))
    assert same(found[0], found[1]) and same(found[0], found[2])


def test_a_seed_decides_everything():
    assert same(trained(), trained())
    assert not same(trained(), trained(seed=8))


def test_another_process_finds_the_same():
    script = f"""
        import sys; sys.path.insert(0, {str(__file__).rsplit("/", 1)[0]!r})
        from test_determinism import trained
        print([float(w.sum(dtype="float64")).hex() for w in trained()])
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str([float(w.sum(dtype="float64")).hex() for w in trained()])


ENVIRONMENTS = [
    {"GATEWISE_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "1"},
    {"GATEWISE_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "2"},
    {"GATEWISE_THREADS": "7", "OPENBLAS_NUM_THREADS": "4", "OMP_NUM_THREADS": "3", "PYTHONHASHSEED": "33"},
]


def test_models_of_all_kinds_in_processes_with_other_threads_and_hashes():
    script = pathlib.Path(__file__).with_name("determined_training.py")
    source = str(pathlib.Path(gatewise.__file__).parents[1])
    running = [
        subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": source, **environment},
        )
        for environment in ENVIRONMENTS
    ]  # fmt: skip
    found = [json.loads(process.communicate(timeout=120)[0]) for process in running]
    assert len(found[0]) > 10 and len(set(found[0].values())) == len(found[0])
    for name in found[0]:
        assert len({one[name] for one in found}) == 1, name


def test_generators_of_layers_and_of_users_follow_the_seed():
    def drawn(seed, own):
        gatewise.utils.set_random_seed(seed)
        layer, generator = Dropout(0.5, seed=own), random.SeedGenerator(own)
        x = np.ones((50, 50), "float32")
        return layer(x, training=True), layer(x, training=True), gatewise.random.normal((9,), seed=generator)

    for own in (None, 4):
        assert same(drawn(1, own), drawn(1, own))
    assert not same(drawn(1, None), drawn(2, None)) and same(drawn(1, 4), drawn(2, 4))
    first, second, _ = drawn(1, 4)
    assert not (first == second).all()


BY_NUMPY = {
    "products.py": "falls back on NumPy for what the kernels do not know",
    "ops/linalg.py": "inverses, decompositions: LAPACK's, asked for by name",
    "variable.py": "of values being differentiated, whose own product is the kernels'",
    "utils/": "preparing data, once and before the training",
    "explain/": "reports",
    "demo/judging.py": "the comparison with linear regression",
    "kernels/reference": "the definitions, which the kernels are measured against",
}
"""Where sums of floats are left to NumPy's BLAS, whose last bits depend on its threads, and why that is right."""


def test_no_other_sum_is_left_to_blas():
    names, found = {"dot", "matmul", "tensordot", "inner", "vdot", "vecdot"}, set()
    root = pathlib.Path(gatewise.__file__).parent
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func).split(".") if isinstance(node, ast.Call) else [""]
            of_numpy = called[0] == "np" and (called[1:2] == ["linalg"] or called[-1] in names)
            product = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult)
            if (product or of_numpy) and not place.startswith(tuple(BY_NUMPY)):
                found.add(f"{place}:{node.lineno}")
    assert not found


def test_evaluation_and_prediction_draw_nothing():
    def next_numbers(between):
        gatewise.utils.set_random_seed(1)
        model = gatewise.Sequential([gatewise.Input((4, 2)), LSTM(3, dropout=0.5), Dropout(0.5), Dense(1)])
        model.compile("sgd", "mse")
        x = np.zeros((6, 4, 2))
        between(model, x)
        return random.next_generator().random(4)

    plain = next_numbers(lambda model, x: None)
    used = next_numbers(lambda model, x: (model.predict(x), model.evaluate(x, x[:, 0, :1], verbose=0)))
    np.testing.assert_array_equal(plain, used)
