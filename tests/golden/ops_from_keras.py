"""Write ops.json: what Keras computes for the calls of tests/ops_cases.py.  Run it where Keras 3.15 is installed.

    python tests/golden/ops_from_keras.py tensorflow.json     (KERAS_BACKEND=tensorflow; then jax and torch)
    python tests/golden/ops_from_keras.py ops.json tensorflow.json jax.json torch.json

The second form takes each call's result from the first file that has one: a backend refuses a few calls.
"""

import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))


def arrays_in(result):
    if isinstance(result, list | tuple):
        return [leaf for part in result for leaf in arrays_in(part)]
    return [result]


def written(array):
    """[type, shape, numbers]; complex numbers as pairs."""
    numbers = np.stack([array.real, array.imag], -1) if array.dtype.kind == "c" else array
    flat = numbers.ravel().tolist()
    rounded = [float(f"{n:.7g}") for n in flat] if numbers.dtype.kind == "f" else [int(n) for n in flat]
    return [array.dtype.name, list(array.shape), rounded]


def computed_by_keras(name, arguments, options):
    """The results of one call, flat; None if the backend refuses it."""
    from keras import ops

    def tensors(value):
        if isinstance(value, list | tuple) and any(isinstance(item, np.ndarray) for item in value):
            return type(value)(tensors(item) for item in value)
        return ops.convert_to_tensor(value) if isinstance(value, np.ndarray) else value

    try:
        result = getattr(ops, name)(*map(tensors, arguments), **{key: tensors(v) for key, v in options.items()})
        return [written(np.asarray(ops.convert_to_numpy(leaf))) for leaf in arrays_in(result)]
    except Exception as error:  # whatever a backend raises: it is listed, and another one is asked
        print(f"{name}: {type(error).__name__}", file=sys.stderr)
        return None


def main(target, *sources):
    if sources:
        files = [json.loads(pathlib.Path(source).read_text()) for source in sources]
        results = [[row[0][0], next((r for _, r in row if r is not None), None)] for row in zip(*files, strict=True)]
    else:
        from ops_cases import CASES

        results = [[name, computed_by_keras(name, arguments, options)] for name, arguments, options in CASES]
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in results)
    pathlib.Path(target).write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
