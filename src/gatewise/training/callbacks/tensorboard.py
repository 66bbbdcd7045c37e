"""What TensorBoard shows: event files with the course of training, the weights and the gates."""

from __future__ import annotations

import functools
import importlib
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewise.training.callbacks.base import Callback
from gatewise.training.callbacks.on_disk import told as told_in_full

_GATE_BINS = 50


def _telling_where(hook: Callable[..., None]) -> Callable[..., None]:
    """A hook whose errors of writing say which folder it is, what is there and what to do."""

    @functools.wraps(hook)
    def run(self: TensorBoard, *args: Any, **kwargs: Any) -> None:
        try:
            hook(self, *args, **kwargs)
        except OSError as error:
            if error.errno is None or not str(error.filename or self.log_dir).startswith(self.log_dir):
                raise
            raise told_in_full(error, self.log_dir, "TensorBoard", "What was written before is there") from error

    return run


class TensorBoard(Callback):
    """Write event files for TensorBoard, into the folders "train" and "validation"; needs tensorboardX.

    Scalars are named as Keras names them: "epoch_loss", "epoch_learning_rate"; "batch_loss" by batches;
    "evaluation_loss_vs_iterations" by steps of the optimizer.

    Args:
        log_dir: the folder.
        histogram_freq: every how many epochs histograms of all weights are written; 0: never.
        write_graph: write the model's structure.
        write_images: with the histograms, write the weights as images too.
        write_steps_per_second: write how many steps a second there were.
        update_freq: "epoch"; or "batch", or every how many batches, for scalars by batches too.
        profile_batch: 0; there is no profiler here.
        embeddings_freq: every how many epochs the weights of Embedding layers are written for the projector.
        embeddings_metadata: for the projector, a file with a label in each line, or {layer's name: file}.
        trace_data: some sequences, x as for `predict`; whenever histograms are written, those of the gates and states
            of all recurrent layers on these sequences are too, as "gates/lstm/f": see `gatewise.trace`.

    Raises:
        ImportError: if tensorboardX is not installed.
        ValueError: for arguments that cannot be used.
    """

    state_names = ("_train_batch", "_test_batch")

    def __init__(
        self,
        log_dir: Any = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: Any = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
        trace_data: Any = None,
    ) -> None:
        if profile_batch not in (0, None):
            raise ValueError(
                f"TensorBoard: profile_batch is 0, as there is no profiler here; got {profile_batch!r}. Python's own, "
                "python -m cProfile, or py-spy, shows where time goes."
            )
        update_freq = 1 if update_freq == "batch" else update_freq
        if update_freq != "epoch" and not (_is_count(update_freq) and update_freq):
            raise ValueError(
                f"TensorBoard: update_freq is 'epoch', 'batch' or a number of batches; got {update_freq!r}."
            )
        for name, epochs in (("histogram_freq", histogram_freq), ("embeddings_freq", embeddings_freq)):
            if not _is_count(epochs):
                raise ValueError(f"TensorBoard: {name} is a number of epochs, or 0 for never; got {epochs!r}.")
        if trace_data is not None and not histogram_freq:
            raise ValueError(
                "TensorBoard: trace_data are for histograms of gates; say every how many epochs: histogram_freq=1."
            )
        self.log_dir = os.fspath(log_dir)
        self.histogram_freq = histogram_freq
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq: Any = update_freq
        self.embeddings_freq = embeddings_freq
        self.embeddings_metadata = embeddings_metadata
        self.trace_data = trace_data
        self._make_writer = _writer_class()
        self._labels: dict[str, list[str] | None] = {}
        self._writers: dict[str, Any] = {}
        self._train_batch = self._test_batch = 0
        self._batch_began = self._epoch_began = 0.0
        self._iterations_before = 0

    @_telling_where
    def on_train_begin(self, logs: Any = None) -> None:
        self._train_batch = 0
        if self.trace_data is not None:
            self._traced()  # data that do not suit the model are refused now, not after an epoch
        if self.embeddings_freq:
            self._labels = {layer.name: self._labels_of(layer) for layer in self._embeddings()}
        if self.write_graph and hasattr(self.model, "to_json"):
            _write_structure(self._writer("train"), self.model.to_json())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._iterations_before = int(self.model.optimizer.iterations)
        self._epoch_began = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._train_batch += 1
        self._batch_began = time.perf_counter()

    @_telling_where
    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.update_freq == "epoch" or self._train_batch % self.update_freq:
            return
        told = dict(logs or {})
        if self.write_steps_per_second:
            told["steps_per_second"] = 1 / (time.perf_counter() - self._batch_began)
        self._scalars("train", "batch_", told, self._train_batch)

    @_telling_where
    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs = logs or {}
        trained = {name: value for name, value in logs.items() if not name.startswith("val_")}
        trained["learning_rate"] = float(self.model.optimizer.learning_rate)
        if self.write_steps_per_second:
            steps = int(self.model.optimizer.iterations) - self._iterations_before
            trained["steps_per_second"] = steps / (time.perf_counter() - self._epoch_began)
        self._scalars("train", "epoch_", trained, epoch)
        held_out = {name[4:]: value for name, value in logs.items() if name.startswith("val_")}
        if held_out:
            self._scalars("validation", "epoch_", held_out, epoch)
        if self.histogram_freq and epoch % self.histogram_freq == 0:
            self._write_weights(epoch)
            if self.trace_data is not None:
                self._write_gates(epoch)
        if self.embeddings_freq and epoch % self.embeddings_freq == 0:
            self._write_embeddings(epoch)
        for writer in self._writers.values():
            writer.flush()

    @_telling_where
    def on_test_end(self, logs: Any = None) -> None:
        if self.model.optimizer is None:
            return
        told = {f"{name}_vs_iterations": value for name, value in (logs or {}).items()}
        self._scalars("validation", "evaluation_", told, int(self.model.optimizer.iterations))
        self._writers["validation"].flush()

    @_telling_where
    def on_train_end(self, logs: Any = None) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _writer(self, part: str) -> Any:
        if part not in self._writers:
            self._writers[part] = self._make_writer(os.path.join(self.log_dir, part))
        return self._writers[part]

    def _scalars(self, part: str, prefix: str, told: dict[str, Any], step: int) -> None:
        writer = self._writer(part)
        for name, value in told.items():
            if np.ndim(value) == 0:
                writer.add_scalar(prefix + name, float(value), step)

    def _write_weights(self, epoch: int) -> None:
        writer = self._writer("train")
        for weight in self.model.weights:
            name = weight.path.replace(":", "_")
            values = weight.numpy()
            if values.dtype.kind == "f" and np.isfinite(values).all() and values.size:
                writer.add_histogram(f"{name}/histogram", values, epoch, bins="auto")
                image = np.atleast_2d(values.squeeze())
                if self.write_images and image.ndim == 2:
                    spread = float(np.ptp(image)) or 1.0
                    writer.add_image(f"{name}/image", ((image - image.min()) / spread)[None].astype("float32"), epoch)

    def _traced(self) -> Any:
        from gatewise.explain.tracing import trace

        return trace(self.model, self.trace_data)

    def _write_gates(self, epoch: int) -> None:
        """Histograms of the gates and states, of the steps that count."""
        writer = self._writer("train")
        for path, layer in self._traced().items():
            states = [name for name in layer if name in layer.initial]
            for name in (*layer.gates, *states):
                values = layer[name] if layer.mask is None else layer[name][layer.mask]
                if values.size and np.isfinite(values).all():
                    writer.add_histogram(f"gates/{path}/{name}", values.ravel(), epoch, bins=_GATE_BINS)

    def _embeddings(self) -> list[Any]:
        return [layer for layer in self.model.layers if type(layer).__name__ == "Embedding"]

    def _labels_of(self, layer: Any) -> list[str] | None:
        """The labels of a layer's rows, read before anything is written."""
        source = self.embeddings_metadata
        source = source.get(layer.name) if isinstance(source, dict) else source
        if source is None:
            return None
        with open(source, encoding="utf-8") as file:
            labels = file.read().splitlines()
        if len(labels) != layer.input_dim:
            raise ValueError(
                f"TensorBoard: {source} has {len(labels)} labels, and layer '{layer.name}' {layer.input_dim} rows."
            )
        return labels

    def _write_embeddings(self, epoch: int) -> None:
        for layer in self._embeddings():
            table = layer.get_weights()[0]
            self._writer("train").add_embedding(
                table, metadata=self._labels[layer.name], tag=layer.name, global_step=epoch
            )


def _is_count(value: Any) -> bool:
    """Whether it is a whole number, 0 or more."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= 0


def _writer_class() -> Any:
    try:
        from tensorboardX import SummaryWriter  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ImportError(
            "TensorBoard writes its files with tensorboardX, which is not installed: "
            'pip install "gatewise[tensorboard]"'
        ) from None
    return SummaryWriter


def _write_structure(writer: Any, text: str) -> None:
    """The model's configuration, which TensorBoard's page of graphs draws."""
    # The names in these modules are made at run time.
    summary, tensor, types = (
        importlib.import_module(f"tensorboardX.proto.{name}_pb2") for name in ("summary", "tensor", "types")
    )
    kind = summary.SummaryMetadata(
        plugin_data=summary.SummaryMetadata.PluginData(plugin_name="graph_keras_model", content=b"1")
    )
    held = tensor.TensorProto(dtype=types.DT_STRING, string_val=[text.encode()])
    value = summary.Summary.Value(tag="keras", metadata=kind, tensor=held)
    writer.file_writer.add_summary(summary.Summary(value=[value]), 0)
