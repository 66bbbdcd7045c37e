"""Trainer: compile, fit, evaluate, predict and their one-batch forms; what `Model` inherits.

It knows a model only by `differentiate` and `compute` (values in, values out, with or without a pullback), its
trainable variables and its outputs' names.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gatewise import masks, regularizers, tree
from gatewise.context import collected_losses
from gatewise.graph import SymbolicTensor
from gatewise.training import data as data_module
from gatewise.training import optimizers
from gatewise.training.callbacks import CallbackList, History
from gatewise.training.data import ArrayBatches, Batch, IterableBatches
from gatewise.training.objective import Objective
from gatewise.training.progress import Progress
from gatewise.variable import ParameterStore, structure_clock


class Trainer:
    """Training, evaluation and prediction with Keras's arguments."""

    optimizer: Any = None
    loss: Any = None
    stop_training = False
    history: History | None = None
    _objective: Objective | None = None
    _compiled_with: dict[str, Any] | None = None
    _store: ParameterStore | None = None
    _store_stamp = 0
    _inputs_nesting: Any = None
    """How the flat inputs of the data in use fold back into what a subclassed model's `call` takes."""

    # --- compile ---------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
        **legacy: Any,
    ) -> None:
        """Say how to train.

        Args:
            optimizer: name, configuration or `Optimizer`.
            loss: name, function or `Loss`, or a list or dictionary of them for several outputs.
            loss_weights: how much each output's loss counts.
            metrics: names, functions or `Metric` objects; without sample weights.  weighted_metrics: with them.
            run_eagerly, steps_per_execution, jit_compile, auto_scale_loss: accepted; they change no result.

        Raises:
            ValueError: for unknown names, with the nearest that exist.
        """
        legacy.pop("sample_weight_mode", None)
        legacy.pop("class_mode", None)
        if legacy:
            raise TypeError(f"compile() has no argument {', '.join(map(repr, legacy))}.")
        self.optimizer = optimizers.get(optimizer)
        self.loss = loss
        self._compiled_with = {
            "optimizer": optimizer, "loss": loss, "loss_weights": loss_weights,
            "metrics": metrics, "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly, "steps_per_execution": steps_per_execution, "jit_compile": jit_compile,
        }  # fmt: skip
        self._objective = None
        self._store = None
        if self._known_output_names() is not None:
            self._objective = self._new_objective(self._known_output_names() or [])

    @property
    def compiled(self) -> bool:
        return self._compiled_with is not None

    def _known_output_names(self) -> list[str] | None:
        return getattr(self, "output_names", None)

    def _new_objective(self, names: Sequence[str]) -> Objective:
        settings = self._compiled_with or {}
        return Objective(
            settings["loss"],
            settings["loss_weights"],
            settings["metrics"],
            settings["weighted_metrics"],
            names,
        )

    def _ready_objective(self, n_outputs: int) -> Objective:
        names = self._known_output_names() or [f"output_{k + 1}" for k in range(n_outputs)]
        if self._objective is None or self._objective.names != names:
            self._objective = self._new_objective(names)
        return self._objective

    def _require_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(
                f"Model '{self.name}' must be compiled before {method}(): write "  # type: ignore[attr-defined]
                "model.compile(optimizer='adam', loss='mse')."
            )

    @property
    def metrics(self) -> list[Any]:
        return self._objective.metrics if self._objective is not None else []

    @property
    def metrics_names(self) -> list[str]:
        return list(self._objective.results()) if self._objective is not None else []

    def reset_metrics(self) -> None:
        """Begin all running means anew."""
        if self._objective is not None:
            self._objective.reset()

    def get_metrics_result(self) -> dict[str, float]:
        """The running means by name."""
        return self._objective.results() if self._objective is not None else {}

    # --- one batch -------------------------------------------------------------------------------------------

    def value_and_grad(
        self, x: Any, y: Any = None, sample_weight: Any = None, training: bool = True
    ) -> tuple[float, dict]:
        """The loss of a batch, and {variable: gradient} for all trainable variables."""
        self._require_compiled("value_and_grad")
        batch = self._flat_batch(x, y, sample_weight)
        total, _, _, _, gradients = self._loss_and_gradients(batch, training)
        return total, gradients

    def _loss_and_gradients(self, batch: Batch, training: bool = True) -> tuple[float, list[float], list, list, dict]:
        """(loss, each output's loss, outputs, their masks, {variable: gradient})."""
        with collected_losses() as extra:
            outputs, pullback = self.differentiate(batch.x, None, training, self._inputs_nesting)  # type: ignore[attr-defined]
        flat = outputs if isinstance(outputs, list) else [outputs]
        found = [masks.mask_of(y) for y in flat]
        objective = self._ready_objective(len(flat))
        if batch.y is None:
            total, parts, dys = 0.0, [0.0] * len(flat), [None] * len(flat)
        else:
            total, parts, back = objective.forward(batch.y, flat, batch.weights, found)
            dys = back()
        _, gradients = pullback(dys if isinstance(outputs, list) else dys[0], False)
        for loss in extra:
            total += float(loss)
        for variable in self._ready_store().regularized:
            value, back = regularizers.forward_of(variable.regularizer)(variable.array)
            total += float(value)
            slope = back(1.0)
            gradients[variable] = gradients[variable] + slope if variable in gradients else slope
        return total, parts, flat, found, gradients

    def _train_batch(self, batch: Batch) -> None:
        """One step of training, counted into the running means."""
        total, parts, outputs, found, gradients = self._loss_and_gradients(batch)
        store = self._ready_store()
        slots = store.set_gradients(gradients)
        if self.optimizer.loss_scale_factor:
            store.gradients *= self.optimizer.loss_scale_factor
        self.optimizer.step(store.values, store.gradients, slots)
        assert self._objective is not None
        self._objective.update(batch.y, outputs, batch.weights, found, total, parts, batch.size)

    def _test_batch(self, batch: Batch) -> None:
        with collected_losses() as extra:
            outputs = self.evaluate_flat(batch.x)
        found = [masks.mask_of(y) for y in outputs]
        objective = self._ready_objective(len(outputs))
        total, parts = (0.0, []) if batch.y is None else objective.value(batch.y, outputs, batch.weights, found)
        total += sum(map(float, extra)) + sum(map(float, self.losses))  # type: ignore[attr-defined]
        objective.update(batch.y, outputs, batch.weights, found, total, parts, batch.size)

    def evaluate_flat(self, inputs: Sequence[Any], training: bool = False) -> list:
        """The outputs for flat inputs, flat."""
        outputs = self.compute(inputs, None, training, self._inputs_nesting)  # type: ignore[attr-defined]
        return list(tree.leaves(outputs))

    def _ready_store(self) -> ParameterStore:
        """The parameter buffer, holding exactly the variables that are trainable now, known to the optimizer."""
        store = self._store
        if store is None or self._store_stamp != structure_clock.stamp:
            trainable = self.trainable_variables  # type: ignore[attr-defined]
            if store is None or store.variables != trainable:
                store = ParameterStore.of(trainable)
                self.optimizer.bind(store)
            self._store, self._store_stamp = store, structure_clock.stamp
        if not store.owns_all():
            store.take_in()
        return store

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """One step on one batch; returns the running loss (and metrics, as a list or dictionary)."""
        self._require_compiled("train_on_batch")
        self._train_batch(self._flat_batch(x, y, sample_weight, class_weight))
        return self._returned(return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """The running loss (and metrics) with one batch more, without training."""
        self._require_compiled("test_on_batch")
        self._test_batch(self._flat_batch(x, y, sample_weight))
        return self._returned(return_dict)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch."""
        return self._nested(self.evaluate_flat(self._flat_x(x)))

    def _returned(self, return_dict: bool) -> Any:
        logs = self.get_metrics_result()
        return logs if return_dict else next(iter(logs.values())) if len(logs) == 1 else list(logs.values())

    # --- data ------------------------------------------------------------------------------------------------

    def _flat_x(self, x: Any) -> list:
        """The inputs as flat arrays, the model built for them."""
        dtype = self._data_type(self.inputs if getattr(self, "inputs", None) else ())  # type: ignore[attr-defined]
        given, self._inputs_nesting = self.split_inputs(x)  # type: ignore[attr-defined]
        arrays = [data_module.as_array(item, "The inputs", dtype) for item in given]
        if not self.built:  # type: ignore[attr-defined]
            # A few rows will do; a model that runs on all of a dataset at once would take long.
            self.build_for([a[:32] for a in arrays], self._inputs_nesting)  # type: ignore[attr-defined]
        return arrays

    def _data_type(self, tensors: Sequence[SymbolicTensor]) -> str:
        """The float type that data are turned into: that of the first float tensor, else the model's."""
        return next((t.dtype for t in tensors if t.dtype.startswith("float")), self.dtype)  # type: ignore[attr-defined]

    def _flat_batch(self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None) -> Batch:
        """Everything given for one batch (or a whole dataset) as flat lists of arrays of one length."""
        dtype = self._data_type(getattr(self, "outputs", None) or ())
        xs = self._flat_x(x)
        names = self._known_output_names() or []
        ys = (
            None
            if y is None
            else [
                data_module.as_array(item, "The targets", dtype)
                for item in data_module.flat_list(y, names, "y")
                if item is not None
            ]
        )
        weights = None
        if sample_weight is not None:
            given = data_module.flat_list(sample_weight, names, "sample_weight")
            weights = [None if w is None else data_module.as_array(w, "The sample weights", dtype) for w in given]
            weights += [weights[0]] * (len(ys or [None]) - len(weights))
        data_module.check_same_length({"x": xs, "y": ys, "sample_weight": weights})
        if ys is not None and names and len(ys) != len(names) and len(names) > 1:
            raise ValueError(f"The model has {len(names)} outputs ({', '.join(names)}); y has {len(ys)} arrays.")
        if class_weight is not None and ys is not None:
            if len(ys) > 1:
                raise ValueError("class_weight works with a single output; give sample_weight instead.")
            by_class = class_weights(ys[0], class_weight, dtype)
            weights = [by_class if weights is None or weights[0] is None else by_class * weights[0]]
        return Batch(xs, ys, weights)

    def _batches(
        self, x: Any, y: Any, sample_weight: Any, batch_size: int | None, steps: int | None,
        shuffle: bool | str = False, class_weight: Any = None,
    ) -> ArrayBatches | IterableBatches:  # fmt: skip
        if batch_size is not None and (
            isinstance(batch_size, bool) or not hasattr(batch_size, "__index__") or batch_size < 1
        ):
            raise ValueError(f"batch_size must be a positive integer; got {batch_size!r}.")
        if data_module.is_iterable_of_batches(x):
            if y is not None or sample_weight is not None:
                raise ValueError(
                    "x supplies batches of its own; then they hold the targets and weights: (x, y, sample_weight)."
                )
            return IterableBatches(x, lambda a, b, c: self._flat_batch(a, b, c, class_weight), steps)
        whole = self._flat_batch(x, y, sample_weight, class_weight)
        data_module.warn_if_not_finite(whole.x, "x")
        data_module.warn_if_not_finite(whole.y or [], "y")
        return ArrayBatches(*whole, batch_size or self._fixed_batch_size(), shuffle, steps)

    def _fixed_batch_size(self) -> int | None:
        """The batch size that an Input fixes, if one does."""
        inputs: list[SymbolicTensor] = getattr(self, "inputs", None) or []
        return next((x.shape[0] for x in inputs if x.shape and x.shape[0] is not None), None)

    def _check_targets(self, batches: Any) -> None:
        outputs: list[SymbolicTensor] | None = getattr(self, "outputs", None)
        if isinstance(batches, ArrayBatches) and batches.y is not None and outputs:
            objective = self._ready_objective(len(outputs))
            if len(batches.y) == len(outputs):
                objective.check_targets(batches.y, [y.shape for y in outputs])

    def _nested(self, outputs: list) -> Any:
        """Flat outputs nested as the model returns them."""
        nesting = getattr(self, "_output_tree", None)
        if nesting is None:
            return outputs[0] if len(outputs) == 1 else outputs
        return tree.fill(nesting, outputs)

    # --- whole datasets --------------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool | str = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
        **legacy: Any,
    ) -> History:
        """Train for a number of epochs.

        Args:
            x, y: arrays, or lists or dictionaries of them; or x alone supplies batches (x, y[, sample_weight]).
            batch_size: samples in a step; default 32.
            verbose: 0 nothing; 1 a live bar (plain lines where the output is no terminal); 2 a line an epoch.
            callbacks: `Callback` objects.
            validation_split: the last such fraction of the samples is held out for validation, before any shuffling.
            validation_data: (x, y) or (x, y, sample_weight), or batches; overrides validation_split.
            shuffle: whether each epoch takes the samples in another order; "batch" shuffles whole batches.
            class_weight: {class: weight}.  sample_weight: (N,), or (N, T) for each step.
            initial_epoch: the number of the first epoch, from 0.
            steps_per_epoch, validation_steps: batches in an epoch.
            validation_freq: validate every so many epochs, or after the epochs listed (counted from 1).

        Returns:
            a `History`, also kept as `model.history`.

        Raises:
            ValueError: for a model that is not compiled, data that do not fit, an empty dataset.
            KeyboardInterrupt: on Ctrl-C, after the step under way; model and `model.history` stay usable.
        """
        self._require_compiled("fit")
        epochs = legacy.pop("nb_epoch", epochs)
        for name in ("workers", "use_multiprocessing", "max_queue_size"):
            legacy.pop(name, None)
        if legacy:
            raise TypeError(f"fit() has no argument {', '.join(map(repr, legacy))}.")
        batches, held_out = self._training_data(
            x, y, sample_weight, batch_size, steps_per_epoch, shuffle, class_weight, validation_split, validation_data,
            validation_batch_size, validation_steps,
        )  # fmt: skip
        self._check_targets(batches)
        progress = Progress(_verbosity(verbose), epochs)
        self.history = History()
        heard = CallbackList(
            [*_listed(callbacks), self.history],
            self,
            {"epochs": epochs, "steps": batches.steps, "verbose": progress.verbose},
        )
        self.stop_training = False
        heard.call("on_train_begin")
        logs: dict[str, Any] = {}
        with _finishing_the_step() as interrupted:
            for epoch in range(initial_epoch, epochs):
                logs = self._fit_epoch(epoch, batches, held_out, validation_freq, heard, progress, interrupted)
                if self.stop_training:
                    break
        self.optimizer.finalize_variable_values()
        heard.call("on_train_end", logs=logs)
        return self.history

    def _fit_epoch(
        self, epoch: int, batches: Any, held_out: Any, validation_freq: Any, heard: CallbackList, progress: Progress,
        interrupted: Callable[[], None],
    ) -> dict[str, Any]:  # fmt: skip
        self.reset_metrics()
        heard.call("on_epoch_begin", epoch)
        progress.begin_epoch(epoch)
        tells = heard.wants("on_train_batch_end")
        done = 0
        for batch in batches.epoch():
            heard.call("on_train_batch_begin", done)
            self._train_batch(batch)
            done += 1
            if tells:
                heard.call("on_train_batch_end", done - 1, logs=self.get_metrics_result())
            progress.batch(done, batches.steps, self.get_metrics_result)
            interrupted()
            if self.stop_training:
                break
        if not done:
            raise ValueError("The dataset is empty: it gave no batch. Check how it was made.")
        logs = self.get_metrics_result()
        if held_out is not None and _validates(epoch, validation_freq):
            found = self._evaluate_batches(held_out, heard)
            logs.update((f"val_{key}", value) for key, value in found.items())
        progress.end_epoch(done, logs)
        heard.call("on_epoch_end", epoch, logs=logs)
        return logs

    def _training_data(
        self, x: Any, y: Any, sample_weight: Any, batch_size: Any, steps: Any, shuffle: Any, class_weight: Any,
        split: float, validation_data: Any, validation_batch_size: Any, validation_steps: Any,
    ) -> tuple[Any, Any]:  # fmt: skip
        """The batches to train on, and those held out for validation (or None)."""
        batches = self._batches(x, y, sample_weight, batch_size, steps, shuffle, class_weight)
        size = validation_batch_size or batch_size
        if validation_data is not None:
            if data_module.is_iterable_of_batches(validation_data):
                return batches, self._batches(validation_data, None, None, size, validation_steps)
            parts = list(validation_data)
            if not 1 <= len(parts) <= 3:
                raise ValueError(f"validation_data is (x, y) or (x, y, sample_weight); got {len(parts)} items.")
            vx, vy, vw = [*parts, None, None][:3]
            return batches, self._batches(vx, vy, vw, size, validation_steps)
        if not split:
            return batches, None
        if not isinstance(batches, ArrayBatches):
            raise ValueError("validation_split needs arrays; with batches from an iterable give validation_data.")
        if not 0 < split < 1:
            raise ValueError(f"validation_split is a fraction between 0 and 1; got {split!r}.")
        first_held = int(batches.n_samples * (1.0 - split))
        if first_held in (0, batches.n_samples):
            raise ValueError(
                f"validation_split={split} of {batches.n_samples} samples leaves an empty part; use more samples or another fraction."
            )
        # class_weight is already in the training weights; validation must not have it.
        held = self._flat_batch(x, y, sample_weight)
        kept = [data_module.take_last(part, first_held)[0] for part in (batches.x, batches.y, batches.weights)]
        out = [data_module.take_last(part, first_held)[1] for part in held]
        return ArrayBatches(*kept, batches.batch_size, shuffle, steps), ArrayBatches(
            *out, size, False, validation_steps
        )  # type: ignore[arg-type]

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **layer_arguments: Any,
    ) -> Any:
        """The mean loss, and the metrics, over a dataset: a number, a list in the order of `metrics_names`, or a dictionary."""
        self._require_compiled("evaluate")
        if layer_arguments:
            raise TypeError(f"evaluate() has no argument {', '.join(map(repr, layer_arguments))}.")
        batches = self._batches(x, y, sample_weight, batch_size, steps)
        self._check_targets(batches)
        progress = Progress(_verbosity(verbose), None)
        progress.begin_epoch(0)
        heard = CallbackList(_listed(callbacks), self, {"steps": batches.steps, "verbose": progress.verbose})
        logs = self._evaluate_batches(batches, heard, progress)
        progress.end_epoch(batches.steps or 0, logs)
        return logs if return_dict else next(iter(logs.values())) if len(logs) == 1 else list(logs.values())

    def _evaluate_batches(
        self, batches: Any, heard: CallbackList, progress: Progress | None = None
    ) -> dict[str, float]:
        """The results over batches; the running means end where they began, for fit to go on with its own."""
        self.reset_metrics()
        heard.call("on_test_begin")
        done = 0
        for batch in batches.epoch():
            heard.call("on_test_batch_begin", done)
            self._test_batch(batch)
            done += 1
            if heard.wants("on_test_batch_end"):
                heard.call("on_test_batch_end", done - 1, logs=self.get_metrics_result())
            if progress is not None:
                progress.batch(done, batches.steps, self.get_metrics_result)
        logs = self.get_metrics_result()
        heard.call("on_test_end", logs=logs)
        return logs

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for all samples, as arrays, nested as the model returns them."""
        batches = self._batches(x, None, None, batch_size, steps)
        progress = Progress(_verbosity(verbose) if verbose != "auto" else 0, None)
        progress.begin_epoch(0)
        heard = CallbackList(_listed(callbacks), self, {"steps": batches.steps, "verbose": progress.verbose})
        heard.call("on_predict_begin")
        pieces: list[list] = []
        for batch in batches.epoch():
            heard.call("on_predict_batch_begin", len(pieces))
            pieces.append(self.evaluate_flat(batch.x))
            if heard.wants("on_predict_batch_end"):
                heard.call("on_predict_batch_end", len(pieces) - 1, logs={"outputs": self._nested(pieces[-1])})
            progress.batch(len(pieces), batches.steps, dict)
        heard.call("on_predict_end")
        progress.end_epoch(len(pieces), {})
        joined = pieces[0] if len(pieces) == 1 else [np.concatenate(parts) for parts in zip(*pieces, strict=True)]
        return self._nested(joined)


def class_weights(y: np.ndarray, weights: dict[Any, float], dtype: str) -> np.ndarray:
    """The weight of each sample by its class; y holds integers, or one-hot rows.

    Raises:
        ValueError: for a class that has no weight... a missing class weighs 1, as in Keras.
    """
    classes = (
        y.argmax(axis=-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(y.shape[:1] if y.ndim < 3 else y.shape[:-1])
    )
    known = {int(key): float(value) for key, value in weights.items()}
    result = np.ones(classes.shape, dtype)
    for key, value in known.items():
        result[np.round(classes) == key] = value
    return result


def _verbosity(verbose: Any) -> int:
    if verbose in ("auto", True):
        return 1
    if verbose is False:
        return 0
    if verbose in (0, 1, 2):
        return int(verbose)
    raise ValueError(f"verbose is 0, 1, 2 or 'auto'; got {verbose!r}.")


def _listed(callbacks: Any) -> list:
    if callbacks is None:
        return []
    return list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]


def _validates(epoch: int, frequency: Any) -> bool:
    """True if there is validation after this epoch (counted from 0)."""
    return (epoch + 1) % frequency == 0 if isinstance(frequency, int) else epoch + 1 in frequency


@contextmanager
def _finishing_the_step() -> Iterator[Callable[[], None]]:
    """Within the block, Ctrl-C waits for the step under way; call what is yielded after each step.

    A second Ctrl-C does not wait.  Handlers of the user's own, and other threads, are left alone.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: None
        return
    pressed = False

    def note(_number: int, _frame: Any) -> None:
        nonlocal pressed
        pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def check() -> None:
        if pressed:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
