"""Trainer: fit, evaluate and predict over whole datasets; what `Model` inherits.

It knows a model only by `differentiate` and `compute` (values in, values out, with or without a pullback), its
trainable variables and its outputs' names.  What comes before lies in rooms of its own: `compiling`, `preparation` (of
data), `step` (one batch), `custom` (steps that a subclass defines).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from gatewise.arguments import apart_from
from gatewise.training import data
from gatewise.training.callbacks import CallbackList, History, listed
from gatewise.training.custom import CustomSteps
from gatewise.training.data import Batch
from gatewise.training.gathering import Gathered
from gatewise.training.generator_methods import GeneratorMethods
from gatewise.training.interrupt import finishing_the_step
from gatewise.training.progress import Progress, verbosity
from gatewise.training.sources import array_batches
from gatewise.training.sources.array_batches import ArrayBatches
from gatewise.training.sources.iterable_batches import IterableBatches

Batches = ArrayBatches | IterableBatches


class Trainer(GeneratorMethods, CustomSteps):
    """Training, evaluation and prediction with Keras's arguments."""

    stop_training = False
    stop_evaluating = False
    stop_predicting = False
    history: History | None = None

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
            epochs: the number of the last epoch: how many there are, unless `initial_epoch` says otherwise.
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
        epochs = _fit_arguments(legacy, epochs, initial_epoch, validation_freq)
        chosen = listed(callbacks)
        shown, progress = _progress(verbosity(verbose), epochs, chosen)
        counts = {"steps_per_epoch": steps_per_epoch, "validation_steps": validation_steps}
        for name, count in {**counts, "validation_batch_size": validation_batch_size}.items():
            data.check_count(count, name)
        batches = self._batches(x, y, sample_weight, batch_size, steps_per_epoch, shuffle, class_weight)
        held_out: Batches | None = None
        size = validation_batch_size or batch_size
        if validation_data is not None:
            held_out = self._held_out(validation_data, size, validation_steps)
        elif validation_split:
            batches, held = _split(batches, validation_split, steps_per_epoch)
            if class_weight is not None:  # it is in the weights of `held`, where validation must not have it
                held = array_batches.part(self._whole(x, y, sample_weight), batches.whole.size)
            held_out = ArrayBatches(held, size or self._fixed_batch_size(), False, validation_steps, batches.check)
        self.history = next((c for c in chosen if isinstance(c, History)), None) or History()
        heard = CallbackList(
            [*chosen, *([] if self.history in chosen else [self.history])],
            model=self,
            verbose=shown,
            epochs=epochs,
            steps=batches.steps,
        )
        run = _Run(self, batches, held_out, validation_freq, heard, progress)
        run.epochs(initial_epoch, epochs)
        return self.history

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
        **unknown: Any,
    ) -> Any:
        """The mean loss, and the metrics, over a dataset.

        Returns:
            a number; with metrics a list in the order of `metrics_names`; with `return_dict` a dictionary.
        """
        self._require_compiled("evaluate")
        if unknown:
            raise TypeError(f"evaluate() has no argument {', '.join(map(repr, unknown))}.")
        chosen = listed(callbacks)
        shown, progress = _progress(verbosity(verbose), None, chosen)
        batches = self._batches(x, y, sample_weight, batch_size, steps)
        heard = CallbackList(chosen, model=self, verbose=shown, epochs=1, steps=batches.steps)
        with progress, batches:
            progress.begin_epoch(0)
            done = self._evaluate_batches(batches, heard, progress)
            progress.end_epoch(done, self._logs())
        return self._returned(return_dict)

    def _evaluate_batches(
        self,
        batches: Batches,
        heard: CallbackList,
        progress: Progress | None = None,
        after_each: Callable[[], None] = lambda: None,
    ) -> int:
        """Gather the metrics of a dataset; returns the number of batches.

        Raises:
            ValueError: if there is no batch.
        """
        self.stop_evaluating = False
        heard.call("on_test_begin")
        self.reset_metrics()
        tells = heard.wants("on_test_batch_end")
        done = 0
        for batch in batches.from_start():
            heard.call("on_test_batch_begin", done)
            self._test_batch(batch)
            done += 1
            if tells:
                heard.call("on_test_batch_end", done - 1, logs=self._logs())
            if progress is not None:
                progress.batch(done, batches.steps, self._logs)
            after_each()
            if self.stop_evaluating:
                break
        if not done:
            raise ValueError(
                "The dataset to evaluate on is empty: it gave no batch. Check how it was made; a generator gives "
                "each batch once."
            )
        heard.call("on_test_end", logs=self._logs())
        return done

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for all samples, as arrays, nested as the model returns them.

        `verbose="auto"` prints nothing.
        """
        if self._chain is not None and callbacks is None and steps is None and verbose in ("auto", 0):
            y = self._predicted_at_once(x, 32 if batch_size is None else batch_size)
            if y is not None:
                self.stop_predicting = False
                return y
        chosen = listed(callbacks)
        quiet = isinstance(verbose, str) and verbose == "auto"
        shown, progress = _progress(0 if quiet else verbosity(verbose), None, chosen)
        batches = self._batches(x, None, None, batch_size, steps, inputs_only=True)
        heard = CallbackList(chosen, model=self, verbose=shown, epochs=1, steps=batches.steps)
        self.stop_predicting = False
        heard.call("on_predict_begin")
        tells = heard.wants("on_predict_batch_end")
        gathered = Gathered(getattr(batches, "rows", None), batches.steps)
        with progress, batches:
            progress.begin_epoch(0)
            for batch in batches.from_start():
                heard.call("on_predict_batch_begin", gathered.batches)
                outputs = self._outputs_of(batch)
                gathered.add(outputs)
                if tells:
                    heard.call("on_predict_batch_end", gathered.batches - 1, logs={"outputs": self._nested(outputs)})
                progress.batch(gathered.batches, batches.steps, dict)
                if self.stop_predicting:
                    break
            if not gathered.batches:
                raise ValueError("The dataset to predict from is empty: it gave no batch. Check how it was made.")
            progress.end_epoch(gathered.batches, {})
        heard.call("on_predict_end")
        found = gathered.result()
        return self._nested(apart_from(batch.x, found) if gathered.batches == 1 else found)


class _Run:
    """One `fit` under way.

    Args:
        model: the model being trained.
        batches, held_out: what to train on, and what to validate on or None.
        validation_freq: validate every so many epochs, or after those listed.
        heard: the callbacks.  progress: what is printed.
    """

    def __init__(
        self, model: Trainer, batches: Batches, held_out: Batches | None, validation_freq: Any, heard: CallbackList,
        progress: Progress,
    ) -> None:  # fmt: skip
        self.model, self.batches, self.callbacks = model, batches, heard.callbacks
        self.epoch = self._first = self._begun = 0
        self._was_stopped = False
        self.before_end: list[Callable[[], None]] = []  # what callbacks have to do before the weights are final
        self.batch: Any = None  # the one under way, for callbacks that look at it
        self.held_out = held_out
        self._validation_freq = validation_freq
        self._heard, self._progress = heard, progress
        for callback in self.callbacks:
            if hasattr(callback, "set_run"):
                callback.set_run(self)

    def resume_at(self, epoch: int, batches: int) -> None:
        """Begin with this epoch, of which so many batches are done; to be called from on_train_begin."""
        self._first, self._begun = epoch, batches
        self._was_stopped = self.model.stop_training

    def epochs(self, first: int, end: int) -> None:
        """Train for the epochs numbered from `first` to before `end`."""
        model, logs = self.model, {}
        model.stop_training = False
        self._first = first
        self._heard.call("on_train_begin")
        with self._progress, self.batches, self.held_out or nullcontext(), finishing_the_step() as interrupted:
            for epoch in range(self._first, end):
                if self._was_stopped and not self._begun:  # the run that goes on here had come to its end
                    break
                if (found := self._epoch(epoch, epoch == self._first, interrupted)) is None:
                    break
                logs = found
                if model.stop_training:
                    break
        for settle in self.before_end:
            settle()
        if end > first:
            model.optimizer.finalize_variable_values()
        self._heard.call("on_train_end", logs=logs)

    def _epoch(self, epoch: int, is_first: bool, interrupted: Callable[[], None]) -> dict[str, Any] | None:
        """Train for one epoch and validate; returns the epoch's logs, or None if the data had come to their end."""
        model, heard, progress = self.model, self._heard, self._progress
        self.epoch = epoch
        if not self._begun:
            model.reset_metrics()
            heard.call("on_epoch_begin", epoch)
        progress.begin_epoch(epoch)
        done = self._train(interrupted)
        if not done and is_first:
            raise ValueError("The dataset is empty: it gave no batch. Check how it was made.")
        if not done:
            data.warn_of_end(0, self.batches.steps)
            return None
        logs = model._logs()
        if self.held_out is not None and _validates(epoch, self._validation_freq):
            model._evaluate_batches(self.held_out, heard, after_each=interrupted)
            logs.update((f"val_{key}", value) for key, value in model._logs().items())
        progress.end_epoch(done, logs)
        heard.call("on_epoch_end", epoch, logs=dict(logs))  # what callbacks add to it is the epoch's alone
        return logs

    def _train(self, interrupted: Callable[[], None]) -> int:
        """A step for each batch of an epoch; returns how many there were."""
        model, heard, progress, steps = self.model, self._heard, self._progress, self.batches.steps
        begins, ends = heard.wants("on_train_batch_begin"), heard.wants("on_train_batch_end")
        done, self._begun = self._begun, 0
        for batch in () if self._was_stopped else self.batches.epoch(done):
            self.batch = batch
            if begins:
                heard.call("on_train_batch_begin", done)
            model._train_batch(batch)
            done += 1
            if ends:
                heard.call("on_train_batch_end", done - 1, logs=model._logs())
            if progress.live:
                progress.batch(done, steps, model._logs)
            interrupted()
            self.batch = batch = None  # before the next one is made: one batch is held, not two
            if model.stop_training:
                break
        return done


def _progress(verbose: int, epochs: int | None, chosen: list[Any]) -> tuple[int, Progress]:
    """How much is to be printed, and what prints it: nothing where a `ProgbarLogger` among the callbacks does."""
    takes_over = any(getattr(callback, "prints_progress", False) for callback in chosen)
    return verbose, Progress(0 if takes_over else verbose, epochs)


def _fit_arguments(legacy: dict[str, Any], epochs: Any, initial_epoch: Any, validation_freq: Any) -> int:
    """Check what fit is given besides data; returns the number of epochs, which Keras 1 called nb_epoch.

    Raises:
        ValueError, TypeError: naming the argument and what to write.
    """
    epochs = legacy.pop("nb_epoch", epochs)
    for name in ("workers", "use_multiprocessing", "max_queue_size"):
        legacy.pop(name, None)
    if legacy:
        raise TypeError(f"fit() has no argument {', '.join(map(repr, legacy))}.")
    for name, value in (("epochs", epochs), ("initial_epoch", initial_epoch)):
        if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
            raise ValueError(f"{name} must be a whole number, 0 or greater; got {value!r}.")
    if validation_freq is None or not isinstance(validation_freq, list | tuple | set | range):
        data.check_count(0 if validation_freq is None else validation_freq, "validation_freq")
        return epochs
    for epoch in validation_freq:
        data.check_count(0 if epoch is None else epoch, "An epoch in validation_freq, counted from 1,")
    return epochs


def _split(batches: Batches, fraction: Any, steps: int | None) -> tuple[ArrayBatches, Batch]:
    """The batches to train on, and the last `fraction` of the samples.

    Raises:
        ValueError: for batches that cannot be split, or a fraction that leaves nothing on one side.
    """
    if not isinstance(batches, ArrayBatches):
        raise ValueError("validation_split needs arrays; with batches from an iterable give validation_data.")
    if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
        raise ValueError(f"validation_split is a fraction between 0 and 1; got {fraction!r}.")
    n = batches.whole.size
    first_held = int(n * (1.0 - fraction))
    if first_held in (0, n):
        raise ValueError(
            f"validation_split={fraction} of {n} samples leaves an empty part; use more samples or another fraction."
        )
    return array_batches.split(batches, first_held, steps)


def _validates(epoch: int, frequency: Any) -> bool:
    """True if there is validation after this epoch (counted from 0)."""
    return (epoch + 1) % frequency == 0 if hasattr(frequency, "__index__") else epoch + 1 in frequency
