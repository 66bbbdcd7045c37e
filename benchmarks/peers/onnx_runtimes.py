"""ONNX Runtime and OpenVINO: one LSTM node, asked only for the last h; x is given time-major, as they want it."""

from __future__ import annotations

import io

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from benchmarks.problem import Problem, Way


def prepare_onnxruntime(problem: Problem, mode: str, threads: int) -> dict[str, Way]:
    """{way: Way} for a cell."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(_model(problem), options, providers=["CPUExecutionProvider"])
    feed = {"X": _time_major(problem)}
    return {"run": Way(lambda: session.run(None, feed), lambda outputs: outputs[0])}


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
    return {"infer": Way(lambda: request.infer([x]), lambda outputs: outputs[0])}


def _time_major(problem: Problem) -> np.ndarray:
    return np.ascontiguousarray(problem.x.swapaxes(0, 1))


def _model(problem: Problem) -> bytes:
    N, T, F, H = problem.cell
    W, U, b = problem.gates("iofc")
    constants = {"W": W.T[None], "R": U.T[None], "B": np.concatenate([b, 0 * b])[None]}
    node = helper.make_node("LSTM", ["X", "W", "R", "B"], ["", "Y_h"], hidden_size=H)
    graph = helper.make_graph(
        [node],
        "lstm",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [T, N, F])],
        [helper.make_tensor_value_info("Y_h", TensorProto.FLOAT, [1, N, H])],
        [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    return model.SerializeToString()
