"""ONNX Runtime and OpenVINO: LSTM, GRU or RNN nodes, asked only for the last h; x is time-major, as they want it."""

from __future__ import annotations

import io

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.problem import Problem, Way

_NODES = {"lstm": ("LSTM", "iofc"), "gru": ("GRU", "zrh"), "simple_rnn": ("RNN", "h")}


def prepare_onnxruntime(problem: Problem, mode: str, threads: int) -> dict[str, Way]:
    """{way: Way} for a cell."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(_model(problem), options, providers=["CPUExecutionProvider"])
    feed = {"X": _time_major(problem)}
    return {"run": Way(lambda: session.run(None, feed), lambda outputs: _flat(outputs[0]))}


def prepare_openvino(problem: Problem, mode: str, threads: int) -> dict[str, Way]:
    """{way: Way} for a cell, in float32 and tuned for latency."""
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = core.compile_model(core.read_model(io.BytesIO(_model(problem))), "CPU", settings)
    request = compiled.create_infer_request()
    x = _time_major(problem)
    return {"infer": Way(lambda: request.infer([x]), lambda outputs: _flat(outputs[0]))}


def _time_major(problem: Problem) -> np.ndarray:
    return np.ascontiguousarray(problem.x.swapaxes(0, 1))


def _flat(h: np.ndarray) -> np.ndarray:
    """(directions, N, H) as (N, directions H)."""
    return np.concatenate(list(h), axis=-1)


def _constants(problem: Problem, layers: list[int]) -> dict[str, np.ndarray]:
    """W, R and B of these layers, which are directions of one node."""
    order = _NODES[problem.family][1]
    found: dict[str, list[np.ndarray]] = {"W": [], "R": [], "B": []}
    for k in layers:
        W, U, b = problem.gates(order, k)
        found["W"].append(W.T)
        found["R"].append(U.T)
        found["B"].append(b.ravel() if b.ndim == 2 else np.concatenate([b, 0 * b]))
    return {name: np.ascontiguousarray(np.stack(arrays)) for name, arrays in found.items()}


def _model(problem: Problem) -> bytes:
    N, T, F, H = problem.cell
    node, _ = _NODES[problem.family]
    both = problem.kind == "bidirectional"
    options = {"hidden_size": H} | ({"linear_before_reset": 1} if node == "GRU" else {})
    options |= {"direction": "bidirectional"} if both else {}
    nodes, constants, x = [], {}, "X"
    groups = [[0, 1]] if both else [[k] for k in range(len(problem.layers))]
    for k, group in enumerate(groups):
        is_last = k + 1 == len(groups)
        named = {f"{name}{k}": array for name, array in _constants(problem, group).items()}
        constants |= named
        outputs = ["", "Y_h"] if is_last else [f"Y{k}"]
        nodes.append(helper.make_node(node, [x, *named], outputs, **options))
        if not is_last:  # (T, directions, N, H) -> (T, N, H)
            constants[f"axis{k}"] = np.array([1], np.int64)
            nodes.append(helper.make_node("Squeeze", [f"Y{k}", f"axis{k}"], [f"X{k}"]))
            x = f"X{k}"
    graph = helper.make_graph(
        nodes,
        "recurrent",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [T, N, F])],
        [helper.make_tensor_value_info("Y_h", TensorProto.FLOAT, [1 + both, N, H])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model.SerializeToString()
