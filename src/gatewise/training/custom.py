"""Custom loops: gradients for loops of one's own, and the steps of training that a subclass of `Model` may replace.

As in Keras a subclass may define `train_step`, `test_step`, `predict_step`, `compute_loss` and `compute_metrics`; fit,
evaluate, predict and their `*_on_batch` relatives call them.  A class that defines none of them runs `step.py` alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewise import autodiff, masks, tree
from gatewise.arguments import describe
from gatewise.context import collected_losses, collected_metrics
from gatewise.stored import Stored
from gatewise.training.compiling import Compiled
from gatewise.training.data import Batch
from gatewise.training.gradients import loss_and_pullback
from gatewise.training.packing import pack_x_y_sample_weight, unpack_x_y_sample_weight
from gatewise.training.step import Outcome, Stepping, masks_of, targets_of

_STEPS = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")


class CustomSteps(Stepping):
    """The part of a model whose steps a subclass may define."""

    _own_metrics = False
    _takes_any_targets = False
    _step_logs: dict[str, Any] = {}  # noqa: RUF012  (replaced, never changed)
    _targets_tree: Any = None
    _predicted_tree: Any = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._own_metrics = cls.metrics is not Compiled.metrics
        cls._takes_any_targets = cls.train_step is not CustomSteps.train_step
        if any(getattr(cls, name) is not getattr(CustomSteps, name) for name in _STEPS):
            # Decided once a class, so that the steps of all others cost nothing more.
            cls._train_batch = CustomSteps._train_by_step  # type: ignore[method-assign]
            cls._test_batch = CustomSteps._test_by_step  # type: ignore[method-assign]
            cls._outputs_of = CustomSteps._predict_by_step  # type: ignore[method-assign]
            cls._nested = CustomSteps._nested_as_predicted  # type: ignore[method-assign]
            cls._logs = CustomSteps._logs_of_step  # type: ignore[method-assign]
        if cls.compute_loss is not CustomSteps.compute_loss:
            cls._loss_and_gradients = CustomSteps._gradients_of_own_loss  # type: ignore[method-assign]

    # --- gradients -------------------------------------------------------------------------------------------

    def value_and_grad(
        self, x: Any, y: Any = None, sample_weight: Any = None, training: bool = True
    ) -> tuple[float, dict]:
        """The loss of a batch, and {variable: gradient} for all trainable variables.

        The loss is what `compile` says, or a `compute_loss` of one's own, with regularization and added losses.
        """
        batch = self._batch_for("value_and_grad", x, y, sample_weight)
        outcome, gradients = self._loss_and_gradients(batch, training)
        return outcome.loss, self._in_order(gradients)

    def loss_and_pullback(
        self, x: Any, y: Any = None, sample_weight: Any = None, training: bool = True
    ) -> tuple[float, Callable[..., tuple[Any, dict]]]:
        """The loss of a batch and the way back.

        Returns:
            (loss, pullback).  `pullback(d_loss=1.0, wants_dx=True)` returns (dx, {variable: gradient}): dx is nested
            like x, None for inputs that are no floats, and None altogether unless `wants_dx`.  Every gradient is
            multiplied by `d_loss`.  `training=False` differentiates the model as `predict` runs it: for attribution,
            saliency and adversarial examples.
        """
        batch = self._batch_for("loss_and_pullback", x, y, sample_weight)
        if type(self).compute_loss is CustomSteps.compute_loss:
            outcome, back = self._loss_and_back(batch, training)
        else:
            outcome, back = self._own_loss_and_back(batch, training, with_x=True)

        def pullback(d_loss: float = 1.0, wants_dx: bool = True) -> tuple[Any, dict]:
            d_inputs, gradients = back(wants_dx)
            d_inputs = [_times(d, d_loss, x) for d, x in zip(d_inputs or [None] * len(batch.x), batch.x, strict=True)]
            dx = self._nested_x(d_inputs, batch.structure) if wants_dx else None
            return dx, {v: g * v.array.dtype.type(d_loss) for v, g in self._in_order(gradients).items()}

        return outcome.loss, pullback

    def _in_order(self, gradients: dict) -> dict:
        """The gradients in the order of the trainable variables, with zeros for those that the loss does not reach."""
        trainable = self.trainable_variables  # type: ignore[attr-defined]
        return {v: gradients[v] if v in gradients else np.zeros_like(v.array) for v in trainable}

    def _batch_for(self, method: str, x: Any, y: Any, sample_weight: Any) -> Batch:
        """A batch for a loop of one's own, padded; masks that padded arrays carry are kept to."""
        self._require_compiled(method)
        nesting = self._targets_tree
        batch = self._checked_batch(x, y, sample_weight, None)
        self._targets_tree = nesting  # of what fit was given, not of what a step makes of it
        if batch.is_ragged:
            return self._padded_batch(batch)
        found = [masks.mask_of(array) for array in batch.x]
        if all(mask is None for mask in found):
            return batch
        target_masks = None if batch.y is None else [masks.mask_of(array) for array in batch.y]
        return batch._replace(
            mask=self.select_masks(found, batch.structure),  # type: ignore[attr-defined]
            target_masks=target_masks if any(m is not None for m in target_masks or ()) else None,
        )

    def _gradients_of_own_loss(self, batch: Batch, training: bool = True) -> tuple[Outcome, dict]:
        outcome, back = self._own_loss_and_back(batch, training, with_x=False)
        return outcome, back(False)[1]

    def _own_loss_and_back(self, batch: Batch, training: bool, with_x: bool) -> tuple[Outcome, Callable]:
        """What a `compute_loss` of a subclass says, differentiated through the model; the outcome and the way back."""
        variables = [v for v in self.trainable_variables if v.dtype.startswith("float")]  # type: ignore[attr-defined]
        _, y, weights = self._unpacked(batch)
        given = batch.mask if isinstance(batch.mask, list) else [batch.mask]
        seen: list[Any] = []

        def run(*inputs: Any) -> Any:
            arrays = inputs or batch.x
            with masks.attached_within(arrays, given):
                x = self._nested_x(arrays, batch.structure)
                with collected_losses() as added, collected_metrics() as told:
                    y_pred = self(x, training=training)  # type: ignore[operator]
                self._added_losses = added
                flat = list(tree.leaves(y_pred))
                seen[:] = [[autodiff.plain(leaf) for leaf in flat], masks_of(flat, batch), told]
                return self._loss_by_hook(x, y, y_pred, weights, training)

        loss, back = loss_and_pullback(run, variables, batch.x if with_x else ())
        self._added_losses = None
        outputs, found, told = seen
        for leaf, mask in zip(outputs, found, strict=True):
            if mask is not None:
                masks.attach(leaf, mask)
        return Outcome(float(loss), (), outputs, found, told), lambda wants_dx: back()

    def _loss_by_hook(self, x: Any, y: Any, y_pred: Any, weights: Any, training: bool) -> Any:
        takes_mode = "training" in inspect.signature(self.compute_loss).parameters  # not before Keras 3.3
        mode = {"training": training} if takes_mode else {}
        loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=weights, **mode)
        if loss is None or np.shape(autodiff.plain(loss)) not in ((), (1,)):
            raise ValueError(
                f"Model '{self.name}': compute_loss returned {describe(autodiff.plain(loss))}; what is trained on is "
                "one number: return ops.mean(...)."
            )
        return loss if np.shape(autodiff.plain(loss)) == () else loss[0]

    # --- what a subclass may define --------------------------------------------------------------------------

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step of training on (x,), (x, y) or (x, y, sample_weight); returns the logs by name.

        A subclass may replace it, for instance by::

            x, y = data
            loss, gradients = self.value_and_grad(x, y)
            self.optimizer.apply(gradients)
            self.loss_tracker.update_state(loss)
            return {"loss": self.loss_tracker.result()}
        """
        batch = self._batch_for("train_step", *unpack_x_y_sample_weight(data))
        outcome, gradients = self._loss_and_gradients(batch)
        self._apply_to_weights(gradients)
        return self._logs_after(batch, outcome)

    def test_step(self, data: Any) -> dict[str, Any]:
        """One step of evaluation; returns the logs by name."""
        batch = self._batch_for("test_step", *unpack_x_y_sample_weight(data))
        with collected_losses() as added, collected_metrics() as told:
            outputs = Stepping._outputs_of(self, batch)
        self._added_losses = list(added)
        x, y, weights = self._unpacked(batch)
        loss = self._loss_by_hook(x, y, Stepping._nested(self, outputs), weights, training=False)
        self._added_losses = None
        return self._logs_after(batch, Outcome(float(loss), (), outputs, masks_of(outputs, batch), told))

    def predict_step(self, data: Any) -> Any:
        """The outputs for one batch."""
        batch = self._batch_for("", unpack_x_y_sample_weight(data)[0], None, None)
        return Stepping._nested(self, Stepping._outputs_of(self, batch))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The loss that `compile` says, and what regularizers and layers add; differentiable.

        A subclass may replace it by any function of these, written with gatewise.ops or NumPy.

        Raises:
            ValueError: if there is no loss.
        """
        predicted = list(tree.leaves(y_pred))
        objective = self._ready_objective(len(predicted))
        plain = [autodiff.plain(leaf) for leaf in predicted]
        found = [masks.mask_of(leaf) for leaf in predicted]
        flat_y = self._flat_y(y, len(plain[0]))
        weights = self._flat_weights(sample_weight, len(predicted), len(plain[0]))
        added = self.losses  # type: ignore[attr-defined]
        if not (objective.has_loss or added):
            raise ValueError(
                f"Model '{self.name}' has no loss to make small: write model.compile(..., loss='mse'), add_loss() in a "
                "layer, or a compute_loss of your own."
            )

        def forward(*outputs: Any) -> tuple[Any, Any]:
            total, parts, back = objective.forward(targets_of(flat_y, found), outputs, weights, found)
            for k, tracker in objective.output_trackers.items():
                tracker.add(parts[k] * len(outputs[k]), len(outputs[k]))

            def pullback(d: Any) -> tuple:
                return tuple(None if g is None else g * g.dtype.type(d) for g in back())

            return np.asarray(total, outputs[0].dtype), pullback

        total = autodiff.apply(forward, *predicted) if objective.has_loss else 0.0
        for loss in added:
            total = total + loss
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Count a batch into the metrics that the model was compiled with; returns all metrics by name."""
        outputs = [autodiff.plain(leaf) for leaf in tree.leaves(y_pred)]
        objective = self._ready_objective(len(outputs))
        found = [masks.mask_of(leaf) for leaf in outputs]
        flat_y = self._flat_y(y, len(outputs[0]))
        weights = self._flat_weights(sample_weight, len(outputs), len(outputs[0]))
        nothing = [0.0] * len(outputs)  # the mean losses are counted elsewhere
        objective.update(targets_of(flat_y, found), outputs, weights, found, 0.0, nothing, 0)
        return self.get_metrics_result()

    def _logs_after(self, batch: Batch, outcome: Outcome) -> dict[str, Any]:
        """Count the loss and, by `compute_metrics`, the metrics; the logs of the step."""
        objective = self._ready_objective(len(outcome.outputs))
        objective.loss_tracker.add(outcome.loss * batch.size, batch.size)
        for k, tracker in objective.output_trackers.items() if len(outcome.parts) else ():
            tracker.add(outcome.parts[k] * batch.size, batch.size)
        if outcome.told:
            objective.count_added(outcome.told)
        for leaf, mask in zip(outcome.outputs, outcome.masks, strict=True):
            if mask is not None:
                masks.attach(leaf, mask)
        x, y, weights = self._unpacked(batch)
        return self.compute_metrics(x=x, y=y, y_pred=Stepping._nested(self, outcome.outputs), sample_weight=weights)

    # --- called in place of the steps of `Stepping` ----------------------------------------------------------

    def _train_by_step(self, batch: Batch) -> float:
        self._make_metrics(batch)
        logs = self._step_logs = self._checked_logs(self.train_step(self._data_of(batch)), "train_step")
        loss = logs.get("loss", 0.0)
        return float(loss) if np.ndim(loss) == 0 else 0.0

    def _test_by_step(self, batch: Batch) -> None:
        self._make_metrics(batch)
        self._step_logs = self._checked_logs(self.test_step(self._data_of(batch)), "test_step")

    def _predict_by_step(self, batch: Batch) -> list:
        predicted = self.predict_step(self._data_of(batch))
        self._predicted_tree = tree.map_leaves(lambda _: None, predicted)
        return [np.asarray(leaf) for leaf in tree.leaves(predicted)]

    def _nested_as_predicted(self, outputs: list) -> Any:
        return tree.fill(self._predicted_tree, outputs)

    def _logs_of_step(self) -> dict[str, Any]:
        """The metrics; where a step returned other names, what the last one returned, as in Keras."""
        found, logs = self.get_metrics_result(), self._step_logs
        if logs.keys() == found.keys():
            return found
        order = [metric.name for metric in self.metrics if metric.name in logs]
        order = [*dict.fromkeys(order), *sorted(key for key in logs if key not in order)]
        return {key: logs[key] for key in order}

    def _checked_logs(self, logs: Any, step: str) -> dict[str, Any]:
        if not isinstance(logs, dict):
            raise TypeError(
                f"Model '{self.name}' ({type(self).__name__}): {step} returned {describe(logs)}; it returns a "
                "dictionary of numbers by name, such as {'loss': loss} or self.get_metrics_result()."
            )
        found = {key: _number(value) for key, value in logs.items()}
        wrong = next((key for key, value in found.items() if np.asarray(value).dtype.kind not in "fiub"), None)
        if wrong is not None:
            raise TypeError(
                f"Model '{self.name}' ({type(self).__name__}): {step} returned {describe(found[wrong])} as {wrong!r}; "
                "what is logged are numbers."
            )
        return found

    def _make_metrics(self, batch: Batch) -> None:
        """Make the metrics of `compile` before the first batch, so that a step finds them in `self.metrics`."""
        objective = self._objective
        if objective is not None and (not objective._has_metrics or objective.unweighted is not None):
            return
        if not any((self._compiled_with or {}).get(key) for key in ("metrics", "weighted_metrics")):
            return
        padded = self._padded_batch(batch) if batch.is_ragged else batch
        known = getattr(self, "outputs", None)
        if known:
            shapes = [tuple(n or 1 for n in (padded.size, *y.shape[1:])) for y in known]
        else:
            shapes = [y.shape for y in self._tried_outputs(padded)]
        if padded.y is not None and len(padded.y) == len(shapes):
            self._ready_objective(len(shapes)).build_metrics(padded.y, [np.empty(shape) for shape in shapes])

    def _tried_outputs(self, batch: Batch) -> list:
        """The outputs for two samples, of a model that then is as it was."""
        from gatewise.probing import trial

        return list(tree.leaves(trial(self, [a[:2] for a in batch.x], batch.structure)))

    # --- metrics and data ------------------------------------------------------------------------------------

    def _require_compiled(self, method: str) -> None:
        assigned = [name for name in _STEPS if name in vars(self)]
        if assigned:
            raise TypeError(
                f"Model '{self.name}' had {assigned[0]} assigned to the object, where nothing calls it: define it in a "
                f"subclass, class MyModel(Model): def {assigned[0]}(self, ...)."
            )
        if method:
            super()._require_compiled(method)

    def reset_metrics(self) -> None:
        """Begin all running means anew."""
        super().reset_metrics()
        for metric in self.metrics if self._own_metrics else ():
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, float]:
        """The running means by name; those in `metrics` where a subclass says which those are."""
        if not self._own_metrics:
            return super().get_metrics_result()
        logs: dict[str, Any] = {}
        for metric in self.metrics:
            result = metric.result()
            logs.update(result if isinstance(result, dict) else {metric.name: result})
        return {key: _number(value) for key, value in logs.items()}

    def _flat_y(self, y: Any, n: int) -> list | None:
        if not self._takes_any_targets or y is None:
            return super()._flat_y(y, n)
        self._targets_tree = None
        try:
            return super()._flat_y(y, n)
        except ValueError:
            # A train_step of one's own may be given targets that are no outputs' alone.
            self._targets_tree = tree.map_leaves(lambda _: None, y)
            return [leaf if isinstance(leaf, Stored) else np.asarray(leaf) for leaf in tree.leaves(y)]

    def _checked_batch(self, x: Any, y: Any, sample_weight: Any, class_weight: Any) -> Batch:
        if self._takes_any_targets:
            return self._flat_batch(x, y, sample_weight, class_weight)
        return super()._checked_batch(x, y, sample_weight, class_weight)

    def _data_of(self, batch: Batch) -> Any:
        """A batch as `train_step` and its relatives get it."""
        batch = self._padded_batch(batch) if batch.is_ragged else batch
        given = batch.mask if isinstance(batch.mask, list) else [batch.mask]
        for arrays, known in ((batch.x, given), (batch.y or (), batch.target_masks or ())):
            for array, mask in zip(arrays, known, strict=False):
                if mask is not None:
                    masks.attach(array, mask)
        return pack_x_y_sample_weight(*self._unpacked(batch))

    def _unpacked(self, batch: Batch) -> tuple[Any, Any, Any]:
        """x, y and sample weights of a batch, nested as the model takes and returns them."""
        weights: Any = batch.weights
        if weights is not None:
            weights = weights[0] if all(w is weights[0] for w in weights) else self._nested_y(weights)
        return self._nested_x(batch.x, batch.structure), self._nested_y(batch.y), weights

    def _nested_x(self, arrays: Sequence[Any], structure: Any) -> Any:
        if structure is not None:
            return structure.first_argument(arrays)
        if hasattr(self, "_input_tree"):
            return tree.fill(self._input_tree, arrays)  # type: ignore[attr-defined]
        return arrays[0] if len(arrays) == 1 else list(arrays)

    def _nested_y(self, arrays: Sequence[Any] | None) -> Any:
        if arrays is None:
            return None
        if self._targets_tree is not None and len(list(tree.leaves(self._targets_tree))) == len(arrays):
            return tree.fill(self._targets_tree, arrays)
        return arrays[0] if len(arrays) == 1 else Stepping._nested(self, list(arrays))


def _times(d: Any, d_loss: float, x: Any) -> Any:
    return None if d is None or x.dtype.kind != "f" else d * d.dtype.type(d_loss)


def _number(value: Any) -> Any:
    """A float where the value is one number; what is none is left as it is."""
    value = autodiff.plain(value)
    return float(value) if np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiub" else value
