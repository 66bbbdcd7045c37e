"""Keras on whichever backend KERAS_BACKEND names: its public one-batch methods, and its fastest compiled call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks.architecture import model_of
from benchmarks.problem import Problem, Way, fitting


def prepare(problem: Problem, mode: str, threads: int) -> dict[str, Way]:
    """{way: Way} for a cell."""
    _limit_threads(threads)
    if mode == "train":
        ways = {"train_on_batch": _training(problem, "auto")}
        if keras.backend.backend() == "tensorflow":
            ways["train_on_batch, no XLA"] = _training(problem, False)
        return ways
    if mode == "fit":
        return {"fit": fitting(_model(problem, dense=True), problem, jit_compile="auto")}
    # A model of its own for each: on JAX, predict_on_batch takes the memory of the weights away (donation).
    compiled, read = _compiled(_model(problem, dense=False), problem.x)
    model = _model(problem, dense=False)
    return {
        "compiled": Way(compiled, read),
        "predict_on_batch": Way(lambda: model.predict_on_batch(problem.x)),
    }


def _model(problem: Problem, dense: bool) -> Any:
    return model_of(keras, problem, dense, masking=problem.kind == "masked")


def _training(problem: Problem, jit_compile: Any) -> Way:
    model = _model(problem, dense=True)
    model.compile("adam", "mse", jit_compile=jit_compile)
    return Way(lambda: model.train_on_batch(problem.x, problem.y))


def _limit_threads(threads: int) -> None:
    """JAX is limited by the CPUs that this process may use."""
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(threads)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)


def _compiled(model: Any, x: np.ndarray) -> tuple[Callable[[], Any], Callable[[Any], np.ndarray]]:
    """The model as one compiled call on a tensor that is already there, and how its result is read."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        run, tensor = tf.function(lambda a: model(a, training=False)), tf.constant(x)
        return lambda: run(tensor).numpy(), np.asarray
    if backend == "jax":
        import jax

        trained = [v.value for v in model.trainable_variables]
        other = [v.value for v in model.non_trainable_variables]
        jitted = jax.jit(lambda w, a: model.stateless_call(w, other, a, training=False)[0])
        tensor = jax.numpy.asarray(x)
        return lambda: jitted(trained, tensor).block_until_ready(), np.asarray
    import torch

    tensor = torch.from_numpy(x)

    def run() -> Any:
        with torch.inference_mode():
            return model(tensor, training=False)

    return run, lambda h: h.numpy()
