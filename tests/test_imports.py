"""Imports point one way, the package loads lazily, and nothing but NumPy comes with it."""

import ast
import functools
import pathlib
import subprocess
import sys

import pytest

import gatewise

ROOT = pathlib.Path(gatewise.__file__).parent

ROOMS = [
    ["version", "suggest", "lazy", "config", "kernels", "products"],
    ["variable", "autodiff", "tree", "context", "masks", "arguments", "validation", "serialization", "random"]
    + ["activations", "initializers", "regularizers", "constraints", "configuration", "saveable", "weights"]
    + ["graph", "added_ends", "added_losses", "input_spec", "described", "ragged", "stored", "stepper", "ctc"]
    + ["operation_stepper"],
    ["layer", "layer_building", "layer_inputs", "layer_masks", "layer_order", "probing", "ops"],
    ["layers"],
    ["chains"],
    ["backend"],
    ["training", "losses", "metrics", "optimizers", "callbacks"],
    ["model", "functional"],
    ["sequential"],
    ["model_config", "keras2_config", "files", "explain", "compat", "demo", "cli"]
    + ["utils", "data", "preprocessing", "models", "saving"]
    + ["streaming", "quantization", "__main__"],
]  # fmt: skip
"""The rooms of the house, from the ground up: a module imports from its own room and those before it."""

LATER_ROOMS_IN_FUNCTIONS = {"graph.py", "described.py", "layer.py", "model.py", "functional.py", "sequential.py"} | {
    "training/callbacks/history.py",
    "training/callbacks/on_disk.py",
    "training/callbacks/tensorboard.py",
    "training/callbacks/terminate_on_nan.py",
}
"""Files whose functions reach into later rooms: operators make operations, models are summarized and saved, a training
keeps itself on the disk, says what went wrong in it, and shows what the gates do."""


def room_of(module):
    """The place in ROOMS of "gatewise.x.y"; None for the package itself."""
    parts = module.split(".")
    return next((k for k, room in enumerate(ROOMS) if len(parts) > 1 and parts[1] in room), None)


@functools.cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path):
    """(module, whether at module level) of every import of gatewise in a file."""
    tree = parsed(path)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(n) for function in functions for n in ast.walk(function)}
    for_types = [n for n in ast.walk(tree) if isinstance(n, ast.If) and getattr(n.test, "id", "") == "TYPE_CHECKING"]
    inside_types = {id(n) for block in for_types for n in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in inside_types:
            continue
        top = id(node) not in inside
        if isinstance(node, ast.ImportFrom) and node.module == "gatewise":
            yield from ((f"gatewise.{alias.name}", top) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gatewise."):
            yield node.module, top
        elif isinstance(node, ast.Import):
            yield from ((alias.name, top) for alias in node.names if alias.name.split(".")[0] == "gatewise")


def sources():
    return [path for path in sorted(ROOT.rglob("*.py")) if path != ROOT / "__init__.py"]


def name_of(path):
    return ".".join(["gatewise", *path.relative_to(ROOT).with_suffix("").parts])


def test_every_module_has_a_room():
    assert [name_of(path) for path in sources() if room_of(name_of(path)) is None] == []


def test_imports_point_one_way():
    wrong, late = [], set()
    for path in sources():
        here = room_of(name_of(path))
        for module, top in imports(path):
            there = room_of(module)
            if there is None or there <= here:
                continue
            if top:
                wrong.append(f"{name_of(path)} imports {module}")
            else:
                late.add(path.relative_to(ROOT).as_posix())
    assert wrong == []
    assert late <= LATER_ROOMS_IN_FUNCTIONS, late - LATER_ROOMS_IN_FUNCTIONS


def test_autograd_is_imported_in_one_file():
    found = set()
    for path in sources():
        for node in ast.walk(parsed(path)):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(module.split(".")[0] == "autograd" for module in modules):
                found.add(path.name)
    assert found == {"autodiff.py"}


def loaded_by(code):
    """The top-level modules that a script loads beyond the standard library and NumPy."""
    tell = "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before}))"
    script = f"import sys, numpy\nbefore = set(sys.modules)\n{code}\n{tell}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    names = set(done.stdout.splitlines()[-1].split()) - set(sys.stdlib_module_names)
    # A compiled NumPy module (its random generators) shows Cython's own names as modules.
    return {n for n in names if not n.startswith(("_cython", "cython_runtime"))} - {"numpy"}


def test_import_loads_nothing_else():
    assert loaded_by("import gatewise") == {"gatewise"}


def test_training_an_lstm_loads_nothing_else():
    script = """
import gatewise as gw
from gatewise.layers import LSTM, Dense, Masking, TimeDistributed
lstm = LSTM(3, dropout=0.1, return_sequences=True)
model = gw.Sequential([gw.Input((4, 2)), Masking(), lstm, TimeDistributed(Dense(1))])
model.compile("adam", "mse", metrics=["mae"])
x = numpy.ones((3, 4, 2))
model.fit(x, x[:, :, :1], validation_split=0.4, verbose=2)
model.evaluate(x, x[:, :, :1], verbose=0)
model.predict(x, verbose=0)
model.summary()
"""
    assert loaded_by(script) == {"gatewise"}


def test_import_changes_nothing_global():
    script = """
import numpy, random, signal, warnings

def state():
    options = numpy.get_printoptions(), numpy.geterr(), numpy.random.get_state()[1].tolist()
    return options, list(warnings.filters), signal.getsignal(signal.SIGINT), random.getstate()

before = state()
import gatewise, gatewise.layers, gatewise.models, gatewise.losses
assert state() == before
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(("call", "most"), [("Dropout(0.5)", 1), ("Conv1D(2, 3)", 6), ("LSTM(3)", 12)])
def test_a_layer_loads_its_own_files_alone(call, most):
    script = f"import sys; from gatewise import layers; layers.{call}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found = [name for name in done.stdout.split() if name.startswith("gatewise.layers.")]
    assert 1 <= len(found) <= most, found


def test_ways_to_import():
    statements = (
        "from gatewise import *; assert Sequential and layers.LSTM and 'load_model' in dir()",
        "from gatewise.layers import LSTM",
        "import gatewise.losses; gatewise.losses.MeanSquaredError",
        "import gatewise.layers as L; L.Dense(3)",
        "import gatewise; gatewise.optimizers.Adam; gatewise.layers.LSTM; gatewise.ops.mean",
        "from gatewise.models import Model, Sequential",
        "from gatewise import ops; from gatewise.ops import concatenate, mean",
        "import gatewise; [getattr(gatewise, name) for name in gatewise.__all__]",
        "import gatewise; assert set(gatewise.__all__) <= set(dir(gatewise))",
    )
    running = [subprocess.Popen([sys.executable, "-c", one], stderr=subprocess.PIPE, text=True) for one in statements]
    told = [process.communicate()[1] for process in running]
    assert not any(process.returncode for process in running), told


@pytest.mark.parametrize(
    ("module", "name", "nearest"),
    [("layers", "LSMT", "LSTM"), ("optimizers", "Adamm", "Adam"), ("layers", "GRUU", "GRU")],
)
def test_a_missing_name_says_what_there_is(module, name, nearest):
    with pytest.raises(AttributeError, match=f"{name}.*{nearest}"):
        getattr(getattr(gatewise, module), name)
